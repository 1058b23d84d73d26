//! What can go wrong at start and at drain. Every message says what to do next.
use std::net::SocketAddr;
use std::path::PathBuf;

/// A failure to start or to stop a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr}: {source}. Stop the program that holds the port, or choose another address")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The component's file cannot be read.
    #[error(
        "cannot read the component {}: {source}. Build it (cargo build -p terrace-spin --profile guest --target wasm32-wasip2) or correct the path",
        path.display()
    )]
    ComponentFile {
        /// The file asked for.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The bytes are not a component this engine can run.
    #[error(
        "the component does not compile: {0}. It must be a WebAssembly component for wasm32-wasip2; build it again"
    )]
    Compile(String),
    /// The component asks for what this host does not have.
    #[error(
        "the component does not fit this host: {0}. The host offers WASI 0.2 and 0.3, and Spin's key-value 3.0, postgres 4.2, sqlite 3.1 and variables 3.0: build it with spin-sdk 7"
    )]
    Link(String),
    /// The component failed while it was being set up.
    #[error("the component did not start: {0}. Its own output on stderr says why")]
    Instantiate(String),
    /// The engine cannot run on this machine.
    #[error(
        "WebAssembly cannot run here: {0}. wasmtime needs an x86-64 or aarch64 machine and permission to map executable memory"
    )]
    Engine(String),
    /// The SQLite file cannot be used.
    #[error(
        "cannot use the SQLite file {}: {reason}. Check that the folder exists and may be written to, or choose another path",
        path.display()
    )]
    Sqlite {
        /// The file asked for.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The URL of Redis is none that can be used.
    #[error("cannot use Redis: {0}. Correct its URL")]
    Redis(String),
    /// The URL of PostgreSQL is none that can be used.
    #[error("cannot use PostgreSQL: {0}. Correct its URL")]
    Postgres(String),
    /// The guest's private folder cannot be made.
    #[error(
        "cannot lay out the guest's files: {0}. Check that the temporary folder (TMPDIR) may be written to and has room"
    )]
    Files(std::io::Error),
    /// A file for the guest has a path that leaves its folder.
    #[error("{0:?} is no path for a file of the guest. Use an absolute path without `..`, as in /terrace.toml")]
    FilePath(String),
    /// An allowed origin is not one.
    #[error(
        "{origin:?} is no origin: {reason}. Write scheme://host or scheme://host:port, as in https://api.example.org"
    )]
    Origin {
        /// What was given.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No certificate authority to trust, or TLS cannot be set up.
    #[error("TLS cannot be set up: {0}. Check SSL_CERT_FILE and SSL_CERT_DIR, or unset them")]
    Tls(String),
    /// The operating system refuses a thread or a runtime.
    #[error("cannot start a worker: {0}. Check the limits on threads and open files (ulimit -u, ulimit -n)")]
    Worker(std::io::Error),
    /// A worker's thread ended by a panic: a defect of this host.
    #[error("a worker ended unexpectedly. This is a defect: please report it with the output on stderr")]
    WorkerPanicked,
}
