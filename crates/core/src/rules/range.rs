//! Which part of a stored response was asked for (RFC 9110 14, RFC 9111 3.3).

use super::dates;
use super::directives::members;
use crate::entry::{Head, Part};
use crate::fields::Fields;
use bytes::{Bytes, BytesMut};
use http::Method;

/// More parts than these after coalescing, and the whole is sent (RFC 9110 17.15).
const MAX_PARTS: usize = 16;

/// More ranges than these are not even read.
const MAX_RANGES: usize = 128;

/// What of the content is to be sent. Ends are exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it, as if there were no Range.
    Whole,
    /// One part: 206.
    Part {
        /// Where it begins.
        start: u64,
        /// Where it ends.
        end: u64,
    },
    /// Several parts in the order they were asked for: 206 as multipart/byteranges.
    Parts(Vec<(u64, u64)>),
    /// Nothing of what was asked for is there: 416.
    Unsatisfiable,
}

/// Decides it. Range counts on a GET of a stored 200 (RFC 9110 14.2), and only where If-Range holds (RFC 9110 13.1.5); one
/// that is malformed, or in another unit than bytes, is ignored.
pub fn select(method: &Method, request: &Fields, head: &Head, len: u64) -> Selection {
    if head.status != 200 || !request.contains("range") {
        return Selection::Whole;
    }
    match asked(method, request, head, len) {
        None => Selection::Whole,
        // The only satisfiable range of empty content is a suffix, and it is all there is (RFC 9110 14.1.2).
        Some(parts) if len == 0 && !parts.is_empty() => Selection::Whole,
        Some(parts) => selection(parts),
    }
}

/// What of a stored part is to be sent. `None` where all of it cannot come from there: then the part must not be used
/// (RFC 9111 3.3).
pub fn select_from(part: Part, method: &Method, request: &Fields, head: &Head) -> Option<Selection> {
    let parts = asked(method, request, head, part.complete)?;
    let held = |(start, end): &(u64, u64)| part.start <= *start && *end <= part.end;
    (!parts.is_empty() && parts.iter().all(held)).then(|| selection(parts))
}

/// Whether what is stored can answer a request, be it whole or a part.
pub fn answers(method: &Method, request: &Fields, head: &Head) -> bool {
    head.part.is_none_or(|part| select_from(part, method, request, head).is_some())
}

/// Whether a request may reach the origin with its Range: one line, well-formed or of another unit, and of few parts. Any other is
/// ignored here already (RFC 9110 14.2, 17.15).
pub fn may_be_sent(request: &Fields) -> bool {
    let mut lines = request.get_all("range");
    let Some(range) = lines.next() else { return true };
    let unit = range.split(|b| *b == b'=').next().unwrap_or_default();
    let few = || parse(range, u64::MAX).is_some_and(|ranges| coalesce(ranges).len() <= MAX_PARTS);
    lines.next().is_none() && (!unit.eq_ignore_ascii_case(b"bytes") || few())
}

/// The parts that were asked for; `None` where Range does not count, or there are too many.
fn asked(method: &Method, request: &Fields, head: &Head, len: u64) -> Option<Vec<(u64, u64)>> {
    let mut lines = request.get_all("range");
    let range = lines.next()?;
    if *method != Method::GET || lines.next().is_some() || !if_range(request, head) {
        return None;
    }
    parse(range, len).map(coalesce).filter(|parts| parts.len() <= MAX_PARTS)
}

fn selection(parts: Vec<(u64, u64)>) -> Selection {
    match parts.as_slice() {
        [] => Selection::Unsatisfiable,
        [(start, end)] => Selection::Part { start: *start, end: *end },
        _ => Selection::Parts(parts),
    }
}

/// The Content-Range of a part (RFC 9110 14.4); `end` is exclusive.
pub fn content_range(start: u64, end: u64, len: u64) -> String {
    format!("bytes {start}-{}/{len}", end.saturating_sub(1))
}

/// The Content-Range of a 416 (RFC 9110 15.5.17).
pub fn unsatisfied_range(len: u64) -> String {
    format!("bytes */{len}")
}

