//! The copy of a body that streams to the client: bounded by a cap of its own and by a budget that all copies share.

use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Bytes that all copies under way in one instance may hold together. Past it a response streams through unstored.
pub const BUDGET: usize = 96 << 20;

/// Bytes of memory that are shared by everything of one kind in an instance.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicUsize>);

/// A part of a budget; dropping it gives it back.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    bytes: usize,
}

/// Content that counts against a budget for as long as anybody holds it.
pub(crate) struct Counted {
    pub(crate) content: Bytes,
    pub(crate) _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

impl Budget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Budget(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Takes a part, if that much is left.
    pub fn take(&self, bytes: usize) -> Option<Held> {
        self.0.try_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).ok()?;
        Some(Held { budget: self.clone(), bytes })
    }

    /// What is left of it, in bytes.
    pub fn left(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Held {
    /// Takes more, if that much is left.
    fn grow(&mut self, bytes: usize) -> bool {
        match self.budget.take(bytes) {
            Some(mut more) => {
                self.bytes += std::mem::take(&mut more.bytes);
                true
            }
            None => false,
        }
    }

    /// Gives all of it back.
    fn release(&mut self) {
        self.budget.0.fetch_add(std::mem::take(&mut self.bytes), Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// Why there is no copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The body is larger than its cap, or than what was left of the budget.
    TooMuch,
    /// The body was cut or aborted (RFC 9111 3.3).
    Cut,
}

/// Tells, when a copy is lost, why.
#[derive(Clone, Debug)]
pub struct Fate(Arc<AtomicBool>);

impl Fate {
    /// Why it was.
    pub fn why(&self) -> Lost {
        if self.0.load(Relaxed) { Lost::TooMuch } else { Lost::Cut }
    }
}

/// A copy under way. A host's `tee` pushes every chunk and finishes it at the body's end; dropping it forgets the copy.
#[derive(Debug)]
pub struct Capture {
    kept: BytesMut,
    cap: usize,
    held: Held,
    lost: bool,
    too_much: Arc<AtomicBool>,
    /// Counted up with each chunk, for whoever waits.
    beats: Option<Arc<AtomicUsize>>,
}

impl Capture {
    /// A copy of at most `cap` bytes; `expected` is the length where it is known.
    pub fn new(cap: usize, expected: Option<u64>, budget: Budget) -> Self {
        let lost = expected.is_some_and(|n| n > cap as u64);
        let room = expected.and_then(|n| usize::try_from(n).ok()).filter(|_| !lost).unwrap_or(0).min(1 << 20);
        let (kept, held) = (BytesMut::with_capacity(room), Held { budget, bytes: 0 });
        Capture { kept, cap, held, lost, too_much: Arc::new(lost.into()), beats: None }
    }

    /// The same, with a number that is counted up by one for each chunk that comes.
    pub fn counted(self, beats: Option<Arc<AtomicUsize>>) -> Self {
        Capture { beats, ..self }
    }

    /// What will tell why it was lost.
    pub fn fate(&self) -> Fate {
        Fate(self.too_much.clone())
    }

    /// Whether the copy is still worth pushing to.
    pub fn is_live(&self) -> bool {
        !self.lost
    }

    /// Adds a chunk. Past the cap or the budget the copy is given up and its memory freed.
    pub fn push(&mut self, chunk: &[u8]) {
        if let Some(beats) = &self.beats {
            beats.fetch_add(1, Relaxed);
        }
        if self.lost {
            return;
        }
        if self.kept.len() + chunk.len() > self.cap || !self.held.grow(chunk.len()) {
            self.too_much.store(true, Relaxed);
            self.give_up();
            return;
        }
        self.kept.extend_from_slice(chunk);
    }

    /// The body was cut or aborted, or is not wanted any more.
    pub fn give_up(&mut self) {
        self.lost = true;
        self.kept = BytesMut::new();
        self.held.release();
    }

    /// The body came to its proper end: the copy, unless it was given up. It counts for as long as anybody holds it.
    pub fn finish(self) -> Option<Bytes> {
        let Capture { kept, held, lost, .. } = self;
        (!lost).then(|| Bytes::from_owner(Counted { content: kept.freeze(), _held: held }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_ends_at_its_cap_and_gives_its_memory_back() {
        let budget = Budget::new(BUDGET);
        let mut copy = Capture::new(4, None, budget.clone());
        let fate = copy.fate();
        copy.push(b"abcd");
        assert_eq!((budget.left(), fate.why()), (BUDGET - 4, Lost::Cut));
        copy.push(b"e");
        assert!(!copy.is_live());
        assert_eq!((budget.left(), fate.why()), (BUDGET, Lost::TooMuch));
        assert_eq!(copy.finish(), None);
    }

    #[test]
    fn copies_share_one_budget() {
        let budget = Budget::new(6);
        let mut a = Capture::new(100, None, budget.clone());
        let mut b = Capture::new(100, None, budget.clone());
        a.push(b"1234");
        b.push(b"567");
        assert!(a.is_live() && !b.is_live());
        let copy = a.finish().unwrap();
        assert_eq!((copy.as_ref(), budget.left()), (b"1234".as_slice(), 2));
        drop(copy);
        assert_eq!(budget.left(), 6);
    }

    #[test]
    fn a_body_known_to_be_too_large_is_never_copied() {
        assert!(!Capture::new(10, Some(11), Budget::new(BUDGET)).is_live());
        assert!(Capture::new(10, Some(10), Budget::new(BUDGET)).is_live());
    }
}
