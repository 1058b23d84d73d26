//! What we hold: L0 where it is on, L1, then L2, and how an entry moves between them (DESIGN.md, decisions 6 to 8).
//!
//! A tier that fails, is late or holds rubbish is a miss. Writes happen in `defer`; a failed one is counted and forgotten. An entry
//! carries absolute times, so a promotion can never make it younger. What may not enter: whether an entry may be used.

pub mod admission;
pub mod budget;
pub mod deadline;
pub mod gone;
pub mod health;
mod invalidate;
pub mod kept;
pub mod kv;
pub mod leases;
pub mod memory;
pub mod purges;
pub mod room;
pub mod sql;
mod walk;
pub mod watches;

use crate::config::Config;
use crate::decision::Tier;
use crate::entry::coded::Form;
use crate::entry::{Entry, Head, MAX_VARIANTS, Selecting, Variant};
use crate::fields::Fields;
use crate::host::{Host, StoreError};
use crate::key::{self, Key};
use crate::log::Log;
use crate::meter::Meter;
use crate::purge::{self, Fate};
use crate::rules::freshness::Freshness;
use crate::rules::vary;
use crate::time::{Timestamp, millis};
use admission::{Admission, Want, near};
use gone::Gone;
use health::{Call, Health};
use memory::Memory;
use purges::Purges;
use room::Room;
use sql::schema::Schema;
use sql::{Held, Verdict};
use std::cell::Cell;
use std::time::Duration;

pub(crate) use crate::meter::count;

/// How long L1 keeps what L2 could not judge: as long as an invalidation may need to reach every instance.
const UNJUDGED: Duration = Duration::from_secs(5);

/// A stored response that the request selects.
#[derive(Clone, Debug)]
pub struct Found {
    /// The stored response.
    pub entry: Entry,
    /// Where it was.
    pub tier: Tier,
    /// Under which key.
    pub key: Key,
    /// The life of the URL that it belongs to.
    pub life: u64,
    /// What the client is sent of it, where it keeps coded forms.
    pub form: Option<Form>,
}

/// What the tiers hold for a request.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The response that the request selects.
    Found(Box<Found>),
    /// The URL is known, in this life, but none of its variants is selected.
    OtherVariants(u64),
    /// Nothing; the life of the URL, where an invalidation has begun one lately, or where a purge has hit what was stored.
    Nothing(Option<u64>),
}

/// Where a new response belongs, as the lookup before it told.
#[derive(Clone, Debug)]
pub enum Place {
    /// Nothing is stored for the URL, which is in this life since an invalidation.
    New(Option<u64>),
    /// Other variants of the URL are stored, in this life of it.
    Beside(u64),
    /// It replaces this one.
    Over(Box<Found>),
}

impl Place {
    /// The life of the URL that it is in.
    pub fn life(&self) -> Option<u64> {
        match self {
            Place::New(life) => *life,
            Place::Beside(life) => Some(*life),
            Place::Over(found) => Some(found.life),
        }
    }

    /// What it replaces.
    pub fn found(&self) -> Option<&Found> {
        match self {
            Place::Over(found) => Some(found),
            Place::New(_) | Place::Beside(_) => None,
        }
    }
}

/// What went wrong in the tiers since the instance began: for the operator, never for a client.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls to L1 that failed or were late.
    pub l1_errors: Cell<u64>,
    /// Calls to L2 that failed or were late.
    pub l2_errors: Cell<u64>,
    /// Records that were not entries, or not whole.
    pub corrupt: Cell<u64>,
    /// Entries removed from L2 because their time was over.
    pub over: Cell<u64>,
    /// Entries removed from L2 because there was not room for all.
    pub evicted: Cell<u64>,
    /// Tags and cache groups of responses that are invalid or too many, and nothing can be purged by.
    pub invalid_marks: Cell<u64>,
    /// How L1 does.
    pub l1: Health,
    /// How L2 does.
    pub l2: Health,
    /// Whether L2's tables are of a terrace that this one knows.
    pub schema: Schema,
    /// How much of it has been said.
    pub log: Log,
}

