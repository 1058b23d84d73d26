//! Not for the cache: what goes to the origin and back as it is, and what that makes invalid (RFC 9111 4.4).

use super::{Lookable, Proxy, Sharing, Trip, serve, url_of};
use crate::config::CacheMode;
use crate::decision::{Failure, Forward, Outcome};
use crate::host::Host;
use crate::key::{self, Key, Parts};
use crate::message::{Request, Response};
use crate::purge::Target;
use crate::rules::directives::RequestControl;
use crate::rules::{Exchange, invalidate, reduce};
use crate::tiers::Place;
use crate::time::Timestamp;
use crate::upstream::{self, Ask};
use http::Method;
use std::rc::Rc;
use std::time::Duration;

/// When an invalidation that a tier refused is tried again: Workers KV takes one write per second and key.
const INVALIDATE_AGAIN: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(1200), Duration::from_secs(5)];

impl Proxy {
    /// Not for the cache: forwarded with its content, and what an unsafe method changes is invalidated (RFC 9111 4.4).
    pub(super) async fn pass<H: Host>(
        self: Rc<Self>,
        host: &H,
        request: Request<H::Stream>,
        why: Forward,
        detail: Option<&'static str>,
    ) -> Response<H::Stream> {
        if self.config.policy(request.path()).cache == CacheMode::Only {
            return self.fail(host, Failure::OnlyIfCached, None);
        }
        let sent = host.now();
        let Request { method, target, fields, client, body, scheme, authority } = request;
        let ask = Ask { method: method.clone(), target: &target, fields: fields.clone(), body, client };
        let response = match upstream::fetch(host, &self.config, &self.meter, ask).await {
            Ok(response) => response,
            Err(failure) => return self.fail(host, failure, Some(why)),
        };
        if matches!(method, Method::GET | Method::HEAD) {
            let status = Some(response.status.as_u16());
            return serve::passed(response, &Outcome::Forwarded { why, detail, status, stored: None, from: None });
        }
        let reduced = |target: &str| {
            let policy = self.policy_of(target);
            let mut fields = fields.clone();
            reduce::fields(&mut fields, policy);
            (reduce::target(target, &policy.query).into_owned(), fields)
        };
        let (own_target, own_fields) = reduced(&target);
        let route = self.route_of(&target);
        let policy = self.config.policy_at(route);
        let parts =
            Parts { origin: self.origin(), scheme, authority: &authority, target: &own_target, fields: &own_fields };
        let key = key::primary(parts, policy);
        let trip = Trip { why, sent, received: host.now() };
        let control = RequestControl::default();
        let url = url_of(scheme, &authority, &target);
        let seen = Exchange {
            method: &method,
            url: &url,
            request: &fields,
            status: response.status.as_u16(),
            response: &response.fields,
            request_time: trip.sent,
            response_time: trip.received,
        };
        // Awaited, not deferred: the client's next request must not see what this one has changed.
        let (mut life, mut failed) = (None, Failed::at(trip.received));
        self.know_purges(host).await;
        let mut purged = self.invalid_groups(host, &seen);
        for url in invalidate::targets(&seen) {
            if let Some((_, rest)) = url.split_once("://") {
                let at = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, target) = rest.split_at_checked(at).unwrap_or((rest, ""));
                let target = if target.is_empty() { "/" } else { target };
                let (own_target, own_fields) = reduced(target);
                let parts =
                    Parts { origin: self.origin(), scheme, authority, target: &own_target, fields: &own_fields };
                let (keys, others) = self.places_of(host, &url, parts).await;
                purged.extend(others.filter(|others| !purged.contains(others)));
                for invalid in keys {
                    self.flights.part_from(&invalid);
                    let begun = self.tiers(host).invalidate(&invalid, host.now()).await;
                    if begun.is_none() {
                        failed.keys.push(invalid);
                    }
                    if invalid == key {
                        life = begun;
                    }
                }
            }
        }
        if !purged.is_empty() && self.tiers(host).purge(&purged, false, failed.at).await.is_none() {
            failed.purged = purged;
        }
        self.invalidate_again(host, failed);
        let answers_get = method == Method::POST && response.fields.contains("content-location");
        if answers_get && reduce::is_reduced(&target, &fields, policy) {
            let (content, sharing) = (None, Sharing::default());
            let request =
                Lookable { method, scheme, authority, target, fields, client, control, key, route, content, sharing };
            return self.received(host, request, Place::New(life), trip, response);
        }
        let status = Some(response.status.as_u16());
        serve::passed(response, &Outcome::Forwarded { why, detail, status, stored: None, from: None })
    }

    /// Tries again, after the response has left, what a tier has refused.
    fn invalidate_again<H: Host>(self: &Rc<Self>, host: &H, mut failed: Failed) {
        if failed.is_empty() {
            return;
        }
        let (proxy, own) = (self.clone(), host.clone());
        host.defer(async move {
            for pause in INVALIDATE_AGAIN {
                own.sleep(pause).await;
                let tiers = proxy.tiers(&own);
                for key in std::mem::take(&mut failed.keys) {
                    if tiers.invalidate(&key, own.now()).await.is_none() {
                        failed.keys.push(key);
                    }
                }
                if !failed.purged.is_empty() && tiers.purge(&failed.purged, false, failed.at).await.is_some() {
                    failed.purged.clear();
                }
                if failed.is_empty() {
                    return;
                }
            }
            if !failed.keys.is_empty() {
                own.warn("an invalidation did not reach both tiers: what L1 still holds is passed over, and L2 is told when it takes it");
            }
            if !failed.purged.is_empty() {
                own.warn("L2 did not take an invalidation of groups or URLs: other instances serve them until they are stale");
            }
        });
    }
}

/// What is invalid, and did not reach every tier.
struct Failed {
    keys: Vec<Key>,
    purged: Vec<Target>,
    /// Since when: what was asked for later is of what has changed.
    at: Timestamp,
}

impl Failed {
    fn at(at: Timestamp) -> Self {
        Failed { keys: Vec::new(), purged: Vec::new(), at }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.purged.is_empty()
    }
}
