//! The core under a virtual clock: many instances, each a `Proxy` with its own memory, over one L1 that is late, lossy and rate-limited,
//! one L2, and one origin. Nothing sleeps, and everything that happens follows from a seed.
//!
//! ```text
//! executor   tasks in a drawn order; when all of them wait, the clock jumps to the next timer
//! random     where every draw comes from
//! network    the way to a store: it takes time, and may be down
//! kv         L1 as Workers KV is: each instance sees a write when it gets round to it
//! sql        L2: SQLite in memory, behind a network
//! origin     what the origin answers is a function of the test's
//! host       `terrace_core::host::Host` over all of these, for one instance
//! tally      what was asked of the stores and the origin, by whom
//! world      all of it together; what a test begins with
//! ```
#![deny(missing_docs)]

pub mod executor;
pub mod host;
pub mod kv;
pub mod network;
pub mod origin;
pub mod random;
pub mod seed;
pub mod sql;
pub mod tally;
pub mod world;

pub use executor::Executor;
pub use host::Platform;
pub use network::Outage;
pub use origin::{Asked, Reply};
pub use random::Random;
pub use seed::Seed;
pub use tally::Cost;
pub use world::{Answer, Instance, World};
