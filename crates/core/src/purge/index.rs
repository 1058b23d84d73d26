//! Purges by what they are for, so that asking costs a few look-ups and no memory.

use super::{Fate, Marks, Target, Times, is_query_of, kind, path};
use crate::time::Timestamp;
use std::cmp::Ordering;

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
    /// One purge more, or several of one target. Returns the soft ones of it that are forgotten for that.
    pub fn add(&mut self, target: Target, times: Times) -> Vec<Timestamp> {
        self.newest = self.newest.max(times.newest());
        let (kind, name) = target.parts();
        match self.find(kind, name) {
            Ok(at) => {
                let Some((_, held)) = self.list.get_mut(at) else { return Vec::new() };
                *held = std::mem::replace(held, Times::NONE).and(times);
                held.thin()
            }
            Err(at) => {
                self.list.insert(at, (target, times));
                Vec::new()
            }
        }
    }

    /// The purges that are for an entry with these marks.
    pub fn times(&self, marks: &Marks) -> Times {
        let mut all = Times::NONE;
        self.visit(marks, &mut |times| all = std::mem::replace(&mut all, Times::NONE).and(times.clone()));
        all
    }

    /// What becomes of an entry that was asked for then. What is younger than every purge costs one comparison.
    pub fn fate(&self, marks: &Marks, requested: Timestamp) -> Fate {
        let mut fate = Fate::Lives;
        if requested <= self.newest {
            self.visit(marks, &mut |times| fate = fate.and(times.fate(requested)));
        }
        fate
    }

    /// Whether any purge is for an entry with these marks.
    pub fn is_for(&self, marks: &Marks) -> bool {
        let mut found = false;
        self.visit(marks, &mut |_| found = true);
        found
    }

    fn visit(&self, marks: &Marks, see: &mut dyn FnMut(&Times)) {
        let url = marks.url();
        self.of(kind::EVERYTHING, "", see);
        self.over(url, see);
        self.over(path(url), see);
        for (kind, name) in marks.iter() {
            self.of(kind, name, see);
            if matches!(kind, kind::URL | kind::MANY) {
                self.of(kind, path(name), see);
            }
            if kind == kind::MANY {
                self.in_query_of(name, see);
                self.in_query_of(path(name), see);
            }
        }
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

    fn of(&self, kind: u8, name: &str, see: &mut dyn FnMut(&Times)) {
        if let Some((_, times)) = self.find(kind, name).ok().and_then(|at| self.list.get(at)) {
            see(times);
        }
    }

    /// The prefixes that go on into the query of what has this path: one range look-up, and as many steps as there are such.
    fn in_query_of(&self, path: &str, see: &mut dyn FnMut(&Times)) {
        let before = |(target, _): &(Target, Times)| {
            let (kind, name) = target.parts();
            kind.cmp(&kind::PREFIX).then_with(|| name.bytes().cmp(path.bytes().chain(*b"?"))).is_lt()
        };
        let rest = self.list.get(self.list.partition_point(before)..).unwrap_or_default().iter();
        let begun = rest.take_while(|(target, _)| {
            let (kind, name) = target.parts();
            kind == kind::PREFIX && is_query_of(path, name)
        });
        begun.for_each(|(_, times)| see(times));
    }

    /// The prefixes of `url`: range look-ups, one for each length at most, however many prefixes there are.
    fn over(&self, url: &str, see: &mut dyn FnMut(&Times)) {
        let mut rest = url.as_bytes();
        loop {
            let above = self.list.partition_point(|(target, _)| order(target, kind::PREFIX, rest).is_le());
            let below = above.checked_sub(1).and_then(|at| self.list.get(at));
            let Some((target, times)) = below.filter(|(target, _)| target.parts().0 == kind::PREFIX) else {
                return;
            };
            let prefix = target.parts().1.as_bytes();
            let common = prefix.iter().zip(rest).take_while(|(a, b)| a == b).count();
            // What else begins `url` is shorter than what it has in common with this one.
            let next = if common == prefix.len() {
                see(times);
                common.checked_sub(1)
            } else {
                Some(common)
            };
            match next.and_then(|length| rest.get(..length)) {
                Some(shorter) => rest = shorter,
                None => return,
            }
        }
    }
}

/// How a target stands to another: by kind, then by name.
fn order(target: &Target, kind: u8, name: &[u8]) -> Ordering {
    let (own_kind, own_name) = target.parts();
    own_kind.cmp(&kind).then_with(|| own_name.as_bytes().cmp(name))
}
