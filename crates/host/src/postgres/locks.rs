//! The locks that a transaction holds already. What they are for, and what they are, the dialect says.
use super::Dialect;

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// One key.
    Key(String),
    /// Anything.
    All,
}

/// The locks of a transaction.
#[derive(Debug, Default)]
pub struct Locks {
    all: bool,
    keys: Vec<String>,
}

impl Locks {
    /// The command that takes what is missing for this; nothing where nothing is.
    pub fn take(&mut self, about: About, dialect: &Dialect) -> Option<String> {
        match about {
            _ if self.all => None,
            About::Key(key) if self.keys.contains(&key) => None,
            About::Key(key) => {
                let command = (dialect.lock_key)(&key);
                self.keys.push(key);
                Some(command)
            }
            About::All => {
                self.all = true;
                Some(dialect.lock_all.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_taken_once_and_that_of_all_stands_for_every_key() {
        let dialect = Dialect {
            translate: str::to_owned,
            is_about_one_key: |_| true,
            lock_key: |key| format!("LOCK {key}"),
            lock_all: "LOCK ALL",
            begin: "BEGIN",
            settings: "",
            is_passing: |_| false,
        };
        let (one, two) = (About::Key("one".into()), About::Key("two".into()));
        let mut locks = Locks::default();
        assert_eq!(locks.take(one.clone(), &dialect).as_deref(), Some("LOCK one"));
        assert_eq!(locks.take(one.clone(), &dialect), None);
        assert_eq!(locks.take(two, &dialect).as_deref(), Some("LOCK two"));
        assert_eq!(locks.take(About::All, &dialect).as_deref(), Some("LOCK ALL"));
        assert_eq!((locks.take(About::All, &dialect), locks.take(About::Key("three".into()), &dialect)), (None, None));
    }
}
