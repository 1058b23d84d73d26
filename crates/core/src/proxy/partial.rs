//! Parts: what is done where one is held and another, or the whole, is asked for; and how a new one joins what is held
//! (RFC 9111 3.3, 3.4).

use super::{Lookable, Proxy, Trip, exchange};
use crate::decision::{Forward, Outcome};
use crate::entry::{Entry, Head, Part};
use crate::fields::Fields;
use crate::host::Host;
use crate::key::Key;
use crate::message::Response;
use crate::rules::partial::{self, Union};
use crate::rules::storable::{self, Plan};
use crate::rules::{Exchange, range, update};
use crate::tiers::{Found, Lookup, Place};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

/// How many objects may have parts joined at once in one instance; past it a part is not stored, and the rest of one not asked
/// for.
const MAX_JOINS: usize = 4;

/// Keeps others from joining parts of the same object meanwhile: the later one would undo the first.
struct Joining<'a> {
    all: &'a RefCell<HashSet<Key>>,
    key: Key,
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        self.all.borrow_mut().remove(&self.key);
    }
}

/// A part that came whole.
pub(super) struct Came {
    pub(super) part: Part,
    pub(super) plan: Plan,
    /// All fields that came with it.
    pub(super) fields: Fields,
    pub(super) body: Bytes,
}

impl Lookable {
    /// Whether what is stored can answer it. A part answers for the ranges within it alone (RFC 9111 3.3).
    pub(super) fn is_answered_by(&self, head: &Head) -> bool {
        range::answers(&self.method, &self.fields, head)
    }
}

