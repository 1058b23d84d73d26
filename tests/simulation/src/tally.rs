//! What was asked of the stores and of the origin.

use std::cell::Cell;
use std::ops::Sub;
use std::rc::Rc;

/// How often each was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Reads of L1.
    pub kv_gets: u64,
    /// Writes to L1, whatever came of them.
    pub kv_puts: u64,
    /// Deletes in L1.
    pub kv_deletes: u64,
    /// Reads of L2, those of the purge log left out.
    pub queries: u64,
    /// Reads of the purge log.
    pub polls: u64,
    /// Transactions in L2.
    pub batches: u64,
    /// Exchanges with the origin.
    pub fetches: u64,
}

impl Sub for Cost {
    type Output = Cost;
    fn sub(self, before: Cost) -> Cost {
        Cost {
            kv_gets: self.kv_gets - before.kv_gets,
            kv_puts: self.kv_puts - before.kv_puts,
            kv_deletes: self.kv_deletes - before.kv_deletes,
            queries: self.queries - before.queries,
            polls: self.polls - before.polls,
            batches: self.batches - before.batches,
            fetches: self.fetches - before.fetches,
        }
    }
}

/// A running count, of which a clone is another handle.
#[derive(Clone, Debug, Default)]
pub struct Tally(Rc<Cell<Cost>>);

impl Tally {
    /// What was counted so far.
    pub fn get(&self) -> Cost {
        self.0.get()
    }

    /// One more of something.
    pub fn count(&self, one: impl FnOnce(&mut Cost)) {
        let mut cost = self.0.get();
        one(&mut cost);
        self.0.set(cost);
    }
}
