//! The newest purges by what they are for, so that asking costs a few look-ups and no memory.

use super::{Fate, Marks, Target, is_query_of, kind, path};
use crate::time::Timestamp;
use std::cmp::Ordering;

/// The newest purges of one target, hard and soft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The newest hard one; [`Times::NEVER`] where there is none.
    pub hard: Timestamp,
    /// The newest soft one.
    pub soft: Timestamp,
}

impl Times {
    /// Before anything was ever asked for.
    pub const NEVER: Timestamp = Timestamp(i64::MIN);

    /// No purge at all.
    pub const NONE: Times = Times { hard: Times::NEVER, soft: Times::NEVER };

    /// One purge.
    pub fn of(at: Timestamp, soft: bool) -> Self {
        if soft { Times { soft: at, ..Times::NONE } } else { Times { hard: at, ..Times::NONE } }
    }

    /// The newer of both, each.
    pub fn and(self, other: Times) -> Self {
        Times { hard: self.hard.max(other.hard), soft: self.soft.max(other.soft) }
    }

    /// What becomes of an entry that was asked for then.
    pub fn fate(self, requested: Timestamp) -> Fate {
        match () {
            () if requested <= self.hard => Fate::Dead,
            () if requested <= self.soft => Fate::StaleSince(self.soft),
            () => Fate::Lives,
        }
    }

    /// The newer of both.
    pub fn newest(self) -> Timestamp {
        self.hard.max(self.soft)
    }
}

/// Purges in memory, in the order of their targets. To add one costs least where it comes last.
#[derive(Debug)]
pub struct Index {
    list: Vec<(Target, Times)>,
    newest: Timestamp,
}

impl Default for Index {
    fn default() -> Self {
        Index { list: Vec::new(), newest: Times::NEVER }
    }
}

impl Index {
    /// One purge more.
    pub fn add(&mut self, target: Target, times: Times) {
        self.newest = self.newest.max(times.newest());
        let (kind, name) = target.parts();
        match self.find(kind, name) {
            Ok(at) => {
                if let Some((_, held)) = self.list.get_mut(at) {
                    *held = held.and(times);
                }
            }
            Err(at) => self.list.insert(at, (target, times)),
        }
    }

    /// The purges that are for an entry with these marks.
    pub fn times(&self, marks: &Marks) -> Times {
        let url = marks.url();
        let mut found = self.of(kind::EVERYTHING, "").and(self.over(url)).and(self.over(path(url)));
        for (kind, name) in marks.iter() {
            found = found.and(self.of(kind, name));
            if matches!(kind, kind::URL | kind::MANY) {
                found = found.and(self.of(kind, path(name)));
            }
            if kind == kind::MANY {
                found = found.and(self.in_query_of(name)).and(self.in_query_of(path(name)));
            }
        }
        found
    }

    /// What becomes of an entry that was asked for then. What is younger than every purge costs one comparison.
    pub fn fate(&self, marks: &Marks, requested: Timestamp) -> Fate {
        if requested > self.newest {
            return Fate::Lives;
        }
        self.times(marks).fate(requested)
    }

    /// How many targets there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets the target that was purged longest ago, and returns when that was.
    pub fn forget_oldest(&mut self) -> Option<Timestamp> {
        let (at, _) = self.list.iter().enumerate().min_by_key(|(_, (_, times))| times.newest())?;
        Some(self.list.remove(at).1.newest())
    }

    fn find(&self, kind: u8, name: &str) -> Result<usize, usize> {
        self.list.binary_search_by(|(target, _)| order(target, kind, name.as_bytes()))
    }

    fn of(&self, kind: u8, name: &str) -> Times {
        let at = self.find(kind, name).ok();
        at.and_then(|at| self.list.get(at)).map_or(Times::NONE, |(_, times)| *times)
    }

    /// The prefixes that go on into the query of what has this path: one range look-up, and as many steps as there are such.
    fn in_query_of(&self, path: &str) -> Times {
        let before = |(target, _): &(Target, Times)| {
            let (kind, name) = target.parts();
            kind.cmp(&kind::PREFIX).then_with(|| name.bytes().cmp(path.bytes().chain(*b"?"))).is_lt()
        };
        let rest = self.list.get(self.list.partition_point(before)..).unwrap_or_default().iter();
        let begun = rest.take_while(|(target, _)| {
            let (kind, name) = target.parts();
            kind == kind::PREFIX && is_query_of(path, name)
        });
        begun.fold(Times::NONE, |found, (_, times)| found.and(*times))
    }

    /// The prefixes of `url`: range look-ups, one for each length at most, however many prefixes there are.
    fn over(&self, url: &str) -> Times {
        let mut found = Times::NONE;
        let mut rest = url.as_bytes();
        loop {
            let above = self.list.partition_point(|(target, _)| order(target, kind::PREFIX, rest).is_le());
            let below = above.checked_sub(1).and_then(|at| self.list.get(at));
            let Some((target, times)) = below.filter(|(target, _)| target.parts().0 == kind::PREFIX) else {
                return found;
            };
            let prefix = target.parts().1.as_bytes();
            let common = prefix.iter().zip(rest).take_while(|(a, b)| a == b).count();
            // What else begins `url` is shorter than what it has in common with this one.
            let next = if common == prefix.len() {
                found = found.and(*times);
                common.checked_sub(1)
            } else {
                Some(common)
            };
            match next.and_then(|length| rest.get(..length)) {
                Some(shorter) => rest = shorter,
                None => return found,
            }
        }
    }
}

/// How a target stands to another: by kind, then by name.
fn order(target: &Target, kind: u8, name: &[u8]) -> Ordering {
    let (own_kind, own_name) = target.parts();
    own_kind.cmp(&kind).then_with(|| own_name.as_bytes().cmp(name))
}
