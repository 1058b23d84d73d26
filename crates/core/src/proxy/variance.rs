//! No-Vary-Search on a request's way: under which key is looked up, stored and ended what has many URLs (RFC 9111 4 as changed by
//! draft-ietf-httpbis-no-vary-search 7).
//!
//! A response that carries the field is stored under the key of its URL's canonical form. An instance knows that form once it has
//! seen a response of the same path, and a hit is then one read whatever the query; otherwise the URL is looked up as it was sent. What
//! an unsafe request ends must not depend on what an instance has seen, so the field is also in the tiers, under a key of the
//! path's own; there it is looked for, too, once per instance and path, when a URL with a query is not found.

use super::{Lookable, Proxy, Trip};
use crate::config::Policy;
use crate::fields::Fields;
use crate::host::Host;
use crate::key::{self, Key, Parts};
use crate::purge::Target;
use crate::rules::no_vary_search::{self, FIELD, Variance};
use crate::tiers::{Lookup, Place};
use crate::time::{Timestamp, millis};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The most paths of which an instance knows anything; past it all are forgotten, and learned anew.
const MAX_PATHS: usize = 1024;

/// What is known of each path, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Variances {
    paths: RefCell<Vec<Path>>,
    /// Whether any response had one.
    any: Cell<bool>,
}

#[derive(Debug)]
struct Path {
    key: Key,
    /// That of its last response that had one.
    variance: Option<Rc<Variance>>,
    /// When it was last written into the tiers, where it was.
    written: Option<Timestamp>,
    /// Whether the tiers were asked for it.
    asked: bool,
}

impl Variances {
    fn of(&self, path: &Key) -> Option<Rc<Variance>> {
        let paths = self.paths.borrow();
        let at = paths.binary_search_by(|known| known.key.cmp(path)).ok()?;
        paths.get(at)?.variance.clone()
    }

    /// Remembers it, and says whether that it is written is new: what was written until `over` no longer counts.
    fn learn(&self, path: Key, variance: Rc<Variance>, written: Option<Timestamp>, over: Timestamp) -> bool {
        self.any.set(true);
        let mut news = false;
        self.with(path, &mut |known| {
            let before = known.written.filter(|at| *at > over && known.variance.as_ref() == Some(&variance));
            (known.variance, known.written) = (Some(variance.clone()), before.or(written));
            news = written.is_some() && before.is_none();
        });
        news
    }

    /// Whether the tiers were not asked for the path yet.
    fn ask(&self, path: Key) -> bool {
        let mut before = false;
        self.with(path, &mut |known| before = std::mem::replace(&mut known.asked, true));
        !before
    }

    /// Changes what is known of a path.
    fn with(&self, key: Key, change: &mut dyn FnMut(&mut Path)) {
        let mut paths = self.paths.borrow_mut();
        let at = match paths.binary_search_by(|known| known.key.cmp(&key)) {
            Ok(at) => at,
            Err(at) => {
                let full = paths.len() >= MAX_PATHS;
                if full {
                    paths.clear();
                }
                let at = if full { 0 } else { at };
                paths.insert(at, Path { key, variance: None, written: None, asked: false });
                at
            }
        };
        if let Some(path) = paths.get_mut(at) {
            change(path);
        }
    }
}

/// Where the variance of a path is remembered; the path is that of this target.
fn path_key(parts: Parts<'_>, policy: &Policy) -> Key {
    let target = parts.target.split_once('?').map_or(parts.target, |(path, _)| path);
    key::variances(&key::primary(Parts { target, ..parts }, policy))
}

fn canonical_key(variance: &Variance, parts: Parts<'_>, policy: &Policy) -> Key {
    key::primary(Parts { target: &variance.canonical(parts.target), ..parts }, policy)
}

impl Proxy {
    fn parts<'a>(&'a self, request: &'a Lookable) -> Parts<'a> {
        let Lookable { scheme, authority, target, fields, .. } = request;
        Parts { origin: self.origin(), scheme, authority, target, fields }
    }

    /// Looks for what answers the request: under the canonical form of its URL where that is known, else as it was sent.
    pub(super) async fn held<H: Host>(&self, host: &H, request: &mut Lookable, now: Timestamp) -> Lookup {
        let (tiers, exact, policy) = (self.tiers(host), request.key, self.config.policy_at(request.route));
        let known = request.content.is_none() && self.variances.any.get();
        let variance = match known.then(|| self.variances.of(&path_key(self.parts(request), policy))).flatten() {
            Some(variance) => variance,
            None => {
                let lookup = tiers.lookup(&exact, &request.fields, now).await;
                match self.told(host, request, &lookup).await {
                    Some(variance) => variance,
                    None => return lookup,
                }
            }
        };
        request.key = canonical_key(&variance, self.parts(request), policy);
        let lookup = Box::pin(tiers.lookup(&request.key, &request.fields, now)).await;
        match &lookup {
            Lookup::Found(found)
                if request.key != exact
                    && no_vary_search::variance(&found.entry.head.fields).as_ref() != Some(&*variance) =>
            {
                // It is of the canonical URL, and speaks of no other.
                request.key = exact;
                Box::pin(tiers.lookup(&exact, &request.fields, now)).await
            }
            _ => lookup,
        }
    }

