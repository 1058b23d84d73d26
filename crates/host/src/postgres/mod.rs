//! The guest's SQLite served from PostgreSQL, so that several hosts share one database.
//!
//! ```text
//! sqlite/wit ──> connection (a guest's: its transaction) ──> server (pool, thread, rest) ──> PostgreSQL
//!                  locks (who must wait for whom)              url
//!                  values (its types and errors as SQLite's)
//! ```
mod connection;
mod locks;
mod server;
mod url;
mod values;

pub use connection::{Call, Handle};
pub use server::Database;
pub use url::PostgresUrl;

/// What becomes of the guest's SQL in PostgreSQL: whoever wrote it knows.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// A statement in PostgreSQL's words, with `$1` for `?1`.
    pub translate: fn(&str) -> String,
    /// Whether a statement is about rows of one key alone, its first parameter, where that is a text. Transactions that are about
    /// different keys run side by side; every other one has the database for itself.
    pub is_about_one_key: fn(&str) -> bool,
}
