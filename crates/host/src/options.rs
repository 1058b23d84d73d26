//! What a server is started with.
pub use crate::keyvalue::{Expiry, RedisUrl};
pub use crate::postgres::{Dialect, PostgresUrl};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything [`Server::start`](crate::Server::start) needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on. Port 0 picks a free one; see [`Server::local_addr`](crate::Server::local_addr).
    pub listen: SocketAddr,
    /// The component to run.
    pub component: Component,
    /// How instances are kept.
    pub mode: Mode,
    /// Threads that serve, each with its own instance; 0 means one for each core.
    pub workers: usize,
    /// The most bytes (keys and values) the in-memory key-value store holds. Default 256 MiB.
    pub kv_bytes: u64,
    /// Where the key-value store lives instead, with what reads from a value how long it is of use: without it, and where it finds
    /// nothing, a value stays for a day. Memory, if this is none.
    pub redis: Option<(RedisUrl, Option<Expiry>)>,
    /// Where the guest's database lives.
    pub database: Database,
    /// Variables the guest may ask for. A name that is not here is looked up in the environment as
    /// `SPIN_VARIABLE_<UPPER>`, then as `<UPPER>`.
    pub variables: BTreeMap<String, String>,
    /// Files the guest sees, read-only: path (`/terrace.toml`) and contents. It sees no others.
    pub files: Vec<(String, Vec<u8>)>,
    /// Origins (`https://api.example.org`, `http://127.0.0.1:9000`) the guest may send requests to, and servers
    /// (`postgres://db.example.org:5432`) it may connect to by Spin's `postgres`.
    pub allowed_outbound: Vec<String>,
    /// What a client, and the guest, may use.
    pub limits: Limits,
}

impl Options {
    /// Options with defaults for all but where to listen and where the database is.
    pub fn new(listen: SocketAddr, database: Database) -> Self {
        Options {
            listen,
            component: Component::Embedded,
            mode: Mode::PerCore,
            workers: 0,
            kv_bytes: 256 << 20,
            redis: None,
            database,
            variables: BTreeMap::new(),
            files: Vec::new(),
            allowed_outbound: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Where the guest's database lives.
#[derive(Debug, Clone)]
pub enum Database {
    /// In a file of SQLite. It is created, with its folder, when it is not there.
    Sqlite(PathBuf),
    /// In PostgreSQL, which others may share; with it, what becomes of the guest's SQL there.
    Postgres(Box<PostgresUrl>, Dialect),
    /// Nowhere: it is told that there is none.
    None,
}

/// Where the component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// The one built with this crate from `edge/spin`.
    Embedded,
    /// A `.wasm` file.
    Path(PathBuf),
    /// The bytes of a `.wasm` file.
    Bytes(Vec<u8>),
}

/// How instances of the component are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One long-lived instance for each worker. The fastest; what the program uses.
    PerCore,
    /// As `spin up` does: instances that serve at most `reuse` requests, `concurrent` at once, and go
    /// when idle. For tests; `reuse: 1` gives every request a fresh instance.
    LikeSpin {
        /// Requests an instance serves before it is replaced. Spin: 128.
        reuse: usize,
        /// Requests an instance serves at once. Spin: 16.
        concurrent: usize,
        /// How long an instance waits for more. Spin: 1 s.
        idle: Duration,
    },
}

impl Mode {
    /// Spin's own defaults.
    pub const SPIN: Mode = Mode::LikeSpin { reuse: 128, concurrent: 16, idle: Duration::from_secs(1) };
}

/// What a client, and the guest, may use. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head: request line and fields. Above: 431. Default 64 KiB.
    pub header_bytes: usize,
    /// Fields in a request. Above: 431. Default 128.
    pub header_count: usize,
    /// Bytes of the request target. Above: 414. Default 16 KiB.
    pub uri_bytes: usize,
    /// Bytes of a request's content. Above: 413. Default 16 MiB.
    pub body_bytes: u64,
    /// Time for a request's head to arrive once it began, and for the first one after connecting.
    /// Then: 408. Default 10 s.
    pub header_timeout: Duration,
    /// Time a connection may idle between requests, within a quarter more. Then it is closed. Default 60 s.
    pub keep_alive: Duration,
    /// Time between two pieces of a request's content. Then: 408, or a cut content if the guest has
    /// answered. Default 30 s.
    pub body_timeout: Duration,
    /// Time a client may take none of the response, within a quarter more. Then it is cut. Default 60 s.
    pub write_timeout: Duration,
    /// Connections at once; at most seven eighths of the files that may be open, whose soft limit is raised to the hard one. Above,
    /// a connection is accepted, answered 503 and closed. Default 20,000.
    pub connections: usize,
    /// Requests that an instance of its own answers at once ([`Mode::PerCore`]), those included whose contents are on their way.
    /// Above: 503. Default 16,384.
    pub requests: usize,
    /// Processor time the guest may take without a pause before it is stopped. Default 3 s.
    pub guest_run: Duration,
    /// Linear memory of one instance. Default 512 MiB.
    pub guest_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            header_bytes: 64 << 10,
            header_count: 128,
            uri_bytes: 16 << 10,
            body_bytes: 16 << 20,
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            connections: 20_000,
            requests: 16_384,
            guest_run: Duration::from_secs(3),
            guest_memory: 512 << 20,
        }
    }
}
