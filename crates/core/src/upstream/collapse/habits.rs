//! What an instance remembers of how objects came: whether they could be shared, and by what their variants differ. Bounded; what is
//! old is forgotten.

use crate::key::Key;
use crate::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;

/// How many are remembered; past it those that are old are forgotten, then all.
const MOST: usize = 4096;

/// For how long, in milliseconds: then one request is asked for by many once more.
pub const REMEMBERED_MS: u64 = 60_000;

/// Field names of one Vary that are remembered; one with more is none.
const MAX_NAMES: usize = 16;

/// What is remembered of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Its last answer could not be shared: nobody waits for it.
    Alone,
    /// Its variants differ by these request fields (RFC 9111 4.1): a fetch is for those that have the same.
    Varies(Vec<String>),
}

/// What is remembered, by the key of the URL.
#[derive(Debug, Default)]
pub struct Habits(RefCell<HashMap<Key, (Habit, Timestamp)>>);

impl Habits {
    /// What is remembered.
    pub fn of(&self, primary: &Key, now: Timestamp) -> Option<Habit> {
        let habits = self.0.borrow();
        habits.get(primary).filter(|(_, until)| now < *until).map(|(habit, _)| habit.clone())
    }

    /// The last answer could not be shared.
    pub fn alone(&self, primary: Key, now: Timestamp) {
        self.learn(primary, Habit::Alone, now);
    }

    /// The last answer could be shared, and differs by these fields.
    pub fn shared<'a>(&self, primary: &Key, names: impl Iterator<Item = &'a str> + Clone, now: Timestamp) {
        match names.clone().count() {
            0 => drop(self.0.borrow_mut().remove(primary)),
            n if n > MAX_NAMES => {}
            _ => self.learn(*primary, Habit::Varies(names.map(str::to_string).collect()), now),
        }
    }

    fn learn(&self, primary: Key, habit: Habit, now: Timestamp) {
        let mut habits = self.0.borrow_mut();
        if habits.len() >= MOST && !habits.contains_key(&primary) {
            habits.retain(|_, (_, until)| now < *until);
            if habits.len() >= MOST {
                habits.clear();
            }
        }
        habits.insert(primary, (habit, now.plus_millis(REMEMBERED_MS)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn what_could_not_be_shared_is_remembered_for_a_while_and_until_it_can() {
        let (habits, key, now) = (Habits::default(), Key([7; 32]), Timestamp(0));
        habits.alone(key, now);
        assert_eq!(habits.of(&key, Timestamp(59_999)), Some(Habit::Alone));
        assert_eq!(habits.of(&key, Timestamp(60_000)), None);
        habits.shared(&key, ["accept", "x"].into_iter(), now);
        assert_eq!(habits.of(&key, now), Some(Habit::Varies(vec!["accept".into(), "x".into()])));
        habits.shared(&key, std::iter::empty(), now);
        assert_eq!(habits.of(&key, now), None);
    }

    #[test]
    fn it_is_bounded() {
        let habits = Habits::default();
        for n in 0..(3 * MOST as u64) {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            habits.alone(Key(key), Timestamp(n as i64));
            assert_eq!(habits.of(&Key(key), Timestamp(n as i64)), Some(Habit::Alone));
            assert!(habits.0.borrow().len() <= MOST);
        }
    }
}
