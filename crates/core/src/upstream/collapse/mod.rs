//! One fetch for many (RFC 9111 4): per object, one request of an instance asks the origin, and the others wait for what comes.
//!
//! Who waits looks now and then whether it is there, by a timer of its own: on Workers nothing of one request may wake another.
//! Looking is spaced by the time that was waited, and by how many wait. Whoever asks gives signs of life; where they stop, since the
//! platform ended it with or without a word, one of those that wait takes over. Plain data of one instance, bounded.

pub mod habits;

use crate::decision::{Failure, NotCollapsed, Tier};
use crate::entry::Entry;
use crate::host::Host;
use crate::key::Key;
use crate::tiers::count;
use crate::time::{Timestamp, millis};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

/// Objects that are asked for at once; past it each request asks for itself.
pub const MAX_FLIGHTS: usize = 4096;

/// Of them, those that are refreshed behind answers; past it stale content is served without.
pub const MAX_BEHIND: usize = 256;

/// From when on one that nobody waits for counts as ended, in milliseconds; hardly any exchange with the origin takes as long.
const LOST_MS: u64 = 2 * 60 * 1000;

/// Requests that wait for one object; past it each asks for itself.
pub const MAX_WAITING: usize = 16_384;

/// Requests that wait at all.
pub const MAX_WAITING_IN_ALL: usize = 32_768;

/// How often whoever waits for the origin gives a sign of life.
const BEAT: Duration = Duration::from_millis(100);

/// For how long there is none before another request takes over, in milliseconds: while the origin is asked, and while content
/// comes, which may pause, and does where the client that takes it first is slow.
const SILENT_MS: u64 = 500;
const SILENT_CONTENT_MS: u64 = 3_000;

/// How often nothing was heard before that: an instance that is busy is silent, too, but then nobody looks.
const SILENT_LOOKS: u32 = 5;

/// How many fetches a request waits for.
pub const PATIENCE: u32 = 2;

/// The shortest and the longest time between two looks, in milliseconds.
const LOOK_MS: (u64, u64) = (2, 100);

/// For how long it is remembered that an object came, in milliseconds: as long as a lookup that did not see it may take.
const LANDED_MS: u64 = 5_000;

/// How often it is looked for something newer behind answers while L1 is late, in milliseconds.
const LATE_MS: u64 = 1_000;

/// What came, or did not.
#[derive(Clone, Debug)]
pub enum News {
    /// It is asked for.
    Asked,
    /// Its head is there, and its content on its way.
    Coming,
    /// It is there.
    Came(Rc<Came>),
    /// The origin failed: with this answer of its own, or without one.
    Failed(Result<u16, Failure>),
    /// It cannot be shared.
    NotShared(NotCollapsed),
    /// Whoever asked is gone.
    Abandoned,
}

/// A response that may answer others.
#[derive(Debug)]
pub struct Came {
    /// The response, as it will be stored.
    pub entry: Entry,
    /// What the origin answered.
    pub status: u16,
    /// Where it was held, if the origin has confirmed it.
    pub held: Option<Tier>,
    /// Whether its content counts already, once for all that are sent it.
    pub counted: bool,
}

/// The objects that are being asked for.
#[derive(Clone, Debug, Default)]
pub struct Flights(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    flights: RefCell<HashMap<Key, Rc<Flight>>>,
    landed: RefCell<HashMap<Key, Landed>>,
    landings: Cell<u64>,
    waiting: Cell<usize>,
    counters: Counters,
}

/// How often requests shared one fetch, since the instance began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that were answered by what another one asked for.
    pub collapsed: Cell<u64>,
    /// Requests that waited, and then had to ask themselves.
    pub in_vain: Cell<u64>,
    /// Requests that took over from one that was gone.
    pub taken_over: Cell<u64>,
}

/// What came lately.
#[derive(Debug)]
struct Landed {
    /// Which of all that came it was.
    number: u64,
    /// When it was begun to be asked for.
    begun: Timestamp,
    at: Timestamp,
}

