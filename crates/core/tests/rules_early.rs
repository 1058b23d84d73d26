//! What is refreshed before it is stale (XFetch).
#![allow(clippy::panic)]

mod rules_support;

use rules_support::{NOW, fields, fresh, rfc};
use std::cell::Cell;
use terrace_core::rules::early::is_due;
use terrace_core::rules::freshness::Freshness;

/// Fresh for 100 s, and this many milliseconds on its way.
fn took(ms: u64) -> Freshness {
    let freshness = fresh(&fields(&[("cache-control", "max-age=100")]), &rfc());
    Freshness { requested: freshness.received.minus_millis(ms), ..freshness }
}

/// A draw of about this, from 0 to 1.
fn draw(unit: f64) -> u64 {
    ((unit * (1u64 << 53) as f64) as u64) << 11
}

#[test]
fn sooner_the_longer_it_took_and_the_nearer_the_end() {
    // Milliseconds that it took, beta, what is drawn, milliseconds left, whether it is due. -ln(0.5) is 0.69, -ln(0.01) is 4.6.
    for (ms, beta, drawn, left, due) in [
        (1000, 1.0, 0.5, 693, true),
        (1000, 1.0, 0.5, 694, false),
        (1000, 2.0, 0.5, 1386, true),
        (1000, 2.0, 0.5, 1387, false),
        (2000, 1.0, 0.5, 1386, true),
        (1000, 1.0, 0.01, 4605, true),
        (1000, 1.0, 0.01, 4606, false),
        (1000, 1.0, 0.999_999, 1, false),
        (1000, 0.0, 0.0, 1, false),
        (0, 1.0, 0.0, 1, false),
        // The least draw, and the most that comes of it.
        (1000, 1.0, 0.0, 36_736, true),
        (1000, 1.0, 0.0, 36_737, false),
        // Half of the time it is fresh is its own, however long it took.
        (1_000_000, 100.0, 0.0, 50_000, true),
        (1_000_000, 100.0, 0.0, 50_001, false),
        // What is stale already is for others to say.
        (1000, 1.0, 0.0, 0, false),
    ] {
        let now = took(ms).fresh_until().minus_millis(left);
        assert_eq!(is_due(&took(ms), beta, || draw(drawn), now), due, "{ms} {beta} {drawn} {left}");
    }
}

#[test]
fn far_from_the_end_nothing_is_drawn() {
    let drawn = Cell::new(0);
    let ask = |left| {
        let count = || {
            drawn.set(drawn.get() + 1);
            u64::MAX
        };
        is_due(&took(100), 1.0, count, took(100).fresh_until().minus_millis(left))
    };
    assert!(!ask(40_000) && !ask(3_701));
    assert_eq!(drawn.get(), 0);
    assert!(!ask(3_699));
    assert_eq!(drawn.get(), 1);
}

#[test]
fn what_passed_through_another_cache_has_less_time_of_its_own() {
    // 90 of its 100 s were over when it came: of the 10 that are left the first 5 are its own.
    let freshness = fresh(&fields(&[("cache-control", "max-age=100"), ("age", "90")]), &rfc());
    let freshness = Freshness { requested: freshness.received.minus_millis(60_000), ..freshness };
    assert!(!is_due(&freshness, 1.0, || 0, NOW.plus_millis(4_000)));
    assert!(is_due(&freshness, 1.0, || 0, NOW.plus_millis(5_000)));
}
