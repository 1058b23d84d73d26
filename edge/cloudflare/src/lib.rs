//! The Worker: terrace-core on Workers KV (L1), D1 (L2) and `fetch`.
//!
//! `js/worker.mjs` hands each event in as one string, and `js/platform.mjs` makes the platform's calls: few crossings between
//! JavaScript and Wasm, since each costs, and none for a field or a chunk. What may not enter: any caching rule. An adapter that
//! reads Cache-Control is a defect.

mod heads;
mod host;
mod inbound;
mod kv;
mod lines;
mod operation;
mod platform;
mod sql;
mod start;
mod stream;
mod tasks;
mod timer;

use host::{Cloudflare, Event};
use platform::Call;
use std::rc::Rc;
use worker::wasm_bindgen::{self, prelude::wasm_bindgen};

/// Answers a request: `head` is its method, its URL, and its fields, a line each.
#[wasm_bindgen]
pub fn handle(call: Call, head: &str) {
    let request = inbound::request(&call, head);
    let event = Rc::new(Event::new(call));
    let proxy = match start::proxy(&event.call) {
        Ok(proxy) => proxy,
        Err(problem) => return inbound::respond(&event, problem),
    };
    tasks::within_turn(|| {
        tasks::spawn(async move {
            let response = proxy.handle(Cloudflare(event.clone()), request).await;
            inbound::respond(&event, response);
        });
    });
}

/// Does what is due without a request.
#[wasm_bindgen]
pub fn tend(call: Call) {
    let event = Rc::new(Event::new(call));
    let proxy = start::proxy(&event.call);
    tasks::within_turn(|| {
        tasks::spawn(async move {
            // What is wrong with the configuration has been said.
            if let Ok(proxy) = proxy {
                proxy.tend(&Cloudflare(event.clone())).await;
            }
            let _ = platform::end(&event.call);
        });
    });
}