/// One object that is being asked for.
#[derive(Debug)]
struct Flight {
    /// The URL's key.
    primary: Key,
    /// The life of the URL that it was looked up in.
    life: Option<u64>,
    begun: Timestamp,
    /// Whether it is a refresh behind an answer.
    behind: bool,
    news: RefCell<News>,
    /// How often the leader has changed.
    leader: Cell<u32>,
    /// Whether the leader waits itself, for another instance.
    waits: Cell<bool>,
    beats: Arc<AtomicUsize>,
    waiting: Cell<usize>,
}

/// Who asks for an object. Dropping it before there is news is what its end looks like to others.
#[derive(Debug)]
pub struct Lead {
    all: Flights,
    key: Key,
    flight: Rc<Flight>,
    /// Which leader it is.
    number: u32,
}

/// Who waits for an object.
#[derive(Debug)]
pub struct Follow {
    all: Flights,
    key: Key,
    flight: Rc<Flight>,
}

/// When a look began: how many had come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked(u64);

/// What a request is to do.
#[derive(Debug)]
pub enum Boarding {
    /// Ask, for all.
    Lead(Lead),
    /// Wait.
    Follow(Follow),
    /// Look again: it came since.
    Landed,
    /// Ask for itself.
    Alone(NotCollapsed),
}

/// What a request that waited is to do.
#[derive(Debug)]
pub enum Heard {
    /// There is news.
    News(News),
    /// Take over.
    Lead(Lead),
    /// Ask for itself.
    Alone(NotCollapsed),
}

impl Flights {
    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// A look at the tiers begins.
    pub fn look(&self) -> Looked {
        Looked(self.0.landings.get())
    }

    /// What a request is to do that has looked in vain for `key`, an object of the URL with the key `primary`, in this life of it,
    /// since `looked`. `may_lead` and `may_follow` say what it may.
    pub fn board(
        &self,
        (key, primary, life): (Key, Key, Option<u64>),
        (may_lead, may_follow): (Result<(), NotCollapsed>, Result<(), NotCollapsed>),
        looked: Looked,
        now: Timestamp,
    ) -> Boarding {
        // Whoever finds nothing has not found that the URL was made invalid either.
        let same = |flight: &&Rc<Flight>| life.is_none() || flight.life == life;
        let flight = self.0.flights.borrow().get(&key).filter(same).cloned();
        match (flight, may_follow) {
            (Some(_), Err(why)) => Boarding::Alone(why),
            (Some(flight), Ok(())) => {
                let crowded = flight.waiting.get() >= MAX_WAITING || self.0.waiting.get() >= MAX_WAITING_IN_ALL;
                if crowded {
                    return Boarding::Alone(NotCollapsed::Crowded);
                }
                flight.waiting.set(flight.waiting.get() + 1);
                self.0.waiting.set(self.0.waiting.get() + 1);
                Boarding::Follow(Follow { all: self.clone(), key, flight })
            }
            (None, _) if self.0.landed.borrow().get(&key).is_some_and(|landed| landed.number > looked.0) => {
                Boarding::Landed
            }
            (None, _) => match may_lead {
                Ok(()) => {
                    let lead = self.begin((key, primary, life), false, now);
                    lead.map_or(Boarding::Alone(NotCollapsed::Crowded), Boarding::Lead)
                }
                Err(why) => Boarding::Alone(why),
            },
        }
    }

    /// Whether somebody asks for it.
    pub fn is_asked_for(&self, key: &Key, now: Timestamp) -> bool {
        self.0.flights.borrow().get(key).is_some_and(|flight| now.since(flight.begun) < LOST_MS)
    }

    /// Begins to ask for an object that nobody waits for; `None` where somebody asks already, too much is asked for behind answers, or
    /// what L1 shows, asked for at `shown`, was replaced just now, so that it is L1 that is late.
    pub fn begin_behind(
        &self,
        (key, primary, life): (Key, Key, Option<u64>),
        shown: Timestamp,
        now: Timestamp,
    ) -> Option<Lead> {
        let replaced = |landed: &Landed| landed.begun > shown && now.since(landed.at) < LATE_MS;
        if self.0.landed.borrow().get(&key).is_some_and(replaced) {
            return None;
        }
        // A platform may end a request, and what it was about, without a word.
        let live = |flight: &Rc<Flight>| now.since(flight.begun) < LOST_MS;
        {
            let flights = self.0.flights.borrow();
            if flights.get(&key).is_some_and(live) {
                return None;
            }
            if flights.values().filter(|flight| flight.behind && live(flight)).count() >= MAX_BEHIND {
                return None;
            }
        }
        self.begin((key, primary, life), true, now)
    }

