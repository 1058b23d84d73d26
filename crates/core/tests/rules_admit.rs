//! What pays in L1 where writes are billed: DESIGN.md, Cost is a resource.
#![allow(clippy::panic)]

mod rules_support;

use rules_support::{NOW, fields, fresh, rfc};
use std::time::Duration;
use terrace_core::config::L1;
use terrace_core::decision::NotAdmitted;
use terrace_core::rules::admit::{asked_again, fits, replaces};
use terrace_core::rules::freshness::Freshness;

use NotAdmitted::{NotAskedAgain, SoonStale, TooLarge, TooSmall};

/// Received at `NOW`, fresh for so many seconds, and then for a day where the origin fails.
fn lasts(secs: u64) -> Freshness {
    let line = format!("max-age={secs}, stale-if-error=86400");
    fresh(&fields(&[("cache-control", line.as_str())]), &rfc())
}

fn limits(least: u64, most: u64) -> L1 {
    L1 { min_size: least, max_size: most, max_ttl: Duration::from_secs(3600), ..L1::default() }
}

#[test]
fn content_has_its_place_by_its_size() {
    for (least, most, size, it) in [
        (0, 1000, 0, Ok(())),
        (0, 1000, 1000, Ok(())),
        (0, 1000, 1001, Err(TooLarge)),
        (100, 1000, 100, Ok(())),
        (100, 1000, 99, Err(TooSmall)),
    ] {
        assert_eq!(fits(&limits(least, most), size), it, "{size} from {least} to {most}");
        assert_eq!(asked_again(&limits(least, most), size, &lasts(600), NOW, NOW), it, "{size} from {least} to {most}");
        assert_eq!(replaces(&limits(least, most), size, &lasts(600), &lasts(600), NOW), it, "{size}");
    }
}

#[test]
fn what_is_asked_for_again_pays_if_that_is_in_the_time_that_it_would_stay() {
    // Fresh for, asked for before and now after it was received, in seconds.
    for (lasts_for, before, now, it) in [
        (600, 0, 1, Ok(())),
        // What counts is freshness, not the day that it is kept for where the origin fails.
        (59, 0, 0, Err(SoonStale)),
        (60, 0, 0, Ok(())),
        (60, 0, 1, Err(SoonStale)),
        (600, 0, 540, Err(NotAskedAgain)),
        (600, 500, 540, Ok(())),
        (600, 540, 541, Err(SoonStale)),
        // It would stay for what is left of 600 s.
        (600, 0, 300, Ok(())),
        (600, 0, 301, Err(NotAskedAgain)),
        // And never longer than max_ttl, which is an hour.
        (86_400, 0, 3600, Ok(())),
        (86_400, 0, 3601, Err(NotAskedAgain)),
        (86_400, 7200, 10_800, Ok(())),
        (86_400, 7200, 10_801, Err(NotAskedAgain)),
        // A clock that was set back.
        (600, 10, 5, Ok(())),
    ] {
        let at = |secs: u64| NOW.plus_millis(secs * 1000);
        let found = asked_again(&limits(0, 1000), 1, &lasts(lasts_for), at(before), at(now));
        assert_eq!(found, it, "{lasts_for} s, {before} s, {now} s");
    }
}

#[test]
fn what_l1_holds_is_replaced_if_it_was_asked_for_soon_after_its_end() {
    // Fresh for, of what is held and of what comes, and when that comes, in seconds.
    for (held, comes, now, it) in [
        (400, 400, 400, Ok(())),
        (400, 400, 500, Ok(())),
        (400, 400, 501, Err(NotAskedAgain)),
        // Still fresh: early.
        (400, 400, 300, Ok(())),
        (400, 59, 400, Err(SoonStale)),
        (8, 400, 10, Ok(())),
        (8, 400, 11, Err(NotAskedAgain)),
    ] {
        let now = NOW.plus_millis(now * 1000);
        let new = Freshness { born: now, received: now, requested: now, ..lasts(comes) };
        assert_eq!(replaces(&limits(0, 1000), 1, &new, &lasts(held), now), it, "{held} {comes} {now:?}");
    }
}
