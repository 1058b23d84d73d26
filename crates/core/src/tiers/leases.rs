//! Who of all instances asks the origin for an object (`collapse = "global"`; DESIGN.md, One fetch for many).
//!
//! A lease is a row in L2, short and renewed as long as the origin is waited for, so that the end of its holder is noticed soon. A holder
//! that has found that nobody else may have what came, or that the origin fails, says so in its place, and the others need not wait in
//! turn. Where L2 fails there is none, and each instance asks for itself. The clocks of instances must agree to about a second.

use super::Tiers;
use super::sql::leases::{self, Holder};
use crate::host::Host;
use crate::key::Key;
use crate::time::{Timestamp, millis};
use std::cell::Cell;
use std::time::Duration;

/// How long a lease is, in milliseconds, unless it is renewed.
const LEASE_MS: u64 = 3_000;

/// How often it is renewed.
const RENEW: Duration = Duration::from_millis(1_000);

/// How long the others go by what the holder has found, in milliseconds: that nobody else may have it, and that the origin fails.
const ALONE_MS: u64 = 60_000;
const FAILED_MS: u64 = 1_000;

/// What stands for no holder. Owners are odd, and exact in a double.
const ALONE: u64 = 0;
const FAILED: u64 = 2;

/// The shortest and the longest time between two looks at somebody else's lease, in milliseconds.
const LOOK_MS: (u64, u64) = (25, 250);

/// A lease that this instance holds.
#[derive(Debug)]
pub struct Lease {
    key: Key,
    owner: u64,
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
    /// That the origin fails.
    Failed,
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
        let (now, owner) = (self.host.now(), self.new_life());
        match leases::take(self, key, owner, now.plus_millis(LEASE_MS), now).await {
            Some(Holder { owner: holder, stored, .. }) if holder == owner => {
                Taken::Ours(Lease { key: *key, owner, end: Cell::default() }, stored)
            }
            Some(Holder { owner, .. }) => told(owner),
            None => Taken::Free,
        }
    }

    /// Waits until somebody else's lease is over, at most for so long. Says what has become of it: [`Taken::Theirs`] where it is still
    /// there.
    pub async fn wait_for_lease(&self, key: &Key, limit: Duration) -> Option<Taken> {
        let since = self.host.now();
        loop {
            let waited = self.host.now().since(since);
            if waited >= millis(limit) {
                return Some(Taken::Theirs);
            }
            let (least, most) = LOOK_MS;
            self.host.sleep(Duration::from_millis((waited / 16).clamp(least, most))).await;
            let Some(holder) = leases::holds(self, key).await else { return Some(Taken::Free) };
            match holder.filter(|holder| self.host.now() < holder.until) {
                None => return None,
                Some(Holder { owner, .. }) => match told(owner) {
                    Taken::Theirs => {}
                    told => return Some(told),
                },
            }
        }
    }

    /// Renews a lease for as long as this is polled.
    pub async fn keep_lease(&self, lease: &Lease) {
        loop {
            self.host.sleep(RENEW).await;
            let until = self.host.now().plus_millis(LEASE_MS);
            leases::change(self, &lease.key, lease.owner, (lease.owner, until)).await;
        }
    }

    /// Ends a lease as it was said to end.
    pub async fn end_lease(&self, lease: &Lease) {
        let until = |ms| self.host.now().plus_millis(ms);
        let left = match lease.end.replace(End::Over) {
            End::Over => return,
            End::Free => return leases::end(self, &lease.key, lease.owner).await,
            End::Alone => (ALONE, until(ALONE_MS)),
            End::Failed => (FAILED, until(FAILED_MS)),
        };
        leases::change(self, &lease.key, lease.owner, left).await;
    }
}

fn told(holder: u64) -> Taken {
    match holder {
        ALONE => Taken::Alone,
        FAILED => Taken::Free,
        _ => Taken::Theirs,
    }
}
