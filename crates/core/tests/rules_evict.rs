//! What L2 lets go: what an entry is worth, how much is let go at once, and which.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use terrace_core::decision::Removed;
use terrace_core::rules::evict::{Candidate, MEMORY_MS, MOST_BYTES, choose, quota};
use terrace_core::time::Timestamp;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DAY: u64 = MEMORY_MS;

/// An entry of 1,000 bytes, used just now and never before, that is kept for a month.
const PLAIN: Candidate =
    Candidate { bytes: 1000, until: Timestamp(NOW.0 + 30 * DAY as i64), used: NOW, hits: 0, serving: false };

fn used_before(ms: u64, entry: Candidate) -> Candidate {
    Candidate { used: NOW.minus_millis(ms), ..entry }
}

fn left(ms: u64, entry: Candidate) -> Candidate {
    Candidate { until: NOW.plus_millis(ms), ..entry }
}

#[test]
fn what_is_worth_more() {
    let hits = |hits| Candidate { hits, ..PLAIN };
    let bytes = |bytes, entry| Candidate { bytes, ..entry };
    let rows = [
        ("what was asked for more often", hits(2), hits(1)),
        ("what was asked for later", PLAIN, used_before(1000, PLAIN)),
        ("what is smaller", bytes(999, PLAIN), PLAIN),
        ("what is kept for longer", left(DAY / 2, PLAIN), left(DAY / 4, PLAIN)),
        ("many uses outweigh an hour", used_before(DAY / 24, hits(1)), PLAIN),
        ("one use a day ago is less than one now", PLAIN, used_before(DAY + 1, hits(1))),
        ("uses of long ago are forgotten", PLAIN, used_before(20 * DAY, hits(10))),
        ("a large one that is in use outweighs small ones that are not", bytes(10_000, hits(20)), bytes(1000, PLAIN)),
        ("what goes soon is of little use, however often it was asked for", PLAIN, left(DAY / 1000, hits(100))),
    ];
    for (why, more, less) in rows {
        assert!(more.worth(NOW) > less.worth(NOW), "{why}");
    }
    assert_eq!(
        left(DAY * 2, PLAIN).worth(NOW),
        PLAIN.worth(NOW),
        "past a day, how long it is kept makes no difference"
    );
    assert_eq!(Candidate { until: NOW, ..PLAIN }.worth(NOW), 0.0);
    assert!(Candidate { bytes: 0, ..PLAIN }.worth(NOW).is_finite());
    assert!(used_before(u64::MAX, hits(u64::MAX - 1)).worth(NOW).is_finite());
}

#[test]
fn how_much_is_let_go_of_a_slice() {
    // What the slice takes, what is held, the capacity, whether the database is full; what is let go.
    let rows = [
        (100, 1000, None, false, 0, "without a bound nothing is"),
        (100, 1500, Some(1600), false, 0, "up to a sixteenth below the bound nothing is"),
        (160, 1600, Some(1600), false, 40, "twice the slice's share of what is above seven eighths"),
        (1600, 1600, Some(1600), false, 200, "of a slice that is everything, what is above seven eighths"),
        (100, 1_000_000, Some(1600), false, 199, "of a slice where most is too much, at most twice what it takes"),
        (100, 1000, None, true, 25, "a full database: a quarter"),
        (160, 1600, Some(1600), true, 40, "a full database: at least a quarter"),
        (0, 1600, Some(1600), true, 0, "of nothing, nothing"),
        (0, 0, Some(0), false, 0, "of nothing, nothing"),
        (1, 1000, None, true, 1, "a full database: something"),
    ];
    for (slice, held, capacity, full, expected, why) in rows {
        assert_eq!(quota(slice, held, capacity, full), expected, "{why}");
    }
    assert!(quota(u64::MAX, u64::MAX, Some(1600), true) > 0);
}

#[test]
fn which_are_let_go() {
    let over = left(0, PLAIN);
    let hot = Candidate { hits: 9, ..PLAIN };
    let large = Candidate { bytes: 5000, ..PLAIN };
    let served = Candidate { serving: true, ..large };
    type Row<'a> = (&'a [Candidate], u64, &'a [(usize, Removed)], &'a str);
    let rows: [Row; 7] = [
        (&[PLAIN, over, hot], 0, &[(1, Removed::Over)], "what is over, whether there is room or not"),
        (&[PLAIN, over, hot], 1000, &[(1, Removed::Over)], "what is over counts"),
        (&[hot, over, PLAIN], 1001, &[(1, Removed::Over), (2, Removed::Evicted)], "then the least worth"),
        (&[hot, PLAIN, large], 1, &[(2, Removed::Evicted)], "no more than it takes"),
        (&[hot, PLAIN, large], 5001, &[(2, Removed::Evicted), (1, Removed::Evicted)], "as much as it takes"),
        (&[served, hot], 9000, &[(1, Removed::Evicted)], "never what is being served"),
        (&[Candidate { until: NOW, ..served }], 0, &[(0, Removed::Over)], "what is over is not served"),
    ];
    for (slice, quota, expected, why) in rows {
        assert_eq!(choose(slice, quota, NOW), expected, "{why}");
    }
}

#[test]
fn work_at_once_is_bounded() {
    let huge = Candidate { bytes: MOST_BYTES / 4, ..PLAIN };
    for entry in [huge, left(0, huge)] {
        assert_eq!(choose(&[entry; 9], u64::MAX, NOW).len(), 4);
    }
    let larger = Candidate { bytes: MOST_BYTES * 2, ..PLAIN };
    assert_eq!(choose(&[larger; 2], u64::MAX, NOW).len(), 1);
}
