//! What terrace asks of a connection, and how it reads what the server says.

use crate::host::StoreError;

/// The settings that a connection begins with, unless its URL says otherwise: whatever a host leaves behind when it dies ends by
/// itself. A statement has 900 ms, one waits for a lock for 300 ms, which is less than whoever asks waits for it, and a transaction
/// that goes silent ends after 2 s.
pub const SETTINGS: &str = "-c statement_timeout=900 -c lock_timeout=300 -c idle_in_transaction_session_timeout=2000 -c client_min_messages=error";

/// Begins a transaction. What it reads after it has its locks is what others have committed before. Where a transaction is open
/// already, because whoever had the connection before was cut off, it fails: PostgreSQL takes `DEFERRABLE`, or not, before the first
/// query of a transaction alone.
pub const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED NOT DEFERRABLE";

/// Whether the same is worth trying again at once, by the SQLSTATE that the server gave.
pub fn is_passing(state: &str) -> bool {
    // A lock that is not to be had, a deadlock, a serialisation failure; a plan of before a migration; a transaction that another
    // left open, or broken, on this connection.
    matches!(state, "55P03" | "40P01" | "40001" | "0A000" | "25001" | "25P02")
}

/// What an error of the server means to the core, by its SQLSTATE.
pub fn error(state: &str, said: String) -> StoreError {
    match state {
        "53100" => StoreError::Full,
        // A table, or a column, that is not there.
        "42P01" | "42703" => StoreError::Schema(said),
        state if is_passing(state) => StoreError::Busy(said),
        _ => StoreError::Other(format!("PostgreSQL: {said}")),
    }
}
