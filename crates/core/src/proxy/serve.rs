//! From a stored response to the client's: preconditions, ranges, HEAD, and the fields that say where it came from.

use super::{Lookable, Proxy, request_id};
use crate::capture::{Budget, Counted};
use crate::decision::{Failure, Forward, Outcome};
use crate::entry::coded::Form;
use crate::entry::{Entry, Head};
use crate::fields::Fields;
use crate::host::Host;
use crate::message::{Body, Response};
use crate::purge;
use crate::report::{self, problem};
use crate::rules::coding;
use crate::rules::range::{self, Selection};
use crate::rules::validate::{self, Precondition};
use crate::time::Timestamp;
use bytes::Bytes;
use http::{Method, StatusCode};

/// Bytes of stored content that may wait in one instance for clients to take them. Past it, large content is refused with a
/// 503 until some has been taken.
pub(super) const SENDING: usize = 160 << 20;

/// Content up to this size is not counted: connections are bounded, and so is what they hold of it.
const UNCOUNTED: usize = 64 << 10;

/// Answers from a stored response, whose content is counted unless it counts already (RFC 9111 4, 4.3.2; RFC 9110 13.2.2, 14.2, 15.4.5).
pub(super) fn stored<H: Host>(
    host: &H,
    sending: Option<&Budget>,
    request: &Lookable,
    (mut entry, form): (Entry, Option<Form>),
    now: Timestamp,
    outcome: &Outcome,
) -> Response<H::Stream> {
    // A form holds all that it is a part of.
    let mut size = entry.body.len();
    if let Some(form) = form {
        coding::show(&mut entry, form);
        size = size.max(entry.body.len());
    }
    if let Some(sending) = sending.filter(|_| size > UNCOUNTED && request.method != Method::HEAD) {
        let Some(held) = sending.take(size) else {
            let mut response = problem::response(Failure::Overloaded, &request_id(host));
            response.fields.append("retry-after", "1");
            report::describe(&Outcome::Failed { failure: Failure::Overloaded, why: None }, &mut response.fields);
            return response;
        };
        entry.body = Bytes::from_owner(Counted { content: entry.body, _held: held });
    }
    let age = entry.head.freshness.age_secs(now);
    let mut response = content(host, request, entry);
    response.fields.append("age", age.to_string());
    report::describe(outcome, &mut response.fields);
    response
}

impl Proxy {
    /// Answers from a stored response, whose content counts until the client has taken it.
    pub(super) fn stored<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        shown: (Entry, Option<Form>),
        now: Timestamp,
        outcome: &Outcome,
    ) -> Response<H::Stream> {
        stored(host, Some(&self.sending), request, shown, now, outcome)
    }
}

/// Counts content that goes out to many once. Whether it counts now, or need not.
pub(super) fn count_once(sending: &Budget, content: &mut Bytes) -> bool {
    if content.len() <= UNCOUNTED {
        return true;
    }
    let Some(held) = sending.take(content.len()) else { return false };
    *content = Bytes::from_owner(Counted { content: std::mem::take(content), _held: held });
    true
}

/// The methods that pass; others do, too, but TRACE and CONNECT.
pub(super) const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Our own answer to an OPTIONS that may go no further (RFC 9110 7.6.2, 9.3.7).
pub(super) fn own_options<S>() -> Response<S> {
    let mut fields = Fields::from([("allow", ALLOW), ("content-length", "0")]);
    let outcome = Outcome::Forwarded {
        why: Forward::Method,
        detail: Some("max-forwards"),
        status: None,
        stored: None,
        from: None,
    };
    report::describe(&outcome, &mut fields);
    Response { status: StatusCode::OK, fields, body: Body::Empty }
}

/// A response that goes through as the origin sent it.
pub(super) fn passed<S>(mut response: Response<S>, outcome: &Outcome) -> Response<S> {
    report::remove_ours(&mut response.fields);
    purge::fields::hide(&mut response.fields);
    report::describe(outcome, &mut response.fields);
    response
}

/// The 304 for a client whose own copy is good.
pub(super) fn not_modified<S>(head: &Fields) -> Response<S> {
    Response { status: StatusCode::NOT_MODIFIED, fields: validate::not_modified_fields(head), body: Body::Empty }
}

/// Whether the client's own copy is good.
pub(super) fn is_not_modified(request: &Lookable, head: &Head) -> bool {
    validate::precondition(&request.method, &request.fields, head) == Precondition::NotModified
}

fn content<H: Host>(host: &H, request: &Lookable, Entry { head, body }: Entry) -> Response<H::Stream> {
    if is_not_modified(request, &head) {
        return not_modified(&head.fields);
    }
    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    if request.method == Method::HEAD {
        return Response { status, fields: head.fields, body: Body::Empty };
    }
    let (start, length) = head.part.map_or((0, head.body_len), |part| (part.start, part.complete));
    let selection = match head.part {
        None => range::select(&request.method, &request.fields, &head, length),
        // Nobody comes here with a part that does not answer; if one did, it is sent as what it is.
        Some(part) => range::select_from(part, &request.method, &request.fields, &head)
            .unwrap_or(Selection::Part { start: part.start, end: part.end }),
    };
    let mut fields = head.fields;
    match selection {
        Selection::Whole => Response { status, fields, body: full(body) },
        Selection::Part { start: first, end } => {
            fields.set("content-range", range::content_range(first, end, length));
            partial(fields, slice(&body, first.saturating_sub(start), end.saturating_sub(start)))
        }
        Selection::Parts(parts) => {
            let boundary = format!("terrace-{:016x}", host.random());
            let content_type = fields.get("content-type").map(<[u8]>::to_vec);
            let body = range::multipart(start, &body, &parts, content_type.as_deref(), length, &boundary);
            fields.set("content-type", format!("multipart/byteranges; boundary={boundary}"));
            partial(fields, body)
        }
        Selection::Unsatisfiable => {
            let mut fields = Fields::new();
            fields.append("content-range", range::unsatisfied_range(length));
            fields.append("content-length", "0");
            Response { status: StatusCode::RANGE_NOT_SATISFIABLE, fields, body: Body::Empty }
        }
    }
}

fn partial<S>(mut fields: Fields, body: Bytes) -> Response<S> {
    fields.set("content-length", body.len().to_string());
    Response { status: StatusCode::PARTIAL_CONTENT, fields, body: full(body) }
}

fn full<S>(body: Bytes) -> Body<S> {
    if body.is_empty() { Body::Empty } else { Body::Full(body) }
}

fn slice(body: &Bytes, start: u64, end: u64) -> Bytes {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(body.len());
    body.slice(at(start)..at(end).max(at(start)))
}
