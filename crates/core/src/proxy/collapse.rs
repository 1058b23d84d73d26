//! One fetch for many on a request's way (RFC 9111 4): who asks the origin, who waits for that, and what those are answered.
//!
//! A response is told to those that wait when it is whole, from the memory in which it is on its way into the tiers, and until it is
//! there. One that turns out to be for its own request alone is known to be so by its head, and then nobody waits any longer.

use super::lease::{self, Leased};
use super::{Lookable, Proxy, request_id, serve};
use crate::config::Collapse;
use crate::decision::{Failure, Forward, NotCollapsed, Outcome, ServedStale, Tier};
use crate::entry::Entry;
use crate::host::Host;
use crate::key;
use crate::message::Response;
use crate::report::{self, problem};
use crate::rules::collapse::{self, Fit, Part};
use crate::rules::storable::Plan;
use crate::rules::{coding, vary};
use crate::tiers::leases::End;
use crate::tiers::{Found, Place, count};
use crate::time::Timestamp;
use crate::upstream::collapse::habits::Habit;
use crate::upstream::collapse::{Boarding, Came, Counters, Follow, Heard, Lead, Looked, News, PATIENCE};
use http::Method;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// What comes of looking for an answer.
pub(super) enum Next<S> {
    /// It.
    Answer(Response<S>),
    /// What is stored has changed meanwhile: look again.
    Again(Box<Lookable>),
}

impl Proxy {
    /// How often requests shared one fetch.
    pub fn collapsing(&self) -> &Counters {
        self.flights.counters()
    }

    /// Looks until there is an answer.
    pub(super) async fn lookup<H: Host>(self: Rc<Self>, host: &H, mut request: Lookable) -> Response<H::Stream> {
        let key = request.key;
        loop {
            match self.clone().look(host, request).await {
                Next::Answer(response) => return response,
                Next::Again(again) => request = Lookable { key, ..*again },
            }
        }
    }

    /// Nothing that is held answers, as a look that began at `looked` has told: ask the origin, or wait for a request that does.
    pub(super) async fn together<H: Host>(
        self: Rc<Self>,
        host: &H,
        mut request: Lookable,
        place: Place,
        why: Forward,
        looked: Looked,
    ) -> Next<H::Stream> {
        let boarding = match self.config.policy_at(request.route).collapse {
            _ if !self.may_fetch(&request) => Boarding::Alone(NotCollapsed::Off),
            Collapse::Off => Boarding::Alone(NotCollapsed::Off),
            Collapse::Local | Collapse::Global => self.board(&request, &place, looked, host.now()),
        };
        match boarding {
            Boarding::Alone(_) => {}
            Boarding::Lead(lead) => request.sharing.lead = Some(lead),
            Boarding::Landed if request.sharing.rounds < PATIENCE => return again(request),
            Boarding::Landed => {}
            Boarding::Follow(follow) => match follow.hear(host, self.longest_wait()).await {
                Heard::Lead(lead) => request.sharing.lead = Some(lead),
                Heard::Alone(_) => count(&self.collapsing().in_vain),
                Heard::News(News::Came(came)) => match self.share(host, &request, &follow, &came, why).await {
                    Shared::Answer(response) => return Next::Answer(response),
                    Shared::Again if request.sharing.rounds < PATIENCE => return again(request),
                    Shared::Again | Shared::No => count(&self.collapsing().in_vain),
                },
                Heard::News(news) => match self.share_failure(host, &request, &place, &news, why) {
                    Some(response) => return Next::Answer(response),
                    None => count(&self.collapsing().in_vain),
                },
            },
        }
        if let Some(lead) = &request.sharing.lead {
            let leased = match (self.config.policy_at(request.route).collapse, place.found()) {
                (Collapse::Global, _) => {
                    lead.waits(true);
                    let leased = self.lease(host, &request, &place, lead).await;
                    lead.waits(false);
                    leased
                }
                (_, Some(found)) => lead.alive(host, self.newer_behind_l1(host, &request, found)).await.into(),
                (_, None) => Leased::Ask(None),
            };
            match leased {
                Leased::Came(found) => return Next::Answer(self.share_found(host, request, *found, why)),
                Leased::Failed(failure) => {
                    lead.failed(Err(failure));
                    let news = News::Failed(Err(failure));
                    if let Some(response) = self.share_failure(host, &request, &place, &news, why) {
                        return Next::Answer(response);
                    }
                }
                Leased::Ask(lease) => request.sharing.lease = lease,
            }
        }
        let lease = request.sharing.lease.clone();
        let answer = self.clone().forward(host, request, place, why).await;
        if let Some(lease) = lease {
            self.end_lease_early(host, lease);
        }
        Next::Answer(answer)
    }

