//! The invalidations that this instance knows of: its own, and, read along with the purge log, those of others. L1 may show for a minute
//! and more what they removed. L2 knows every life of a URL, and outranks what is remembered here.

use super::sql::GONE_MS;
use crate::key::Key;
use crate::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;

/// How many are remembered; past it the oldest is forgotten, and L1 believed again.
const MOST: usize = 4096;

/// The lives that invalidations began lately, by key.
#[derive(Debug, Default)]
pub struct Gone(RefCell<HashMap<Key, Life>>);

#[derive(Clone, Copy, Debug)]
struct Life {
    number: u64,
    until: Timestamp,
    /// Whether L2 knows it. Until then L2 is not believed either.
    told: bool,
}

impl Gone {
    /// An invalidation begins this life; L2 is to be told.
    pub fn begin(&self, key: &Key, number: u64, now: Timestamp) {
        self.remember(key, Life { number, until: now.plus_millis(GONE_MS), told: false });
    }

    /// L2 knows this life now.
    pub fn told(&self, key: &Key, number: u64) {
        if let Some(life) = self.0.borrow_mut().get_mut(key) {
            life.told |= life.number == number;
        }
    }

    /// L2 shows this life, which another instance may have begun. Returns the one that holds.
    pub fn shown(&self, key: &Key, number: u64, now: Timestamp) -> u64 {
        if let Some(life) = self.untold(key, now) {
            return life;
        }
        self.remember(key, Life { number, until: now.plus_millis(GONE_MS), told: true });
        number
    }

    /// L2 shows an entry of this life. Returns the life that has ended it, where one has.
    pub fn entry(&self, key: &Key, number: u64, now: Timestamp) -> Option<u64> {
        if let Some(life) = self.untold(key, now) {
            return Some(life).filter(|life| *life != number);
        }
        if let Some(life) = self.0.borrow_mut().get_mut(key) {
            life.number = number;
        }
        None
    }

    /// Whether an entry of this life is over, as far as is known here.
    pub fn ended(&self, key: &Key, number: u64, now: Timestamp) -> bool {
        self.0.borrow().get(key).is_some_and(|life| now < life.until && life.number != number)
    }

    fn untold(&self, key: &Key, now: Timestamp) -> Option<u64> {
        let lives = self.0.borrow();
        lives.get(key).filter(|life| !life.told && now < life.until).map(|life| life.number)
    }

    fn remember(&self, key: &Key, life: Life) {
        let mut lives = self.0.borrow_mut();
        if lives.len() >= MOST && !lives.contains_key(key) {
            let oldest = lives.iter().min_by_key(|(_, life)| life.until).map(|(key, _)| *key);
            oldest.map(|key| lives.remove(&key));
        }
        lives.insert(*key, life);
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

    #[test]
    fn an_earlier_life_is_over_for_as_long_as_its_end_is_remembered() {
        let (gone, now) = (Gone::default(), Timestamp(1_000_000));
        assert!(!gone.ended(&key(1), 5, now));
        gone.begin(&key(1), 7, now);
        assert!(gone.ended(&key(1), 5, now) && !gone.ended(&key(1), 7, now) && !gone.ended(&key(2), 5, now));
        assert!(!gone.ended(&key(1), 5, now.plus_millis(GONE_MS)));
    }

    #[test]
    fn what_l2_shows_outranks_it() {
        let (gone, now) = (Gone::default(), Timestamp(1_000_000));
        gone.begin(&key(1), 7, now);
        gone.told(&key(1), 7);
        assert_eq!((gone.entry(&key(1), 9, now), gone.entry(&key(2), 9, now)), (None, None));
        assert!(gone.ended(&key(1), 7, now) && !gone.ended(&key(1), 9, now) && !gone.ended(&key(2), 5, now));
        assert_eq!(gone.shown(&key(1), 11, now), 11);
        assert!(gone.ended(&key(1), 9, now));
    }

    #[test]
    fn what_l2_shows_is_not_believed_before_it_was_told() {
        let (gone, now) = (Gone::default(), Timestamp(1_000_000));
        gone.begin(&key(1), 7, now);
        assert_eq!(gone.entry(&key(1), 5, now), Some(7));
        assert_eq!((gone.entry(&key(1), 7, now), gone.shown(&key(1), 5, now)), (None, 7));
        gone.told(&key(1), 5);
        assert_eq!(gone.entry(&key(1), 5, now), Some(7));
        gone.told(&key(1), 7);
        assert_eq!(gone.entry(&key(1), 9, now), None);
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let gone = Gone::default();
        for n in 0..=MOST {
            gone.begin(&key(n), 7, Timestamp(1_000_000 + n as i64));
        }
        let now = Timestamp(1_000_000 + MOST as i64);
        assert_eq!(gone.0.borrow().len(), MOST);
        assert!(!gone.ended(&key(0), 5, now) && gone.ended(&key(1), 5, now) && gone.ended(&key(MOST), 5, now));
    }
}
