//! Requests whose content is part of the key: QUERY (RFC 10008 2.7), and POST where a route says so.
//!
//! The content is read once, into memory, and from there on the request is looked up and answered as a GET of its own key would be.
//! An unsafe request must end what is stored for every content of its URL (RFC 9111 4.4), and cannot know them; so the key of each
//! has the life of the URL in it, which a record under a key of the URL's own remembers. A hit is two reads: the life, and the object.

use super::{Proxy, Trip};
use crate::capture::{Budget, Capture, Held};
use crate::config::Policy;
use crate::decision::Tier;
use crate::fields::Fields;
use crate::host::Host;
use crate::key::{self, Key};
use crate::message::{Body, Request};
use crate::tiers::{Found, Lookup, Place};
use crate::time::Timestamp;
use bytes::Bytes;
use http::Method;
use std::rc::Rc;

/// How long the life that no invalidation began is the same for all that find none, in milliseconds: whoever asks at once should
/// find what the others store.
const SAME_LIFE_MS: u64 = 60_000;

/// The content of a request, and whose it is.
#[derive(Debug)]
pub(super) struct Content {
    /// The method that it came with.
    pub(super) method: Method,
    /// The whole of it.
    pub(super) bytes: Bytes,
    /// Where the life of the URL is remembered.
    of: Key,
    /// Where to remember the life, unless that is done.
    unknown: Option<Place>,
    _held: Held,
}

/// What became of the content of a request.
pub(super) enum Taken {
    /// It is in memory.
    Whole(Bytes, Held),
    /// It is untouched: too large, of unknown length, or there is no memory for it now.
    Not,
    /// It did not come whole.
    Cut,
}

/// All of a body, as far as the copy takes it; `None` where it was cut or the copy given up.
pub(super) async fn whole<H: Host>(host: &H, body: Body<H::Stream>, copy: Capture) -> Option<Bytes> {
    match body {
        Body::Empty => Some(Bytes::new()),
        Body::Full(bytes) => Some(bytes),
        Body::Stream(stream) => {
            let (stream, copy) = host.tee(stream, copy);
            drop(stream);
            copy.await
        }
    }
}

/// Whether the content of such a request is part of its key.
pub(super) fn is_keyed(method: &Method, policy: &Policy) -> bool {
    policy.key.content.as_ref().is_some_and(|rule| rule.methods.iter().any(|name| name == method.as_str()))
}

/// How many bytes of content may be part of a key.
pub(super) fn most(policy: &Policy) -> u64 {
    policy.key.content.as_ref().map_or(0, |rule| rule.max_size)
}

impl Content {
    /// Whether the origin may be asked with conditions and for ranges: a POST knows neither (RFC 9110 13.1.2, 14.2).
    pub(super) fn is_conditional(&self) -> bool {
        self.method != Method::POST
    }
}

impl Proxy {
    /// Reads the content of a request, if it has at most so many bytes.
    pub(super) async fn take_content<H: Host>(&self, host: &H, request: &mut Request<H::Stream>, most: u64) -> Taken {
        let length = request.fields.get_str("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        let length = match (&request.body, length) {
            (Body::Empty, None) => Some(0),
            (_, length) => length.filter(|length| *length <= most),
        };
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else { return Taken::Not };
        let Some(held) = self.budget.take(length) else { return Taken::Not };
        let body = std::mem::replace(&mut request.body, Body::Empty);
        let bytes = whole(host, body, Capture::new(length, Some(length as u64), Budget::new(length))).await;
        match bytes.filter(|bytes| bytes.len() == length) {
            Some(bytes) => Taken::Whole(bytes, held),
            None => Taken::Cut,
        }
    }

    /// The key of a request with this content, where `primary` is that of its URL.
    pub(super) async fn keyed_by_content<H: Host>(
        self: &Rc<Self>,
        host: &H,
        primary: &Key,
        (method, fields): (Method, &Fields),
        (bytes, held): (Bytes, Held),
    ) -> (Key, Content) {
        let (of, now) = (key::contents(primary), host.now());
        let (life, unknown) = match self.tiers(host).lookup(&of, &Fields::new(), now).await {
            Lookup::Found(found) => (found.life, self.to_be_renewed(host, found, now)),
            Lookup::OtherVariants(life) | Lookup::Nothing(Some(life)) => (life, Some(Place::New(Some(life)))),
            Lookup::Nothing(None) => {
                // Odd, as every life is.
                let life = now.since(Timestamp(0)) / SAME_LIFE_MS * 2 + 1;
                (life, Some(Place::New(Some(life))))
            }
        };
        let key = key::content(&of, life, method.as_str(), fields, &bytes);
        (key, Content { method, bytes, of, unknown, _held: held })
    }

    /// Brings the record of a life nearer, and says whether it is to be written again, since it will be over before long.
    fn to_be_renewed<H: Host>(self: &Rc<Self>, host: &H, found: Box<Found>, now: Timestamp) -> Option<Place> {
        if found.tier == Tier::L2 {
            let (proxy, own, found) = (self.clone(), host.clone(), found.clone());
            host.defer(async move { proxy.tiers(&own).promote(&found, now).await });
        }
        self.is_old(&found.entry, now).then(|| Place::Over(found))
    }

    /// Remembers the life that an object was stored in, or all of the URL's objects could not be found.
    pub(super) async fn keep_life<H: Host>(&self, host: &H, content: &Content, url: &str, trip: Trip) {
        let Some(place) = &content.unknown else { return };
        let record = self.record(Fields::new(), trip);
        self.tiers(host).store(&content.of, url, record, place, trip.received).await;
    }
}
