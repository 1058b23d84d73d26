//! Which writes to L1 are made, and which are not, and why: what pays ([`crate::rules::admit`]), what is left of the budget, and what a
//! store that bills its writes takes: one a second of a key, shown elsewhere a minute later.
//!
//! Correctness waits for none of it: what L1 would go on to be believed for is replaced or removed whatever that costs. What is stale
//! there is looked past, so it may stay.

use super::budget::Budget;
use super::sql::{self, Verdict};
use super::{Found, Held, Tiers, count, kv};
use crate::config::{Admit, L1};
use crate::decision::{NotAdmitted, NotStored, Tier};
use crate::entry::Entry;
use crate::host::Host;
use crate::key::Key;
use crate::rules::admit;
use crate::rules::freshness::Freshness;
use crate::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Keys of which it is known when they were asked for and written last: 64 KiB. Of two that fall together the later is known.
const SLOTS: usize = 2048;

/// How long after a write Workers KV takes the next one of a key, in milliseconds, with something for clocks that differ.
const PAUSE_MS: u64 = 1_100;

/// How long KV may go on to show what was there before a write, or that nothing was, in milliseconds.
const SHOWN_MS: u64 = 60_000;

/// How much a write is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// What L1 holds would be believed for as long as it is fresh.
    Must,
    /// It pays.
    May,
    /// It does not.
    No(NotAdmitted),
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u64,
    /// When L2 was asked for it.
    asked: i64,
    /// When it was written; ahead, where a write waits.
    written: i64,
    /// When that was asked for which was written; 0 where it was removed.
    stamp: i64,
    /// Whether the last read of it failed.
    unread: bool,
}

/// What an instance remembers of its writes to L1.
#[derive(Debug, Default)]
pub struct Admission {
    slots: RefCell<Vec<Slot>>,
    budget: Budget,
    /// When a write or a delete failed last.
    refused: Cell<Option<Timestamp>>,
    declined: [Cell<u64>; NotAdmitted::ALL.len()],
}

impl Admission {
    /// How often something did not enter L1, by the reason.
    pub fn declined(&self) -> impl Iterator<Item = (NotAdmitted, u64)> {
        NotAdmitted::ALL.iter().zip(&self.declined).map(|(why, count)| (*why, count.get()))
    }

    /// Whether the budget has nothing left.
    pub fn is_spent(&self, limits: &L1, now: Timestamp) -> bool {
        limits.writes.as_ref().is_some_and(|rate| self.budget.is_spent(rate, now))
    }

    /// It does not enter L1.
    pub(super) fn decline(&self, why: NotAdmitted) {
        let at = NotAdmitted::ALL.iter().position(|other| *other == why);
        if let Some(counter) = at.and_then(|at| self.declined.get(at)) {
            count(counter);
        }
    }

    /// L2 was asked for it; returns when it was before, if that is known.
    pub(super) fn asked(&self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        self.slot(key, |slot| std::mem::replace(&mut slot.asked, now.0)).filter(|at| *at > 0).map(Timestamp)
    }

    /// L1 has, or is to have, at this time what was asked for at `stamp`.
    pub(super) fn wrote(&self, key: &Key, stamp: i64, at: Timestamp) {
        self.slot(key, |slot| (slot.written, slot.stamp) = (at.0, stamp));
    }

    /// L1 could not say what it holds under a key, or could.
    pub(super) fn read(&self, key: &Key, well: bool) {
        match well {
            // Nothing to remember: no other key has to make room for it.
            true => drop(self.known(key, |slot| slot.unread = false)),
            false => drop(self.slot(key, |slot| slot.unread = true)),
        }
    }

    fn is_unread(&self, key: &Key) -> bool {
        self.known(key, |slot| slot.unread) == Some(true)
    }

    /// L1 has not taken a write or a delete: what it holds may be older than what L2 does.
    pub(super) fn failed(&self, now: Timestamp) {
        self.refused.set(Some(now));
    }

    /// Whether what it then held may still be there.
    fn refused(&self, stay_ms: u64, now: Timestamp) -> bool {
        self.refused.get().is_some_and(|at| now.since(at) < stay_ms)
    }

    /// A write that has to be made, or a delete.
    pub(super) fn owes(&self, limits: &L1, now: Timestamp) {
        if let Some(rate) = &limits.writes {
            self.budget.owe(rate, now);
        }
    }

