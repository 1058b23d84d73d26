//! One request's way through the cache, a state per function; reads like the picture in the crate's documentation.
//!
//! ```text
//! handle -> look -> hit                                   fresh, or stale and allowed
//!                -> together                              another request asks the origin already: its answer is waited for
//!                  -> forward -> confirmed                the origin said 304
//!                             -> received -> (store)      a new response streams to the client
//!                             -> stale_on_error           the origin failed, stale content is allowed
//!                  -> beyond_part -> complete             a part is held, and the rest of it is asked for
//!        -> pass                                          not for the cache: unsafe methods, routes that are off
//! ```

mod admin;
mod ask;
mod check;
mod coding;
mod collapse;
mod content;
mod lease;
mod partial;
mod pass;
mod purge;
mod record;
mod refresh;
mod request;
mod room;
mod serve;
mod tend;
mod transfer;
mod variance;
mod watch;

use crate::capture::{BUDGET, Budget};
use crate::config::{CacheMode, Config, Policy, RequestDirectives, RouteId};
use crate::decision::{Failure, Forward, MustValidate, Outcome, ServedStale, Tier};
use crate::host::Host;
use crate::key::{self, Key, Parts};
use crate::log::Log;
use crate::message::{Body, Request, Response};
use crate::meter::{Meter, count};
use crate::report::{self, problem};
use crate::rules::directives::RequestControl;
use crate::rules::freshness::Freshness;
use crate::rules::reuse::{self, Reuse};
use crate::rules::{cdn_loop, connection, reduce, update};
use crate::tiers::admission::Admission;
use crate::tiers::gone::Gone;
use crate::tiers::memory::Memory;
use crate::tiers::purges::Purges;
use crate::tiers::room::Room;
use crate::tiers::{Counters, Found, Lookup, Place, Tiers};
use crate::time::Timestamp;
use crate::upstream::backoff::{self, Backoff};
use crate::upstream::collapse::habits::Habits;
use crate::upstream::collapse::{Flights, Looked};
use collapse::Next;
use content::Taken;
use http::{Method, StatusCode};
use request::{Lookable, Sharing, Trip, exchange, url_of};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use variance::Variances;
use watch::Watching;

/// Where everything under our own name lives; nothing below it is ever forwarded.
const ADMIN: &str = "/_terrace";

/// The cache: its configuration and the memory of one instance. Plain data, so that a host may keep it in a static.
#[derive(Debug)]
pub struct Proxy {
    config: Config,
    counters: Counters,
    meter: Meter,
    admission: Admission,
    memory: Memory,
    gone: Gone,
    purges: Purges,
    room: Room,
    backoff: Backoff,
    budget: Budget,
    sending: Budget,
    flights: Flights,
    habits: Habits,
    joining: RefCell<HashSet<Key>>,
    compressing: Cell<usize>,
    variances: Variances,
    swept: Cell<Option<Timestamp>>,
    watching: Watching,
    log: Log,
}

impl Proxy {
    /// A cache with this configuration.
    pub fn new(config: Config) -> Self {
        Proxy::with_memory(config, BUDGET)
    }

