//! What pays in L1, where a write to it is billed and L2 answers at the same price, only later (`admit = "second-hit"`).
//!
//! A write costs the same whatever the size, and is earned by being read again before it is over. So a copy is made of what is asked for
//! again within the time that L1 would keep it, and will be fresh for a while.

use super::freshness::Freshness;
use crate::config::L1;
use crate::decision::NotAdmitted;
use crate::time::{Timestamp, millis};

/// How long a copy must be fresh, in milliseconds: Workers KV shows it elsewhere only after as long.
pub const WORTH_MS: u64 = 60_000;

/// What L1 holds is asked for often where the first request after its freshness came within this part of it. Of what is asked for at
/// random as often as it is fresh, a fifth is; of what is asked for ten times as often, nine tenths.
const OFTEN: u64 = 4;

/// Whether content of this size, in bytes, has its place in L1.
///
/// # Errors
/// [`NotAdmitted`]: it stays in L2.
pub fn fits(limits: &L1, size: u64) -> Result<(), NotAdmitted> {
    match size {
        _ if size > limits.max_size => Err(NotAdmitted::TooLarge),
        _ if size < limits.min_size => Err(NotAdmitted::TooSmall),
        _ => Ok(()),
    }
}

/// Whether a copy pays of what L2 was asked for, and was asked for, or stored, at `before`.
///
/// # Errors
/// [`NotAdmitted`]: it stays in L2.
pub fn asked_again(
    limits: &L1,
    size: u64,
    it: &Freshness,
    before: Timestamp,
    now: Timestamp,
) -> Result<(), NotAdmitted> {
    fits(limits, size)?;
    let stay = worth(limits, it, now)?;
    if now.since(before) <= stay { Ok(()) } else { Err(NotAdmitted::NotAskedAgain) }
}

/// Whether a copy pays of what takes the place of `held`, which L1 holds.
///
/// # Errors
/// [`NotAdmitted`]: it stays in L2, and what L1 holds, once it is stale, is looked past.
pub fn replaces(limits: &L1, size: u64, it: &Freshness, held: &Freshness, now: Timestamp) -> Result<(), NotAdmitted> {
    fits(limits, size)?;
    worth(limits, it, now)?;
    let end = held.fresh_until();
    match now.since(end) <= end.since(held.received) / OFTEN {
        true => Ok(()),
        false => Err(NotAdmitted::NotAskedAgain),
    }
}

/// How long a copy would be fresh there, in milliseconds, if that is enough.
fn worth(limits: &L1, it: &Freshness, now: Timestamp) -> Result<u64, NotAdmitted> {
    let stay = it.fresh_until().since(now).min(millis(limits.max_ttl));
    if stay >= WORTH_MS { Ok(stay) } else { Err(NotAdmitted::SoonStale) }
}