/// The stack of tiers.
#[derive(Debug)]
pub struct Tiers<'a, H: Host> {
    /// The platform.
    pub host: &'a H,
    /// Sizes, times to live, deadlines.
    pub config: &'a Config,
    /// Where failures are counted.
    pub counters: &'a Counters,
    /// L0.
    pub memory: &'a Memory,
    /// What was invalidated lately.
    pub gone: &'a Gone,
    /// What was purged.
    pub purges: &'a Purges,
    /// What is known of the room in L2.
    pub room: &'a Room,
    /// Where what is billed is counted.
    pub meter: &'a Meter,
    /// What was written to L1 lately.
    pub admission: &'a Admission,
}

impl<H: Host> Tiers<'_, H> {
    /// Looks for the response that a request with these fields selects: at most two reads in each tier.
    pub async fn lookup(&self, primary: &Key, request: &Fields, now: Timestamp) -> Lookup {
        if self.config.l0.is_some() {
            let l0 = self.lookup_in(Tier::L0, primary, request, now).await;
            if matches!(l0, Lookup::Found(_)) {
                return l0;
            }
        }
        let seen = self.memory.removals(primary);
        let l1 = self.lookup_in(Tier::L1, primary, request, now).await;
        if let Lookup::Found(found) = &l1 {
            if !found.entry.head.freshness.is_fresh(now) && self.looks_past() {
                return self.lookup_past(l1, primary, request, now).await;
            }
            // What a request asks L1 for, another one may ask for soon. A further variant is found by way of the first alone.
            if let Some(limits) = self.config.l0.as_ref().filter(|_| found.key == *primary) {
                self.memory.put(limits, found.key, &found.entry, seen, now);
            }
            return l1;
        }
        match (self.lookup_in(Tier::L2, primary, request, now).await, l1) {
            (Lookup::Nothing(None), Lookup::OtherVariants(life)) => Lookup::OtherVariants(life),
            (l2, _) => l2,
        }
    }

    /// Looks whether L2 has a newer one than the stale one that L1 shows, or knows that it was made invalid.
    async fn lookup_past(&self, l1: Lookup, primary: &Key, request: &Fields, now: Timestamp) -> Lookup {
        let Lookup::Found(stale) = &l1 else { return l1 };
        let l2 = self.lookup_in(Tier::L2, primary, request, now).await;
        match &l2 {
            Lookup::Found(found) if found.entry.head.freshness.requested > stale.entry.head.freshness.requested => {
                let newer = &found.entry.head.freshness;
                // Whoever stored it may have let L1 have it, which L1 then shows in a while.
                self.admission.wrote(&found.key, newer.requested.0, newer.received.min(now));
                l2
            }
            Lookup::Nothing(Some(life)) | Lookup::OtherVariants(life) if *life != stale.life => l2,
            _ => l1,
        }
    }

    /// Looks for what a response is to be joined to: L2 first, since L1 may show what was there before.
    pub async fn lookup_newest(&self, primary: &Key, request: &Fields, now: Timestamp) -> Lookup {
        let l2 = self.lookup_in(Tier::L2, primary, request, now).await;
        if matches!(l2, Lookup::Found(_)) {
            return l2;
        }
        match self.lookup_in(Tier::L1, primary, request, now).await {
            Lookup::Found(found) => Lookup::Found(found),
            _ => l2,
        }
    }

    async fn lookup_in(&self, tier: Tier, primary: &Key, request: &Fields, now: Timestamp) -> Lookup {
        let first = match self.read(tier, primary, now).await {
            Held::Entry(first) => *first,
            Held::Gone(life) => return Lookup::Nothing(Some(life)),
            Held::Nothing => return Lookup::Nothing(None),
        };
        let life = first.head.generation;
        if vary::selects(&first.head, request) {
            return Lookup::Found(Box::new(Found { entry: first, tier, key: *primary, life, form: None }));
        }
        let listed = vary::choose(&first.head.variants, request).map(|variant| variant.key);
        let Some(key) = listed.or_else(|| (tier == Tier::L1).then(|| guess(primary, &first.head, request)).flatten())
        else {
            return Lookup::OtherVariants(life);
        };
        match self.get(tier, &key, now).await {
            Some(entry) if vary::selects(&entry.head, request) => {
                Lookup::Found(Box::new(Found { entry, tier, key, life, form: None }))
            }
            _ => Lookup::OtherVariants(life),
        }
    }

    async fn get(&self, tier: Tier, key: &Key, now: Timestamp) -> Option<Entry> {
        match self.read(tier, key, now).await {
            Held::Entry(entry) => Some(*entry),
            Held::Gone(_) | Held::Nothing => None,
        }
    }

    async fn read(&self, tier: Tier, key: &Key, now: Timestamp) -> Held {
        match tier {
            Tier::L0 => self.believed(key, self.memory.get(key, now), now),
            Tier::L1 => self.believed(key, kv::get(self, key, now).await, now),
            Tier::L2 => match Box::pin(sql::get(self, key, now)).await {
                Held::Entry(entry) => match self.gone.entry(key, entry.head.generation, now) {
                    Some(life) => Held::Gone(life),
                    None => {
                        let life = entry.head.generation;
                        match self.unpurged(*entry) {
                            // A purge begins no life, and an invalidation lately would have refused one of its own.
                            Held::Nothing => Held::Gone(life),
                            held => held,
                        }
                    }
                },
                Held::Gone(life) => Held::Gone(self.gone.shown(key, life, now)),
                Held::Nothing => Held::Nothing,
            },
        }
    }

    /// An entry after every purge that is known.
    fn unpurged(&self, mut entry: Entry) -> Held {
        match self.purges.fate(&entry.head) {
            Fate::Lives => {}
            Fate::StaleSince(at) => entry.head.freshness = purge::softened(&entry.head.freshness, at),
            Fate::Dead => return Held::Nothing,
        }
        Held::Entry(Box::new(entry))
    }

    /// An entry that no tier has shown, after every purge that is known; `None` where one hits it.
    pub fn unpurged_now(&self, entry: Entry) -> Option<Entry> {
        match self.unpurged(entry) {
            Held::Entry(entry) => Some(*entry),
            Held::Gone(_) | Held::Nothing => None,
        }
    }

    /// An entry that no invalidation has ended, as far as is known here.
    fn believed(&self, key: &Key, entry: Option<Entry>, now: Timestamp) -> Held {
        match entry {
            Some(entry) if !self.gone.ended(key, entry.head.generation, now) => {
                match self.gone.kept.hides(key, entry.head.freshness.requested, now) {
                    true => Held::Nothing,
                    false => self.unpurged(entry),
                }
            }
            _ => Held::Nothing,
        }
    }

    /// Stores a response that was just received, where the lookup says that it belongs.
    ///
    /// The first variant of a URL is stored under the primary key; a further one under a key of its own, and the primary record
    /// remembers it (DESIGN.md, Variants).
    ///
    /// All of it belongs to the life of the URL that the lookup saw: what an invalidation has ended since is not stored.
    pub async fn store(&self, primary: &Key, url: &str, mut entry: Entry, place: &Place, now: Timestamp) {
        let (life, beside) = match place {
            Place::New(life) => (*life, false),
            Place::Beside(life) => (Some(*life), true),
            Place::Over(found) => (Some(found.life), found.key != *primary),
        };
        entry.head.generation = life.unwrap_or_else(|| self.new_life());
        let holder = match place {
            _ if beside => match self.get(Tier::L2, primary, now).await {
                Some(holder) => Some(holder),
                None => self.get(Tier::L1, primary, now).await,
            },
            Place::Over(found) => {
                succeed(&found.entry.head, &mut entry.head);
                None
            }
            Place::New(_) | Place::Beside(_) => None,
        };
        let Some(mut holder) = holder else {
            return self.put(primary, url, &entry, place, now).await;
        };
        if holder.head.generation != entry.head.generation {
            return;
        }
        let (held, new) = (&holder.head.selecting, &entry.head.selecting);
        if held == new || held.0.is_empty() || new.0.is_empty() {
            succeed(&holder.head, &mut entry.head);
            return self.put(primary, url, &entry, place, now).await;
        }
        let own = variant_key(primary, &holder.head, new);
        self.put(&own, url, &entry, place, now).await;
        remember(&mut holder.head, own, &entry.head);
        self.put(primary, url, &holder, place, now).await;
    }

    /// Stores under one key, in every tier that takes it.
    ///
    /// What L1 holds already, and would be believed, is replaced there, whatever is admitted.
    async fn put(&self, key: &Key, url: &str, entry: &Entry, place: &Place, now: Timestamp) {
        let held =
            place.found().filter(|found| found.tier != Tier::L2).map(|found| (&found.key, &found.entry.head.freshness));
        let want = match held {
            // By way of what L1 has under this key, the one that is replaced would still be found.
            Some((other, held)) if other != key && held.is_fresh(now) => Want::Must,
            held => self.want(key, entry, held.filter(|(other, _)| *other == key).map(|(_, held)| held), now),
        };
        self.keep(key, entry, want, now, self.put_far(key, url, entry, place, now)).await;
        self.make_room(now).await;
    }

    /// Stores in L2, and counts what it has grown by.
    async fn put_far(&self, key: &Key, url: &str, entry: &Entry, place: &Place, now: Timestamp) -> Verdict {
        let verdict = sql::put(self, key, url, entry, now).await;
        if verdict == Verdict::Good {
            let replaced = place.found().filter(|found| found.key == *key).map_or(0, |found| found.entry.body.len());
            self.room.wrote(entry.body.len().saturating_sub(replaced) as u64);
            if self.config.l2.capacity.is_some() {
                self.room.missed(key, now);
            }
        }
        verdict
    }

    /// Has L2 judge, and L1 keep what was not refused: L2 knows whether the URL was invalidated since the response was asked for,
    /// and whether a later one has come. `store` is the write to L2.
    async fn keep(&self, key: &Key, entry: &Entry, want: Want, now: Timestamp, store: impl Future<Output = Verdict>) {
        self.memory.remove(key);
        if !H::KV_WRITES_ARE_FREE {
            let verdict = store.await;
            return self.put_near(key, entry, verdict, want, now).await;
        }
        // Where a query more costs nothing, L1, which the next request asks, need not wait for the write.
        let before = sql::verdict(self, key, &entry.head).await;
        self.put_near(key, entry, before, want, now).await;
        if matches!(before, Verdict::Superseded | Verdict::Ended) {
            return;
        }
        match store.await {
            Verdict::Good | Verdict::Older => {}
            Verdict::Superseded | Verdict::Ended => self.give_back(key).await,
            Verdict::Unknown => self.put_near(key, entry, Verdict::Unknown, want, now).await,
        }
    }

    /// Lets L1 have what L2 has judged.
    async fn put_near(&self, key: &Key, entry: &Entry, verdict: Verdict, want: Want, now: Timestamp) {
        let stay = match verdict {
            Verdict::Superseded => return,
            Verdict::Ended => return self.give_back(key).await,
            Verdict::Good | Verdict::Older => Duration::MAX,
            // L1 alone must do for a while; what was invalidated elsewhere does not stay long.
            Verdict::Unknown => UNJUDGED,
        };
        match self.gone.ended(key, entry.head.generation, now) {
            true => self.give_back(key).await,
            false => near(self, key, entry, stay, want).await,
        }
    }

    /// Stores a head that a 304 or a HEAD has changed; the content stays as it is. `replaced` is of the one that it was made from.
    pub async fn update(&self, found: &Found, url: &str, replaced: &Freshness, now: Timestamp) {
        let Found { entry, tier, key, .. } = found;
        let store = async {
            match sql::put_head(self, key, &entry.head, replaced.requested, now).await {
                Verdict::Older => sql::put(self, key, url, entry, now).await,
                verdict => verdict,
            }
        };
        // What was in L0 came from L1.
        let want = self.want(key, entry, Some(replaced).filter(|_| *tier != Tier::L2), now);
        self.keep(key, entry, want, now, store).await;
    }

    /// A number for a life of a URL that no other one had: odd, and exact in a double, which is all that D1 can bind.
    fn new_life(&self) -> u64 {
        (self.host.random() >> 11) | 1
    }

    /// What came of one call within its deadline; a failure is counted, and is `None`. The operator is told when failures begin, and when
    /// they are over.
    fn settle<T>(&self, tier: Tier, call: Call, outcome: Option<Result<T, StoreError>>) -> Option<T> {
        let health = match tier {
            Tier::L0 | Tier::L1 => &self.counters.l1,
            Tier::L2 => &self.counters.l2,
        };
        let error = match outcome {
            Some(Ok(value)) => {
                if let Some(over) = health.did_well(call, || self.host.now()) {
                    self.host.warn(&format!("{} {over}", tier.as_str()));
                }
                return Some(value);
            }
            Some(Err(error)) => error,
            None => StoreError::Timeout,
        };
        if tier == Tier::L2 && error == StoreError::Full {
            self.room.is_full();
        }
        count(match tier {
            Tier::L0 | Tier::L1 => &self.counters.l1_errors,
            Tier::L2 => &self.counters.l2_errors,
        });
        if let Some(begins) = health.failed(call, self.host.now()) {
            let (tier, why) = (tier.as_str(), error.to_string());
            let why = why.trim_end_matches('.');
            self.host
                .warn(&format!("{tier} {begins}: {why}. Requests go on without it; the log says when that is over"));
        }
        None
    }
}

