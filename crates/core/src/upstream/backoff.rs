//! After a failed refresh, back off: while stale content is served, the origin is asked again at growing, jittered intervals
//! (DESIGN.md, decision 9). Memory of one instance, bounded.

use crate::fields::Fields;
use crate::key::Key;
use crate::rules::dates;
use crate::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;

/// The first wait, in milliseconds.
const BASE_MS: u64 = 1_000;
/// The longest wait, in milliseconds; a Retry-After may ask for more, up to [`RETRY_AFTER_MAX_MS`].
const CAP_MS: u64 = 30_000;
/// The longest Retry-After that is obeyed, in milliseconds.
const RETRY_AFTER_MAX_MS: u64 = 600_000;
/// How many keys are remembered; past it those that are over are dropped, then all.
const MAX_KEYS: usize = 4_096;

/// Which keys wait, and until when.
#[derive(Debug, Default)]
pub struct Backoff(RefCell<HashMap<Key, Wait>>);

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Timestamp,
    ms: u64,
}

/// Retry-After, in seconds from now (RFC 9110 10.2.3): a number of them, or a date.
pub fn retry_after(fields: &Fields, now: Timestamp) -> Option<u64> {
    let value = fields.get("retry-after")?.trim_ascii();
    let seconds = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match seconds {
        Some(text) if !text.is_empty() => Some(text.parse().unwrap_or(u64::MAX)),
        _ => dates::parse_at(value, now).map(|at| at.since(now).div_ceil(1000)),
    }
}

impl Backoff {
    /// Whether the origin should not be asked for this key yet.
    pub fn holds(&self, key: &Key, now: Timestamp) -> bool {
        let waits = self.0.borrow();
        !waits.is_empty() && waits.get(key).is_some_and(|wait| now < wait.until)
    }

    /// A refresh failed. Decorrelated jitter: the next wait lies between the base and three times the last one.
    /// `retry_after` is the origin's own wish, in seconds (RFC 9110 10.2.3).
    pub fn failed(&self, key: &Key, now: Timestamp, random: u64, retry_after: Option<u64>) {
        let mut waits = self.0.borrow_mut();
        if waits.len() >= MAX_KEYS {
            waits.retain(|_, wait| now < wait.until);
            if waits.len() >= MAX_KEYS {
                waits.clear();
            }
        }
        let last = waits.get(key).map_or(BASE_MS, |wait| wait.ms);
        let span = last.saturating_mul(3).saturating_sub(BASE_MS).max(1);
        let ms = (BASE_MS + random % span).min(CAP_MS);
        let asked = retry_after.map_or(0, |secs| secs.saturating_mul(1000).min(RETRY_AFTER_MAX_MS));
        waits.insert(*key, Wait { until: now.plus_millis(ms.max(asked)), ms });
    }

    /// The origin answered.
    pub fn succeeded(&self, key: &Key) {
        if !self.0.borrow().is_empty() {
            self.0.borrow_mut().remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn waits_grow_are_capped_and_end_with_a_success() {
        let (backoff, key) = (Backoff::default(), Key([7; 32]));
        let mut now = Timestamp(0);
        for round in 0..20 {
            backoff.failed(&key, now, u64::MAX - round, None);
            assert!(backoff.holds(&key, now));
            assert!(!backoff.holds(&key, now.plus_millis(CAP_MS)));
            now = now.plus_millis(CAP_MS);
        }
        backoff.failed(&key, now, 1, None);
        backoff.succeeded(&key);
        assert!(!backoff.holds(&key, now));
    }

    #[test]
    fn the_origins_retry_after_is_obeyed_within_bounds() {
        let (backoff, key) = (Backoff::default(), Key([7; 32]));
        backoff.failed(&key, Timestamp(0), 0, Some(120));
        assert!(backoff.holds(&key, Timestamp(119_999)));
        assert!(!backoff.holds(&key, Timestamp(120_000)));
        backoff.failed(&key, Timestamp(0), 0, Some(u64::MAX));
        assert!(!backoff.holds(&key, Timestamp(600_000)));
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let now = Timestamp::from_secs(784_111_777);
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let fields = Fields::from([("retry-after", value)]);
            assert_eq!(retry_after(&fields, now), seconds, "{value:?}");
        }
        assert_eq!(retry_after(&Fields::new(), now), None);
    }

    #[test]
    fn memory_is_bounded() {
        let backoff = Backoff::default();
        for n in 0..(3 * MAX_KEYS as u64) {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            backoff.failed(&Key(key), Timestamp(0), n, None);
        }
        assert!(backoff.0.borrow().len() <= MAX_KEYS);
    }
}
