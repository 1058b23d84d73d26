//! The Spin component: terrace-core on Spin's key-value (L1), SQLite (L2) and wasi:http.
//!
//! It speaks the raw wasi:http resources: converting to other types and back costs more than a whole cache hit. What may not
//! enter: any caching rule. An adapter that reads Cache-Control is a defect.

mod body;
mod coding;
mod host;
mod inbound;
mod start;
mod store;

use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};

struct Terrace;

spin_sdk::wasip3::http::service::export!(Terrace);

impl Guest for Terrace {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let request = inbound::request(request);
        let response = match start::proxy().await {
            Ok(proxy) => proxy.handle(host::Spin, request).await,
            Err(problem) => problem,
        };
        inbound::response(response)
    }
}
