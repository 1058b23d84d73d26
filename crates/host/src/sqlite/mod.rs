//! Spin's SQLite: one file, in WAL mode; every connection of a guest is a real one of its own.
mod connection;
mod wit;

pub use connection::{Database, Handle};
pub use wit::Failure;
