//! What an instance knows of the purge log in L2 (DESIGN.md, Purge that reaches an eventually consistent L1).
//!
//! The log is read whole before the first lookup, and what is new in it from then on, ahead of the time at which what is known
//! is older than `purge.poll`: by a query behind a response, so that no hit waits for it, and before the lookup only where
//! nobody had asked for anything for so long.
//!
//! While L2 does not answer, no purge is accepted either, so an instance that knows the log goes on with what it knows, and asks again
//! as often, behind a response where it can. One that does not know it yet believes no tier of what was asked for before it first tried.

use super::Tiers;
use super::sql;
use super::sql::purges::SKEW_MS;
use crate::entry::Head;
use crate::host::Host;
use crate::key::Key;
use crate::purge::{Fate, Index, Marks, Target, Times};
use crate::time::{Timestamp, millis};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// How many targets are remembered. What was asked for before the oldest of them counts as purged.
pub const MOST: usize = 8192;

/// How often a lookup looks whether another one has read the log by now.
const PAUSE: Duration = Duration::from_millis(5);

/// Whether the log is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// No.
    No,
    /// Behind the response.
    Soon,
    /// Before anything is looked up.
    Now,
}

/// What is known of the log.
#[derive(Debug, Default)]
pub struct Purges {
    index: RefCell<Index>,
    /// The number of the newest row that was read.
    seen: Cell<i64>,
    /// When the log was last asked, successfully.
    read: Cell<Option<Timestamp>>,
    /// When it was first asked in vain since then.
    failing: Cell<Option<Timestamp>>,
    /// When it was last asked, however that went.
    asked: Cell<Option<Timestamp>>,
    /// Since when somebody is asking.
    asking: Cell<Option<Timestamp>>,
    /// Whether lookups wait for that although it was asked in vain before.
    awaited: Cell<bool>,
    /// What was purged before this is not known here.
    horizon: Cell<Option<Timestamp>>,
}

impl Purges {
    /// Whether the log is to be read. Whoever is told so is the only one for a while.
    pub fn due(&self, poll: Duration, now: Timestamp) -> Due {
        let poll = millis(poll);
        // A fifth of the time is for the query.
        let early = poll - poll / 5;
        let within =
            |then: &Cell<Option<Timestamp>>, span| then.get().is_some_and(|then| now.0.abs_diff(then.0) < span);
        match (self.read.get(), self.failing.get()) {
            _ if within(&self.read, early) => Due::No,
            (None, None) => Due::Now,
            (Some(_), None) if !within(&self.read, poll) => Due::Now,
            (Some(_), Some(_)) if self.awaited.get() => Due::Now,
            _ if within(&self.asked, early) => Due::No,
            (None, Some(_)) => Due::Now,
            // L2 may be back, and have taken purges meanwhile.
            (Some(_), Some(_)) if !within(&self.asked, poll) => {
                self.awaited.set(true);
                Due::Now
            }
            (Some(_), _) => {
                self.asked.set(Some(now));
                Due::Soon
            }
        }
    }

    /// What becomes of an entry that a tier shows. What is not known to live is dead.
    pub(super) fn fate(&self, head: &Head) -> Fate {
        let requested = head.freshness.requested;
        let known = match self.read.get() {
            Some(_) => self.horizon.get().is_none_or(|horizon| requested > horizon),
            None => self.failing.get().is_some_and(|since| requested >= since),
        };
        if known { self.index.borrow().fate(&head.marks, requested) } else { Fate::Dead }
    }

    /// What was asked for until then is purged, whatever it is, as far as is known.
    pub fn everything(&self) -> Timestamp {
        let all = self.index.borrow().times(&Marks::default()).newest();
        all.max(self.horizon.get().unwrap_or(Times::NEVER))
    }

    /// Returns the soft purges of the target that are forgotten for that, since others say nearly the same.
    fn learn(&self, target: Target, times: Times) -> Vec<Timestamp> {
        let mut index = self.index.borrow_mut();
        let forgotten = index.add(target, times);
        if index.len() > MOST {
            self.forgotten(index.forget_oldest());
        }
        forgotten
    }

