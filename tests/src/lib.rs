//! The behaviour suite and the conformance runner.
//!
//! ```text
//! runner ──> suite/* ──> World ──> Terrace (a process: host/) ──> Origin (scripted: origin.rs, reply.rs)
//!                                     ^                                 
//!                        Client (raw: client.rs) ── HTTP ──┘
//! ```
//!
//! A behaviour is an async function that takes a [`World`] and is named as a sentence. It knows no host: what hosts differ in
//! is asked of [`host::Host`], and a new host is a new variant there. Nothing asserts a time; what has to be awaited is polled
//! with [`PATIENCE`].

pub mod client;
pub mod conformance;
pub mod crowd;
pub mod host;
pub mod npm;
pub mod origin;
pub mod postgres;
pub mod redis;
pub mod reply;
pub mod stores;
pub mod suite;
pub mod wire;
pub mod world;

use std::path::PathBuf;
use std::time::Duration;

/// How long anything may take before a test gives up: generous, because a loaded machine is no defect.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