    /// When the key was written last, and what to.
    fn written(&self, key: &Key) -> (Timestamp, i64) {
        let (at, stamp) = self.slot(key, |slot| (slot.written, slot.stamp)).unwrap_or_default();
        (Timestamp(at), stamp)
    }

    fn slot<T>(&self, key: &Key, use_it: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let mut slots = self.slots.borrow_mut();
        slots.resize(SLOTS, Slot::default());
        let (at, tag) = place(key)?;
        let slot = slots.get_mut(at)?;
        if slot.tag != tag {
            *slot = Slot { tag, ..Slot::default() };
        }
        Some(use_it(slot))
    }

    /// The same, where something is remembered of the key.
    fn known<T>(&self, key: &Key, use_it: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let mut slots = self.slots.borrow_mut();
        let (at, tag) = place(key)?;
        slots.get_mut(at).filter(|slot| slot.tag == tag).map(use_it)
    }
}

/// Where a key's slot is, and what tells it from others there. Keys are hashes: any bytes are as good as others.
fn place(key: &Key) -> Option<(usize, u64)> {
    let (at, rest) = key.0.split_first_chunk()?;
    Some((usize::from(u16::from_le_bytes(*at)) % SLOTS, u64::from_le_bytes(*rest.first_chunk()?)))
}

impl<H: Host> Tiers<'_, H> {
    /// Copies what L2 held into L1, where it is admitted.
    pub async fn promote(&self, found: &Found, now: Timestamp) {
        let Found { entry, key, tier, .. } = found;
        if *tier != Tier::L2 {
            return;
        }
        let (limits, size, freshness) = (&self.config.l1, entry.body.len() as u64, &entry.head.freshness);
        let pays = match self.admits_at_once() {
            true => admit::fits(limits, size),
            false => {
                let before = self.admission.asked(key, now).map_or(freshness.received, |at| at.max(freshness.received));
                admit::asked_again(limits, size, freshness, before, now)
            }
        };
        // L1 has nothing under this key that would be believed: there is nothing to remove.
        if let Err(why) = pays {
            return self.admission.decline(why);
        }
        self.put_near(key, entry, Verdict::Good, Want::May, now).await;
        // An invalidation that came in between has emptied L1 before. Where operations are billed L1 is eventually consistent
        // anyway, and a query more would not help.
        if H::KV_WRITES_ARE_FREE {
            match sql::verdict(self, key, &entry.head).await {
                Verdict::Good | Verdict::Older => {}
                Verdict::Superseded | Verdict::Ended | Verdict::Unknown => self.give_back(key).await,
            }
        }
    }

    /// How much L1 is to have an entry, in place of the one that it holds, or of nothing.
    pub(super) fn want(&self, key: &Key, entry: &Entry, held: Option<&Freshness>, now: Timestamp) -> Want {
        match held {
            // Nobody knows what is there.
            None if self.admission.is_unread(key) || self.gone.kept.is_in_doubt(key, now) => Want::Must,
            // It would go on to be believed.
            Some(held) if held.is_fresh(now) => Want::Must,
            // A stale one would hide the new one in L2.
            Some(_) if !self.looks_past() => Want::Must,
            _ if self.admits_at_once() => Want::May,
            None => Want::No(NotAdmitted::NotAskedAgain),
            Some(held) => {
                let size = entry.body.len() as u64;
                admit::replaces(&self.config.l1, size, &entry.head.freshness, held, now)
                    .map_or_else(Want::No, |()| Want::May)
            }
        }
    }

    /// Whether L2 is asked for what L1 shows stale: where a write to L1 may have been left out, does not show yet, or was refused lately.
    pub(crate) fn looks_past(&self) -> bool {
        !H::KV_WRITES_ARE_FREE
            || self.config.l1.writes.is_some()
            || self.admission.refused(self.kept_ms(), self.host.now())
    }

    /// Whether a tier is to take what has so many bytes, or is of unknown length, as far as that is known beforehand.
    ///
    /// # Errors
    /// [`NotStored`]: none is.
    pub fn takes(&self, size: Option<u64>) -> Result<(), NotStored> {
        let (limits, counters) = (&self.config.l1, self.counters);
        let near = self.admits_at_once() && size.is_none_or(|size| admit::fits(limits, size).is_ok());
        let far = size.is_none_or(|size| size <= self.config.l2.max_size);
        match (near && counters.l1.takes_writes(), far && counters.l2.takes_writes() && !counters.schema.is_newer()) {
            (false, false) if near || far => Err(NotStored::NoTier),
            (false, false) => Err(NotStored::TooLarge),
            _ => Ok(()),
        }
    }

    /// Removes from L1 what an entry has replaced that is not there.
    async fn clear_of(&self, key: &Key, entry: &Entry, want: Want) {
        match want {
            Want::Must => {
                let tell = !self.admission.is_unread(key);
                self.remove_near(key, entry.head.freshness.requested, tell).await;
            }
            Want::May | Want::No(_) => drop(kv::delete(self, key).await),
        }
    }

    fn admits_at_once(&self) -> bool {
        match self.config.l1.admit {
            Admit::Always => true,
            Admit::SecondHit => false,
            Admit::Auto => H::KV_WRITES_ARE_FREE,
        }
    }
}

