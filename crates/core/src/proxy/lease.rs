//! `collapse = "global"`: of the instances that would ask the origin for an object, one does (DESIGN.md, One fetch for many).
//!
//! Who leads in its instance takes a lease in L2 first. Where another instance has it, that is waited for, and what it has stored is found
//! in L2, whatever L1 still shows. Without leases L2 is looked at all the same where L1 has shown what is stale: to ask it costs less than
//! to ask the origin.

use super::{Lookable, Proxy};
use crate::config::Collapse;
use crate::decision::{Failure, Forward, NotCollapsed, Outcome, Tier};
use crate::host::Host;
use crate::message::Response;
use crate::rules::reuse::{self, Reuse};
use crate::tiers::leases::{End, Lease, Taken};
use crate::tiers::{Found, Lookup, Place, count};
use crate::time::Timestamp;
use crate::upstream::collapse::{Lead, PATIENCE};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// Whether to ask the origin.
pub(super) enum Leased {
    /// Yes, under this lease, or under none.
    Ask(Option<Rc<Lease>>),
    /// No: another instance did, and this is what has come.
    Came(Box<Found>),
    /// No: another instance did, and the origin has failed.
    Failed(Failure),
}

impl From<Option<Box<Found>>> for Leased {
    fn from(came: Option<Box<Found>>) -> Self {
        came.map_or(Leased::Ask(None), Leased::Came)
    }
}

impl Proxy {
    /// Takes the lease of what is led for, or waits for who has it.
    pub(super) async fn lease<H: Host>(&self, host: &H, request: &Lookable, place: &Place, lead: &Lead) -> Leased {
        let (tiers, key) = (self.tiers(host), lead.key());
        let mut seen = place.found().map(|found| found.entry.head.freshness.requested);
        for _ in 0..PATIENCE {
            let taken = match lead.alive(host, tiers.take_lease(key)).await {
                // That was before this request.
                Taken::Failed(_) => Some(Taken::Free),
                Taken::Theirs => lead.alive(host, tiers.wait_for_lease(key, &mut seen, self.longest_wait())).await,
                taken => Some(taken),
            };
            match taken {
                Some(Taken::Ours(lease, stored)) => {
                    let newer = lead.alive(host, self.newer_than(host, request, place.found(), stored)).await;
                    let Some(found) = newer else { return Leased::Ask(Some(Rc::new(lease))) };
                    lead.alive(host, tiers.end_lease(&lease)).await;
                    return Leased::Came(found);
                }
                Some(Taken::Alone) => {
                    self.tell_alone(request, NotCollapsed::NotStored, host.now());
                    return Leased::Ask(None);
                }
                Some(Taken::Theirs | Taken::Free) => return Leased::Ask(None),
                Some(Taken::Failed(failure)) => return Leased::Failed(failure),
                None => {
                    if let Some(found) = lead.alive(host, self.newer(host, request, place.found())).await {
                        return Leased::Came(found);
                    }
                }
            }
        }
        Leased::Ask(None)
    }