    pub(super) fn forgotten(&self, before: Option<Timestamp>) {
        self.horizon.set(self.horizon.get().max(before.map(|at| at.plus_millis(SKEW_MS))));
    }
}

/// How much of what L2 holds a purge would hit, as far as was looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matching {
    /// Stored responses that it hits; those that another purge has removed already do not count.
    pub matched: usize,
    /// Stored responses that were looked at.
    pub looked_at: usize,
    /// Whether these are all that L2 holds.
    pub all: bool,
}

/// Whoever asks the log says so for as long.
struct Asking<'a>(&'a Purges);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.set(None);
        self.0.awaited.set(false);
    }
}

impl<H: Host> Tiers<'_, H> {
    /// Reads what is new in the purge log: one query. Where another request is at it, waits for that one, as long as L2 may take.
    pub async fn read_purges(&self) {
        let purges = self.purges;
        let now = self.host.now();
        // A platform may end a request, and what it was about, without a word.
        let others =
            || purges.asking.get().is_some_and(|since| self.host.now().since(since) < millis(self.config.l2.timeout));
        if others() {
            while others() {
                self.host.sleep(PAUSE).await;
            }
            return;
        }
        purges.asking.set(Some(now));
        purges.asked.set(Some(now));
        let _asking = Asking(purges);
        let read = purges.read.get();
        let mut news = sql::purges::newer(self, purges.seen.get(), read, MOST, now).await;
        if news.as_ref().is_some_and(|news| news.anew) {
            purges.seen.set(0);
            news = sql::purges::newer(self, 0, read, MOST, now).await;
        }
        let Some(news) = news else {
            if purges.failing.get().is_none() {
                purges.failing.set(Some(now));
            }
            return;
        };
        purges.forgotten(news.before);
        for (number, target, times) in news.purges {
            purges.seen.set(purges.seen.get().max(number));
            purges.learn(target, times);
        }
        for (key, life) in news.lives {
            self.gone.shown(&key, life, now);
        }
        for (key, before, until) in news.kept {
            self.gone.kept.keeps(&key, before, until, now);
        }
        if news.more_kept {
            self.gone.kept.keeps_more(now.plus_millis(1), now.plus_millis(self.kept_ms()));
        }
        purges.read.set(Some(now));
        purges.failing.set(None);
    }

    /// How much a purge would hit now: of what is stored under `keys`, and of a sample of all that L2 holds. One query; `None` where L2
    /// failed.
    pub async fn matching(&self, targets: &[Target], keys: &[Key], now: Timestamp) -> Option<Matching> {
        let (heads, all) = sql::sample::look(self, keys, now).await?;
        let mut index = Index::default();
        targets.iter().for_each(|target| drop(index.add(target.clone(), Times::of(now, false))));
        // What has no URL is none of a client's.
        let alive = |head: &&Head| !head.marks.url().is_empty() && self.purges.fate(head) != Fate::Dead;
        let looked_at = heads.iter().filter(alive);
        let matched = looked_at.clone().filter(|head| index.is_for(&head.marks)).count();
        Some(Matching { matched, looked_at: looked_at.count(), all })
    }

    /// Purges: hits what was asked for until now, at once in this instance and everywhere else when it has read the log. Returns the
    /// purge's number; `None` where L2 did not take it, and nobody else will know.
    pub async fn purge(&self, targets: &[Target], soft: bool, now: Timestamp) -> Option<i64> {
        if soft && self.purges.read.get().is_none() {
            // What the log need not hold any more is known from the log.
            self.read_purges().await;
        }
        let mut forgotten = Vec::new();
        for target in targets {
            let times = self.purges.learn(target.clone(), Times::of(now, soft));
            forgotten.extend(times.into_iter().map(|at| (target, at)));
        }
        sql::purges::append(self, targets, (now, soft), &forgotten).await
    }
}
