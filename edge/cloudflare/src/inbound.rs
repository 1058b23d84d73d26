//! The client's request into the core's words, and the core's response into JavaScript's.

use crate::heads::{self, Head};
use crate::host::Event;
use crate::lines::{self, Lines};
use crate::platform::{self, Call};
use crate::stream::Stream;
use http::Method;
use terrace_core::decision::Failure;
use terrace_core::fields::Fields;
use terrace_core::message::{Body, Request, Response};
use terrace_core::report::problem;
use worker::wasm_bindgen::JsValue;

/// Takes a request apart: its method, its URL, and its fields, a line each. Cloudflare sets `cf-connecting-ip`; its other `cf-*`
/// fields are its own business.
pub fn request(call: &Call, head: &str) -> Request<Stream> {
    let mut rest = head.split('\n');
    // TRACE is what the core refuses.
    let method = rest.next().and_then(|name| Method::from_bytes(name.as_bytes()).ok()).unwrap_or(Method::TRACE);
    let (scheme, authority, target) = split(rest.next().unwrap_or_default());
    let mut fields = lines::of(&mut rest);
    let client = fields.get_str("cf-connecting-ip").and_then(|address| address.trim().parse().ok());
    fields.retain(|name, _| !name.starts_with("cf-"));
    let body = match has_content(&method, &fields).then(|| platform::content(call)) {
        Some(stream) => Stream::new(stream, None).map_or(Body::Empty, Body::Stream),
        None => Body::Empty,
    };
    Request { method, scheme, authority, target, fields, body, client }
}

/// Whether it is worth asking for content; without any there is no stream.
fn has_content(method: &Method, fields: &Fields) -> bool {
    let rarely = matches!(*method, Method::GET | Method::HEAD);
    !rarely || fields.contains("content-length") || fields.contains("transfer-encoding")
}

/// Scheme, authority and target of an absolute URL.
fn split(url: &str) -> (&'static str, String, String) {
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => ("https", rest),
        Some((_, rest)) => ("http", rest),
        None => ("http", ""),
    };
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(at).unwrap_or((rest, ""));
    let target = if target.starts_with('/') { target.to_string() } else { format!("/{target}") };
    (scheme, authority.to_string(), target)
}

/// Answers the event.
pub fn respond(event: &Event, response: Response<Stream>) {
    let Some(why) = answer(event, response) else { return };
    worker::console_error!("terrace: the platform refused a response: {why}");
    // What a problem document is made of, no platform refuses.
    let _ = answer(event, problem::response(Failure::HttpProtocolError, "urn:terrace:response"));
}

/// Returns what the platform did not like, if anything.
fn answer(event: &Event, Response { status, mut fields, body }: Response<Stream>) -> Option<String> {
    if matches!(&body, Body::Full(_)) {
        // The platform knows the length, and a field less is a field less.
        fields.remove("content-length");
    }
    let (known, lines) = match heads::of(&fields) {
        Head::Known(number) => (Some(number), None),
        Head::Changed(number, lines) => (Some(number), Some(lines)),
        Head::New(lines) => (None, Some(lines)),
    };
    let head = platform::Head {
        status: status.as_u16(),
        known: known.and_then(|number| i32::try_from(number).ok()).unwrap_or(-1),
        lines: lines.as_ref().map_or(&[], Lines::bytes),
        ascii: lines.as_ref().is_none_or(Lines::is_ascii),
        once: lines.as_ref().is_none_or(Lines::has_each_once),
    };
    let wrong = send(event, head, body);
    if let (Some(_), Some(number)) = (&wrong, known) {
        heads::forget(number);
    }
    wrong
}

fn send(event: &Event, head: platform::Head<'_>, body: Body<Stream>) -> Option<String> {
    let bytes = match body {
        // The platform takes no content with these.
        _ if matches!(head.status, 204 | 205 | 304) => return head.respond(&event.call, JsValue::NULL),
        Body::Empty => return head.respond(&event.call, JsValue::NULL),
        Body::Stream(stream) => return head.respond(&event.call, stream.take()),
        Body::Full(bytes) => bytes,
    };
    match event.part(&bytes).zip(u32::try_from(bytes.len()).ok()) {
        Some((start, length)) => head.respond_part(&event.call, start, length),
        None => head.respond_copy(&event.call, &bytes),
    }
}
