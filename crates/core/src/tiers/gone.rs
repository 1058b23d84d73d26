//! The invalidations that this instance knows of: its own, and, read along with the purge log, those of others. L1 may show for a minute
//! and more what they removed, and longer where it refused to ([`Kept`]). L2 knows every life of a URL, and outranks what is remembered here,
//! but for what it was not told: that is remembered until it is, for as long as anything from before may be stored.

use super::kept::Kept;
use super::sql::GONE_MS;
use crate::key::Key;
use crate::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;

/// How many are remembered; past it the oldest is forgotten, and L1 believed again. Those that L2 was not told of are forgotten last.
const MOST: usize = 4096;

/// How many L2 is told at once, when it is back.
const TOLD_AT_ONCE: usize = 64;

/// The lives that invalidations began lately, by key.
#[derive(Debug, Default)]
pub struct Gone {
    lives: RefCell<HashMap<Key, Life>>,
    /// What L1 holds nevertheless.
    pub(super) kept: Kept,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    number: u64,
    until: Timestamp,
    /// Whether L2 knows it. Until then L2 is not believed either.
    told: bool,
}

impl Gone {
    /// An invalidation begins this life; L2 is to be told. It is remembered until then. Returns whether another one was forgotten that
    /// nobody else knows.
    #[must_use]
    pub fn begin(&self, key: &Key, number: u64, until: Timestamp) -> bool {
        self.remember(key, Life { number, until, told: false })
    }

    /// L2 knows this life now.
    pub fn told(&self, key: &Key, number: u64, now: Timestamp) {
        if let Some(life) = self.lives.borrow_mut().get_mut(key).filter(|life| life.number == number) {
            (life.told, life.until) = (true, now.plus_millis(GONE_MS));
        }
    }

    /// Some of the lives that L2 does not know yet.
    pub fn to_be_told(&self, now: Timestamp) -> Vec<(Key, u64)> {
        let lives = self.lives.borrow();
        let untold = lives.iter().filter(|(_, life)| !life.told && now < life.until);
        untold.take(TOLD_AT_ONCE).map(|(key, life)| (*key, life.number)).collect()
    }

    /// L2 shows this life, which another instance may have begun. Returns the one that holds.
    pub fn shown(&self, key: &Key, number: u64, now: Timestamp) -> u64 {
        if let Some(life) = self.untold(key, now) {
            return life;
        }
        let _ = self.remember(key, Life { number, until: now.plus_millis(GONE_MS), told: true });
        number
    }

    /// L2 shows an entry of this life. Returns the life that has ended it, where one has.
    pub fn entry(&self, key: &Key, number: u64, now: Timestamp) -> Option<u64> {
        if let Some(life) = self.untold(key, now) {
            return Some(life).filter(|life| *life != number);
        }
        if let Some(life) = self.lives.borrow_mut().get_mut(key) {
            life.number = number;
        }
        None
    }

    /// Whether an entry of this life is over, as far as is known here.
    pub fn ended(&self, key: &Key, number: u64, now: Timestamp) -> bool {
        self.lives.borrow().get(key).is_some_and(|life| now < life.until && life.number != number)
    }

    fn untold(&self, key: &Key, now: Timestamp) -> Option<u64> {
        let lives = self.lives.borrow();
        lives.get(key).filter(|life| !life.told && now < life.until).map(|life| life.number)
    }

    fn remember(&self, key: &Key, life: Life) -> bool {
        let mut lives = self.lives.borrow_mut();
        let mut lost = false;
        if lives.len() >= MOST && !lives.contains_key(key) {
            let first =
                lives.iter().min_by_key(|(_, life)| (!life.told, life.until)).map(|(key, life)| (*key, life.told));
            lost = first.is_some_and(|(_, told)| !told);
            if lost && life.told {
                // L2 knows it, and L1 shows what it removed for a minute at most.
                return false;
            }
            first.map(|(key, _)| lives.remove(&key));
        }
        lives.insert(*key, life);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        Key(bytes)
    }

