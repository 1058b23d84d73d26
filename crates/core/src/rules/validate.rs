//! Validation (RFC 9111 4.3): the client's conditions against what is stored, and our own conditions to the origin.

use super::dates;
use crate::entry::Head;
use crate::fields::Fields;
use http::Method;

/// What a client's conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is none, or it holds: the stored response as it is.
    None,
    /// The client has what is stored: 304.
    NotModified,
    /// If-Match or If-Unmodified-Since does not hold for what is stored. They are the origin's to judge (RFC 9110 13.1.1,
    /// 13.1.4): forward.
    Failed,
}

/// Request fields that make a request conditional or partial.
const CONDITIONS: [&str; 6] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];

/// Fields about the content that a 304 leaves out (RFC 9110 15.4.5).
const ABOUT_CONTENT: [&str; 9] = [
    "content-digest",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-range",
    "content-type",
    "digest",
    "repr-digest",
];

/// Evaluates the client's conditions in the order of RFC 9110 13.2.2, on GET and HEAD and a stored 200 or 206 (RFC 9111 4.3.2).
pub fn precondition(method: &Method, request: &Fields, head: &Head) -> Precondition {
    if !matches!(head.status, 200 | 206) || !matches!(*method, Method::GET | Method::HEAD) {
        return Precondition::None;
    }
    // One pass for the request that has none of them, which most have.
    let conditional = |name: &str| name.starts_with("if-") && CONDITIONS.contains(&name);
    if !request.as_list().iter().any(|(name, _)| conditional(name)) {
        return Precondition::None;
    }
    let etag = head.fields.get("etag").map(<[u8]>::trim_ascii);
    let now = head.freshness.received;
    let modified = || head.fields.get("last-modified").and_then(|v| dates::parse_at(v, now));
    if request.contains("if-match") {
        let strong = |tag: &[u8]| !tag.starts_with(b"W/") && etag == Some(tag);
        if !is_star(request, "if-match") && !tags(request, "if-match").any(strong) {
            return Precondition::Failed;
        }
    } else if let Some(since) = single_date(request, "if-unmodified-since", head)
        && modified().is_none_or(|modified| modified > since)
    {
        return Precondition::Failed;
    }
    if request.contains("if-none-match") {
        let same = |tag: &[u8]| etag.is_some_and(|etag| weak(etag) == weak(tag));
        let has_it = is_star(request, "if-none-match") || tags(request, "if-none-match").any(same);
        return if has_it { Precondition::NotModified } else { Precondition::None };
    }
    let Some(since) = single_date(request, "if-modified-since", head) else {
        return Precondition::None;
    };
    // Without Last-Modified, Date and then the time of arrival stand for it (RFC 9111 4.3.2).
    let stored = modified().or_else(|| head.fields.get("date").and_then(|v| dates::parse_at(v, now))).unwrap_or(now);
    if stored <= since { Precondition::NotModified } else { Precondition::None }
}

/// The fields of a 304 made from a stored response (RFC 9110 15.4.5): all but those about the content; Last-Modified only where
/// there is no ETag.
pub fn not_modified_fields(head: &Fields) -> Fields {
    let mut fields = head.clone();
    let has_etag = fields.contains("etag");
    fields.retain(|name, _| !(ABOUT_CONTENT.contains(&name) || has_etag && name == "last-modified"));
    fields
}

/// Makes a request our own validation of a stored response (RFC 9111 4.3.1): the client's conditions and Range go, the stored
/// validators come. Without a validator it becomes a plain request. Where a part alone is stored Range and If-Range stay: if it
/// has changed, the client still wants no more than that part.
pub fn conditional(head: &Head, request: &mut Fields) {
    let partial = head.part.is_some();
    request.retain(|name, _| (partial && matches!(name, "range" | "if-range")) || !CONDITIONS.contains(&name));
    if let Some(etag) = etag(&head.fields) {
        request.append("if-none-match", etag);
    }
    if let Some(modified) = last_modified(&head.fields) {
        request.append("if-modified-since", modified);
    }
}

/// Takes the client's conditions and Range out of a request, so that the answer is complete and can be stored.
pub fn unconditional(request: &mut Fields) {
    request.retain(|name, _| !CONDITIONS.contains(&name));
}

/// Whether a response can be validated: it has an ETag or a valid Last-Modified (RFC 9110 8.8).
pub fn has_validator(fields: &Fields) -> bool {
    etag(fields).is_some() || last_modified(fields).is_some()
}

/// The entity tag where it is a strong one (RFC 9110 8.8.3): the only validator that parts are put together by.
pub fn strong_etag(fields: &Fields) -> Option<&[u8]> {
    etag(fields).filter(|tag| tag.len() > 1 && tag.starts_with(b"\"") && tag.ends_with(b"\""))
}

pub(super) fn etag(fields: &Fields) -> Option<&[u8]> {
    fields.get("etag").map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty())
}

fn last_modified(fields: &Fields) -> Option<&[u8]> {
    fields.get("last-modified").filter(|value| dates::parse(value).is_some())
}

/// An entity tag without its mark of weakness, for the weak comparison (RFC 9110 8.8.3.2).
pub(super) fn weak(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

fn is_star(request: &Fields, name: &str) -> bool {
    let mut lines = request.get_all(name);
    lines.next().is_some_and(|line| line.trim_ascii() == b"*") && lines.next().is_none()
}

/// The entity tags of a list. A tag that is not quoted as it should be is taken up to the next comma, and compared as it stands.
fn tags<'a>(request: &'a Fields, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    request.get_all(name).flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            while let [b',' | b' ' | b'\t', after @ ..] = rest {
                rest = after;
            }
            if rest.is_empty() {
                return None;
            }
            // A quoted tag may have commas in it; a backslash escapes nothing (RFC 9110 8.8.3).
            let open = if rest.starts_with(b"W/\"") { 3 } else { usize::from(rest.starts_with(b"\"")) };
            let closed = rest.get(open..).filter(|_| open > 0).and_then(|r| r.iter().position(|b| *b == b'"'));
            let end = match closed {
                Some(at) => open + at + 1,
                None => rest.iter().position(|b| *b == b',').unwrap_or(rest.len()),
            };
            let (tag, after) = rest.split_at_checked(end)?;
            rest = after;
            Some(tag.trim_ascii())
        })
    })
}

/// A field with exactly one valid date (RFC 9110 13.1.3: otherwise it is ignored).
fn single_date(request: &Fields, name: &str, head: &Head) -> Option<crate::time::Timestamp> {
    let mut lines = request.get_all(name);
    let date = dates::parse_at(lines.next()?, head.freshness.received)?;
    lines.next().is_none().then_some(date)
}
