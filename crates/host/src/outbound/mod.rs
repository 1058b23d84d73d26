//! Requests of the guest to the world: one pooled client for each worker, to allowed origins only.
mod body;
mod connect;
mod failure;
mod policy;

pub use policy::Policy;
pub(crate) use policy::trust;

use crate::guest::Shared;
use body::OriginBody;
use connect::{Connector, with_connect_timeout};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use std::time::Duration;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

/// How long a connection is kept for the next request. Below what servers commonly allow (5 s and more).
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept for one origin.
const POOL_SIZE: usize = 256;
/// What applies where the guest sets no time-out: as in Spin.
const NO_TIMEOUT: Duration = Duration::from_secs(600);

/// The way out of one worker.
#[derive(Clone)]
pub struct Outbound {
    client: Client<Connector, WasiBody>,
    policy: Policy,
    forbidden: ForbiddenHeaderFilter,
}

impl Outbound {
    /// A client with a pool of its own.
    pub fn new(shared: &Shared) -> Self {
        Outbound::with_policy(shared.policy.clone())
    }

    fn with_policy(policy: Policy) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .http2_adaptive_window(true)
            .build(Connector::new(policy.tls()));
        Outbound { client, policy, forbidden: Arc::new(is_forbidden) }
    }
}

/// Connection and Transfer-Encoding pass, unlike on other hosts: what the one names must not be passed on (RFC 9110 7.6.1), and the
/// other outranks Content-Length and tells that there is content (RFC 9112 6.3). The guest sees to both and sends neither.
fn is_forbidden(name: &http::HeaderName) -> bool {
    let passes = name == http::header::CONNECTION || name == http::header::TRANSFER_ENCODING;
    DEFAULT_FORBIDDEN_HEADERS.contains(name) && !passes
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Outbound {
    fn is_forbidden_header(&mut self, name: &http::HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        self.forbidden.clone()
    }

    /// The client sets it, for HTTP/1.1 alone.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        if !self.policy.allows(request.uri()) {
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        }
        let options = options.unwrap_or_default();
        let connect = options.connect_timeout.unwrap_or(NO_TIMEOUT);
        let first = options.first_byte_timeout.unwrap_or(NO_TIMEOUT);
        let between = options.between_bytes_timeout.unwrap_or(NO_TIMEOUT);
        let call = self.client.request(request);
        Box::new(async move {
            let answer = tokio::time::timeout(first, with_connect_timeout(connect, call));
            let response = match answer.await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(failure::of_request(&error)),
                Err(_) => return Err(Error::ConnectionReadTimeout),
            };
            let response = response.map(|body| OriginBody::new(body, between).boxed_unsync());
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, done))
        })
    }

    fn p3_error_from_hyper(
        &mut self,
        error: &hyper::Error,
    ) -> wasmtime_wasi_http::p3::bindings::http::types::ErrorCode {
        use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
        if error.is_timeout() {
            ErrorCode::ConnectionReadTimeout
        } else if error.is_parse() {
            ErrorCode::HttpProtocolError
        } else {
            ErrorCode::ConnectionTerminated
        }
    }
}