    /// A cache whose copies of responses on their way into the store hold at most so many bytes together.
    pub fn with_memory(config: Config, copies: usize) -> Self {
        Proxy {
            config,
            counters: Counters::default(),
            meter: Meter::default(),
            admission: Admission::default(),
            memory: Memory::default(),
            gone: Gone::default(),
            purges: Purges::default(),
            room: Room::default(),
            backoff: Backoff::default(),
            budget: Budget::new(copies),
            sending: Budget::new(serve::SENDING),
            flights: Flights::default(),
            habits: Habits::default(),
            joining: RefCell::default(),
            compressing: Cell::default(),
            variances: Variances::default(),
            swept: Cell::default(),
            watching: Watching::default(),
            log: Log::default(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// L0.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What went wrong in the tiers so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is billed, counted so far.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What was written to L1 lately, and what was not.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Removes from the tiers what is over, and from L2 what there is no room for. [`Self::tend`] does it when it is due.
    pub async fn sweep<H: Host>(&self, host: &H) {
        self.tiers(host).sweep(host.now()).await;
    }

    /// Answers one request. Never fails: what goes wrong is a response too.
    pub async fn handle<H: Host>(self: Rc<Self>, host: H, mut request: Request<H::Stream>) -> Response<H::Stream> {
        count(&self.meter.requests);
        if let Err(refusal) = check::acceptable(&request) {
            return self.refuse(&host, refusal);
        }
        if request.fields.contains(cdn_loop::FIELD) && cdn_loop::is_loop(&request.fields, &self.config.cdn_id()) {
            return self.fail(&host, Failure::LoopDetected, None);
        }
        if Proxy::is_own(request.path()) {
            return Box::pin(self.admin(&host, request)).await;
        }
        if request.method.as_str() == "PURGE" && self.config.admin_token.is_some() {
            return Box::pin(self.purge_own_url(&host, request)).await;
        }
        self.watch_behind(&host);
        // HTTP/2 sends Cookie in crumbs (RFC 9113 8.2.3).
        request.fields.join("cookie", b"; ");
        if request.method == Method::OPTIONS && !connection::take_forward(&mut request.fields) {
            return serve::own_options();
        }
        let route = self.config.route(request.path());
        let policy = self.config.policy_at(route);
        let readable = matches!(request.method, Method::GET | Method::HEAD);
        let keyed = content::is_keyed(&request.method, policy);
        if !readable && !keyed {
            return Box::pin(self.pass(&host, request, Forward::Method, None)).await;
        }
        if policy.cache == CacheMode::Off {
            return Box::pin(self.pass(&host, request, Forward::Bypass, Some("route-off"))).await;
        }
        if !keyed && !matches!(request.body, Body::Empty) {
            // Content without a length, which clients of HTTP take a GET not to have, would be lost on the way.
            if !request.fields.contains("content-length") {
                let detail = "A GET or HEAD with content needs a Content-Length.";
                return self.refuse(&host, check::Refusal { status: StatusCode::LENGTH_REQUIRED, detail });
            }
            return Box::pin(self.pass(&host, request, Forward::Bypass, Some("request-content"))).await;
        }
        let control = RequestControl::of(&request.fields, policy.request_directives == RequestDirectives::Honour);
        let not_cached = [
            (check::is_conditional(&request), "precondition"),
            (control.no_store, "request-no-store"),
            (!reduce::has_tenant(&request.fields, policy), "no-tenant"),
        ];
        if let Some((_, detail)) = not_cached.into_iter().find(|(holds, _)| *holds) {
            return Box::pin(self.pass(&host, request, Forward::Bypass, Some(detail))).await;
        }
        self.know_purges(&host).await;
        let taken = match keyed {
            false => None,
            true => match Box::pin(self.take_content(&host, &mut request, content::most(policy))).await {
                Taken::Whole(bytes, held) => Some((bytes, held)),
                Taken::Not => {
                    return Box::pin(self.pass(&host, request, Forward::Bypass, Some("request-content"))).await;
                }
                Taken::Cut => return self.refuse(&host, check::CUT),
            },
        };
        if let Cow::Owned(target) = reduce::target(&request.target, &policy.query) {
            request.target = target;
        }
        reduce::fields(&mut request.fields, policy);
        let Request { method, scheme, authority, target, fields, client, .. } = request;
        let parts = Parts { origin: self.origin(), scheme, authority: &authority, target: &target, fields: &fields };
        let key = key::primary(parts, policy);
        let (method, key, content) = match taken {
            None => (method, key, None),
            Some(taken) => {
                let (key, content) = Box::pin(self.keyed_by_content(&host, &key, (method, &fields), taken)).await;
                (Method::GET, key, Some(content))
            }
        };
        let sharing = Sharing::default();
        let request =
            Lookable { method, scheme, authority, target, fields, client, control, key, route, content, sharing };
        self.lookup(&host, request).await
    }

    fn tiers<'a, H: Host>(&'a self, host: &'a H) -> Tiers<'a, H> {
        let Proxy { config, counters, memory, gone, purges, room, meter, admission, .. } = self;
        Tiers { host, config, counters, memory, gone, purges, room, meter, admission }
    }

    fn origin(&self) -> &str {
        self.config.origin.url.as_ref().map_or("", |url| url.as_str())
    }

    fn route_of(&self, target: &str) -> RouteId {
        self.config.route(target.split_once('?').map_or(target, |(path, _)| path))
    }

    fn policy_of(&self, target: &str) -> &Policy {
        self.config.policy_at(self.route_of(target))
    }

    /// Whether the origin may be asked at all.
    fn may_fetch(&self, request: &Lookable) -> bool {
        !request.control.only_if_cached && self.config.policy_at(request.route).cache != CacheMode::Only
    }

    /// What do we hold, and may we use it?
    async fn look<H: Host>(self: Rc<Self>, host: &H, mut request: Lookable) -> Next<H::Stream> {
        let (now, looked) = (host.now(), self.flights.look());
        let found = self.held(host, &mut request, now).await;
        match self.opened(host, &request, found).await {
            Lookup::Found(found) if !request.is_answered_by(&found.entry.head) => {
                Next::Answer(Box::pin(self.beyond_part(host, request, found)).await)
            }
            Lookup::Found(found) => {
                let freshness = &found.entry.head.freshness;
                match reuse::reuse(freshness, &request.control, now) {
                    Reuse::Fresh => Next::Answer(self.hit(host, request, *found, None, now)),
                    Reuse::Stale(why) => Next::Answer(self.hit(host, request, *found, Some(why), now)),
                    Reuse::Validate(why) => Box::pin(self.validate(host, request, *found, why, (now, looked))).await,
                }
            }
            Lookup::OtherVariants(life) => {
                Box::pin(self.together(host, request, Place::Beside(life), Forward::VaryMiss, looked)).await
            }
            Lookup::Nothing(life) => {
                Box::pin(self.together(host, request, Place::New(life), Forward::UriMiss, looked)).await
            }
        }
    }

    /// Answered from a tier.
    fn hit<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        found: Found,
        stale: Option<ServedStale>,
        now: Timestamp,
    ) -> Response<H::Stream> {
        self.note_use(host, &request, &found, now);
        let outcome = Outcome::Hit { tier: found.tier, ttl: found.entry.head.freshness.ttl_secs(now), stale };
        let refreshes = match stale {
            Some(stale) => stale == ServedStale::WhileRevalidate,
            None => self.is_due_early(host, &request, &found, now),
        };
        if refreshes {
            let response = self.stored(host, &request, (found.entry.clone(), found.form.clone()), now, &outcome);
            self.refresh_in_background(host, request, found, now);
            return response;
        }
        if found.tier == Tier::L2 {
            let (proxy, own, found) = (self.clone(), host.clone(), found.clone());
            host.defer(async move { proxy.tiers(&own).promote(&found, now).await });
        }
        self.stored(host, &request, (found.entry, found.form), now, &outcome)
    }

    /// What we hold must not be used without asking: ask, unless the route is offline or the origin needs a rest.
    async fn validate<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        found: Found,
        why: MustValidate,
        (now, looked): (Timestamp, Looked),
    ) -> Next<H::Stream> {
        let on_error = reuse::may_serve_on_error(&found.entry.head.freshness, &request.control, now);
        if on_error && self.backoff.holds(&request.key, now) {
            return Next::Answer(self.hit(host, request, found, Some(ServedStale::IfError), now));
        }
        if self.config.policy_at(request.route).cache == CacheMode::Only && on_error {
            return Next::Answer(self.hit(host, request, found, Some(ServedStale::Offline), now));
        }
        let forward = match why {
            MustValidate::Stale | MustValidate::NoCache => Forward::Stale,
            MustValidate::RequestNoCache | MustValidate::RequestMaxAge | MustValidate::RequestMinFresh => {
                Forward::Request
            }
        };
        self.together(host, request, Place::Over(Box::new(found)), forward, looked).await
    }

    /// Ask the origin: with the stored validators where something is held, else for the whole response.
    async fn forward<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        place: Place,
        why: Forward,
    ) -> Response<H::Stream> {
        if !self.may_fetch(&request) {
            return self.fail(host, Failure::OnlyIfCached, None);
        }
        let sent = host.now();
        let held = place.found().map(|found| &found.entry.head).filter(|head| request.is_answered_by(head));
        let answer = self.ask(host, &request, held).await;
        let trip = Trip { why, sent, received: host.now() };
        let usable = |found: &Found| request.may_have_on_error(&found.entry.head, trip.received);
        match (answer, place) {
            (Err(failure), Place::Over(found)) if usable(&found) => {
                self.tell_failure(&request, Err(failure));
                self.leave_alone(host, &request.key, trip.received, failure.as_str(), None);
                self.stale_on_error(host, request, *found, trip, None)
            }
            (Err(failure), _) => {
                self.tell_failure(&request, Err(failure));
                self.fail(host, failure, Some(why))
            }
            (Ok(response), Place::Over(found)) if reuse::is_error(response.status.as_u16()) && usable(&found) => {
                self.tell_failure(&request, Ok(response.status.as_u16()));
                let retry_after = backoff::retry_after(&response.fields, trip.received);
                self.leave_alone(host, &request.key, trip.received, response.status.as_str(), retry_after);
                self.stale_on_error(host, request, *found, trip, Some(response.status.as_u16()))
            }
            (Ok(response), Place::Over(found)) => self.answered(host, request, found, trip, response).await,
            (Ok(response), place) => self.received(host, request, place, trip, response),
        }
    }

