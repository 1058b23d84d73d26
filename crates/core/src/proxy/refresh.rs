//! Stale content was served: it is refreshed behind the answer (RFC 5861 3).

use super::{Lookable, Proxy, Trip, exchange};
use crate::decision::Forward;
use crate::host::Host;
use crate::message::Response;
use crate::rules::{reuse, update};
use crate::tiers::Found;
use crate::time::Timestamp;
use http::Method;
use std::rc::Rc;

/// How many background refreshes may run in one instance; past it stale content is served without one.
const MAX_REFRESHES: usize = 256;

impl Proxy {
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
        {
            let mut refreshing = self.refreshing.borrow_mut();
            if refreshing.len() >= MAX_REFRESHES || !refreshing.insert(found.key) {
                return;
            }
        }
        let own = host.clone();
        host.defer(async move {
            let (key, primary) = (found.key, request.key);
            request.method = Method::GET;
            if found.entry.head.part.is_none() {
                request.fields.remove("range");
            }
            let sent = own.now();
            let answer = self.ask(&own, &request, Some(&found.entry.head)).await;
            let trip = Trip { why: Forward::Stale, sent, received: own.now() };
            match answer {
                Err(failure) => self.leave_alone(&own, &primary, trip.received, failure.as_str(), None),
                Ok(response) => self.refreshed(&own, request, found, trip, response).await,
            }
            self.refreshing.borrow_mut().remove(&key);
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
            return self.leave_alone(host, &request.key, now, response.status.as_str(), None);
        }
        self.backoff.succeeded(&request.key);
        if status == 304 {
            if update::matches_304(&found.entry.head, &response.fields) {
                let url = request.url();
                let exchange = exchange(&request, &url, &response, trip);
                let replaced = found.entry.head.freshness.requested;
                found.entry.head = update::by_304(&found.entry.head, &exchange, self.config.policy_at(request.route));
                self.keep_update(host, &request, &found, replaced, now).await;
            }
            return;
        }
        self.keep_unseen(host, &request, found, trip, response).await;
    }
}
