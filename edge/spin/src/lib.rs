//! The Spin component: terrace-core on Spin's key-value (L1), SQLite or PostgreSQL (L2), and wasi:http.
//!
//! It speaks the raw wasi:http resources: converting to other types and back costs more than a whole cache hit. What may not
//! enter: any caching rule. An adapter that reads Cache-Control is a defect.

mod body;
mod coding;
mod host;
mod inbound;
mod postgres;
mod start;
mod store;

use http::StatusCode;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};
use terrace_core::fields::Fields;
use terrace_core::message::{self, Body};

struct Terrace;

spin_sdk::wasip3::http::service::export!(Terrace);

impl Guest for Terrace {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let Some(request) = inbound::request(request) else { return upkeep().await };
        let response = match start::proxy().await {
            Ok(proxy) => proxy.handle(host::Spin, request).await,
            Err(problem) => problem,
        };
        inbound::response(response)
    }
}

/// Does what is due without a request, and says in Retry-After how soon it will be again, in seconds.
async fn upkeep() -> Result<Response, ErrorCode> {
    let Ok(proxy) = start::proxy().await else { return Err(ErrorCode::ConfigurationError) };
    let again = proxy.tend(&host::Spin).await;
    let mut fields = Fields::new();
    fields.append("retry-after", again.as_millis().div_ceil(1000).to_string());
    inbound::response(message::Response { status: StatusCode::NO_CONTENT, fields, body: Body::Empty })
}
