//! What the table tests of the rules share.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;
use http::Method;
use std::time::Duration;
use terrace_core::config::{Policy, Profile, RequestDirectives, SetCookie};
use terrace_core::entry::{Entry, Head, Selecting};
use terrace_core::fields::Fields;
use terrace_core::rules::Exchange;
use terrace_core::rules::freshness::Freshness;
use terrace_core::time::Timestamp;

/// Sat, 21 Nov 2026 12:00:00 GMT
pub const NOW: Timestamp = Timestamp(1_795_262_400_000);

pub const URL: &str = "https://api.example/things?a=1";

/// `name: value` lines.
pub fn fields(lines: &[(&str, &str)]) -> Fields {
    lines.iter().map(|(n, v)| ((*n).to_string(), v.as_bytes().to_vec())).collect()
}

/// An HTTP-date so many seconds from [`NOW`].
pub fn date(offset: i64) -> String {
    terrace_core::rules::dates::format(Timestamp(NOW.0 + offset * 1000))
}

/// `@5` and `@-5` in a value stand for the date so many seconds from [`NOW`].
pub fn dated(lines: &[(&str, &str)]) -> Fields {
    lines
        .iter()
        .map(|(n, v)| {
            let value = match v.strip_prefix('@') {
                Some(offset) => date(offset.parse().unwrap()),
                None => (*v).to_string(),
            };
            ((*n).to_string(), value.into_bytes())
        })
        .collect()
}

/// All that RFC 9111 allows, no windows of our own.
pub fn rfc() -> Policy {
    Policy {
        profile: Profile::Rfc9111,
        set_cookie: SetCookie::Store,
        request_directives: RequestDirectives::Honour,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        negative_ttl: Vec::new(),
        ..Policy::default()
    }
}

/// The safe profile's defaults.
pub fn safe() -> Policy {
    Policy::default()
}

pub fn exchange<'a>(method: &'a Method, request: &'a Fields, status: u16, response: &'a Fields) -> Exchange<'a> {
    Exchange { method, url: URL, request, status, response, request_time: NOW, response_time: NOW }
}

/// The freshness of a 200 to a plain GET.
pub fn fresh(response: &Fields, policy: &Policy) -> Freshness {
    Freshness::of(&exchange(&Method::GET, &Fields::new(), 200, response), policy)
}

/// A stored 200 with this content.
pub fn stored(response: &Fields, body: &'static str) -> Head {
    let freshness = fresh(response, &rfc());
    Entry::new(200, response.clone(), freshness, Selecting::default(), Bytes::from_static(body.as_bytes())).head
}

pub fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.combined(name).map(|v| String::from_utf8_lossy(&v).into_owned())
}
