//! L1 as Workers KV is: each instance sees a write when it gets round to it, some are lost, and a key takes one write a second.

use crate::executor::Executor;
use crate::network::Network;
use crate::random::{Random, mix};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use terrace_core::host::StoreError;

/// How often one key may be written, in milliseconds, where that is limited.
const PER_KEY_MS: i64 = 1_000;

/// The store that all instances share.
pub struct KvStore {
    executor: Executor,
    random: Random,
    salt: u64,
    /// The way to it.
    pub network: Rc<Network>,
    /// How long a write may show to some instance not at all, in milliseconds. Half of them show at once where they were made.
    pub lag: Cell<u64>,
    /// The probability that a write is taken and never shows.
    pub lost: Cell<f64>,
    /// Whether a second write to a key within a second is refused.
    pub limited: Cell<bool>,
    keys: RefCell<HashMap<String, Vec<Write>>>,
    written: Cell<u64>,
}

struct Write {
    at: i64,
    number: u64,
    by: usize,
    value: Option<Bytes>,
    until: i64,
}

impl KvStore {
    /// An empty one that is never late.
    pub fn new(executor: Executor, random: &Random) -> Self {
        KvStore {
            network: Rc::new(Network::new(executor.clone(), random.fork())),
            executor,
            salt: random.draw(),
            random: random.fork(),
            lag: Cell::default(),
            lost: Cell::default(),
            limited: Cell::default(),
            keys: RefCell::default(),
            written: Cell::default(),
        }
    }

    /// What an instance sees now under a key.
    pub fn show(&self, key: &str, to: usize) -> Option<Bytes> {
        let now = self.executor.now();
        let keys = self.keys.borrow();
        let seen = keys.get(key)?.iter().rev().find(|write| write.at + self.lag_of(write, to) <= now)?;
        seen.value.clone().filter(|_| now < seen.until)
    }

    /// Writes a value, or removes it. Refused where a key takes no more of them for now.
    pub fn write(&self, key: &str, value: Option<Vec<u8>>, ttl: Duration, by: usize) -> Result<(), StoreError> {
        let now = self.executor.now();
        let mut keys = self.keys.borrow_mut();
        let writes = keys.entry(key.to_string()).or_default();
        if self.limited.get() && writes.last().is_some_and(|last| now - last.at < PER_KEY_MS) {
            return Err(StoreError::Busy("429: one write a second for each key".into()));
        }
        if self.random.chance(self.lost.get()) {
            return Ok(());
        }
        // What every instance has seen replaced nobody will see again.
        let all_see = now - self.lag.get() as i64;
        let old = writes.iter().rposition(|write| write.at <= all_see).unwrap_or(0);
        writes.drain(..old);
        let number = self.written.replace(self.written.get() + 1);
        let until = now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        writes.push(Write { at: now, number, by, value: value.map(Bytes::from), until });
        Ok(())
    }

    /// How many keys there are, those that were removed among them.
    pub fn keys(&self) -> usize {
        self.keys.borrow().len()
    }

    fn lag_of(&self, write: &Write, to: usize) -> i64 {
        let drawn = mix(self.salt ^ mix(write.number ^ ((to as u64) << 40)));
        match self.lag.get() {
            0 => 0,
            _ if write.by == to && drawn & 1 == 0 => 0,
            most => ((drawn >> 1) % (most + 1)) as i64,
        }
    }
}
