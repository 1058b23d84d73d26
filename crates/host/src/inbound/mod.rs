//! Requests of clients: connections, heads, contents, and the answers to them.
mod connection;
mod framing;
mod guard;
mod head;
mod problem;
mod reply;
mod service;
mod upload;

pub use connection::Serving;
pub use problem::Problem;