fn variant_key(primary: &Key, first: &Head, selecting: &Selecting) -> Key {
    key::variant(primary, first.generation, selecting.values())
}

/// Where the variant is that differs from `first` in the values of the same fields: L1 may show a list that is older than it.
fn guess(primary: &Key, first: &Head, request: &Fields) -> Option<Key> {
    if first.selecting.0.is_empty() {
        return None;
    }
    let names: Vec<String> = first.selecting.0.iter().map(|field| field.name.clone()).collect();
    Some(variant_key(primary, first, &vary::selecting(&names, request)))
}

/// `new` takes the place of `holder` under the primary key: the same life of the URL, and its other variants.
fn succeed(holder: &Head, new: &mut Head) {
    new.generation = holder.generation;
    new.variants = holder.variants.iter().filter(|v| v.selecting != new.selecting).cloned().collect();
}

/// Adds a variant to the primary record's list; the oldest is forgotten past [`MAX_VARIANTS`].
fn remember(holder: &mut Head, key: Key, variant: &Head) {
    holder.variants.retain(|v| v.key != key);
    holder.variants.push(Variant {
        key,
        selecting: variant.selecting.clone(),
        language: vary::language(&variant.fields),
    });
    let surplus = holder.variants.len().saturating_sub(MAX_VARIANTS);
    holder.variants.drain(..surplus);
}

/// Until when a tier keeps an entry that it takes now: as long as it is of use, at most `max_ttl`.
fn keep_until(head: &Head, max_ttl: std::time::Duration, now: Timestamp) -> Timestamp {
    head.freshness.keep_until().min(now.plus_millis(millis(max_ttl)))
}
