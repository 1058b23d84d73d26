//! What an instance knows of the room in L2: what it has written since it last made some, and what it was asked for.
//!
//! Hits are counted here, in memory, and told to L2 once in a while: nothing is written for a hit. Who has no memory, because the
//! platform ends it after a request or two, draws: a quarter of the hits stand for four each.

use crate::key::Key;
use crate::time::Timestamp;
use std::cell::{Cell, RefCell};

/// One write in this many makes room, where that is bounded, and otherwise removes what is over.
const EVERY: u64 = 64;
const EVERY_UNBOUNDED: u64 = 512;

/// So does as much as this part of the capacity, and at most this many bytes.
const PART: u64 = 64;
const MOST_BYTES: u64 = 128 << 20;

/// How long others leave it to whoever is making room, and how long nobody tries again where that failed, in milliseconds.
const PATIENCE_MS: u64 = 30_000;
const REST_MS: u64 = 10_000;

/// Of how many keys the hits are counted, by a part of the key and beside it; of others they are drawn.
const SETS: usize = 512;
const PLACES: usize = 4;

/// How many hits are told at once, at least; one in so many is drawn.
const TOLD: u32 = 4;

/// The most hits that are told at once.
const MOST_TOLD: u32 = 1000;

/// How long after hits were told more are, for each of them, in milliseconds, and for how many of them at most: after 4 minutes
/// first, and every 3 hours at last. L2 goes by the same.
pub(super) const PAUSE_MS: u64 = 60_000;
pub(super) const PAUSES: u32 = 180;

/// How long what was asked for counts as being served, in milliseconds.
const SERVING_MS: u64 = 10_000;

/// How long a key keeps its place from others while nobody asks for it, in milliseconds, and how many of their hits it outlasts.
const STAY_MS: u64 = 60_000;
const STAY_HITS: u8 = 15;

/// What is known of the room in L2.
#[derive(Debug, Default)]
pub struct Room {
    writes: Cell<u64>,
    bytes: Cell<u64>,
    full: Cell<bool>,
    /// Until when nobody else makes room.
    taken: Cell<Option<Timestamp>>,
    uses: RefCell<Vec<Use>>,
    held: Cell<Option<u64>>,
}

/// How one key was asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    key: u64,
    /// Hits that were not told yet.
    hits: u32,
    /// Hits that were told from here.
    told: u32,
    stay: u8,
    last: Timestamp,
    /// When the next are told, at the earliest.
    next: Timestamp,
}

impl Room {
    /// So many bytes were written to L2.
    pub fn wrote(&self, bytes: u64) {
        self.writes.set(self.writes.get().saturating_add(1));
        self.bytes.set(self.bytes.get().saturating_add(bytes));
    }

    /// L2 says that it is full.
    pub fn is_full(&self) {
        self.full.set(true);
    }

    /// About how many bytes L2 holds, where a walk from here has told.
    pub fn held(&self) -> Option<u64> {
        self.held.get()
    }

    pub(super) fn holds(&self, bytes: u64) {
        self.held.set(Some(bytes));
    }

    /// Whether room is to be made behind this write. `drawn` draws one in so many: instances that do not live for that many
    /// writes take their turns so.
    pub(super) fn is_due(&self, capacity: Option<u64>, drawn: impl FnOnce(u64) -> bool, now: Timestamp) -> bool {
        let every = if capacity.is_some() { EVERY } else { EVERY_UNBOUNDED };
        let drawn = drawn(every);
        let part = capacity.map_or(u64::MAX, |capacity| (capacity / PART).min(MOST_BYTES));
        (drawn || self.full.get() || self.writes.get() >= every || self.bytes.get() >= part)
            && self.taken.get().is_none_or(|until| until <= now)
    }

    /// Somebody begins to make room. Returns the bytes written since the last time, and whether L2 said that it is full.
    pub(super) fn take(&self, now: Timestamp) -> (u64, bool) {
        self.taken.set(Some(now.plus_millis(PATIENCE_MS)));
        self.writes.set(0);
        (self.bytes.take(), self.full.take())
    }

    /// Room was made, or not.
    pub(super) fn done(&self, well: bool, now: Timestamp) {
        self.taken.set((!well).then(|| now.plus_millis(REST_MS)));
    }

    /// A key was asked for. Returns how many hits L2 is to be told of, where it is to be told now.
    pub(crate) fn used(&self, key: &Key, now: Timestamp) -> Option<u32> {
        let id = id(key);
        let drawn = draw(id, now).is_multiple_of(u64::from(TOLD));
        let mut uses = self.uses.borrow_mut();
        let Some(place) = place(&mut uses, id, now) else { return drawn.then_some(TOLD) };
        place.last = now;
        if now < place.next || !(drawn || place.hits >= TOLD) {
            return None;
        }
        let hits = place.hits.clamp(TOLD, MOST_TOLD);
        place.hits = 0;
        place.told = place.told.saturating_add(hits).min(PAUSES);
        place.next = now.plus_millis(PAUSE_MS * u64::from(place.told));
        Some(hits)
    }

    /// A key was asked for, and has to be stored first: who asks for it again is not to find that it had to go at once, because all
    /// others were asked for before.
    pub(super) fn missed(&self, key: &Key, now: Timestamp) {
        place(&mut self.uses.borrow_mut(), id(key), now);
    }

