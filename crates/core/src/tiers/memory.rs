//! L0: small entries that L1 was asked for, in the memory of the instance. Nobody else's writes reach it, so nothing stays long.
//!
//! Bounded in bytes; when it is full, what was not asked for since it was last looked at goes first (CLOCK).

use crate::config::L0;
use crate::entry::Entry;
use crate::key::Key;
use crate::time::{Timestamp, millis};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

/// What an entry weighs besides its content and fields, in bytes.
const OVERHEAD: usize = 512;

/// Keys are told apart by so many counters of removals.
const STRIPES: usize = 256;

/// The entries in memory.
#[derive(Debug, Default)]
pub struct Memory(RefCell<Inner>);

/// How often what may be a key was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removals(u32);

#[derive(Debug, Default)]
struct Inner {
    removals: Vec<u32>,
    held: HashMap<Key, Held>,
    /// Each key that is held, once; the next to be looked at in front.
    clock: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    until: Timestamp,
    asked: bool,
    bytes: usize,
}

impl Memory {
    /// A fresh entry. One that is stale is forgotten: L1 may have a newer one.
    pub fn get(&self, key: &Key, now: Timestamp) -> Option<Entry> {
        let mut inner = self.0.borrow_mut();
        let held = inner.held.get_mut(key)?;
        if held.until <= now || !held.entry.head.freshness.is_fresh(now) {
            inner.remove(key);
            return None;
        }
        held.asked = true;
        Some(held.entry.clone())
    }

    /// How often the key was removed: what is read elsewhere after this is not kept where it was removed meanwhile.
    pub fn removals(&self, key: &Key) -> Removals {
        Removals(self.0.borrow().removals.get(stripe(key)).copied().unwrap_or_default())
    }

    /// Keeps an entry, if it is small enough and was not removed since `seen`, and makes room for it.
    pub fn put(&self, limits: &L0, key: Key, entry: &Entry, seen: Removals, now: Timestamp) {
        if self.removals(&key) != seen {
            return;
        }
        let mut inner = self.0.borrow_mut();
        inner.remove(&key);
        let bytes = OVERHEAD + entry.body.len() + entry.head.fields.bytes();
        let most = usize::try_from(limits.size).unwrap_or(usize::MAX);
        if entry.body.len() as u64 > limits.max_size || bytes > most {
            return;
        }
        while inner.bytes + bytes > most {
            if !inner.make_room() {
                return;
            }
        }
        // A copy of its own: the content may be a part of something larger that would be held with it.
        let entry = Entry { head: entry.head.clone(), body: entry.body.to_vec().into() };
        let until = now.plus_millis(millis(limits.max_ttl));
        inner.bytes += bytes;
        inner.held.insert(key, Held { entry, until, asked: false, bytes });
        inner.clock.push_back(key);
    }

    /// Forgets an entry.
    pub fn remove(&self, key: &Key) {
        let mut inner = self.0.borrow_mut();
        inner.remove(key);
        inner.removals.resize(STRIPES, 0);
        if let Some(removals) = inner.removals.get_mut(stripe(key)) {
            *removals = removals.wrapping_add(1);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.0.borrow().bytes
    }
}

/// Keys are hashes: any byte is as good as another.
fn stripe(key: &Key) -> usize {
    key.0.first().copied().map_or(0, usize::from) % STRIPES
}

impl Inner {
    fn remove(&mut self, key: &Key) {
        if let Some(held) = self.held.remove(key) {
            self.bytes = self.bytes.saturating_sub(held.bytes);
            self.clock.retain(|other| other != key);
        }
    }

    /// Looks at one entry; says whether there was one.
    fn make_room(&mut self) -> bool {
        let Some(key) = self.clock.pop_front() else { return false };
        match self.held.get_mut(&key) {
            Some(held) if held.asked => {
                held.asked = false;
                self.clock.push_back(key);
            }
            Some(_) => {
                if let Some(held) = self.held.remove(&key) {
                    self.bytes = self.bytes.saturating_sub(held.bytes);
                }
            }
            None => {}
        }
        true
    }
}