    fn begin(gone: &Gone, n: usize, number: u64, now: Timestamp) {
        assert!(!gone.begin(&key(n), number, now.plus_millis(2 * GONE_MS)));
    }

    #[test]
    fn an_earlier_life_is_over_for_as_long_as_its_end_is_remembered() {
        let (gone, now) = (Gone::default(), Timestamp(1_000_000));
        assert!(!gone.ended(&key(1), 5, now));
        begin(&gone, 1, 7, now);
        assert!(gone.ended(&key(1), 5, now) && !gone.ended(&key(1), 7, now) && !gone.ended(&key(2), 5, now));
        assert!(gone.ended(&key(1), 5, now.plus_millis(2 * GONE_MS - 1)));
        gone.told(&key(1), 7, now);
        assert!(!gone.ended(&key(1), 5, now.plus_millis(GONE_MS)));
    }

    #[test]
    fn what_l2_shows_outranks_it() {
        let (gone, now) = (Gone::default(), Timestamp(1_000_000));
        begin(&gone, 1, 7, now);
        gone.told(&key(1), 7, now);
        assert_eq!((gone.entry(&key(1), 9, now), gone.entry(&key(2), 9, now)), (None, None));
        assert!(gone.ended(&key(1), 7, now) && !gone.ended(&key(1), 9, now) && !gone.ended(&key(2), 5, now));
        assert_eq!(gone.shown(&key(1), 11, now), 11);
        assert!(gone.ended(&key(1), 9, now));
    }

    #[test]
    fn what_l2_shows_is_not_believed_before_it_was_told() {
        let (gone, now) = (Gone::default(), Timestamp(1_000_000));
        begin(&gone, 1, 7, now);
        assert_eq!(gone.entry(&key(1), 5, now), Some(7));
        assert_eq!((gone.entry(&key(1), 7, now), gone.shown(&key(1), 5, now)), (None, 7));
        gone.told(&key(1), 5, now);
        assert_eq!(gone.entry(&key(1), 5, now), Some(7));
        gone.told(&key(1), 7, now);
        assert_eq!(gone.entry(&key(1), 9, now), None);
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let gone = Gone::default();
        for n in 0..=MOST {
            let at = Timestamp(1_000_000 + n as i64);
            begin(&gone, n, 7, at);
            gone.told(&key(n), 7, at);
        }
        let now = Timestamp(1_000_000 + MOST as i64);
        assert_eq!(gone.lives.borrow().len(), MOST);
        assert!(!gone.ended(&key(0), 5, now) && gone.ended(&key(1), 5, now) && gone.ended(&key(MOST), 5, now));
    }

    #[test]
    fn what_l2_was_not_told_is_forgotten_last_and_not_without_a_word() {
        let (gone, now) = (Gone::default(), Timestamp(1_000_000));
        begin(&gone, 0, 7, now);
        for n in 1..=MOST {
            gone.shown(&key(n), 7, now.plus_millis(n as u64));
        }
        assert!(gone.ended(&key(0), 5, now) && !gone.ended(&key(1), 5, now) && gone.ended(&key(MOST), 5, now));
        assert_eq!(gone.to_be_told(now), [(key(0), 7)]);
        for n in 1..=MOST {
            gone.shown(&key(n), 7, now);
            let lost = gone.begin(&key(n), 9, now.plus_millis(GONE_MS + n as u64));
            assert_eq!(lost, n == MOST, "{n}");
        }
        // The one of which the end is next.
        assert!(!gone.ended(&key(1), 5, now) && gone.ended(&key(0), 5, now));
        gone.shown(&key(1), 9, now);
        assert!(!gone.ended(&key(1), 5, now), "there is no room for what L2 knows");
        assert_eq!(gone.to_be_told(now).len(), TOLD_AT_ONCE);
    }
}
