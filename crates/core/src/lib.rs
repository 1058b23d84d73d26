//! terrace-core: every rule and decision of terrace, an HTTP cache for slow, rate-limited or costly APIs.
//!
//! ```text
//! request
//!   -> key        which object is meant: a key nobody can forge
//!   -> tiers      L1, then L2: what we hold
//!   -> rules/     RFC 9111: may we use it? (pure functions, time passed in)
//!   -> upstream/  if not: one fetch to the one origin
//!   -> rules/     may we keep it? for how long?
//!   -> tiers      keep it: L2 and L1, after the response has gone out
//!   -> report/    say what happened: Cache-Status, X-Cache-Tier, Age, problem documents
//! response
//! ```
//!
//! The core has no I/O, no clock and no platform: a [`host::Host`] lends it those. [`Proxy`] is the front door.
//!
//! Floors, from the top: `proxy`, `admin`; `upstream`, `tiers`, `report`; `rules`, `purge`, `watch`; `key`, `entry`, `decision`, `config`,
//! `host`, `message`, `meter`, `fields`, `time`. A room imports only from below, but for a few names: an entry holds the times that
//! [`rules::freshness`] defines and the marks that [`purge`] does, a key normalises what it is made of as [`rules`] do, and the
//! configuration checks tags as [`purge`] does, and pointers as [`watch`] does.
#![deny(missing_docs)]

pub mod admin;
pub mod capture;
pub mod config;
pub mod decision;
pub mod entry;
pub mod fields;
pub mod hex;
pub mod host;
pub mod key;
pub mod log;
pub mod message;
pub mod meter;
pub mod proxy;
pub mod purge;
pub mod report;
pub mod rules;
pub mod tiers;
pub mod time;
pub mod upstream;
pub mod watch;

pub use proxy::Proxy;
