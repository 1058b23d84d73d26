//! Parts of a content (RFC 9110 14.4, 15.3.7; RFC 9111 3.3, 3.4): which one came, whether it goes together with what is held, and
//! what would complete it.
//!
//! Of one content one interval is held. Parts are put together only under the same strong ETag, where they overlap or touch.

use super::{Exchange, validate};
use crate::entry::{Head, Part};
use crate::fields::Fields;
use bytes::{Bytes, BytesMut};
use http::Method;

/// The part that a 206 brings. `None` where it is none that can be stored: nobody asked for a range, several parts, no
/// Content-Range in bytes with the whole length, or content of another length than that.
pub fn received(x: &Exchange<'_>) -> Option<Part> {
    if *x.method != Method::GET || !x.request.contains("range") || is_multipart(x.response) {
        return None;
    }
    let mut lines = x.response.get_all("content-range");
    let part = content_range(lines.next()?).filter(|_| lines.next().is_none())?;
    let length = x.response.get("content-length");
    length.is_none_or(|length| number(length.trim_ascii()) == Some(part.len())).then_some(part)
}

/// Whether the answer to a request has all the fields that a 200 would have: to one with If-Range it may leave out what the
/// client has already (RFC 9110 15.3.7).
pub fn brings_all_fields(request: &Fields) -> bool {
    !request.contains("if-range")
}

/// Whether two responses with these fields are of one content: both have the same strong ETag (RFC 9110 15.3.7.3).
pub fn same_content(held: &Fields, new: &Fields) -> bool {
    let etag = validate::strong_etag(held);
    etag.is_some() && etag == validate::strong_etag(new)
}

/// The interval that is held: the part, or all of it.
pub fn held(head: &Head) -> Part {
    head.part.unwrap_or(Part { start: 0, end: head.body_len, complete: head.body_len })
}

/// What two parts of one content come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Union {
    /// They overlap or touch: one interval.
    Joined(Part, Bytes),
    /// Something between them is missing, or together they are too large.
    Apart,
    /// They are not of one content after all: the whole lengths differ, or the bytes that both have.
    Different,
}

/// Joins two parts of one content, unless they come to more than `most` bytes (RFC 9111 3.4).
pub fn join(held: (Part, &Bytes), new: (Part, &Bytes), most: u64) -> Union {
    let ((a, a_body), (b, b_body)) = if held.0.start <= new.0.start { (held, new) } else { (new, held) };
    if a.complete != b.complete {
        return Union::Different;
    }
    if b.start > a.end {
        return Union::Apart;
    }
    let overlap_end = a.end.min(b.end);
    if slice(a, a_body, b.start, overlap_end) != slice(b, b_body, b.start, overlap_end) {
        return Union::Different;
    }
    if b.end <= a.end {
        return Union::Joined(a, a_body.clone());
    }
    let part = Part { end: b.end, ..a };
    if part.len() > most {
        return Union::Apart;
    }
    let mut body = BytesMut::from(a_body.as_ref());
    body.extend_from_slice(slice(b, b_body, a.end, b.end));
    Union::Joined(part, body.freeze())
}

/// Whether a part completes what is held: nothing before, between or after them is missing.
pub fn completes(head: &Head, part: Part) -> bool {
    let held = held(head);
    held.complete == part.complete
        && held.start.min(part.start) == 0
        && held.end.max(part.end) == part.complete
        && held.start <= part.end
        && part.start <= held.end
}

/// A request for all of what `head` holds a part of, as one for the rest alone (RFC 9111 3.3): Range and If-Range with the strong
/// ETag. `None` where it is no request for all, the rest is not one interval, or the part is less than half: what is completed is
/// sent only when it is whole, and must be worth the wait.
pub fn for_the_rest(head: &Head, request: &Fields) -> Option<Fields> {
    let part = head.part.filter(|part| part.len() >= part.complete.saturating_sub(part.len()))?;
    let etag = validate::strong_etag(&head.fields)?;
    if request.contains("range") {
        return None;
    }
    let range = match part {
        Part { start: 0, end, .. } => format!("bytes={end}-"),
        Part { start, end, complete } if end == complete => format!("bytes=0-{}", start.saturating_sub(1)),
        _ => return None,
    };
    let mut fields = request.clone();
    validate::unconditional(&mut fields);
    fields.append("range", range);
    fields.append("if-range", etag);
    Some(fields)
}

/// `bytes 0-4/10`: a satisfied range of a known length (RFC 9110 14.4).
fn content_range(value: &[u8]) -> Option<Part> {
    let value = std::str::from_utf8(value).ok()?.trim_ascii();
    let (unit, range) = value.split_once(' ')?;
    let (positions, complete) = range.split_once('/')?;
    let (first, last) = positions.split_once('-')?;
    let (start, last, complete) = (number(first.as_bytes())?, number(last.as_bytes())?, number(complete.as_bytes())?);
    let valid = unit.eq_ignore_ascii_case("bytes") && start <= last && last < complete;
    valid.then(|| Part { start, end: last.saturating_add(1), complete })
}

/// Digits, and not more than we can count.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_multipart(response: &Fields) -> bool {
    const KIND: &[u8] = b"multipart/byteranges";
    response.get("content-type").and_then(|v| v.get(..KIND.len())).is_some_and(|kind| kind.eq_ignore_ascii_case(KIND))
}

/// The bytes of a part between two positions of the whole.
fn slice(part: Part, body: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |position: u64| usize::try_from(position.saturating_sub(part.start)).ok();
    at(from).zip(at(to)).and_then(|(from, to)| body.get(from..to)).unwrap_or_default()
}
