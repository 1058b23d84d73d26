//! What L2 lets go: first what is over, then, where it holds more than it may, what is of the least worth (after GreedyDual-Size-
//! Frequency: Cherkasova, Improving WWW Proxies Performance with GreedyDual-Size-Frequency Caching Policy, HPL-98-69).
//!
//! The worth of an entry is how many of the next requests it may be expected to answer, for each byte that it takes.

use crate::decision::Removed;
use crate::time::Timestamp;

/// How long a use counts in full, in milliseconds: one that is a day ago counts half, one of nine days ago a tenth.
pub const MEMORY_MS: u64 = 24 * 3600 * 1000;

/// What an entry takes besides its head and content, in bytes: its key, twice, its times, and the pages' own.
pub const OVERHEAD: u64 = 256;

/// The most that is removed at once, in bytes: what a database needs time for.
pub const MOST_BYTES: u64 = 256 << 20;

/// An entry that may be let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What it takes, in bytes.
    pub bytes: u64,
    /// Until when it is kept.
    pub until: Timestamp,
    /// When it was last asked for, or stored.
    pub used: Timestamp,
    /// About how often it was asked for since it was stored.
    pub hits: u64,
    /// Whether it is being served here just now.
    pub serving: bool,
}

impl Candidate {
    /// What it is worth: uses, those of long ago for less and those that it will not live to see not at all, for each byte.
    pub fn worth(&self, now: Timestamp) -> f64 {
        let whole = MEMORY_MS as f64;
        let recent = whole / (whole + now.since(self.used) as f64);
        let left = (self.until.since(now) as f64 / whole).min(1.0);
        (1 + self.hits) as f64 * recent * left / self.bytes.max(1) as f64
    }
}

/// From where on room is made, and how far, both in bytes: a sixteenth and an eighth below what may be held, since the walk learns
/// late what came in behind it.
pub const fn marks(capacity: u64) -> (u64, u64) {
    (capacity - capacity / 16, capacity - capacity / 8)
}

/// How many bytes to let go of a slice of all that is held: twice its share of what is too much, so that writers do not outrun the walk,
/// and of a slice that is everything no more than is too much. A database that is full is given a quarter of the slice back, whatever
/// may be held.
pub fn quota(slice: u64, held: u64, capacity: Option<u64>, full: bool) -> u64 {
    let over = match capacity.map(marks) {
        Some((high, low)) if held > high => held - low,
        _ => 0,
    };
    let share = (u128::from(slice) * 2).saturating_mul(u128::from(over)) / u128::from(held.max(1));
    let share = u64::try_from(share).unwrap_or(u64::MAX).min(over);
    share.max(if full { slice.div_ceil(4) } else { 0 })
}

/// Which of these to remove, and why: what is over, then the least worth until `quota` bytes are gone, and none that is being served.
/// What is over counts towards the quota. At most [`MOST_BYTES`], but for one entry that is larger.
pub fn choose(slice: &[Candidate], quota: u64, now: Timestamp) -> Vec<(usize, Removed)> {
    let mut gone = 0u64;
    let mut chosen = Vec::new();
    let (over, live): (Vec<_>, Vec<_>) = slice.iter().enumerate().partition(|(_, entry)| entry.until <= now);
    for (n, entry) in over {
        if gone < MOST_BYTES {
            gone = gone.saturating_add(entry.bytes);
            chosen.push((n, Removed::Over));
        }
    }
    let mut live: Vec<_> = live.into_iter().filter(|(_, entry)| !entry.serving).collect();
    live.sort_by(|(_, a), (_, b)| a.worth(now).total_cmp(&b.worth(now)));
    for (n, entry) in live {
        if gone >= quota.min(MOST_BYTES) {
            break;
        }
        gone = gone.saturating_add(entry.bytes);
        chosen.push((n, Removed::Evicted));
    }
    chosen
}
