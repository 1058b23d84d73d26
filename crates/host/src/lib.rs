//! The wasmtime host: it serves the very component that Spin runs, from stores of its own.
//!
//! ```text
//!  clients                                                             origins
//!     |                                                                   ^
//!  server/accept    one thread, shares connections among the workers      |
//!     v                                                                   |
//!  inbound/         is this a request, and only one? limits, problems     |
//!     v                                                                   |
//!  driver/          one long-lived instance for each worker ---> outbound/ one pooled client each
//!     v                                                          allowed origins only
//!  guest            the component, and what it may call:
//!                   keyvalue (memory, or Redis), sqlite (one file, or PostgreSQL),
//!                   postgres (allowed servers only), variables, files (read-only)
//! ```
//!
//! A worker is a thread with a runtime, an instance, a client and connections of its own; workers share
//! the stores and nothing else. This crate knows no rule of caching: all of them are in the component.
mod bindings;
mod compiled;
mod deserialize;
mod driver;
mod engine;
mod error;
mod guest;
mod inbound;
mod keyvalue;
mod log;
mod options;
mod outbound;
mod postgres;
mod server;
mod sqlite;
mod variables;
mod wasi;

pub use error::Error;
pub use options::{Component, Database, Dialect, Expiry, Limits, Mode, Options, PostgresUrl, RedisUrl};
pub use server::{Drained, Server};
