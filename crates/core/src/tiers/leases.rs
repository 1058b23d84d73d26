//! Who of all instances asks the origin for an object (`collapse = "global"`; DESIGN.md, One fetch for many).
//!
//! A lease is a row in L2, short and renewed as long as the origin is waited for, so that the end of its holder is noticed soon. A holder
//! that has found that nobody else may have what came, or that the origin fails, says so in its place, and the others need not wait in
//! turn. Where L2 fails there is none, and each instance asks for itself. Where the clocks of instances differ by half a second or more,
//! an object may be asked for twice.

use super::Tiers;
use super::sql::leases::{self, Holder};
use crate::decision::Failure;
use crate::host::Host;
use crate::key::Key;
use crate::time::{Timestamp, millis};
use std::cell::Cell;
use std::time::Duration;

/// The shortest and the longest time in milliseconds that a lease is taken or renewed for. In between it is as long as the origin has
/// been waited for, so that the end of an instance that goes without a word costs the others no more than that.
const LEASE_MS: (u64, u64) = (500, 3_000);

/// How long the others go by what the holder has found, in milliseconds: that nobody else may have it, and that the origin fails.
const ALONE_MS: u64 = 60_000;
const FAILED_MS: u64 = 1_000;

/// What stands for no holder. Owners are odd, and exact in a double.
const ALONE: u64 = 0;
const FAILED: u64 = 2;

/// How an origin fails, for all that ask it; each stands for no holder, too, two more than the one before, behind [`FAILED`].
const FAILURES: [Failure; 6] = [
    Failure::DnsError,
    Failure::ConnectionTimeout,
    Failure::ConnectionRefused,
    Failure::HttpResponseTimeout,
    Failure::TlsError,
    Failure::DestinationIpProhibited,
];

/// The shortest and the longest time between two looks at somebody else's lease, in milliseconds.
const LOOK_MS: (u64, u64) = (25, 250);

/// How long a lease is, in milliseconds, when the origin has been waited for so long.
fn length(waited: u64) -> u64 {
    let (least, most) = LEASE_MS;
    waited.clamp(least, most)
}

/// A lease that this instance holds.
#[derive(Debug)]
pub struct Lease {
    key: Key,
    owner: u64,
    since: Timestamp,
    until: Cell<Timestamp>,
    end: Cell<End>,
}

/// What is left of a lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Nothing: what came is stored, or somebody else may try.
    #[default]
    Free,
    /// That nobody else may have what came.
    Alone,
    /// That the origin fails, and how, where that is an answer to others.
    Failed(Option<Failure>),
    /// It is ended already.
    Over,
}

/// Whether to ask the origin.
#[derive(Debug)]
pub enum Taken {
    /// Yes: the lease is ours. With it, when that was asked for which L2 holds, where it holds something: it may have come meanwhile.
    Ours(Lease, Option<Timestamp>),
    /// Somebody else does.
    Theirs,
    /// Yes, and nobody waits for it, since what came lately was for nobody else.
    Alone,
    /// Yes, there are no leases: L2 fails, or the origin does.
    Free,
    /// The origin has failed whoever held the lease.
    Failed(Failure),
}

impl Lease {
    /// Whether nothing is to be left of it.
    pub fn is_free(&self) -> bool {
        self.end.get() == End::Free
    }

    /// What is to be left of it.
    pub fn leave(&self, end: End) {
        if self.end.get() != End::Over {
            self.end.set(end);
        }
    }
}

impl<H: Host> Tiers<'_, H> {
    /// Takes the lease of an object, if nobody has it.
    pub async fn take_lease(&self, key: &Key) -> Taken {
        let (since, owner) = (self.host.now(), self.new_life());
        let until = since.plus_millis(length(0));
        match leases::take(self, key, owner, until, since).await {
            Some(Holder { owner: holder, stored, .. }) if holder == owner => {
                Taken::Ours(Lease { key: *key, owner, since, until: until.into(), end: Cell::default() }, stored)
            }
            Some(Holder { owner, .. }) => told(owner),
            None => Taken::Free,
        }
    }

    /// Waits until somebody else's lease is over, or L2 holds what was asked for later than at `seen`, which is kept up; at most for
    /// so long. Says what has become of the lease: [`Taken::Theirs`] where it is still there, and nothing has come.
    pub async fn wait_for_lease(&self, key: &Key, seen: &mut Option<Timestamp>, limit: Duration) -> Option<Taken> {
        let since = self.host.now();
        loop {
            let waited = self.host.now().since(since);
            if waited >= millis(limit) {
                return Some(Taken::Theirs);
            }
            let (least, most) = LOOK_MS;
            self.host.sleep(Duration::from_millis((waited / 16).clamp(least, most))).await;
            // When the answer is here it may have been renewed.
            let asked = self.host.now();
            let Some(holder) = leases::holds(self, key).await else { return Some(Taken::Free) };
            match holder.filter(|holder| asked < holder.until) {
                None => return None,
                Some(Holder { owner, stored, .. }) => match told(owner) {
                    // What it has stored is there before its lease is over.
                    Taken::Theirs if stored > *seen => {
                        *seen = stored;
                        return None;
                    }
                    Taken::Theirs => {}
                    told => return Some(told),
                },
            }
        }
    }

    /// Renews a lease for as long as this is polled, each time when a third of it is left.
    pub async fn keep_lease(&self, lease: &Lease) {
        let mut is = lease.until.get().since(lease.since);
        loop {
            let left = lease.until.get().since(self.host.now());
            self.host.sleep(Duration::from_millis(left.saturating_sub(is / 3))).await;
            let now = self.host.now();
            is = length(now.since(lease.since));
            lease.until.set(now.plus_millis(is));
            leases::change(self, &lease.key, lease.owner, (lease.owner, lease.until.get())).await;
        }
    }

    /// Ends a lease as it was said to end.
    pub async fn end_lease(&self, lease: &Lease) {
        let until = |ms| self.host.now().plus_millis(ms);
        let left = match lease.end.replace(End::Over) {
            End::Over => return,
            End::Free => return leases::end(self, &lease.key, lease.owner).await,
            End::Alone => (ALONE, until(ALONE_MS)),
            End::Failed(how) => {
                let nth = FAILURES.iter().position(|failure| Some(*failure) == how).map_or(0, |at| at as u64 + 1);
                (FAILED + 2 * nth, until(FAILED_MS))
            }
        };
        leases::change(self, &lease.key, lease.owner, left).await;
    }
}

fn told(holder: u64) -> Taken {
    match holder {
        ALONE => Taken::Alone,
        odd if odd % 2 == 1 => Taken::Theirs,
        even => {
            let nth = usize::try_from(even / 2).ok().and_then(|nth| nth.checked_sub(2));
            nth.and_then(|nth| FAILURES.get(nth)).map_or(Taken::Free, |failure| Taken::Failed(*failure))
        }
    }
}