    /// What L2 holds, if it is newer than what L1 has shown: an L1 that is late shows for a minute what another instance has replaced.
    pub(super) async fn newer_behind_l1<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        found: &Found,
    ) -> Option<Box<Found>> {
        match found.tier {
            Tier::L2 => None,
            // The lookup has looked there.
            Tier::L1 if self.tiers(host).looks_past() => None,
            Tier::L0 | Tier::L1 => self.newer(host, request, Some(found)).await,
        }
    }

    /// The same for a refresh behind an answer, which waits for nobody; `None` where it is not due any more.
    pub(super) async fn lease_behind<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        found: &Found,
    ) -> Option<Option<Rc<Lease>>> {
        let tiers = self.tiers(host);
        if self.config.policy_at(request.route).collapse != Collapse::Global {
            let Some(newer) = self.newer_behind_l1(host, request, found).await else { return Some(None) };
            tiers.promote(&newer, host.now()).await;
            return None;
        }
        match tiers.take_lease(&found.key).await {
            Taken::Theirs => None,
            Taken::Alone | Taken::Free | Taken::Failed(_) => Some(None),
            Taken::Ours(lease, stored) => match self.newer_than(host, request, Some(found), stored).await {
                None => Some(Some(Rc::new(lease))),
                Some(newer) => {
                    tiers.promote(&newer, host.now()).await;
                    tiers.end_lease(&lease).await;
                    None
                }
            },
        }
    }

    /// The same, where L2 has said when that was asked for which it holds.
    async fn newer_than<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        before: Option<&Found>,
        stored: Option<Timestamp>,
    ) -> Option<Box<Found>> {
        let stored = stored?;
        match before.is_none_or(|before| stored > before.entry.head.freshness.requested) {
            true => self.newer(host, request, before).await,
            false => None,
        }
    }

    /// What L2 holds, if it answers the request, and is newer than what was found.
    async fn newer<H: Host>(&self, host: &H, request: &Lookable, before: Option<&Found>) -> Option<Box<Found>> {
        let now = host.now();
        let lookup = self.tiers(host).lookup_newest(&request.key, &request.fields, now).await;
        let Lookup::Found(found) = self.opened(host, request, lookup).await else { return None };
        let freshness = &found.entry.head.freshness;
        let is_newer = before.is_none_or(|before| freshness.requested > before.entry.head.freshness.requested);
        let answers = request.is_answered_by(&found.entry.head)
            && matches!(reuse::reuse(freshness, &request.control, now), Reuse::Fresh);
        (is_newer && answers).then_some(found)
    }

    /// Answers with what another instance has asked for, here and for all that wait.
    pub(super) fn share_found<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Lookable,
        found: Found,
        why: Forward,
    ) -> Response<H::Stream> {
        let now = host.now();
        if let Some(lead) = &request.sharing.lead {
            lead.coming();
            lead.came(|| self.came(found.entry.clone(), found.entry.head.status, None));
        }
        let outcome = match self.config.policy_at(request.route).collapse {
            Collapse::Global => {
                count(&self.collapsing().collapsed);
                Outcome::Collapsed { why, status: None, from: None }
            }
            // It did not wait for it: L2 had it already.
            _ => Outcome::Hit { tier: found.tier, ttl: found.entry.head.freshness.ttl_secs(now), stale: None },
        };
        let shown = (found.entry.clone(), found.form.clone());
        let answer = self.stored(host, &request, shown, now, &outcome);
        let own = host.clone();
        host.defer(async move {
            self.tiers(&own).promote(&found, now).await;
            request.stored(own.now());
        });
        answer
    }

    /// Waits for the origin, and renews the lease that is held meanwhile.
    pub(super) async fn leased<H: Host, T>(&self, host: &H, request: &Lookable, work: impl Future<Output = T>) -> T {
        let Some(lease) = &request.sharing.lease else { return work.await };
        let tiers = self.tiers(host);
        let (mut work, mut keep) = (pin!(work), pin!(tiers.keep_lease(lease)));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(value),
            Poll::Pending => {
                let _ = keep.as_mut().poll(cx);
                Poll::Pending
            }
        })
        .await
    }

    /// Ends the lease of a request that is over.
    pub(super) async fn end_lease<H: Host>(&self, host: &H, request: &Lookable) {
        if let Some(lease) = &request.sharing.lease {
            self.tiers(host).end_lease(lease).await;
        }
    }

    /// Ends a lease at once where nothing is left to wait for.
    pub(super) fn end_lease_early<H: Host>(self: &Rc<Self>, host: &H, lease: Rc<Lease>) {
        if Rc::strong_count(&lease) > 1 && lease.is_free() {
            return;
        }
        let (proxy, own) = (self.clone(), host.clone());
        host.defer(async move { proxy.tiers(&own).end_lease(&lease).await });
    }
}

/// What is left of the lease of a request, where it has one.
pub(super) fn leave(request: &Lookable, end: End) {
    if let Some(lease) = &request.sharing.lease {
        lease.leave(end);
    }
}
