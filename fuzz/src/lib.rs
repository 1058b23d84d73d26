//! What must hold of terrace-core whatever the input: a module per fuzz target, `holds` is its property and panics where it does
//! not. `fuzz/targets` gives it to libFuzzer; `crates/core/tests/fuzz_corpus.rs` replays the committed corpus with it, on stable.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod block;
pub mod cdn_loop;
pub mod coding;
pub mod conditions;
pub mod config;
pub mod entry;
pub mod freshness;
pub mod key;
pub mod purge;
pub mod vary;
pub mod watch;

/// A property: it panics where the input breaks it.
pub type Holds = fn(&[u8]);

/// Every target with its property.
pub const ALL: [(&str, Holds); 10] = [
    ("cdn_loop", cdn_loop::holds),
    ("coding", coding::holds),
    ("conditions", conditions::holds),
    ("config", config::holds),
    ("entry", entry::holds),
    ("freshness", freshness::holds),
    ("key", key::holds),
    ("purge", purge::holds),
    ("vary", vary::holds),
    ("watch", watch::holds),
];
