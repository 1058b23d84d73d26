//! A request on its way through the cache, and its way to the origin and back.

use super::content::Content;
use crate::config::RouteId;
use crate::decision::Forward;
use crate::entry::Head;
use crate::fields::Fields;
use crate::key::Key;
use crate::message::Response;
use crate::rules::directives::RequestControl;
use crate::rules::{Exchange, reuse};
use crate::tiers::leases::Lease;
use crate::time::Timestamp;
use crate::upstream::collapse::Lead;
use http::Method;
use std::net::IpAddr;
use std::rc::Rc;

/// A request that the cache may answer.
#[derive(Debug)]
pub(super) struct Lookable {
    pub(super) method: Method,
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    pub(super) target: String,
    pub(super) fields: Fields,
    pub(super) client: Option<IpAddr>,
    pub(super) control: RequestControl,
    pub(super) key: Key,
    /// The route of its path.
    pub(super) route: RouteId,
    /// Where its content is part of the key; it is then answered as a GET is.
    pub(super) content: Option<Content>,
    /// How it shares a fetch with others.
    pub(super) sharing: Sharing,
}

/// What a request has to do with others for the same object.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// Where others wait for what it asks for.
    pub(super) lead: Option<Lead>,
    /// Under which lease it asks.
    pub(super) lease: Option<Rc<Lease>>,
    /// How often it was looked for an answer to it again.
    pub(super) rounds: u32,
}

/// One way to the origin and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trip {
    /// Why it was made.
    pub(super) why: Forward,
    /// When the request was sent.
    pub(super) sent: Timestamp,
    /// When the response's head, or the failure, came.
    pub(super) received: Timestamp,
}

impl Lookable {
    /// The request's URL as the client used it.
    pub(super) fn url(&self) -> String {
        url_of(self.scheme, &self.authority, &self.target)
    }

    /// Whether what is stored may be sent to it where the origin fails, stale as it is (RFC 9111 4.2.4).
    pub(super) fn may_have_on_error(&self, head: &Head, now: Timestamp) -> bool {
        self.is_answered_by(head) && reuse::may_serve_on_error(&head.freshness, &self.control, now)
    }

    /// Whether the origin may be asked conditionally, or for the rest of a part, in its place.
    pub(super) fn is_conditional(&self) -> bool {
        self.method == Method::GET && self.content.as_ref().is_none_or(Content::is_conditional)
    }
}

/// The request's URL as the client used it.
pub(super) fn url_of(scheme: &str, authority: &str, target: &str) -> String {
    format!("{scheme}://{authority}{target}")
}

/// What the storing rules see.
pub(super) fn exchange<'a, S>(
    request: &'a Lookable,
    url: &'a str,
    response: &'a Response<S>,
    trip: Trip,
) -> Exchange<'a> {
    Exchange {
        method: &request.method,
        url,
        request: &request.fields,
        status: response.status.as_u16(),
        response: &response.fields,
        request_time: trip.sent,
        response_time: trip.received,
    }
}