    /// The origin answered, and something is held.
    async fn answered<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        mut found: Box<Found>,
        trip: Trip,
        response: Response<H::Stream>,
    ) -> Response<H::Stream> {
        self.backoff.succeeded(&request.key);
        let validated = request.is_conditional() && request.is_answered_by(&found.entry.head);
        if response.status != StatusCode::NOT_MODIFIED || !validated {
            return self.received(host, request, Place::Over(found), trip, response);
        }
        if update::matches_304(&found.entry.head, &response.fields) {
            let replaced = found.entry.head.freshness.clone();
            let url = request.url();
            let seen = exchange(&request, &url, &response, trip);
            found.entry.head = update::by_304(&found.entry.head, &seen, self.config.policy_at(request.route));
            if self.open(host, &request, &mut found, true).await {
                return self.confirmed(host, request, *found, trip, replaced);
            }
        }
        // It confirms something that we do not hold (RFC 9111 4.3.3): ask again, for the whole response.
        self.ask_anew(host, request, found, trip.why).await
    }

    /// A 304: the stored response is good again (RFC 9111 4.3.4). `replaced` is of the one that it was made from.
    fn confirmed<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        mut found: Found,
        trip: Trip,
        replaced: Freshness,
    ) -> Response<H::Stream> {
        let now = trip.received;
        let from = Some((found.tier, None));
        let outcome = Outcome::Forwarded { why: trip.why, detail: None, status: Some(304), stored: None, from };
        let shown = (found.entry.clone(), found.form.take());
        let answer = self.stored(host, &request, shown, now, &outcome);
        let (proxy, own) = (self, host.clone());
        host.defer(async move { proxy.keep_update(&own, &request, &found, &replaced, now).await });
        answer
    }

    /// Stores what a 304 has changed, or forgets what it no longer lets us keep.
    async fn keep_update<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        found: &Found,
        replaced: &Freshness,
        now: Timestamp,
    ) {
        let head = &found.entry.head;
        let kept = update::forbids_keeping(head).is_none() && !self.must_not_be_coded(request.route, head);
        self.tell_confirmed(request, found, kept, now);
        match kept {
            false => self.tiers(host).remove(&found.key).await,
            true => self.tiers(host).update(found, &request.url(), replaced, now).await,
        }
        request.stored(host.now());
        self.end_lease(host, request).await;
    }

    /// The origin failed; stale content is within its window (RFC 5861 4).
    fn stale_on_error<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        found: Found,
        trip: Trip,
        status: Option<u16>,
    ) -> Response<H::Stream> {
        let from = Some((found.tier, Some(ServedStale::IfError)));
        let outcome = Outcome::Forwarded { why: trip.why, detail: None, status, stored: None, from };
        self.stored(host, &request, (found.entry, found.form), trip.received, &outcome)
    }

    /// The origin failed, and clients do not see it: it is left alone for a while, and the operator is told.
    fn leave_alone<H: Host>(&self, host: &H, key: &Key, now: Timestamp, why: &str, retry_after: Option<u64>) {
        self.backoff.failed(key, now, host.random(), retry_after);
        if let Some(more) = self.log.say(now) {
            host.warn(&format!("what is stored is served, since the origin {} failed: {why}{more}", self.origin()));
        }
    }

    fn fail<H: Host>(&self, host: &H, failure: Failure, why: Option<Forward>) -> Response<H::Stream> {
        let id = request_id(host);
        let told = if failure == Failure::OnlyIfCached { None } else { self.log.say(host.now()) };
        if let Some(more) = told {
            host.warn(&format!("{id}: {}: the origin is {}{more}", failure.as_str(), self.origin()));
        }
        let mut response = problem::response(failure, &id);
        report::describe(&Outcome::Failed { failure, why }, &mut response.fields);
        response
    }

    fn refuse<H: Host>(&self, host: &H, refusal: check::Refusal) -> Response<H::Stream> {
        let mut response = problem::document(refusal.status, refusal.detail, &request_id(host));
        if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
            response.fields.append("allow", serve::ALLOW);
        }
        response.fields.append("proxy-status", "terrace; error=http_request_error");
        report::describe(&Outcome::Failed { failure: Failure::BadRequest, why: None }, &mut response.fields);
        response
    }
}

/// Names a request in logs and problem documents.
fn request_id<H: Host>(host: &H) -> String {
    format!("urn:terrace:{:016x}", host.random())
}