    /// The hits of a key that were not told yet, and when the last one was.
    pub(super) fn untold(&self, key: &Key) -> Option<(u32, Timestamp)> {
        let uses = self.uses.borrow();
        let id = id(key);
        let place = uses.chunks_exact(PLACES).nth(set(id))?.iter().find(|place| place.key == id)?;
        Some((place.hits, place.last))
    }

    /// Whether a key that was last asked for then is being served.
    pub(super) fn is_serving(last: Timestamp, now: Timestamp) -> bool {
        now.since(last) < SERVING_MS
    }
}

/// Counts one more hit of a key; `None` where others keep its place.
fn place(uses: &mut Vec<Use>, id: u64, now: Timestamp) -> Option<&mut Use> {
    if uses.is_empty() {
        uses.resize(PLACES * SETS, Use::default());
    }
    let set = uses.chunks_exact_mut(PLACES).nth(set(id))?;
    let place = match set.iter().position(|place| place.key == id) {
        Some(n) => set.get_mut(n)?,
        None => {
            let place = set.iter_mut().min_by_key(|place| (place.stay, place.last))?;
            if place.stay > 0 && now.since(place.last) < STAY_MS {
                place.stay -= 1;
                return None;
            }
            *place = Use { key: id, ..Use::default() };
            place
        }
    };
    place.hits = place.hits.saturating_add(1);
    place.stay = place.stay.saturating_add(1).min(STAY_HITS);
    Some(place)
}

/// Keys are hashes: a part of one tells them apart well enough to count by.
fn id(key: &Key) -> u64 {
    key.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Where its place is.
fn set(id: u64) -> usize {
    usize::try_from(id % SETS as u64).unwrap_or_default()
}

/// The time of a hit is chance enough, and asking for a number costs a call.
fn draw(id: u64, now: Timestamp) -> u64 {
    (id ^ now.0.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn key(n: u64) -> Key {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Key(bytes)
    }

    #[test]
    fn a_hot_key_is_told_of_ever_more_seldom() {
        let (room, mut pauses, mut last) = (Room::default(), Vec::new(), 0);
        for second in 0..24 * 3600 {
            if room.used(&key(7), NOW.plus_millis(second * 1000)).is_some() {
                pauses.push(second - last);
                last = second;
            }
        }
        assert!(pauses.len() < 20, "{pauses:?}");
        assert!(pauses.iter().skip(1).all(|pause| *pause >= 240), "{pauses:?}");
        assert!(pauses.iter().skip(3).all(|pause| *pause >= 3 * 3600), "{pauses:?}");
    }

    #[test]
    fn whoever_has_no_memory_tells_of_a_quarter_of_the_hits() {
        let told: u32 = (0..4000).filter_map(|n| Room::default().used(&key(n * 7919), NOW.plus_millis(n * 37))).sum();
        assert!((3400..4600).contains(&told), "{told}");
    }

    #[test]
    fn hits_that_were_not_told_are_known_here() {
        let room = Room::default();
        assert_eq!(room.untold(&key(7)), None);
        let told: u32 = (0..3).filter_map(|_| room.used(&key(7), NOW)).sum();
        let (hits, last) = room.untold(&key(7)).unwrap_or_default();
        assert!((told == 0 && hits == 3) || told >= 4, "{told} {hits}");
        assert_eq!(last, NOW);
    }

    #[test]
    fn a_key_in_use_keeps_its_place_for_a_while() {
        let (room, later) = (Room::default(), NOW.plus_millis(1000));
        let beside = |n: usize| key((n * SETS) as u64);
        for n in 0..PLACES {
            room.used(&beside(n + 1), if n == 0 { NOW } else { later });
            room.used(&beside(n + 1), if n == 0 { NOW } else { later });
        }
        let known = |n| room.untold(&beside(n)).is_some();
        for n in [7, 8] {
            room.used(&beside(n), later);
            assert!(known(1) && !known(n), "{n}");
        }
        room.used(&beside(9), later);
        assert!(!known(1) && known(2) && known(9));
        room.used(&beside(10), later.plus_millis(STAY_MS));
        assert!(known(10));
    }

    #[test]
    fn room_is_made_by_the_writes_and_by_the_bytes() {
        let never = |_| false;
        let due = |room: &Room, capacity| room.is_due(capacity, never, NOW);
        let room = Room::default();
        for n in 0..EVERY_UNBOUNDED {
            assert!(!due(&room, None), "{n}");
            room.wrote(1 << 20);
        }
        assert!(due(&room, None) && room.is_due(None, |_| true, NOW));
        assert_eq!(room.take(NOW), (EVERY_UNBOUNDED << 20, false));
        assert!(!room.is_due(None, |_| true, NOW.plus_millis(PATIENCE_MS - 1)), "somebody is at it");
        room.done(true, NOW);
        assert!(!due(&room, None) && room.is_due(None, |every| every == EVERY_UNBOUNDED, NOW));
        room.wrote(1 << 20);
        assert!(due(&room, Some(64 << 20)) && !due(&room, Some(65 << 20)));
        room.take(NOW);
        room.is_full();
        room.done(false, NOW);
        assert!(!due(&room, None), "it has just failed");
        assert!(room.is_due(None, never, NOW.plus_millis(REST_MS)));
        assert_eq!(room.take(NOW), (0, true));
    }
}
