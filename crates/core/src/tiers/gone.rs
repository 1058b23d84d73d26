//! The invalidations that this instance knows of. L1 may show for a minute and more what they removed. L2 knows every life of a
//! URL, and outranks what is remembered here.

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
}

impl Gone {
    /// An invalidation begins this life.
    pub fn begin(&self, key: &Key, number: u64, now: Timestamp) {
        let mut lives = self.0.borrow_mut();
        if lives.len() >= MOST && !lives.contains_key(key) {
            lives.retain(|_, life| now < life.until);
        }
        if lives.len() >= MOST && !lives.contains_key(key) {
            let oldest = lives.iter().min_by_key(|(_, life)| life.until).map(|(key, _)| *key);
            oldest.map(|key| lives.remove(&key));
        }
        lives.insert(*key, Life { number, until: now.plus_millis(GONE_MS) });
    }

    /// L2 shows this life, which another instance may have begun.
    pub fn correct(&self, key: &Key, number: u64) {
        if let Some(life) = self.0.borrow_mut().get_mut(key) {
            life.number = number;
        }
    }

    /// Whether an entry of this life is over, as far as is known here.
    pub fn ended(&self, key: &Key, number: u64, now: Timestamp) -> bool {
        self.0.borrow().get(key).is_some_and(|life| now < life.until && life.number != number)
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
        gone.correct(&key(1), 9);
        gone.correct(&key(2), 9);
        assert!(gone.ended(&key(1), 7, now) && !gone.ended(&key(1), 9, now) && !gone.ended(&key(2), 5, now));
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
