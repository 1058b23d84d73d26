//! The newest purges by what they are for, so that asking costs a few look-ups and no memory.

use super::{Fate, Marks, Target, kind, path};
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

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

    fn newest(self) -> Timestamp {
        self.hard.max(self.soft)
    }
}

/// Purges in memory.
#[derive(Debug)]
pub struct Index {
    named: HashMap<Box<str>, Times>,
    paths: HashMap<Box<str>, Times>,
    many: HashMap<Box<str>, Times>,
    tags: HashMap<Box<str>, Times>,
    groups: HashMap<Box<str>, Times>,
    own_groups: HashMap<Box<str>, Times>,
    prefixes: BTreeMap<Box<[u8]>, Times>,
    everything: Times,
    newest: Timestamp,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            named: HashMap::new(),
            paths: HashMap::new(),
            many: HashMap::new(),
            tags: HashMap::new(),
            groups: HashMap::new(),
            own_groups: HashMap::new(),
            prefixes: BTreeMap::new(),
            everything: Times::NONE,
            newest: Times::NEVER,
        }
    }
}

impl Index {
    /// One purge more.
    pub fn add(&mut self, target: &Target, times: Times) {
        self.newest = self.newest.max(times.newest());
        let map = match target.parts() {
            (kind::PREFIX, name) => {
                let held = self.prefixes.entry(name.as_bytes().into()).or_insert(Times::NONE);
                *held = held.and(times);
                return;
            }
            (kind::URL, name) if name.starts_with('/') => &mut self.paths,
            (kind::URL, _) => &mut self.named,
            (kind::MANY, _) => &mut self.many,
            (kind::TAG, _) => &mut self.tags,
            (kind::GROUP, _) => &mut self.groups,
            (kind::OWN_GROUP, _) => &mut self.own_groups,
            _ => {
                self.everything = self.everything.and(times);
                return;
            }
        };
        let held = map.entry(target.parts().1.into()).or_insert(Times::NONE);
        *held = held.and(times);
    }

    /// The purges that are for an entry with these marks.
    pub fn times(&self, marks: &Marks) -> Times {
        let url = marks.url();
        let path = path(url);
        let of = |map: &HashMap<Box<str>, Times>, name: &str| map.get(name).copied().unwrap_or(Times::NONE);
        let all = |map: &HashMap<Box<str>, Times>, names: &mut dyn Iterator<Item = &str>| match map.is_empty() {
            true => Times::NONE,
            false => names.map(|name| of(map, name)).fold(Times::NONE, Times::and),
        };
        self.everything
            .and(of(&self.named, url))
            .and(of(&self.paths, path))
            .and(all(&self.many, &mut marks.many().into_iter().flat_map(|url| [url, super::path(url)])))
            .and(self.over(url))
            .and(self.over(path))
            .and(all(&self.tags, &mut marks.tags()))
            .and(all(&self.groups, &mut marks.groups()))
            .and(all(&self.own_groups, &mut marks.own_groups()))
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
        let maps = [&self.named, &self.paths, &self.many, &self.tags, &self.groups, &self.own_groups];
        maps.iter().map(|map| map.len()).sum::<usize>() + self.prefixes.len()
    }

    /// Whether there is no target but everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the targets that were purged longest ago, until `most` are left. Returns when the newest of those was purged.
    pub fn shrink(&mut self, most: usize) -> Option<Timestamp> {
        let surplus = self.len().checked_sub(most).filter(|surplus| *surplus > 0)?;
        let maps =
            [&mut self.named, &mut self.paths, &mut self.many, &mut self.tags, &mut self.groups, &mut self.own_groups];
        let mut all: Vec<Timestamp> = self.prefixes.values().map(|times| times.newest()).collect();
        all.extend(maps.iter().flat_map(|map| map.values().map(|times| times.newest())));
        let (_, last, _) = all.select_nth_unstable(surplus - 1);
        let last = *last;
        for map in maps {
            map.retain(|_, times| times.newest() > last);
        }
        self.prefixes.retain(|_, times| times.newest() > last);
        Some(last)
    }

    /// The prefixes of `url`: range look-ups, one for each length at most, however many prefixes there are.
    fn over(&self, url: &str) -> Times {
        let mut found = Times::NONE;
        let mut rest = url.as_bytes();
        loop {
            let below = (Bound::Unbounded, Bound::Included(rest));
            let Some((prefix, times)) = self.prefixes.range::<[u8], _>(below).next_back() else { return found };
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
