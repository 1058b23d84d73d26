//! Whether what is still fresh is to be refreshed behind the answer, so that no expiry makes a crowd wait: probabilistic early expiration,
//! XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015).
//!
//! Each request draws; the longer the origin takes and the sooner the end, the likelier it is. An object that few ask for is seldom
//! refreshed early, one that many ask for nearly always, and once per instance.

use super::freshness::Freshness;
use crate::time::Timestamp;

/// The largest that `-ln` of a drawn number may be: a draw has 53 bits. What is further from its end is never due.
const MOST: f64 = 37.0;

/// Whether the end is near enough for a draw to count; without it nothing is due. Never in the first half of the time in which it is fresh
/// here, so that an origin is asked at most twice as often.
pub fn is_near(freshness: &Freshness, beta: f64, now: Timestamp) -> bool {
    let until = freshness.fresh_until();
    let (left, whole) = (until.since(now), until.since(freshness.received));
    left > 0 && left <= whole / 2 && left as f64 <= took(freshness) * beta * MOST
}

/// How long it was on its way, in milliseconds.
fn took(freshness: &Freshness) -> f64 {
    freshness.received.since(freshness.requested) as f64
}

/// Whether this request is the one. `beta` is how early: 1 is what the paper shows to be best, 0 is never. `draw` is asked only near the
/// end.
pub fn is_due(freshness: &Freshness, beta: f64, draw: impl FnOnce() -> u64, now: Timestamp) -> bool {
    if !is_near(freshness, beta, now) {
        return false;
    }
    // Above 0, at most 1.
    let drawn = ((draw() >> 11) + 1) as f64 / (1u64 << 53) as f64;
    freshness.fresh_until().since(now) as f64 <= took(freshness) * beta * -drawn.ln()
}
