//! Who must wait for whom. SQLite has one writer at a time; here transactions about different keys run side by side, and one that is
//! about more, or that nothing is known of, runs alone. Reads wait for nobody.
//!
//! The locks are PostgreSQL's advisory ones: they end with their transaction, after it shows to others. So numbers that are drawn
//! alone show in their order. Schemas of one database do not wait for each other.

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// One key, as a number that stands for it.
    Key(i64),
    /// Anything.
    All,
}

impl About {
    /// The number of a key; others may have it too, and then wait in vain.
    pub fn key(key: &str) -> Self {
        let mut number = [0; 8];
        for (to, from) in number.iter_mut().zip(blake3::hash(key.as_bytes()).as_bytes()) {
            *to = *from;
        }
        About::Key(i64::from_le_bytes(number))
    }
}

/// The locks of a transaction.
#[derive(Debug, Default)]
pub struct Locks {
    all: bool,
    keys: Vec<i64>,
}

impl Locks {
    /// The command that takes what is missing for this; nothing where nothing is.
    pub fn take(&mut self, about: About) -> Option<String> {
        // The first number is the letters "terr".
        match about {
            _ if self.all => None,
            About::Key(key) if self.keys.contains(&key) => None,
            About::Key(key) => {
                self.keys.push(key);
                Some(format!(
                    "SELECT pg_advisory_xact_lock_shared(1952805490, hashtext(current_schema())), \
                     pg_advisory_xact_lock(hashtextextended(current_schema(), {key}))"
                ))
            }
            About::All => {
                self.all = true;
                // A number must not be drawn again after a crash: what draws them is on the disk before others see it.
                Some(
                    "SELECT pg_advisory_xact_lock(1952805490, hashtext(current_schema())); \
                     SELECT set_config('synchronous_commit', 'on', true) \
                     WHERE current_setting('synchronous_commit') = 'off'"
                        .into(),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_taken_once_and_that_of_all_stands_for_every_key() {
        let (one, two) = (About::key("one"), About::key("two"));
        assert_ne!(one, two);
        let mut locks = Locks::default();
        assert!(locks.take(one).is_some_and(|command| command.contains("lock_shared(")));
        assert_eq!(locks.take(one), None);
        assert!(locks.take(two).is_some());
        assert!(locks.take(About::All).is_some_and(|command| !command.contains("lock_shared(")));
        assert_eq!((locks.take(About::All), locks.take(About::key("three"))), (None, None));
    }
}
