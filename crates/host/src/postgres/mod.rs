//! The guest's SQLite served from PostgreSQL, so that several hosts share one database; and Spin's `postgres`, by which a guest
//! connects to one by itself.
//!
//! ```text
//! sqlite/wit ──> connection (a guest's: its transaction) ──> server (pool, thread, rest) ──> PostgreSQL
//!                  locks (who must wait for whom)              url
//!                  values (its types and errors as SQLite's)   ^
//! wit ──> direct (a guest's, as it is) ──> servers (which it may connect to)
//!           db_values
//! ```
mod connection;
mod db_values;
mod direct;
mod locks;
mod server;
mod servers;
mod url;
mod values;
mod wit;

pub use connection::{Call, Handle};
pub use direct::Connection;
pub use server::Database;
pub use servers::Servers;
pub use url::PostgresUrl;
pub use wit::{Builder, Failure};

/// What becomes of the guest's SQL in PostgreSQL: whoever wrote it knows.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// A statement in PostgreSQL's words, with `$1` for `?1`.
    pub translate: fn(&str) -> String,
    /// Whether a statement is about rows of one key alone, its first parameter, where that is a text. Transactions that are about
    /// different keys run side by side; every other one has the database for itself.
    pub is_about_one_key: fn(&str) -> bool,
    /// The command that lets a transaction have one key for itself.
    pub lock_key: fn(&str) -> String,
    /// The command that lets it have the database for itself.
    pub lock_all: &'static str,
    /// The command that begins one.
    pub begin: &'static str,
    /// The settings that every connection begins with, unless the URL says otherwise.
    pub settings: &'static str,
    /// Whether the same is worth trying again at once, by the SQLSTATE of an error.
    pub is_passing: fn(&str) -> bool,
}
