//! When one target was purged: the newest hard purge, and the soft ones that tell since when something is stale.

use super::Fate;
use crate::time::Timestamp;

/// How old soft purges are up to, and how wide the slots of time are of which one is remembered there, both in milliseconds. The slots
/// are the same for everybody. So 84 are remembered in 32 days at the most, and what is stale is so since a slot too late at the most.
const SLOTS: [(u64, i64); 5] =
    [(60_000, 5_000), (600_000, 30_000), (7_200_000, 600_000), (172_800_000, 7_200_000), (u64::MAX, 172_800_000)];

/// The purges of one target, or of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// The newest hard one; [`Times::NEVER`] where there is none.
    hard: Timestamp,
    /// Soft ones, in order. What is stale since one of them is not made stale again by a later one: its windows run on.
    soft: Vec<Timestamp>,
}

impl Times {
    /// Before anything was ever asked for.
    pub const NEVER: Timestamp = Timestamp(i64::MIN);

    /// No purge at all.
    pub const NONE: Times = Times { hard: Times::NEVER, soft: Vec::new() };

    /// One purge.
    pub fn of(at: Timestamp, soft: bool) -> Self {
        if soft { Times { soft: vec![at], ..Times::NONE } } else { Times { hard: at, ..Times::NONE } }
    }

    /// Both. What a soft one made stale before a hard one is gone.
    pub fn and(mut self, other: Times) -> Self {
        self.hard = self.hard.max(other.hard);
        for at in other.soft {
            if let Err(n) = self.soft.binary_search(&at) {
                self.soft.insert(n, at);
            }
        }
        self.soft.retain(|at| *at > self.hard);
        self
    }

    /// What becomes of an entry that was asked for then: a soft purge counts from the first one since.
    pub fn fate(&self, requested: Timestamp) -> Fate {
        let since = self.soft.partition_point(|at| *at < requested);
        match self.soft.get(since) {
            _ if requested <= self.hard => Fate::Dead,
            Some(at) => Fate::StaleSince(*at),
            None => Fate::Lives,
        }
    }

    /// The newest of all.
    pub fn newest(&self) -> Timestamp {
        self.hard.max(self.soft.last().copied().unwrap_or(Times::NEVER))
    }

    /// Forgets of soft purges all but the last in each slot. Returns those that were forgotten.
    pub fn thin(&mut self) -> Vec<Timestamp> {
        let Some(newest) = self.soft.last().copied() else { return Vec::new() };
        let mut later: Option<Timestamp> = None;
        let is_kept = |at: &Timestamp| {
            let age = newest.since(*at);
            let slot = SLOTS.iter().find(|(most, _)| age < *most).map_or(1, |(_, slot)| *slot);
            let alone = later.is_none_or(|later| later.0.div_euclid(slot) != at.0.div_euclid(slot));
            if alone {
                later = Some(*at);
            }
            alone
        };
        let (mut kept, forgotten): (Vec<_>, Vec<_>) = self.soft.iter().rev().copied().partition(is_kept);
        kept.reverse();
        self.soft = kept;
        forgotten
    }
}
