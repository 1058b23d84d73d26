//! The client's request into the core's words, and the core's response into wasi:http's.

use crate::body::{self, Stream};
use spin_sdk::wasip3::http::types::{self as wasi, ErrorCode, Scheme};
use terrace_core::fields::Fields;
use terrace_core::message::{Body, Request, Response};

/// The scheme of a request that is none of a client's: our own host's clock sends it. A host says which scheme a client used.
const CLOCK: &str = "terrace-clock";

/// Takes a request apart. Spin appends `spin-client-addr`, so the last value is the true one; its other `spin-*` fields are its
/// own business. `None`: it is no client that asks, but a host's clock.
pub fn request(request: wasi::Request) -> Option<Request<Stream>> {
    let method = method_in(request.get_method());
    let target = request.get_path_with_query().filter(|t| !t.is_empty()).unwrap_or_else(|| "/".to_string());
    let scheme = match request.get_scheme() {
        Some(Scheme::Https) => "https",
        Some(Scheme::Other(scheme)) if scheme == CLOCK => return None,
        _ => "http",
    };
    let mut fields = list(request.get_headers().copy_all());
    let authority = match request.get_authority() {
        Some(authority) => authority,
        None => fields.get_str("host").unwrap_or_default().to_string(),
    };
    let client = fields.get_all("spin-client-addr").last().and_then(client_address);
    fields.retain(|name, _| !name.starts_with("spin-"));
    let length = fields.get_str("content-length").and_then(|v| v.trim().parse::<u64>().ok());
    // A request without Content-Length may still have content. Where the host hides Transfer-Encoding, as Spin does, that of GET and
    // HEAD is not seen and not sent.
    let rarely = matches!(method, http::Method::GET | http::Method::HEAD) && !fields.contains("transfer-encoding");
    let no_content = length == Some(0) || (length.is_none() && rarely);
    let body = if no_content { Body::Empty } else { Body::Stream(body::of_request(request)) };
    Some(Request { method, scheme, authority, target, fields, body, client })
}

/// Puts a response together.
pub fn response(response: Response<Stream>) -> Result<wasi::Response, ErrorCode> {
    let fields = wasi::Fields::from_list(&response.fields.into_list()).map_err(|_| ErrorCode::HttpProtocolError)?;
    let (content, end) = match response.body {
        Body::Empty => (None, body::no_trailers()),
        Body::Full(bytes) => {
            let stream = body::full(bytes);
            (Some(stream.content), stream.end)
        }
        Body::Stream(stream) => (Some(stream.content), stream.end),
    };
    let (outgoing, _sent) = wasi::Response::new(fields, content, end);
    if response.status != http::StatusCode::OK {
        outgoing.set_status_code(response.status.as_u16()).map_err(|()| ErrorCode::HttpProtocolError)?;
    }
    Ok(outgoing)
}

/// The host's list of fields as the core's.
pub fn list(entries: Vec<(String, Vec<u8>)>) -> Fields {
    Fields::from_list(entries)
}

fn client_address(value: &[u8]) -> Option<std::net::IpAddr> {
    let text = std::str::from_utf8(value).ok()?.trim();
    text.parse::<std::net::SocketAddr>().map(|a| a.ip()).or_else(|_| text.parse()).ok()
}

fn method_in(method: wasi::Method) -> http::Method {
    match method {
        wasi::Method::Get => http::Method::GET,
        wasi::Method::Head => http::Method::HEAD,
        wasi::Method::Post => http::Method::POST,
        wasi::Method::Put => http::Method::PUT,
        wasi::Method::Delete => http::Method::DELETE,
        wasi::Method::Connect => http::Method::CONNECT,
        wasi::Method::Options => http::Method::OPTIONS,
        wasi::Method::Trace => http::Method::TRACE,
        wasi::Method::Patch => http::Method::PATCH,
        // The host has checked that it is a token; TRACE is what the core refuses.
        wasi::Method::Other(name) => http::Method::from_bytes(name.as_bytes()).unwrap_or(http::Method::TRACE),
    }
}

/// The method as wasi:http names it.
pub fn method_out(method: &http::Method) -> wasi::Method {
    match method.as_str() {
        "GET" => wasi::Method::Get,
        "HEAD" => wasi::Method::Head,
        "POST" => wasi::Method::Post,
        "PUT" => wasi::Method::Put,
        "DELETE" => wasi::Method::Delete,
        "CONNECT" => wasi::Method::Connect,
        "OPTIONS" => wasi::Method::Options,
        "TRACE" => wasi::Method::Trace,
        "PATCH" => wasi::Method::Patch,
        other => wasi::Method::Other(other.to_string()),
    }
}
