//! A new response from the origin: it streams to the client while a copy is kept, and is stored when it is whole
//! (DESIGN.md, decision 7; RFC 9111 3, 3.3).

use super::partial::Came;
use super::{Lookable, Proxy, Trip, exchange, serve};
use crate::capture::{Capture, Lost};
use crate::decision::{Failure, NotCollapsed, NotStored, Outcome};
use crate::entry::{Entry, Head, codec};
use crate::fields::Fields;
use crate::host::Host;
use crate::message::{Body, Response};
use crate::purge;
use crate::report;
use crate::rules::coding;
use crate::rules::partial;
use crate::rules::reuse;
use crate::rules::storable::{self, Plan};
use crate::rules::update::{self, HeadUpdate};
use crate::tiers::{Found, Place};
use crate::time::Timestamp;
use bytes::Bytes;
use http::Method;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// A response whose content is at hand.
struct Whole {
    status: u16,
    plan: Plan,
    body: Bytes,
    /// How long it was said to be.
    expected: Option<u64>,
    /// All fields of a response that is a part: what is held may be updated by them.
    of_part: Option<Fields>,
}

impl Proxy {
    /// Passes a new response to the client and keeps it where the rules allow.
    pub(super) fn received<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        place: Place,
        trip: Trip,
        mut response: Response<H::Stream>,
    ) -> Response<H::Stream> {
        report::remove_ours(&mut response.fields);
        let status = response.status.as_u16();
        if request.method == Method::HEAD {
            return self.received_head(host, request, place, trip, response);
        }
        if status == 304 {
            // Nobody asked conditionally: there is nothing that it could be true of (RFC 9110 15.4.5).
            self.tell_failure(&request, Err(Failure::HttpProtocolError));
            return self.fail(host, Failure::HttpProtocolError, Some(trip.why));
        }
        let plan = self.plan(&request, &response, trip, place.found());
        let beats = self.tell_plan(&request, &plan, status, trip.received);
        let stored = Some(match &plan {
            Ok(plan) => self.tiers(host).takes(expected(plan, &response)),
            Err(reason) => Err(*reason),
        });
        let of_part = plan.as_ref().ok().and_then(|plan| plan.part).map(|_| response.fields.clone());
        purge::fields::hide(&mut response.fields);
        let outcome = Outcome::Forwarded { why: trip.why, detail: None, status: Some(status), stored, from: None };
        let Ok(plan) = plan else {
            report::describe(&outcome, &mut response.fields);
            if let Place::Over(found) = place
                && takes_the_place(status)
                && !found.entry.head.freshness.is_fresh(trip.received)
            {
                let own = host.clone();
                host.defer(async move { self.tiers(&own).remove(&found.key).await });
            }
            return response;
        };
        let expected = expected(&plan, &response);
        let not_modified = serve::is_not_modified(&request, &preview(status, &plan));
        let (body, copy) = self.keep(host, response.body, expected, beats);
        let mut answer = match not_modified {
            true => serve::not_modified(&response.fields),
            false => Response { status: response.status, fields: response.fields, body },
        };
        if self.will_negotiate::<H>(request.route, status, &plan.fields, expected) {
            coding::vary_on_encoding(&mut answer.fields);
        }
        report::describe(&outcome, &mut answer.fields);
        let own = host.clone();
        host.defer(async move {
            match self.leased(&own, &request, copy).await {
                Ok(body) => {
                    let whole = Whole { status, plan, body, expected, of_part };
                    self.store(&own, &request, whole, &place, trip).await;
                }
                Err(lost) => self.tell_lost(&request, lost, own.now()),
            }
            self.end_lease(&own, &request).await;
        });
        answer
    }

    /// Keeps a response that nobody waits for, where the rules allow.
    pub(super) async fn keep_unseen<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        found: Found,
        trip: Trip,
        response: Response<H::Stream>,
    ) {
        let status = response.status.as_u16();
        let plan = self.plan(request, &response, trip, Some(&found));
        let beats = self.tell_plan(request, &plan, status, trip.received);
        let Ok(plan) = plan else {
            if takes_the_place(status) && !found.entry.head.freshness.is_fresh(trip.received) {
                self.tiers(host).remove(&found.key).await;
            }
            return;
        };
        let expected = expected(&plan, &response);
        let of_part = plan.part.map(|_| response.fields.clone());
        let (body, copy) = self.keep(host, response.body, expected, beats);
        drop(body);
        match self.leased(host, request, copy).await {
            Ok(body) => {
                let whole = Whole { status, plan, body, expected, of_part };
                self.store(host, request, whole, &Place::Over(Box::new(found)), trip).await;
            }
            Err(lost) => self.tell_lost(request, lost, host.now()),
        }
    }

    /// Tells those that wait that there is nothing to give them. Of what was cut nothing is said: the next may come whole, and one of
    /// them takes over when this request is gone.
    fn tell_lost(&self, request: &Lookable, lost: Lost, now: Timestamp) {
        match lost {
            Lost::TooMuch => self.tell_alone(request, NotCollapsed::NotStored, now),
            Lost::Cut => {}
        }
    }

    /// Tells those that wait for a response what is planned with it. An error passes: what comes next may be for all.
    fn tell_plan(
        &self,
        request: &Lookable,
        plan: &Result<Plan, NotStored>,
        status: u16,
        now: Timestamp,
    ) -> Option<Arc<AtomicUsize>> {
        match plan {
            Ok(plan) => self.tell_head(request, plan, now),
            Err(_) if reuse::is_error(status) => {
                self.tell_failure(request, Ok(status));
                None
            }
            Err(_) => {
                self.tell_alone(request, NotCollapsed::NotStored, now);
                None
            }
        }
    }

    /// A response to HEAD is never stored, but tells something of the stored GET (RFC 9111 4.3.5).
    fn received_head<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        place: Place,
        trip: Trip,
        response: Response<H::Stream>,
    ) -> Response<H::Stream> {
        if let Place::Over(mut found) = place {
            let now = trip.received;
            let url = request.url();
            let exchange = exchange(&request, &url, &response, trip);
            match update::by_head(&found.entry.head, &exchange, self.config.policy_at(request.route)) {
                HeadUpdate::Refresh(head) if self.must_not_be_coded(request.route, &head) => {
                    let (proxy, own) = (self.clone(), host.clone());
                    host.defer(async move { proxy.tiers(&own).remove(&found.key).await });
                }
                HeadUpdate::Refresh(head) => {
                    let replaced = found.entry.head.freshness.clone();
                    found.entry.head = *head;
                    let (proxy, own) = (self.clone(), host.clone());
                    host.defer(async move { proxy.tiers(&own).update(&found, &url, &replaced, now).await });
                }
                HeadUpdate::Invalid => {
                    let (proxy, own) = (self.clone(), host.clone());
                    host.defer(async move { proxy.tiers(&own).remove(&found.key).await });
                }
                HeadUpdate::Nothing => {}
            }
        }
        let status = Some(response.status.as_u16());
        let length = content_length(&response);
        let Response { status: code, mut fields, .. } = response;
        purge::fields::hide(&mut fields);
        if self.will_negotiate::<H>(request.route, code.as_u16(), &fields, length) {
            coding::vary_on_encoding(&mut fields);
        }
        report::describe(
            &Outcome::Forwarded { why: trip.why, detail: None, status, stored: None, from: None },
            &mut fields,
        );
        Response { status: code, fields, body: Body::Empty }
    }

    fn plan<S>(
        &self,
        request: &Lookable,
        response: &Response<S>,
        trip: Trip,
        held: Option<&Found>,
    ) -> Result<Plan, NotStored> {
        let url = request.url();
        let seen = exchange(request, &url, response, trip);
        let plan = storable::storable(&seen, self.config.policy_at(request.route))?;
        let joins = || held.is_some_and(|f| partial::same_content(&f.entry.head.fields, &response.fields));
        if plan.part.is_some() && !partial::brings_all_fields(&request.fields) && !joins() {
            return Err(NotStored::Partial);
        }
        if expected(&plan, response).is_some_and(|length| length > self.config.max_size()) {
            return Err(NotStored::TooLarge);
        }
        Ok(plan)
    }

    /// The body for the client and a future of its copy.
    pub(super) fn keep<H: Host>(
        &self,
        host: &H,
        body: Body<H::Stream>,
        expected: Option<u64>,
        beats: Option<Arc<AtomicUsize>>,
    ) -> (Body<H::Stream>, impl Future<Output = Result<Bytes, Lost>> + 'static + use<H>) {
        let cap = usize::try_from(self.config.max_size()).unwrap_or(usize::MAX);
        let mut at_hand = Err(Lost::TooMuch);
        let mut streamed = None;
        let body = match body {
            Body::Empty => {
                at_hand = Ok(Bytes::new());
                Body::Empty
            }
            Body::Full(bytes) => {
                at_hand = if bytes.len() <= cap { Ok(bytes.clone()) } else { Err(Lost::TooMuch) };
                Body::Full(bytes)
            }
            Body::Stream(stream) => {
                let copy = Capture::new(cap, expected, self.budget.clone()).counted(beats);
                let fate = copy.fate();
                let (stream, copy) = host.tee(stream, copy);
                streamed = Some((copy, fate));
                Body::Stream(stream)
            }
        };
        (body, async move {
            match streamed {
                Some((copy, fate)) => copy.await.ok_or_else(|| fate.why()),
                None => at_hand,
            }
        })
    }

    async fn store<H: Host>(&self, host: &H, request: &Lookable, whole: Whole, place: &Place, trip: Trip) {
        let Whole { status, plan, body, expected, of_part } = whole;
        // RFC 9111 3.3: a response that is not whole is not stored.
        if expected.is_some_and(|length| length != body.len() as u64) {
            return self.tell_lost(request, Lost::Cut, host.now());
        }
        if let Some((part, fields)) = plan.part.zip(of_part) {
            if self.home(host, request, &plan.fields, trip).await.is_some() {
                return;
            }
            return self.store_part(host, request, Came { part, plan, fields, body }, place, trip).await;
        }
        let Plan { freshness, mut fields, marks, selecting, .. } = plan;
        fields.remove("age");
        if !matches!(status, 204 | 205 | 304) {
            fields.set("content-length", body.len().to_string());
        }
        let entry = Entry::new(status, fields, freshness, selecting, body).with_marks(marks);
        self.tell_whole(request, &entry, status);
        let home = self.home(host, request, &entry.head.fields, trip).await;
        if let Some(content) = &request.content {
            self.keep_life(host, content, &request.url(), trip).await;
        }
        let key = home.as_ref().unwrap_or(&request.key);
        // Under a key of its own nothing was looked up: what was invalidated lately refuses it.
        let new = Place::New(None);
        let at = if home.is_some() { &new } else { place };
        self.put(host, request, key, entry, at, trip.received).await;
        // Whoever made the URL invalid before its form was written down did not know of that key.
        if let Some(home) = &home
            && self.ended_since(host, request, place).await
        {
            self.tiers(host).remove(home).await;
        }
        request.stored(host.now());
    }
}

/// Whether what is stale is over now that the origin has answered with this status, and with what is not to be stored: it would
/// go on being served while it is refreshed. An error may pass.
fn takes_the_place(status: u16) -> bool {
    matches!(status, 200..=205 | 207..=399 | 404 | 410)
}

/// The head as it will be stored, for the client's preconditions.
fn preview(status: u16, plan: &Plan) -> Head {
    Head {
        status,
        part: None,
        fields: plan.fields.clone(),
        freshness: plan.freshness.clone(),
        marks: plan.marks.clone(),
        selecting: plan.selecting.clone(),
        generation: 0,
        variants: Vec::new(),
        body_len: 0,
        body_sum: codec::checksum(b""),
        coded: None,
    }
}

/// How long the content will be, where that is known.
fn expected<S>(plan: &Plan, response: &Response<S>) -> Option<u64> {
    plan.part.map(|part| part.len()).or_else(|| content_length(response))
}

fn content_length<S>(response: &Response<S>) -> Option<u64> {
    response.fields.get_str("content-length").and_then(|v| v.trim().parse().ok())
}
