//! Which fields end here (RFC 9110 7.6.1) and which inputs never reach the origin (DESIGN.md, decision 3).
//!
//! What Connection names is removed, with one exception: fields that every recipient needs. Naming them is forbidden
//! (RFC 9110 7.6.1: "a sender MUST NOT send a connection option corresponding to a field intended for all recipients"), and
//! whoever could take Cache-Control out of a response, or a field of Vary out of a request, would poison the cache.
//! A variant is selected by what the origin saw: [`never_forwarded`] and [`seen_by_origin`] say what that is.

use super::directives::members;
use crate::fields::Fields;
use std::borrow::Cow;

/// Fields of one connection, and those that concern one proxy alone (RFC 9110 7.6.1, RFC 9111 3.1).
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// Request fields that change what many frameworks answer, and that are no part of the key. The host's own authority says where
/// a request goes.
const UNKEYED: [&str; 57] = [
    "base-url",
    "cf-visitor",
    "cloudfront-forwarded-proto",
    "forwarded",
    "front-end-https",
    "proxy",
    "x-amz-website-redirect-location",
    "x-arr-ssl",
    "x-backend-host",
    "x-envoy-original-method",
    "x-envoy-original-path",
    "x-forwarded",
    "x-forwarded-by",
    "x-forwarded-host",
    "x-forwarded-hostname",
    "x-forwarded-method",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-query",
    "x-forwarded-request-uri",
    "x-forwarded-root",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-invoke-path",
    "x-invoke-query",
    "x-invoke-status",
    "x-method-override",
    "x-middleware-rewrite",
    "x-middleware-subrequest",
    "x-now-route-matches",
    "x-original-forwarded-host",
    "x-original-host",
    "x-original-method",
    "x-original-path",
    "x-original-proto",
    "x-original-scheme",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-proto",
    "x-real-host",
    "x-replaced-path",
    "x-request-uri",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
];

/// Request fields to which each request to the origin adds of its own: what the origin sees is not what the client sent, and differs
/// from one client, or one way here, to the next.
const REWRITTEN: [&str; 5] = ["cdn-loop", "max-forwards", "surrogate-capability", "via", "x-forwarded-for"];

/// Fields that Connection cannot take away.
const END_TO_END: [&str; 38] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "age",
    "authorization",
    "cache-control",
    "cdn-cache-control",
    "cdn-loop",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "origin",
    "pragma",
    "range",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "surrogate-control",
    "terrace-cache-control",
    "vary",
    "via",
    "www-authenticate",
];

/// Takes out of a request what must not reach the origin: fields of the connection, what Connection names, and unkeyed inputs.
pub fn strip_request(fields: &mut Fields) {
    strip(fields, |name| UNKEYED.contains(&name) || is_twin(name));
}

/// Takes out of a response what must be neither stored nor passed on: fields of the connection and what Connection names.
pub fn strip_response(fields: &mut Fields) {
    strip(fields, |_| false);
}

/// Whether a request field never reaches the origin, whatever its value.
pub fn never_forwarded(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || UNKEYED.contains(&name) || is_twin(name)
}

/// Whether the origin sees another value of a request field than the client sent.
pub fn is_rewritten(name: &str) -> bool {
    REWRITTEN.contains(&name)
}

/// Takes out of a request the twins of these fields: names with `_` in place of `-`, which CGI and its kin take for the same.
pub fn remove_twins<'a>(fields: &mut Fields, names: impl Iterator<Item = &'a str> + Clone) {
    fields.retain(|name, _| !names.clone().any(|other| is_twin_of(name, other)));
}

/// Whether a request has a twin of one of these fields.
pub fn has_twin(fields: &Fields, names: &[String]) -> bool {
    fields.as_list().iter().any(|(name, _)| names.iter().any(|other| is_twin_of(name, other)))
}

fn is_twin_of(name: &str, other: &str) -> bool {
    let same = |(a, b): (u8, u8)| a == b || (a == b'_' && b == b'-') || (a == b'-' && b == b'_');
    name != other && name.len() == other.len() && name.bytes().zip(other.bytes()).all(same)
}

/// Whether a name is that of a field with a meaning but for `_` in place of `-`: CGI and its kin do not tell the two apart.
fn is_twin(name: &str) -> bool {
    name.contains('_') && HOP_BY_HOP.iter().chain(&UNKEYED).chain(&END_TO_END).any(|other| is_twin_of(name, other))
}

/// Takes one from Max-Forwards, which counts for OPTIONS (RFC 9110 7.6.2). Whether the request may go on: at zero, its recipient is
/// the one that answers. What is no number means nothing.
pub fn take_forward(fields: &mut Fields) -> bool {
    let left = fields.get_str("max-forwards").map(str::trim).filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
    match left.and_then(|v| v.parse::<u64>().ok()) {
        Some(0) => false,
        Some(left) => {
            fields.set("max-forwards", left.saturating_sub(1).to_string());
            true
        }
        None => true,
    }
}

/// A request without the fields that its Connection names: whoever names a field that Vary names must not store, under its
/// value, an answer that was given without it.
pub fn seen_by_origin(request: &Fields) -> Cow<'_, Fields> {
    let named = named(request);
    if !named.iter().any(|name| request.contains(name)) {
        return Cow::Borrowed(request);
    }
    let mut seen = request.clone();
    seen.retain(|name, _| !named.iter().any(|n| n == name));
    Cow::Owned(seen)
}

fn strip(fields: &mut Fields, also: impl Fn(&str) -> bool) {
    let named = named(fields);
    fields.retain(|name, _| !HOP_BY_HOP.contains(&name) && !also(name) && !named.iter().any(|n| n == name));
}

/// What Connection names, lower-case, without what it must not name.
fn named(fields: &Fields) -> Vec<String> {
    fields
        .get_all("connection")
        .flat_map(members)
        .filter_map(|option| std::str::from_utf8(option).ok())
        .map(str::to_ascii_lowercase)
        .filter(|option| !END_TO_END.contains(&option.as_str()))
        .collect()
}
