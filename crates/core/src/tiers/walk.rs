//! Removing from the tiers what is over, and from L2 what there is no room for: behind a write now and then, and when a host's clock
//! says so. Each time a slice of all entries is looked at, in the order of their keys, which are hashes: a fair sample.
//!
//! An entry is read whole, in one statement, before any of it is sent: to remove it cuts nothing that is on its way to a client.

use super::room::Room;
use super::sql::walk::{self, Slice, Walk};
use super::{Tiers, kv};
use crate::decision::Removed;
use crate::host::Host;
use crate::key::Key;
use crate::rules::evict;
use crate::time::Timestamp;
use std::cell::Cell;

/// The most slices that a host's clock calls for at once, and the longest that they take, in milliseconds.
const SLICES: u32 = 50;
const LONGEST_MS: u64 = 20_000;

impl<H: Host> Tiers<'_, H> {
    /// Looks at a slice behind a write, where it is time for that.
    pub(super) async fn make_room(&self, now: Timestamp) {
        // Where operations are billed instances live long, and the host's clock looks after the rest.
        let drawn = |every| self.host.random().is_multiple_of(every) && H::KV_WRITES_ARE_FREE;
        if self.room.is_due(self.config.l2.capacity, drawn, now) {
            self.step().await;
        }
    }

    /// Looks at all that L2 holds, a slice at a time: as much of it as can be done at once.
    pub async fn sweep(&self, now: Timestamp) {
        let mut whole = false;
        for _ in 0..SLICES {
            let Some((first, last)) = self.step().await else { return };
            whole |= first;
            if (whole && last) || self.host.now().since(now) > LONGEST_MS {
                return;
            }
        }
    }

    /// A key was asked for, and answered from what is held.
    pub async fn used(&self, key: &Key, hits: u32, now: Timestamp) {
        walk::used(self, key, hits, now).await;
    }

    /// Looks at one slice. Returns whether a round began with it, and whether one ended; `None` where L2 failed.
    async fn step(&self) -> Option<(bool, bool)> {
        let now = self.host.now();
        let (written, full) = self.room.take(now);
        let done = self.look_and_remove(written, full, now).await;
        if done.is_none() && full {
            self.room.is_full();
        }
        self.room.done(done.is_some(), self.host.now());
        done
    }

    async fn look_and_remove(&self, written: u64, full: bool, now: Timestamp) -> Option<(bool, bool)> {
        let Slice { walk: from, mut entries, last } = walk::look(self).await?;
        for (key, entry) in &mut entries {
            if let Some((hits, used)) = self.room.untold(key) {
                entry.hits = entry.hits.saturating_add(hits.into());
                entry.used = entry.used.max(used);
                entry.serving = Room::is_serving(used, now);
            }
        }
        let (keys, slice): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let bytes = |all: &[evict::Candidate]| all.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
        let seen = bytes(&slice);
        let passed = if last { String::new() } else { keys.last().map(Key::text).unwrap_or_default() };
        let held = estimate(&from, written, from.seen.saturating_add(seen), &passed);
        let quota = evict::quota(seen, held, self.config.l2.capacity, full);
        let chosen = evict::choose(&slice, quota, now);
        let (mut over, mut evicted, mut freed) = (Vec::new(), Vec::new(), 0u64);
        for (n, why) in chosen {
            let Some((key, entry)) = keys.get(n).zip(slice.get(n)) else { continue };
            freed = freed.saturating_add(entry.bytes);
            match why {
                Removed::Over => over.push(*key),
                Removed::Evicted => evicted.push(*key),
            }
        }
        let to = advance(&from, written, seen.saturating_sub(freed), held.saturating_sub(freed), passed);
        walk::pass(self, (&over, &evicted), (&from, &to), now).await?;
        self.room.holds(held.saturating_sub(freed));
        let add = |counter: &Cell<u64>, n: usize| counter.set(counter.get().saturating_add(n as u64));
        add(&self.counters.over, over.len());
        add(&self.counters.evicted, evicted.len());
        for key in over.iter().chain(&evicted) {
            self.memory.remove(key);
            // Nobody else would find what L1 has under this key, once L2 does not name it.
            if !H::KV_EXPIRES && kv::delete(self, key).await.is_none() {
                break;
            }
        }
        Some((from.passed.is_empty(), last))
    }
}

/// About how many bytes are held. At the end of a round: what was seen in it, with half of what came in meanwhile, which is what came
/// in behind. Before it: what was held at the last one, and has come since; in the first round as much for what is ahead as for
/// what was seen.
fn estimate(from: &Walk, written: u64, seen: u64, passed: &str) -> u64 {
    match (from.passed.as_str(), passed, from.held) {
        ("", "", _) => seen,
        (_, "", _) => seen.saturating_add(from.added.saturating_add(written) / 2),
        (_, _, Some(held)) => held.saturating_add(written),
        (_, _, None) => (seen as f64 / share(passed)) as u64,
    }
}

/// Which part of all keys is up to this one.
fn share(passed: &str) -> f64 {
    let digits = passed.get(..8).unwrap_or_default();
    let of = u32::from_str_radix(digits, 16).map_or(1.0, |n| (f64::from(n) + 1.0) / (f64::from(u32::MAX) + 1.0));
    of.max(f64::EPSILON)
}

fn advance(from: &Walk, written: u64, kept: u64, held: u64, passed: String) -> Walk {
    if passed.is_empty() {
        return Walk { passed, seen: 0, added: 0, held: Some(held) };
    }
    // What was written before a round is seen in it.
    let added = if from.passed.is_empty() { 0 } else { from.added.saturating_add(written) };
    let held = from.held.map(|_| held);
    Walk { passed, seen: from.seen.saturating_add(kept), added, held }
}
