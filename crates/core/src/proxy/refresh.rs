//! Stale content was served, or such as will be stale before long: it is refreshed behind the answer (RFC 5861 3; DESIGN.md,
//! decision 10).

use super::{Lookable, Proxy, Trip, exchange};
use crate::config::limits::MAX_EARLY_REFRESH;
use crate::decision::{Forward, Tier};
use crate::host::Host;
use crate::message::Response;
use crate::rules::{early, reuse, update};
use crate::tiers::Found;
use crate::time::Timestamp;
use crate::upstream::backoff;
use http::Method;
use std::rc::Rc;

impl Proxy {
    /// Whether what is fresh is to be refreshed behind this answer.
    pub(super) fn is_due_early<H: Host>(&self, host: &H, request: &Lookable, found: &Found, now: Timestamp) -> bool {
        let Found { entry, .. } = found;
        if !early::is_near(&entry.head.freshness, MAX_EARLY_REFRESH, now) {
            return false;
        }
        let beta = self.config.policy_at(request.route).early_refresh;
        entry.head.part.is_none()
            && early::is_due(&entry.head.freshness, beta, || host.random(), now)
            && self.may_fetch(request)
            // What L1 holds could not be replaced there.
            && (found.tier == Tier::L2 || !self.admission.is_spent(&self.config.l1, now))
            && !self.flights.is_asked_for(&found.key, now)
    }

    /// Serve stale, refresh behind it: one refresh per object and instance (RFC 5861 3).
    pub(super) fn refresh_in_background<H: Host>(
        self: Rc<Self>,
        host: &H,
        mut request: Lookable,
        found: Found,
        now: Timestamp,
    ) {
        if self.backoff.holds(&request.key, now) {
            return;
        }
        let shown = found.entry.head.freshness.requested;
        request.sharing.lead = self.flights.begin_behind((found.key, request.key, Some(found.life)), shown, now);
        if request.sharing.lead.is_none() {
            return;
        }
        let own = host.clone();
        host.defer(async move {
            request.method = Method::GET;
            if found.entry.head.part.is_none() {
                request.fields.remove("range");
            }
            let Some(lease) = self.lease_behind(&own, &request, &found).await else {
                return request.stored(own.now());
            };
            request.sharing.lease = lease.clone();
            let sent = own.now();
            let answer = self.ask(&own, &request, Some(&found.entry.head)).await;
            let trip = Trip { why: Forward::Stale, sent, received: own.now() };
            match answer {
                Err(failure) => {
                    self.tell_failure(&request, Err(failure));
                    self.leave_alone(&own, &request.key, trip.received, failure.as_str(), None);
                }
                Ok(response) => self.refreshed(&own, request, found, trip, response).await,
            }
            if let Some(lease) = lease {
                self.tiers(&own).end_lease(&lease).await;
            }
        });
    }

    /// A background refresh was answered: keep the answer, nobody waits for it.
    async fn refreshed<H: Host>(
        &self,
        host: &H,
        request: Lookable,
        mut found: Found,
        trip: Trip,
        response: Response<H::Stream>,
    ) {
        let now = trip.received;
        let status = response.status.as_u16();
        if reuse::is_error(status) {
            self.tell_failure(&request, Ok(status));
            let retry_after = backoff::retry_after(&response.fields, now);
            return self.leave_alone(host, &request.key, now, response.status.as_str(), retry_after);
        }
        self.backoff.succeeded(&request.key);
        if status == 304 {
            if update::matches_304(&found.entry.head, &response.fields) {
                let url = request.url();
                let exchange = exchange(&request, &url, &response, trip);
                let replaced = found.entry.head.freshness.clone();
                found.entry.head = update::by_304(&found.entry.head, &exchange, self.config.policy_at(request.route));
                self.keep_update(host, &request, &found, &replaced, now).await;
            }
            return;
        }
        self.keep_unseen(host, &request, found, trip, response).await;
    }
}
