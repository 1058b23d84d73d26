//! Conditions, entity tags and ranges (RFC 9110 8.8, 13, 14; RFC 9111 3.4, 4.3).
//!
//! Input: the fields of a stored response, an empty line, those of a request.

use super::block::{MOST, NOW, blocks};
use bytes::Bytes;
use http::Method;
use terrace_core::config::{Policy, Profile};
use terrace_core::entry::{Entry, Head, Part, Selecting};
use terrace_core::fields::Fields;
use terrace_core::rules::partial::{self, Union};
use terrace_core::rules::range::{self, Selection};
use terrace_core::rules::validate::{self, Precondition};
use terrace_core::rules::{Exchange, freshness::Freshness};

pub fn holds(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let [response, request] = blocks(data);
    let body = Bytes::copy_from_slice(data);
    let x = exchange(&request, &response);
    let freshness = Freshness::of(&x, &Policy::of(Profile::Rfc9111));
    let head = Entry::new(200, response.clone(), freshness, Selecting::default(), body.clone()).head;
    preconditions(&head, &request);
    for len in [0, 1, 10, body.len() as u64, u64::MAX] {
        ranges(&head, &request, len);
    }
    stored_part(&head, &request);
    received(&x, &response);
    joins(data, &body);
}

fn exchange<'a>(request: &'a Fields, response: &'a Fields) -> Exchange<'a> {
    let (request_time, response_time) = (NOW, NOW);
    Exchange { method: &Method::GET, url: "http://a/", request, status: 206, response, request_time, response_time }
}

/// `"..."`, whole: without the mark of weakness.
fn opaque(tag: &[u8]) -> bool {
    matches!(tag, [b'"', inside @ .., b'"'] if !inside.contains(&b'"'))
}

fn preconditions(head: &Head, request: &Fields) {
    let verdict = validate::precondition(&Method::GET, request, head);
    assert_eq!(validate::precondition(&Method::POST, request, head), Precondition::None);
    let may_fail = request.contains("if-match") || request.contains("if-unmodified-since");
    assert!(verdict != Precondition::Failed || may_fail);
    let etag = head.fields.get("etag").map(<[u8]>::trim_ascii);
    let Some(tag) = etag.filter(|tag| opaque(tag.strip_prefix(b"W/").unwrap_or(tag))) else { return };
    // Whatever else is listed, by whatever means: whoever has the tag has the response (RFC 9110 13.1.2).
    let bare = tag.strip_prefix(b"W/").unwrap_or(tag);
    for listed in [bare.to_vec(), [b"W/", bare].concat(), [b"\"a, b\" , ", bare, b" ,"].concat()] {
        let mut asks = request.clone();
        asks.append("if-none-match", listed);
        if asks.get_all("if-none-match").next().is_some_and(|line| line.trim_ascii() == b"*") {
            continue;
        }
        let verdict = validate::precondition(&Method::GET, &asks, head);
        assert!(verdict == Precondition::NotModified || (may_fail && verdict == Precondition::Failed), "{verdict:?}");
    }
    let strong = validate::strong_etag(&head.fields);
    assert_eq!(strong, Some(tag).filter(|tag| opaque(tag)), "RFC 9110 8.8.3");
    let mut ours = request.clone();
    validate::conditional(head, &mut ours);
    assert_eq!(validate::precondition(&Method::GET, &ours, head), Precondition::NotModified, "our own validation");
}

fn ranges(head: &Head, request: &Fields, len: u64) {
    let picked = range::select(&Method::GET, request, head, len);
    assert_eq!(range::select(&Method::HEAD, request, head, len), Selection::Whole, "RFC 9110 14.2");
    let parts = match &picked {
        Selection::Whole | Selection::Unsatisfiable => Vec::new(),
        Selection::Part { start, end } => vec![(*start, *end)],
        Selection::Parts(parts) => parts.clone(),
    };
    assert!(picked == Selection::Whole || range::may_be_sent(request) || len < u64::MAX, "what counts may be sent");
    assert!(parts.len() <= 16 && parts.iter().all(|(start, end)| start < end && *end <= len), "{parts:?}");
    for (n, (a, b)) in parts.iter().enumerate() {
        assert!(parts[n + 1..].iter().all(|(c, d)| b < c || d < a), "joined where they touch: {parts:?}");
    }
    if parts.is_empty() {
        return;
    }
    let printed: Vec<String> = parts.iter().map(|(start, end)| format!("{start}-{}", end - 1)).collect();
    let printed = format!("bytes={}", printed.join(","));
    let again = Fields::from([("range", printed.as_str())]);
    assert_eq!(range::select(&Method::GET, &again, head, len), picked, "{printed}");
    // Each is a Content-Range that is read as it was written (RFC 9110 14.4).
    for (start, end) in parts {
        let printed = range::content_range(start, end, len);
        let answer = Fields::from([("content-range", printed.as_str())]);
        assert_eq!(
            partial::received(&exchange(&again, &answer)),
            Some(Part { start, end, complete: len }),
            "{printed}"
        );
    }
}

/// From a part comes what lies in it, and the same as from the whole (RFC 9111 3.3).
fn stored_part(head: &Head, request: &Fields) {
    let part = Part { start: 2, end: 8, complete: 10 };
    let held = Head { part: Some(part), status: 206, ..head.clone() };
    let picked = range::select_from(part, &Method::GET, request, &held);
    assert_eq!(range::answers(&Method::GET, request, &held), picked.is_some());
    let Some(picked) = picked else { return };
    assert_eq!(picked, range::select(&Method::GET, request, head, 10));
    match picked {
        Selection::Whole | Selection::Unsatisfiable => panic!("a part has neither: {picked:?}"),
        Selection::Part { start, end } => assert!(2 <= start && end <= 8),
        Selection::Parts(parts) => assert!(parts.iter().all(|(start, end)| 2 <= *start && *end <= 8)),
    }
}

fn received(x: &Exchange<'_>, response: &Fields) {
    let Some(part) = partial::received(x) else { return };
    assert!(part.start < part.end && part.end <= part.complete, "{part:?}");
    let mut again = response.clone();
    again.set("content-range", range::content_range(part.start, part.end, part.complete));
    assert_eq!(partial::received(&exchange(x.request, &again)), Some(part));
}

/// Two parts of one content come to what lies between their ends (RFC 9111 3.4).
fn joins(data: &[u8], body: &Bytes) {
    let [a, b, c, d, ..] = data else { return };
    let at = |n: &u8| usize::from(*n) % data.len();
    let cut = |from: usize, to: usize| {
        let (from, to) = (from.min(to), from.max(to) + 1);
        (Part { start: from as u64, end: to as u64, complete: data.len() as u64 }, body.slice(from..to))
    };
    let ((first, first_body), (second, second_body)) = (cut(at(a), at(b)), cut(at(c), at(d)));
    let gap = first.end < second.start || second.end < first.start;
    match partial::join((first, &first_body), (second, &second_body), u64::MAX) {
        Union::Joined(part, joined) => {
            let whole = (first.start.min(second.start), first.end.max(second.end));
            assert!(!gap && (part.start, part.end) == whole, "{first:?} {second:?} {part:?}");
            assert_eq!(joined, body.slice(part.start as usize..part.end as usize));
        }
        Union::Apart => assert!(gap, "{first:?} {second:?}"),
        Union::Different => panic!("they are of one content: {first:?} {second:?}"),
    }
    let other = Part { complete: second.complete + 1, ..second };
    assert_eq!(partial::join((first, &first_body), (other, &second_body), u64::MAX), Union::Different);
}