/// Lets L1 have an entry for at most `stay`, if it is wanted enough.
pub(super) async fn near<H: Host>(tiers: &Tiers<'_, H>, key: &Key, entry: &Entry, stay: Duration, want: Want) {
    let (limits, admission) = (&tiers.config.l1, tiers.admission);
    if let Want::No(why) = want {
        return admission.decline(why);
    }
    let now = tiers.host.now();
    if let Err(why) = admit::fits(limits, entry.body.len() as u64) {
        admission.decline(why);
        if want == Want::Must || H::KV_WRITES_ARE_FREE {
            // An older one that fitted must not outlive it.
            tiers.clear_of(key, entry, want).await;
        }
        return;
    }
    let stamp = entry.head.freshness.requested.0;
    if !H::KV_WRITES_ARE_FREE {
        let (at, before) = admission.written(key);
        if now < at.plus_millis(PAUSE_MS) || want == Want::May && before == stamp && now < at.plus_millis(SHOWN_MS) {
            admission.decline(NotAdmitted::JustWritten);
            // Where another one waits already, it finds this one in L2.
            if want == Want::Must && at <= now {
                catch_up(tiers, key, at.plus_millis(PAUSE_MS).since(now)).await;
            }
            return;
        }
    }
    if let Some(rate) = &limits.writes {
        match want {
            Want::Must => admission.budget.owe(rate, now),
            _ if admission.budget.take(rate, now) => {}
            _ => return admission.decline(NotAdmitted::Budget),
        }
    }
    if !H::KV_WRITES_ARE_FREE {
        admission.wrote(key, stamp, now);
    }
    if kv::put(tiers, key, entry, stay, now).await.is_some() {
        return;
    }
    match want {
        Want::Must if !H::KV_WRITES_ARE_FREE => catch_up(tiers, key, PAUSE_MS).await,
        // Nothing there would be believed, and a delete costs as much as a write. Where it was refused, another instance has just
        // written: it is not tried again before that shows.
        _ if !H::KV_WRITES_ARE_FREE => {}
        // Whether the old record is still there is unknown: better none than an old one.
        _ => tiers.clear_of(key, entry, want).await,
    }
}

/// Lets L1 have what L2 holds in a while, when KV takes a write of the key again. Better nothing than an old one.
async fn catch_up<H: Host>(tiers: &Tiers<'_, H>, key: &Key, wait_ms: u64) {
    tiers.admission.wrote(key, 0, tiers.host.now().plus_millis(wait_ms));
    tiers.host.sleep(Duration::from_millis(wait_ms)).await;
    let now = tiers.host.now();
    let held = tiers.read(Tier::L2, key, now).await;
    if let Held::Entry(entry) = &held
        && admit::fits(&tiers.config.l1, entry.body.len() as u64).is_ok()
    {
        tiers.admission.owes(&tiers.config.l1, now);
        tiers.admission.wrote(key, entry.head.freshness.requested.0, now);
        if kv::put(tiers, key, entry, Duration::MAX, now).await.is_some() {
            return;
        }
    }
    match &held {
        Held::Entry(entry) => tiers.clear_of(key, entry, Want::Must).await,
        Held::Gone(_) | Held::Nothing => drop(tiers.empty_near(key).await),
    }
}
