//! The whole core on a platform in memory: tiers that fail, clocks that jump, origins that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

mod coding;
mod collapse;
mod content;
mod doubt;
mod early;
mod failures;
mod flow;
mod global;
mod keys;
mod loops;
mod memory;
mod meter;
mod own_paths;
mod partial;
mod purge;
mod purge_answer;
mod refusing;
mod room;
mod schema;
mod soft;
mod tend;
mod tiers;
mod variance;
mod watch;
