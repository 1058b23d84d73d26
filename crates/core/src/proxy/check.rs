//! Requests that go no further: what a careful server refuses before it looks anything up (RFC 9110, RFC 9112).

use crate::config::normal_percent;
use crate::message::Request;
use http::{Method, StatusCode};

/// The longest target (path and query) that is looked at, in bytes.
pub(super) const MAX_TARGET: usize = 16 << 10;

/// The most field lines of a request.
pub(super) const MAX_FIELDS: usize = 256;

/// Whether it asks under a condition that the cache does not answer; of a POST it answers none, and no range (RFC 9110 13.1.2, 14.2).
pub(super) fn is_conditional<S>(request: &Request<S>) -> bool {
    let names = ["if-match", "if-unmodified-since", "if-none-match", "if-modified-since", "if-range", "range"];
    let unanswered = if request.method == Method::POST { names.len() } else { 2 };
    names.iter().take(unanswered).any(|name| request.fields.contains(name))
}

/// What is said of content that is shorter than its length.
pub(super) const CUT: Refusal =
    Refusal { status: StatusCode::BAD_REQUEST, detail: "The content of the request did not come whole." };

/// A request that is refused, and what the client should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub detail: &'static str,
}

/// Whether the request may go on.
pub(super) fn acceptable<S>(request: &Request<S>) -> Result<(), Refusal> {
    let refuse = |status, detail| Err(Refusal { status, detail });
    let target = request.target.as_bytes();
    if request.method == Method::TRACE || request.method == Method::CONNECT {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "TRACE and CONNECT are not for a cache.");
    }
    if target.len() > MAX_TARGET {
        return refuse(StatusCode::URI_TOO_LONG, "The URL is too long.");
    }
    if request.fields.len() > MAX_FIELDS {
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "There are too many header fields.");
    }
    let path_ok = target.first() == Some(&b'/') && !matches!(target.get(1), Some(b'/' | b'\\'));
    let asterisk = request.method == Method::OPTIONS && target == b"*";
    if !path_ok && !asterisk {
        return refuse(StatusCode::BAD_REQUEST, "The path must begin with one slash.");
    }
    if target.iter().any(|b| !(0x21..0x7f).contains(b) || matches!(b, b'\\' | b'#')) {
        return refuse(StatusCode::BAD_REQUEST, "The path holds a character that must be percent-encoded.");
    }
    // An origin may resolve them after a route and a key were chosen by the path as it stands (RFC 3986 6.2.2.3). Clients do so
    // before they ask.
    if normal_percent(request.path()).split('/').any(|segment| matches!(segment, "." | "..")) {
        return refuse(StatusCode::BAD_REQUEST, "The path holds a segment that is . or ..: resolve it before asking.");
    }
    let host = request.authority.as_bytes();
    if host
        .iter()
        .any(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'%' | b'~')))
    {
        return refuse(StatusCode::BAD_REQUEST, "The Host field is not a host and a port.");
    }
    Ok(())
}