    fn begin(&self, (key, primary, life): (Key, Key, Option<u64>), behind: bool, now: Timestamp) -> Option<Lead> {
        let mut flights = self.0.flights.borrow_mut();
        if flights.len() >= MAX_FLIGHTS && !flights.contains_key(&key) {
            // What was ended without a word, and nobody waits for.
            flights.retain(|_, flight| flight.waiting.get() > 0 || now.since(flight.begun) < LOST_MS);
            if flights.len() >= MAX_FLIGHTS {
                return None;
            }
        }
        let flight = Rc::new(Flight {
            primary,
            life,
            begun: now,
            behind,
            news: RefCell::new(News::Asked),
            leader: Cell::new(0),
            waits: Cell::new(false),
            beats: Arc::default(),
            waiting: Cell::new(0),
        });
        flights.insert(key, flight.clone());
        Some(Lead { all: self.clone(), key, flight, number: 0 })
    }

    /// An unsafe request has changed the URL: what was asked for before is not for whoever asks now.
    pub fn part_from(&self, primary: &Key) {
        self.0.flights.borrow_mut().retain(|_, flight| flight.primary != *primary);
        self.0.landed.borrow_mut().remove(primary);
    }

    fn landed(&self, key: Key, begun: Timestamp, now: Timestamp) {
        let mut landed = self.0.landed.borrow_mut();
        if landed.len() >= MAX_FLIGHTS {
            landed.retain(|_, landed| now.since(landed.at) < LANDED_MS);
            if landed.len() >= MAX_FLIGHTS {
                landed.clear();
            }
        }
        let number = self.0.landings.get() + 1;
        self.0.landings.set(number);
        landed.insert(key, Landed { number, begun, at: now });
    }

    fn remove(&self, key: &Key, flight: &Rc<Flight>) {
        let mut flights = self.0.flights.borrow_mut();
        if flights.get(key).is_some_and(|there| Rc::ptr_eq(there, flight)) {
            flights.remove(key);
        }
    }
}

impl Lead {
    /// What it asks for.
    pub fn key(&self) -> &Key {
        &self.key
    }

    fn is_leader(&self) -> bool {
        self.flight.leader.get() == self.number
    }

    fn tell(&self, news: News) {
        if self.is_leader() {
            self.beat();
            self.flight.news.replace(news);
        }
    }

    fn beat(&self) {
        self.flight.beats.fetch_add(1, Relaxed);
    }

    /// The head is there and the rest on its way. What is returned is to be counted up as it comes.
    pub fn coming(&self) -> Arc<AtomicUsize> {
        self.tell(News::Coming);
        self.flight.beats.clone()
    }

    /// It is there, if it was said to be coming. Until the lead is dropped, when it should be found in a tier, whoever looks in vain is
    /// answered by it.
    pub fn came(&self, came: impl FnOnce() -> Came) {
        let coming = matches!(*self.flight.news.borrow(), News::Coming);
        if coming {
            self.tell(News::Came(Rc::new(came())));
        }
    }

    /// It waits for another instance, or does not any more: meanwhile the time of those that wait for it stands still.
    pub fn waits(&self, waits: bool) {
        if self.is_leader() {
            self.flight.waits.set(waits);
        }
    }

    /// Whether nobody takes over from it.
    pub fn is_last(&self) -> bool {
        self.number.saturating_add(1) >= PATIENCE
    }

    /// The origin failed.
    pub fn failed(&self, how: Result<u16, Failure>) {
        self.tell(News::Failed(how));
    }

    /// What came is for nobody else.
    pub fn not_shared(&self, why: NotCollapsed) {
        self.tell(News::NotShared(why));
    }