    /// As long as the origin may take for the head of a response.
    pub(super) fn longest_wait(&self) -> Duration {
        self.config.origin.connect_timeout + self.config.origin.timeout
    }

    fn board(&self, request: &Lookable, place: &Place, looked: Looked, now: Timestamp) -> Boarding {
        let held = !matches!(place, Place::New(_));
        let (may_lead, may_follow) = match collapse::part(&request.method, &request.fields, &request.control, held) {
            Part::Either => (Ok(()), Ok(())),
            Part::Lead(why) => (Ok(()), Err(why)),
            Part::Follow(why) => (Err(why), Ok(())),
            Part::Alone(why) => return Boarding::Alone(why),
        };
        let key = match (self.habits.of(&request.key, now), place) {
            (Some(Habit::Alone), _) => return Boarding::Alone(NotCollapsed::NotStored),
            (_, Place::Over(found)) => found.key,
            (Some(Habit::Varies(names)), _) => {
                key::variant(&request.key, 0, vary::selecting(&names, &request.fields).values())
            }
            (None, _) => request.key,
        };
        self.flights.board((key, request.key, place.life()), (may_lead, may_follow), looked, now)
    }

    /// Answers from what another request has asked for, where that answers this one.
    async fn share<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        follow: &Follow,
        came: &Came,
        why: Forward,
    ) -> Shared<H::Stream> {
        let now = host.now();
        let Some(mut entry) = self.tiers(host).unpurged_now(came.entry.clone()) else {
            follow.leave_behind();
            return Shared::Again;
        };
        match collapse::fit(&entry.head, &request.fields, &request.control, now) {
            Fit::Good if request.is_answered_by(&entry.head) => {}
            Fit::OtherVariant => {
                // Its own variant belongs beside this one, which is not stored yet.
                follow.until_stored(host, self.config.l2.timeout).await;
                return Shared::Again;
            }
            Fit::Good | Fit::NotFresh => return Shared::No,
        }
        let (head, from) = (&mut entry.head, came.held.map(|tier| (tier, None)));
        if from.is_none()
            && head.coded.is_none()
            && self.will_negotiate::<H>(request.route, head.status, &head.fields, Some(head.body_len))
        {
            coding::vary_on_encoding(&mut head.fields);
        }
        let tier = came.held.unwrap_or(Tier::L2);
        let mut found = Found { entry, tier, key: request.key, life: 0, form: None };
        if !self.open(host, request, &mut found, true).await {
            return Shared::No;
        }
        count(&self.collapsing().collapsed);
        let outcome = Outcome::Collapsed { why, status: Some(came.status), from };
        // A form that was made for this request is its own.
        let sending = (!came.counted || found.form.is_some()).then_some(&self.sending);
        Shared::Answer(serve::stored(host, sending, request, (found.entry, found.form), now, &outcome))
    }

    /// Answers when the request that was waited for has failed: each by what it may be answered itself. What the origin has said of its
    /// failure is for whom it was said to, so those ask that cannot be answered otherwise, all at once.
    fn share_failure<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        place: &Place,
        news: &News,
        why: Forward,
    ) -> Option<Response<H::Stream>> {
        let News::Failed(how) = news else { return None };
        let now = host.now();
        if let Some(found) = place.found().filter(|found| request.may_have_on_error(&found.entry.head, now)) {
            let from = Some((found.tier, Some(ServedStale::IfError)));
            let outcome = Outcome::Collapsed { why, status: how.ok(), from };
            let held = (found.entry.clone(), found.form.clone());
            count(&self.collapsing().collapsed);
            return Some(self.stored(host, request, held, now, &outcome));
        }
        let failure = how.err()?;
        count(&self.collapsing().collapsed);
        let mut response = problem::response(failure, &request_id(host));
        report::describe(&Outcome::CollapsedFailure { failure, why }, &mut response.fields);
        Some(response)
    }

    /// Tells those that wait for this request that the origin has failed. Where that may be its own doing nothing is said, and one of
    /// them takes over when it is gone; what happens to that one, too, is no request's own.
    pub(super) fn tell_failure(&self, request: &Lookable, how: Result<u16, Failure>) {
        let may_be_its_own = how.is_err_and(collapse::may_be_its_own);
        if let Some(lead) = request.sharing.lead.as_ref().filter(|lead| !may_be_its_own || lead.is_last()) {
            lead.failed(how);
        }
        lease::leave(request, End::Failed(how.err().filter(|_| !may_be_its_own)));
    }

    /// Tells those that wait that what has come is for this request alone, and remembers it.
    pub(super) fn tell_alone(&self, request: &Lookable, why: NotCollapsed, now: Timestamp) {
        if let Some(lead) = &request.sharing.lead {
            lead.not_shared(why);
        }
        lease::leave(request, End::Alone);
        if request.is_shareable() {
            self.habits.alone(request.key, now);
        }
    }

    /// Tells those that wait that a response has begun that is to be stored. What is returned, if they go on waiting, is to be counted
    /// up as the content comes.
    pub(super) fn tell_head(&self, request: &Lookable, plan: &Plan, now: Timestamp) -> Option<Arc<AtomicUsize>> {
        if let Err(why) = collapse::shared(&plan.freshness, plan.part.is_some(), now) {
            self.tell_alone(request, why, now);
            return None;
        }
        let names = plan.selecting.0.iter().map(|field| field.name.as_str());
        self.habits.shared(&request.key, names, now);
        request.sharing.lead.as_ref().map(Lead::coming)
    }

    /// Gives those that wait what has come.
    pub(super) fn tell_whole(&self, request: &Lookable, entry: &Entry, status: u16) {
        if let Some(lead) = &request.sharing.lead {
            lead.came(|| self.came(entry.clone(), status, None));
        }
    }

    /// What those that wait are given. Its content counts once, however many they are.
    pub(super) fn came(&self, mut entry: Entry, status: u16, held: Option<Tier>) -> Came {
        let counted = serve::count_once(&self.sending, &mut entry.body);
        Came { entry, status, held, counted }
    }

    /// Gives those that wait what the origin has confirmed, if they may have it.
    pub(super) fn tell_confirmed(&self, request: &Lookable, found: &Found, kept: bool, now: Timestamp) {
        let shared = match kept {
            true => collapse::shared(&found.entry.head.freshness, found.entry.head.part.is_some(), now),
            false => Err(NotCollapsed::NotStored),
        };
        match shared {
            Err(why) => self.tell_alone(request, why, now),
            Ok(()) => {
                let Some(lead) = &request.sharing.lead else { return };
                lead.coming();
                lead.came(|| self.came(found.entry.clone(), 304, Some(found.tier)));
            }
        }
    }
}

/// What comes of what another request has asked for.
enum Shared<S> {
    /// The answer.
    Answer(Response<S>),
    /// Look again, what is stored is about to change.
    Again,
    /// Nothing.
    No,
}

fn again<S>(mut request: Lookable) -> Next<S> {
    request.sharing.rounds += 1;
    Next::Again(Box::new(request))
}

impl Lookable {
    /// Whether its answer says anything of what others would get.
    fn is_shareable(&self) -> bool {
        let part = collapse::part(&self.method, &self.fields, &self.control, false);
        self.method == Method::GET && matches!(part, Part::Either | Part::Lead(_))
    }

    /// What was asked for is where others find it.
    pub(super) fn stored(&self, now: Timestamp) {
        if let Some(lead) = &self.sharing.lead {
            lead.stored(now);
        }
    }
}
