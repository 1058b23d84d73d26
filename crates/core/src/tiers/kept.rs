//! What L1 goes on to hold though it was to be removed or replaced: it can be read and takes no writes. Nothing there lives longer than
//! `tiers.l1.max_ttl`, so for as long what was asked for before is not believed, and L2 answers.

use crate::key::Key;
use crate::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;

/// How many keys are remembered; past it L1 is not believed of any, in what was asked for until then.
const MOST: usize = 4096;

/// What is not believed, by key.
#[derive(Debug, Default)]
pub struct Kept(RefCell<Inner>);

#[derive(Debug, Default)]
struct Inner {
    keys: HashMap<Key, Doubt>,
    /// Of all other keys.
    all: Option<Doubt>,
}

/// What was asked for before a time is not believed, until it can no longer be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubt {
    before: Timestamp,
    until: Timestamp,
}

impl Doubt {
    fn and(self, other: Option<Doubt>) -> Doubt {
        let other = other.unwrap_or(self);
        Doubt { before: self.before.max(other.before), until: self.until.max(other.until) }
    }

    fn is_of(&self, requested: Timestamp, now: Timestamp) -> bool {
        requested < self.before && now < self.until
    }
}

impl Kept {
    /// L1 may hold under a key what was asked for before this time, and is not to be believed, until it can hold it no longer.
    pub(super) fn keeps(&self, key: &Key, before: Timestamp, until: Timestamp, now: Timestamp) {
        let mut inner = self.0.borrow_mut();
        let Inner { keys, all } = &mut *inner;
        let doubt = Doubt { before, until }.and(keys.get(key).copied());
        if keys.len() >= MOST && !keys.contains_key(key) {
            keys.retain(|_, doubt| now < doubt.until);
        }
        if keys.len() >= MOST && !keys.contains_key(key) {
            let every = keys.values().fold(doubt, |every, doubt| doubt.and(Some(every)));
            *all = Some(Doubt { before: now, ..every }.and(Some(every)).and(*all));
            keys.clear();
            return;
        }
        keys.insert(*key, doubt);
    }

    /// The same of all keys.
    pub(super) fn keeps_more(&self, before: Timestamp, until: Timestamp) {
        let mut inner = self.0.borrow_mut();
        let doubt = Doubt { before, until }.and(inner.all);
        inner.all = Some(inner.keys.values().fold(doubt, |every, known| known.and(Some(every))));
        inner.keys.clear();
    }

    /// L1 has taken what was asked for then: only what is older is not believed any more.
    pub(super) fn took(&self, key: &Key, requested: Timestamp, now: Timestamp) {
        let mut inner = self.0.borrow_mut();
        let Inner { keys, all } = &mut *inner;
        if let Some(doubt) = keys.get_mut(key) {
            doubt.before = doubt.before.min(requested);
        } else if let Some(all) = all.filter(|all| all.is_of(requested, now)) {
            if keys.len() >= MOST {
                // They are learned anew.
                keys.clear();
            }
            keys.insert(*key, Doubt { before: requested, ..all });
        }
    }

    /// Whether anything is not believed under this key.
    pub(super) fn is_in_doubt(&self, key: &Key, now: Timestamp) -> bool {
        self.0.borrow().keys.get(key).is_some_and(|doubt| now < doubt.until)
    }

    /// Whether what L1 shows under a key, and was asked for then, is not believed.
    pub(super) fn hides(&self, key: &Key, requested: Timestamp, now: Timestamp) -> bool {
        let inner = self.0.borrow();
        if inner.keys.is_empty() && inner.all.is_none() {
            return false;
        }
        inner.keys.get(key).or(inner.all.as_ref()).is_some_and(|doubt| doubt.is_of(requested, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn key(n: usize) -> Key {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        Key(bytes)
    }

    fn at(ms: u64) -> Timestamp {
        NOW.plus_millis(ms)
    }

    #[test]
    fn what_was_asked_for_before_is_not_believed_for_as_long_as_it_may_be_there() {
        let kept = Kept::default();
        assert!(!kept.hides(&key(1), at(0), NOW) && !kept.is_in_doubt(&key(1), NOW));
        kept.keeps(&key(1), at(5), at(1000), NOW);
        assert!(kept.hides(&key(1), at(4), at(999)) && kept.is_in_doubt(&key(1), at(999)));
        assert!(!kept.hides(&key(1), at(4), at(1000)) && !kept.is_in_doubt(&key(1), at(1000)));
        assert!(!kept.hides(&key(1), at(5), NOW) && !kept.hides(&key(2), at(4), NOW));
        // Another time adds to it.
        kept.keeps(&key(1), at(3), at(2000), NOW);
        assert!(kept.hides(&key(1), at(4), at(1999)));
    }

    #[test]
    fn what_l1_has_taken_is_believed() {
        let kept = Kept::default();
        kept.keeps(&key(1), at(5), at(1000), NOW);
        kept.took(&key(1), at(3), NOW);
        kept.took(&key(2), at(3), NOW);
        assert!(
            kept.hides(&key(1), at(2), NOW) && !kept.hides(&key(1), at(3), NOW) && !kept.hides(&key(2), at(2), NOW)
        );
        kept.took(&key(1), at(9), NOW);
        assert!(!kept.hides(&key(1), at(4), NOW));
        // Of all keys, too.
        kept.keeps_more(at(50), at(1000));
        assert!(kept.hides(&key(3), at(40), NOW));
        kept.took(&key(3), at(40), NOW);
        assert!(
            !kept.hides(&key(3), at(40), NOW) && kept.hides(&key(3), at(39), NOW) && kept.hides(&key(4), at(40), NOW)
        );
    }

    #[test]
    fn it_is_bounded_and_past_that_believes_nothing_of_before() {
        let kept = Kept::default();
        for n in 0..MOST {
            kept.keeps(&key(n), at(5), at(1000 + n as u64), NOW);
        }
        assert!(!kept.hides(&key(MOST + 1), at(4), NOW));
        kept.keeps(&key(MOST), at(5), at(1000), at(7));
        for n in [0, MOST - 1, MOST, MOST + 1] {
            assert!(kept.hides(&key(n), at(6), at(1000)) && !kept.hides(&key(n), at(7), at(1000)), "{n}");
            assert!(!kept.hides(&key(n), at(6), at(1000 + MOST as u64)), "{n}");
        }
        assert!(kept.0.borrow().keys.is_empty());
    }

    #[test]
    fn what_is_over_makes_room() {
        let kept = Kept::default();
        for n in 0..MOST {
            kept.keeps(&key(n), at(5), at(1000), NOW);
        }
        kept.keeps(&key(MOST), at(2000), at(3000), at(1500));
        assert!(kept.hides(&key(MOST), at(1999), at(1500)) && !kept.hides(&key(MOST + 1), at(4), at(1500)));
    }
}
