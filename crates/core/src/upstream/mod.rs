//! One fetch to the one origin: the request is built here, and can name no other place (DESIGN.md, decision 4). What is asked for by
//! many at once is fetched once ([`collapse`]), and what failed is left alone for a while ([`backoff`]).

pub mod backoff;
pub mod collapse;

use crate::config::{Config, HeaderSource, Origin};
use crate::decision::Failure;
use crate::fields::Fields;
use crate::host::{Host, OriginError};
use crate::message::{Body, OriginRequest, Response};
use crate::meter::{Meter, count};
use crate::rules::{cdn_loop, connection, dates};
use crate::tiers::deadline::within;
use http::{Method, StatusCode};
use std::net::IpAddr;
use url::Url;

/// What is asked of the origin.
#[derive(Debug)]
pub struct Ask<'a, S> {
    /// The method.
    pub method: Method,
    /// Path and query as the client sent them.
    pub target: &'a str,
    /// The fields to send, before those of the connection and the unkeyed inputs are stripped.
    pub fields: Fields,
    /// The content.
    pub body: Body<S>,
    /// Who asks, for X-Forwarded-For.
    pub client: Option<IpAddr>,
}

/// Sends one request to the origin and waits for the response's head.
///
/// # Errors
/// [`Failure`] where the origin gave none, or the configuration does not let us ask.
pub async fn fetch<H: Host>(
    host: &H,
    config: &Config,
    meter: &Meter,
    ask: Ask<'_, H::Stream>,
) -> Result<Response<H::Stream>, Failure> {
    let origin = &config.origin;
    let (url, target) = target(origin, ask.target)?;
    let mut fields = ask.fields;
    connection::strip_request(&mut fields);
    fields.remove("host");
    fields.append("via", "1.1 terrace");
    cdn_loop::append(&mut fields, &config.cdn_id());
    fields.append("surrogate-capability", "terrace=\"Surrogate/1.0\"");
    if let Some(client) = ask.client {
        fields.append("x-forwarded-for", client.to_string());
    }
    connection::remove_twins(&mut fields, origin.headers.iter().map(|(name, _)| name.as_str()));
    for (name, source) in &origin.headers {
        let value = match source {
            HeaderSource::Literal(value) => value.clone(),
            HeaderSource::Secret(secret) => match host.secret(secret).await {
                Some(value) if is_field_value(value.trim()) => value.trim().to_string(),
                given => {
                    let wrong = if given.is_some() { "cannot stand in a header field" } else { "is not set" };
                    host.warn(&format!("the secret {secret} {wrong}: set it on this platform and try again"));
                    return Err(Failure::ProxyConfigurationError);
                }
            },
        };
        fields.set(name, value);
    }
    let request = OriginRequest {
        method: ask.method,
        scheme: url.scheme().to_string(),
        authority: url.authority().to_string(),
        target,
        fields,
        body: ask.body,
        connect_timeout: origin.connect_timeout,
        timeout: origin.timeout,
    };
    count(&meter.fetches);
    let mut response = match within(host, origin.connect_timeout + origin.timeout, host.fetch(request)).await {
        Some(Ok(response)) => response,
        Some(Err(error)) => return Err(failure(error)),
        None => return Err(Failure::HttpResponseTimeout),
    };
    sound(&mut response)?;
    connection::strip_response(&mut response.fields);
    if !response.fields.contains("date") {
        // Whoever has a clock says when the response came (RFC 9110 6.6.1).
        response.fields.append("date", dates::format(host.now()));
    }
    Ok(response)
}

/// Refuses a response whose framing is in doubt, and leaves of Content-Length what is true (RFC 9112 6.3, RFC 9110 8.6, 15).
fn sound<S>(response: &mut Response<S>) -> Result<(), Failure> {
    let fields = &mut response.fields;
    if response.status.as_u16() > 599 {
        return Err(Failure::HttpProtocolError);
    }
    if let Some(coding) = fields.combined("transfer-encoding") {
        // Hosts undo chunked; another coding would pass for content.
        if !coding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(Failure::HttpProtocolError);
        }
        fields.remove("content-length");
    }
    if response.status == StatusCode::NO_CONTENT {
        fields.remove("content-length");
    }
    let Some(lengths) = fields.combined("content-length") else { return Ok(()) };
    let mut lengths = lengths.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let first = lengths.next().unwrap_or_default().to_vec();
    if first.is_empty() || !first.iter().all(u8::is_ascii_digit) || lengths.any(|length| length != first) {
        return Err(Failure::HttpProtocolError);
    }
    fields.set("content-length", first);
    Ok(())
}

/// The configured origin plus path and query as sent, so that what the origin sees is what the key was made of. Whatever the
/// target looks like, the origin of the result is asserted to be the configured one.
fn target(origin: &Origin, target: &str) -> Result<(Url, String), Failure> {
    let base = origin.url.as_ref().ok_or(Failure::ProxyConfigurationError)?;
    let target = format!("{}{target}", base.path().trim_end_matches('/'));
    let whole = format!("{}://{}{target}", base.scheme(), base.authority());
    match Url::parse(&whole) {
        Ok(url) if url.origin() == base.origin() && url.authority() == base.authority() => Ok((url, target)),
        _ => Err(Failure::BadRequest),
    }
}

/// Whether a value can be sent (RFC 9110 5.5): something, and no control characters.
fn is_field_value(value: &str) -> bool {
    !value.is_empty() && !value.bytes().any(|b| b < b' ' && b != b'\t' || b == 0x7f)
}

fn failure(error: OriginError) -> Failure {
    match error {
        OriginError::DnsError => Failure::DnsError,
        OriginError::ConnectionTimeout => Failure::ConnectionTimeout,
        OriginError::ConnectionRefused => Failure::ConnectionRefused,
        OriginError::ConnectionTerminated => Failure::ConnectionTerminated,
        OriginError::HttpResponseTimeout => Failure::HttpResponseTimeout,
        OriginError::TlsError => Failure::TlsError,
        OriginError::HttpProtocolError => Failure::HttpProtocolError,
        OriginError::ConnectionLimitReached => Failure::ConnectionLimitReached,
        OriginError::DestinationIpProhibited => Failure::DestinationIpProhibited,
    }
}
