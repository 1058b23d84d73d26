//! Errors that we make ourselves, as problem documents (RFC 9457) with Proxy-Status (RFC 9209). They never name the origin.

use super::NAME;
use crate::decision::Failure;
use crate::fields::Fields;
use crate::message::{Body, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// RFC 9457 3.1.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
}

/// The response for a failure. `id` names the request in logs.
pub fn response<S>(failure: Failure, id: &str) -> Response<S> {
    let (status, detail) = explain(failure);
    let mut response = document(status, detail, id);
    response.fields.append("proxy-status", proxy_status(failure));
    response
}

/// A problem document that has no Proxy-Status: the request itself is at fault.
pub fn document<S>(status: StatusCode, detail: &str, id: &str) -> Response<S> {
    let document = Document {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
        instance: id,
    };
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let mut fields = Fields::with_capacity(8);
    fields.append("content-type", "application/problem+json");
    fields.append("content-length", body.len().to_string());
    fields.append("cache-control", "no-store");
    Response { status, fields, body: Body::Full(Bytes::from(body)) }
}

fn proxy_status(failure: Failure) -> String {
    match failure {
        // Not an error type of RFC 9209: the client asked for this.
        Failure::OnlyIfCached => format!("{NAME}; details=\"nothing usable is stored\""),
        _ => format!("{NAME}; error={}", failure.as_str()),
    }
}

fn explain(failure: Failure) -> (StatusCode, &'static str) {
    match failure {
        Failure::DnsError => (StatusCode::BAD_GATEWAY, "The origin's name could not be resolved."),
        Failure::ConnectionRefused => (StatusCode::BAD_GATEWAY, "The origin refused the connection."),
        Failure::ConnectionTerminated => {
            (StatusCode::BAD_GATEWAY, "The origin closed the connection before its response was whole.")
        }
        Failure::ConnectionLimitReached => {
            (StatusCode::SERVICE_UNAVAILABLE, "Too many connections are open already: try again in a moment.")
        }
        Failure::TlsError => (StatusCode::BAD_GATEWAY, "The secure connection to the origin failed."),
        Failure::HttpProtocolError => (StatusCode::BAD_GATEWAY, "The origin's response is not valid HTTP."),
        Failure::DestinationIpProhibited => (
            StatusCode::BAD_GATEWAY,
            "This platform does not allow requests to the origin: allow its host in the deployment.",
        ),
        Failure::ConnectionTimeout => (StatusCode::GATEWAY_TIMEOUT, "The origin did not accept a connection in time."),
        Failure::HttpResponseTimeout => (StatusCode::GATEWAY_TIMEOUT, "The origin did not answer in time."),
        Failure::OnlyIfCached => {
            (StatusCode::GATEWAY_TIMEOUT, "Nothing usable is stored, and the origin was not to be asked.")
        }
        Failure::ProxyConfigurationError => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The cache is not fully configured: its operator finds the reason in the log.",
        ),
        Failure::LoopDetected => (
            StatusCode::LOOP_DETECTED,
            "The request has come back to the cache that sent it: the origin that it is configured with leads here.",
        ),
        Failure::Overloaded => {
            (StatusCode::SERVICE_UNAVAILABLE, "Too much content waits for slow readers: try again in a moment.")
        }
        Failure::BadRequest => (StatusCode::BAD_REQUEST, "The request is malformed."),
    }
}