impl Proxy {
    /// A part is held, and something else is asked for: ask for the rest where that makes it whole, else for what the client wants.
    pub(super) async fn beyond_part<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        found: Box<Found>,
    ) -> Response<H::Stream> {
        let head = &found.entry.head;
        let fits = head.part.is_some_and(|part| part.complete <= self.config.max_size());
        let wanted = fits && request.is_conditional() && self.may_fetch(&request);
        match partial::for_the_rest(head, &request.fields).filter(|_| wanted) {
            Some(fields) if self.may_join(&request.key) => self.complete(host, request, found, fields).await,
            _ => self.forward(host, request, Place::Over(found), Forward::Partial).await,
        }
    }

    /// Whether parts of this object may be joined now.
    fn may_join(&self, key: &Key) -> bool {
        let joining = self.joining.borrow();
        joining.len() < MAX_JOINS && !joining.contains(key)
    }

    fn join(&self, key: Key) -> Option<Joining<'_>> {
        if !self.may_join(&key) {
            return None;
        }
        self.joining.borrow_mut().insert(key);
        Some(Joining { all: &self.joining, key })
    }

    /// Asks for the rest, and answers with the whole. An origin that has something else by now says so, or is asked again.
    async fn complete<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        found: Box<Found>,
        fields: Fields,
    ) -> Response<H::Stream> {
        let proxy = self.clone();
        let joining = proxy.join(request.key);
        let (why, sent) = (Forward::Partial, host.now());
        let answer = self.send(host, &request, fields.clone()).await;
        let trip = Trip { why, sent, received: host.now() };
        let response = match answer {
            Ok(response) => response,
            Err(failure) => return self.fail(host, failure, Some(why)),
        };
        let entry = match response.status.as_u16() {
            206 => self.completed(host, &request, &fields, &found, trip, response).await,
            // If-Range knows no 412, and what a 304 or a 416 speaks of is not what is held.
            304 | 412 | 416 => None,
            _ => return self.received(host, request, Place::Over(found), trip, response),
        };
        drop(joining);
        let Some(entry) = entry else {
            return self.ask_anew(host, request, found, why).await;
        };
        let from = Some((found.tier, None));
        let outcome = Outcome::Forwarded { why, detail: None, status: Some(206), stored: Some(Ok(())), from };
        let answer = self.stored(host, &request, (entry.clone(), None), host.now(), &outcome);
        let own = host.clone();
        host.defer(async move {
            self.put(&own, &request, &request.key, entry, &Place::Over(found), trip.received).await;
        });
        answer
    }

    /// What is held and the rest of it, together; `None` where they are not the whole, or may not be kept.
    async fn completed<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        sent: &Fields,
        found: &Found,
        trip: Trip,
        response: Response<H::Stream>,
    ) -> Option<Entry> {
        let (url, policy, held) = (request.url(), self.config.policy_at(request.route), &found.entry);
        let seen = Exchange { request: sent, ..exchange(request, &url, &response, trip) };
        let part = storable::storable(&seen, policy).ok()?.part?;
        if !partial::same_content(&held.head.fields, &response.fields) || !partial::completes(&held.head, part) {
            return None;
        }
        let head = update::by_part(&held.head, &seen, policy);
        let (body, copy) = self.keep(host, response.body, Some(part.len()), None);
        drop(body);
        let body = copy.await.ok().filter(|body| body.len() as u64 == part.len())?;
        let _held = self.budget.take(usize::try_from(part.complete).ok()?)?;
        match partial::join((partial::held(&held.head), &held.body), (part, &body), self.config.max_size()) {
            Union::Joined(whole, body) if whole.is_whole() => Some(assemble(head, whole, body)),
            _ => None,
        }
    }

    /// Asks once more, without conditions of our own.
    pub(super) async fn ask_anew<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        found: Box<Found>,
        why: Forward,
    ) -> Response<H::Stream> {
        let sent = host.now();
        match self.ask(host, &request, None).await {
            Err(failure) => {
                self.tell_failure(&request, Err(failure));
                self.fail(host, failure, Some(why))
            }
            Ok(response) => {
                let trip = Trip { why, sent, received: host.now() };
                self.received(host, request, Place::Over(found), trip, response)
            }
        }
    }

    /// Stores a part, joined to what is held of the same content by now. Of two parts with a gap between them the larger is kept:
    /// both are good, and it answers more. What is known to be of other content is replaced, unless it came after this one was
    /// asked for: then nobody knows which is newer.
    pub(super) async fn store_part<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        came: Came,
        place: &Place,
        trip: Trip,
    ) {
        let Some(_joining) = self.join(request.key) else { return };
        let (tiers, url, policy) = (self.tiers(host), request.url(), self.config.policy_at(request.route));
        let Came { part, plan, fields, body } = came;
        let alone = |body| {
            let Plan { fields, freshness, selecting, marks, .. } = plan.clone();
            let head = Entry::new(206, fields, freshness, selecting, Bytes::new()).with_marks(marks).head;
            partial::brings_all_fields(&request.fields).then(|| assemble(head, part, body))
        };
        let mut found = match tiers.lookup_newest(&request.key, &request.fields, host.now()).await {
            Lookup::Found(found) => found,
            Lookup::OtherVariants(_) | Lookup::Nothing(_) => {
                if let Some(entry) = alone(body) {
                    self.put(host, request, &request.key, entry, place, trip.received).await;
                }
                return;
            }
        };
        // Where it was found first, it is replaced as well.
        if let Some(before) = place.found().filter(|before| before.key == found.key) {
            found.tier = before.tier;
        }
        if found.entry.head.coded.is_some() {
            let Some(content) = self.content(host, &found.entry).await else { return };
            found.entry = found.entry.with_content(content);
        }
        let held = &found.entry;
        let Some(_held) = self.budget.take(held.body.len().saturating_add(body.len())) else { return };
        let union = match partial::same_content(&held.head.fields, &fields) {
            true => partial::join((partial::held(&held.head), &held.body), (part, &body), self.config.max_size()),
            false => Union::Different,
        };
        let head = || {
            let seen = Exchange {
                method: &request.method,
                url: &url,
                request: &request.fields,
                status: 206,
                response: &fields,
                request_time: trip.sent,
                response_time: trip.received,
            };
            let newer = held.head.freshness.requested <= trip.sent;
            if newer { update::by_part(&held.head, &seen, policy) } else { held.head.clone() }
        };
        let entry = match union {
            Union::Joined(joined, body) => Some(assemble(head(), joined, body)),
            Union::Apart if partial::held(&held.head).len() > part.len() => {
                Some(assemble(head(), partial::held(&held.head), held.body.clone()))
            }
            Union::Apart => Some(assemble(head(), part, body)),
            Union::Different if held.head.freshness.received < trip.sent => alone(body),
            Union::Different => None,
        };
        if let Some(entry) = entry {
            self.put(host, request, &request.key, entry, &Place::Over(found), trip.received).await;
        }
    }
}

/// An entry of a head and the part of the content that goes with it. How long it is, and which part, the entry itself says.
fn assemble(head: Head, part: Part, body: Bytes) -> Entry {
    let mut fields = head.fields;
    fields.remove("content-range");
    fields.set("content-length", body.len().to_string());
    Entry::new(head.status, fields, head.freshness, head.selecting, body).with_marks(head.marks).with_part(part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Config;

    #[test]
    fn parts_of_one_object_take_turns_and_few_objects_are_joined_at_once() {
        let config = Config::parse("[origin]\nurl = \"http://origin.test\"\n", "terrace.toml").unwrap();
        let proxy = Proxy::new(config);
        let key = |n| Key([n; 32]);
        let first = proxy.join(key(0));
        assert!(first.is_some() && proxy.join(key(0)).is_none());
        let others: Vec<_> = (1..4).map(|n| proxy.join(key(n))).collect();
        assert!(others.iter().all(Option::is_some) && proxy.join(key(4)).is_none());
        drop(first);
        assert!(proxy.join(key(4)).is_some() && proxy.join(key(0)).is_some());
    }
}