    /// What the tiers tell of a path that this instance does not know, when a URL of it was looked up as it was sent. `None` where
    /// that lookup is the answer.
    async fn told<H: Host>(&self, host: &H, request: &Lookable, lookup: &Lookup) -> Option<Rc<Variance>> {
        if request.content.is_some() {
            return None;
        }
        let path = || path_key(self.parts(request), self.config.policy_at(request.route));
        match lookup {
            Lookup::Found(found) => {
                let variance = no_vary_search::variance(&found.entry.head.fields)?;
                self.variances.learn(path(), Rc::new(variance), None, self.over(host));
                None
            }
            Lookup::Nothing(_) if request.target.contains('?') => {
                let path = path();
                if !self.variances.ask(path) {
                    return None;
                }
                let (variance, written) = Box::pin(self.written_down(host, &path)).await?;
                self.variances.learn(path, variance.clone(), written, self.over(host));
                Some(variance)
            }
            Lookup::Nothing(_) | Lookup::OtherVariants(_) => None,
        }
    }

    /// Until when what was written into the tiers is to be written again: it is half over, or a purge has hit it.
    fn over<H: Host>(&self, host: &H) -> Timestamp {
        host.now().minus_millis(millis(self.config.l2.max_ttl) / 2).max(self.purges.everything())
    }

    /// What the tiers have of a path, and since when, unless it is to be written again.
    async fn written_down<H: Host>(&self, host: &H, path: &Key) -> Option<(Rc<Variance>, Option<Timestamp>)> {
        let now = host.now();
        let Lookup::Found(found) = self.tiers(host).lookup(path, &Fields::new(), now).await else { return None };
        let variance = no_vary_search::variance(&found.entry.head.fields)?;
        let written = (!self.is_old(&found.entry, now)).then_some(found.entry.head.freshness.requested);
        Some((Rc::new(variance), written))
    }

    /// Where a response with these fields belongs: under the canonical form of its URL, by its own word, else as it was asked for.
    /// `None` is the key that was looked up.
    pub(super) async fn home<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        response: &Fields,
        trip: Trip,
    ) -> Option<Key> {
        let (parts, policy) = (self.parts(request), self.config.policy_at(request.route));
        if request.content.is_some() || (!self.variances.any.get() && !response.contains(FIELD)) {
            return None;
        }
        let key = match no_vary_search::variance(response) {
            None => key::primary(parts, policy),
            Some(variance) => {
                let path = path_key(parts, policy);
                let variance = Rc::new(variance);
                if self.variances.learn(path, variance.clone(), Some(trip.sent), self.over(host)) {
                    self.write_down(host, &path, response, &request.url(), trip).await;
                }
                canonical_key(&variance, parts, policy)
            }
        };
        Some(key).filter(|key| *key != request.key)
    }

    /// Writes the field down for all instances, unless it stands there and will for long enough.
    async fn write_down<H: Host>(&self, host: &H, path: &Key, response: &Fields, url: &str, trip: Trip) {
        let tiers = self.tiers(host);
        let place = match tiers.lookup(path, &Fields::new(), host.now()).await {
            Lookup::Found(found) => {
                let held = &found.entry.head.fields;
                let same = no_vary_search::variance(held) == no_vary_search::variance(response);
                if same && !self.is_old(&found.entry, host.now()) {
                    return;
                }
                Place::Over(found)
            }
            Lookup::OtherVariants(life) => Place::New(Some(life)),
            Lookup::Nothing(life) => Place::New(life),
        };
        let fields = response.get_all(FIELD).map(|line| (FIELD.to_string(), line.to_vec())).collect();
        tiers.store(path, url, self.record(fields, trip), &place, trip.received).await;
    }

    /// Whether the URL was invalidated since it was looked up, which said `place`.
    pub(super) async fn ended_since<H: Host>(&self, host: &H, request: &Lookable, place: &Place) -> bool {
        match self.tiers(host).lookup(&request.key, &request.fields, host.now()).await {
            Lookup::Nothing(Some(life)) => place.life() != Some(life),
            _ => false,
        }
    }

    /// Where answers to a URL may be stored: under the keys of the URL as it is, of its canonical form, and of whatever content. And
    /// what else may stand for it: which field a path had before, or in another instance, is known to the entries alone.
    pub(super) async fn places_of<H: Host>(&self, host: &H, url: &str, parts: Parts<'_>) -> (Vec<Key>, Option<Target>) {
        let policy = self.policy_of(parts.target);
        let exact = key::primary(parts, policy);
        let (mut keys, mut others) = (vec![exact], None);
        if policy.key.content.is_some() {
            keys.push(key::contents(&exact));
        }
        // Without a query it is its own canonical form, whatever the field.
        if parts.target.contains('?') {
            let path = path_key(parts, policy);
            let variance = match self.variances.of(&path) {
                Some(variance) => Some(variance),
                None => self.written_down(host, &path).await.map(|(variance, _)| variance),
            };
            others = variance.as_ref().map(|_| Target::many(&key::url(url, policy)));
            let canonical = variance.map(|variance| canonical_key(&variance, parts, policy));
            keys.extend(canonical.filter(|key| *key != exact));
        }
        (keys, others)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn it_is_bounded() {
        let known = Variances::default();
        let variance = Rc::new(no_vary_search::variance(&Fields::from([(FIELD, "params")])).unwrap());
        for n in 0..=MAX_PATHS {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            let learn = |written: Option<i64>, over| {
                known.learn(Key(key), variance.clone(), written.map(Timestamp), Timestamp(over))
            };
            assert!(!learn(None, 0) && learn(Some(5), 0) && !learn(Some(6), 4) && !learn(None, 4));
            // What was written until then is over.
            assert!(learn(Some(7), 5) && !learn(None, 7) && learn(Some(8), 7));
            assert!(known.ask(Key(key)) && !known.ask(Key(key)));
            assert!(known.paths.borrow().len() <= MAX_PATHS);
        }
    }
}