/// The content of a multipart/byteranges response (RFC 9110 14.6); `body` is what is stored, from the position `from` on.
pub fn multipart(
    from: u64,
    body: &Bytes,
    parts: &[(u64, u64)],
    content_type: Option<&[u8]>,
    len: u64,
    boundary: &str,
) -> Bytes {
    let mut out = BytesMut::new();
    for (start, end) in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(content_type) = content_type {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(content_type);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("Content-Range: {}\r\n\r\n", content_range(*start, *end, len)).as_bytes());
        let at = |position: u64| position.checked_sub(from).and_then(|n| usize::try_from(n).ok());
        let part = at(*start).zip(at(*end));
        out.extend_from_slice(part.and_then(|(start, end)| body.get(start..end)).unwrap_or_default());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out.freeze()
}

/// The satisfiable ranges in the order they came; `None` where the field is malformed (RFC 9110 14.1.1, 14.1.2).
fn parse(value: &[u8], len: u64) -> Option<Vec<(u64, u64)>> {
    let at = value.iter().position(|b| *b == b'=')?;
    let (unit, set) = (value.get(..at)?, value.get(at + 1..)?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    let mut count = 0;
    for spec in members(set) {
        count += 1;
        if count > MAX_RANGES {
            return None;
        }
        let at = spec.iter().position(|b| *b == b'-')?;
        let (first, last) = (spec.get(..at)?, spec.get(at + 1..)?);
        let (start, end) = match (first.is_empty(), last.is_empty()) {
            (true, true) => return None,
            (true, false) => match number(last)? {
                0 => continue,
                suffix => (len.saturating_sub(suffix), len),
            },
            (false, true) => (number(first)?, len),
            (false, false) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return None;
                }
                (first, last.saturating_add(1).min(len))
            }
        };
        if start < len || (first.is_empty() && len == 0) {
            ranges.push((start, end));
        }
    }
    (count > 0).then_some(ranges)
}

/// Digits; a number too large for us is larger than any content.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |n: u64, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Joins ranges that overlap or touch (RFC 9110 15.3.7.2); what remains keeps its order.
fn coalesce(ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    let mut parts: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut joined = range;
        let mut place = None;
        let mut at = 0;
        while let Some((start, end)) = parts.get(at).copied() {
            if start <= joined.1 && joined.0 <= end {
                joined = (joined.0.min(start), joined.1.max(end));
                parts.remove(at);
                place = Some(place.map_or(at, |place: usize| place.min(at)));
                // It has grown, so it may touch one that was passed.
                at = 0;
            } else {
                at += 1;
            }
        }
        parts.insert(place.unwrap_or(parts.len()).min(parts.len()), joined);
    }
    parts
}

/// Whether If-Range allows the part (RFC 9110 13.1.5): the same strong ETag, or exactly the same date where that is strong.
fn if_range(request: &Fields, head: &Head) -> bool {
    let mut lines = request.get_all("if-range");
    let Some(condition) = lines.next().map(<[u8]>::trim_ascii) else {
        return true;
    };
    if lines.next().is_some() {
        return false;
    }
    if condition.ends_with(b"\"") || condition.starts_with(b"W/") {
        return condition.starts_with(b"\"") && head.fields.get("etag").map(<[u8]>::trim_ascii) == Some(condition);
    }
    // One date is that of all forms: it does not tell the coded content from the plain one (RFC 9110 8.8.1).
    if head.fields.get_all("vary").flat_map(members).any(|name| name.eq_ignore_ascii_case(b"accept-encoding")) {
        return false;
    }
    let now = head.freshness.received;
    let parse = |value| dates::parse_at(value, now);
    let field = |name| head.fields.get(name).and_then(parse);
    let (Some(asked), Some(modified), Some(date)) = (parse(condition), field("last-modified"), field("date")) else {
        return false;
    };
    // Strong where it was at least one second old when the response was made (RFC 9110 8.8.2.2).
    asked == modified && modified.plus_millis(1000) <= date
}
