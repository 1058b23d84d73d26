//! The platform as the core asks for it: clock, randomness, secrets, the origin, work after the response.

use crate::body::{self, Stream};
use crate::coding;
use crate::inbound::{list, method_out};
use crate::store::{SpinKv, SpinSql};
use bytes::Bytes;
use spin_sdk::wasip3::clocks::{monotonic_clock, system_clock};
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Scheme};
use spin_sdk::wasip3::random;
use std::future::Future;
use std::time::Duration;
use terrace_core::capture::Capture;
use terrace_core::entry::coded::{Coding, Codings};
use terrace_core::host::{Host, OriginError};
use terrace_core::message::{Body, OriginRequest, Response};
use terrace_core::time::Timestamp;

/// Spin, or a host that serves its interfaces.
#[derive(Clone, Copy, Debug)]
pub struct Spin;

impl Host for Spin {
    type Stream = Stream;
    type Kv = SpinKv;
    type Sql = SpinSql;

    const KV_WRITES_ARE_FREE: bool = true;
    const KV_EXPIRES: bool = false;
    const CODINGS: Codings = coding::CODINGS;

    fn kv(&self) -> &SpinKv {
        &SpinKv
    }

    fn sql(&self) -> &SpinSql {
        &SpinSql
    }

    async fn fetch(&self, request: OriginRequest<Stream>) -> Result<Response<Stream>, OriginError> {
        let options = RequestOptions::new();
        // A host that does not know an option says so; the core's own deadline holds all the same.
        let _ = options.set_connect_timeout(Some(nanos(request.connect_timeout())));
        let _ = options.set_first_byte_timeout(Some(nanos(request.timeout())));
        let _ = options.set_between_bytes_timeout(Some(nanos(request.timeout())));
        let method = method_out(request.method());
        let head = matches!(method, Method::Head);
        let scheme = if request.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        let (authority, target) = (request.authority().to_string(), request.target().to_string());
        let (fields, content) = request.into_parts();
        let fields = Fields::from_list(&fields.into_list()).map_err(|_| OriginError::HttpProtocolError)?;
        let (content, end) = match content {
            Body::Empty => (None, body::no_trailers()),
            Body::Full(bytes) => {
                let stream = body::full(bytes);
                (Some(stream.content), stream.end)
            }
            Body::Stream(stream) => (Some(stream.content), stream.end),
        };
        let (outgoing, _sent) = Request::new(fields, content, end, Some(options));
        let set = [
            outgoing.set_method(&method),
            outgoing.set_scheme(Some(&scheme)),
            outgoing.set_authority(Some(&authority)),
            outgoing.set_path_with_query(Some(&target)),
        ];
        if set.iter().any(Result::is_err) {
            return Err(OriginError::HttpProtocolError);
        }
        let response = client::send(outgoing).await.map_err(origin_error)?;
        let status =
            http::StatusCode::from_u16(response.get_status_code()).map_err(|_| OriginError::HttpProtocolError)?;
        let fields = list(response.get_headers().copy_all());
        let body = match head || matches!(status.as_u16(), 204 | 304) {
            true => Body::Empty,
            false => Body::Stream(body::of_response(response)),
        };
        Ok(Response { status, fields, body })
    }

    fn now(&self) -> Timestamp {
        let now = system_clock::now();
        Timestamp(now.seconds.saturating_mul(1000).saturating_add(i64::from(now.nanoseconds / 1_000_000)))
    }

    async fn sleep(&self, duration: Duration) {
        monotonic_clock::wait_for(nanos(duration)).await;
    }

    fn random(&self) -> u64 {
        random::insecure::get_insecure_random_u64()
    }

    async fn secret(&self, name: &str) -> Option<String> {
        // Spin's variables are lower-case.
        spin_sdk::variables::get(name.to_ascii_lowercase()).await.ok().filter(|value| !value.is_empty())
    }

    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        body::spawn_beside(work);
    }

    fn tee(&self, stream: Stream, copy: Capture) -> (Stream, impl Future<Output = Option<Bytes>> + 'static + use<>) {
        body::tee(stream, copy)
    }

    async fn encode(&self, coding: Coding, content: &Bytes) -> Option<Vec<u8>> {
        match coding {
            Coding::Gzip => coding::encode(content).await,
            Coding::Br | Coding::Zstd => None,
        }
    }

    async fn decode(&self, coding: Coding, coded: Bytes, length: usize) -> Option<Vec<u8>> {
        match coding {
            Coding::Gzip => coding::decode(&coded, length),
            Coding::Br | Coding::Zstd => None,
        }
    }

    fn warn(&self, message: &str) {
        eprintln!("terrace: {message}");
    }

    fn info(&self, message: &str) {
        println!("terrace: {message}");
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn origin_error(error: ErrorCode) -> OriginError {
    match error {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => OriginError::DnsError,
        ErrorCode::ConnectionRefused | ErrorCode::DestinationUnavailable => OriginError::ConnectionRefused,
        ErrorCode::ConnectionTimeout => OriginError::ConnectionTimeout,
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            OriginError::HttpResponseTimeout
        }
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            OriginError::TlsError
        }
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited | ErrorCode::DestinationIpUnroutable => {
            OriginError::DestinationIpProhibited
        }
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => OriginError::ConnectionTerminated,
        ErrorCode::ConnectionLimitReached => OriginError::ConnectionLimitReached,
        _ => OriginError::HttpProtocolError,
    }
}