    /// It was stored: who looks again will find it.
    pub fn stored(&self, now: Timestamp) {
        if self.is_leader() {
            self.all.landed(self.key, self.flight.begun, now);
        }
    }

    /// Waits for the origin, and shows that it does.
    pub async fn alive<H: Host, T>(&self, host: &H, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let mut timer = pin!(host.sleep(BEAT));
            let done = poll_fn(|cx| match work.as_mut().poll(cx) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
            });
            if let Some(value) = done.await {
                return value;
            }
            self.beat();
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.is_leader() {
            return;
        }
        let unfinished = matches!(*self.flight.news.borrow(), News::Asked | News::Coming);
        if unfinished {
            self.flight.news.replace(News::Abandoned);
        }
        if !unfinished || self.flight.waiting.get() == 0 {
            self.all.remove(&self.key, &self.flight);
        }
    }
}

impl Follow {
    /// Waits for news, at most `limit` for each of [`PATIENCE`] fetches.
    pub async fn hear<H: Host>(&self, host: &H, limit: Duration) -> Heard {
        let limit = millis(limit);
        let flight = &self.flight;
        let (mut leaders, mut leader, mut since) = (1, flight.leader.get(), host.now());
        let (mut beats, mut heard, mut looks) = (flight.beats.load(Relaxed), since, 0u32);
        loop {
            let now = host.now();
            if flight.waits.get() {
                since = now;
            }
            if leader != flight.leader.get() {
                (leaders, leader, since) = (leaders + 1, flight.leader.get(), now);
                (heard, looks) = (now, 0);
            }
            let news = flight.news.borrow().clone();
            let silence = match news {
                News::Asked => SILENT_MS,
                News::Coming => SILENT_CONTENT_MS,
                News::Abandoned => 0,
                News::Came(_) | News::Failed(_) | News::NotShared(_) => return Heard::News(news),
            };
            let beaten = flight.beats.load(Relaxed);
            if beaten != beats {
                (beats, heard, looks) = (beaten, now, 0);
            }
            let silent = silence == 0 || (looks >= SILENT_LOOKS && now.since(heard) >= silence);
            if silent && leaders <= PATIENCE {
                return Heard::Lead(self.take_over());
            }
            if silent || now.since(since) >= limit {
                return Heard::Alone(NotCollapsed::Waited);
            }
            looks = looks.saturating_add(1);
            host.sleep(pause(now.since(since), flight.waiting.get())).await;
        }
    }

    /// Nobody is to be answered by it any more.
    pub fn leave_behind(&self) {
        self.all.remove(&self.key, &self.flight);
    }

    /// Waits until it is stored, at most for so long.
    pub async fn until_stored<H: Host>(&self, host: &H, limit: Duration) {
        let since = host.now();
        let on_its_way = || self.all.0.flights.borrow().get(&self.key).is_some_and(|f| Rc::ptr_eq(f, &self.flight));
        while on_its_way() && host.now().since(since) < millis(limit) {
            host.sleep(pause(host.now().since(since), self.flight.waiting.get())).await;
        }
    }

    fn take_over(&self) -> Lead {
        let flight = &self.flight;
        flight.leader.set(flight.leader.get().wrapping_add(1));
        flight.waits.set(false);
        flight.news.replace(News::Asked);
        flight.beats.fetch_add(1, Relaxed);
        count(&self.all.0.counters.taken_over);
        Lead { all: self.all.clone(), key: self.key, flight: flight.clone(), number: flight.leader.get() }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let (flight, all) = (&self.flight, &self.all);
        flight.waiting.set(flight.waiting.get().saturating_sub(1));
        all.0.waiting.set(all.0.waiting.get().saturating_sub(1));
        if flight.waiting.get() == 0 && matches!(*flight.news.borrow(), News::Abandoned) {
            all.remove(&self.key, flight);
        }
    }
}

/// When to look again: after a sixteenth of the time that was waited, and so seldom that all that wait look 100 times a millisecond
/// together.
fn pause(waited: u64, waiting: usize) -> Duration {
    let (least, most) = LOOK_MS;
    let crowd = u64::try_from(waiting / 100).unwrap_or(most);
    Duration::from_millis((waited / 16).max(crowd).clamp(least, most))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
