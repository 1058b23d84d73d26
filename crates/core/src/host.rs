//! What the core asks of a platform. An adapter is thin: it moves bytes and knows no caching rule.
//!
//! Everything is single-threaded (`async fn` without `Send`): Workers and Spin instances are, and the native host runs one
//! instance per core.

use crate::capture::Capture;
use crate::entry::coded::{Coding, Codings};
use crate::hex;
use crate::message::{OriginRequest, Response};
use crate::meter::Rows;
use crate::time::Timestamp;
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Why a platform's store did not do as asked. Always treated as a miss, counted, and never shown to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Not done within its deadline.
    Timeout,
    /// Refused for now (a rate limit, a lock); a later call may do.
    Busy(String),
    /// Full.
    Full,
    /// The tables are missing or of another version.
    Schema(String),
    /// Anything else, in the platform's words.
    Other(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Timeout => f.write_str("the store did not answer within its deadline"),
            StoreError::Busy(why) => write!(f, "the store is busy: {why}"),
            StoreError::Full => f.write_str("the store is full"),
            StoreError::Schema(why) => write!(f, "the store's tables are missing or of another version: {why}"),
            StoreError::Other(why) => write!(f, "the store failed: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// L1: a key-value store. It may be eventually consistent, may lose writes, may answer late.
#[allow(async_fn_in_trait)]
pub trait Kv {
    /// The value, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where the store did not answer; the caller goes on to the next tier.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Stores a value for at most `ttl` (a store without a TTL of its own ignores it: the entry carries its times).
    ///
    /// # Errors
    /// [`StoreError`]; the write is counted as failed and forgotten.
    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), StoreError>;

    /// Removes a key; removing an absent one is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
}

/// A value bound to, or read from, a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// Bytes, as a host returns them: as they are, or as hexadecimal digits where it ran [`Text::hex`].
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Value::Blob(bytes) => Some(bytes),
            Value::Text(digits) => hex::decode(&digits),
            Value::Null | Value::Integer(_) => None,
        }
    }
}

/// The text of a statement, in two forms that store the same. A host runs one of them always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// [`Value::Blob`] is bound, and bytes are returned, as they are.
    pub bytes: &'static str,
    /// [`Value::Blob`] is bound, and bytes are returned, as hexadecimal digits: for a host whose SQL carries nothing but text.
    pub hex: &'static str,
}

impl Text {
    /// A text in which no bytes are bound or read.
    pub const fn plain(text: &'static str) -> Self {
        Text { bytes: text, hex: text }
    }
}

/// A statement with its bound parameters `?1`, `?2`, ...
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The text. All of it lives in `tiers/sql.rs`, `tiers/sql/` and `tiers/migrations/`.
    pub sql: Text,
    /// The parameters, in order.
    pub params: Vec<Value>,
}

/// L2: a SQL database in SQLite's dialect.
#[allow(async_fn_in_trait)]
pub trait Sql {
    /// Runs one statement that only reads, and returns its rows.
    ///
    /// # Errors
    /// [`StoreError`]; a missing table is [`StoreError::Schema`].
    async fn query(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError>;

    /// Runs statements that write, as one transaction: all of them hold or none. Returns the rows of the last one. It may have to
    /// wait for other writers; what else the instance does must go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed. [`StoreError::Busy`] is tried again within the deadline.
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError>;

    /// The rows that the calls that ended since this was asked last are billed, where the platform bills rows and tells.
    fn take_billed(&self) -> Rows {
        Rows::default()
    }
}

/// Why the origin gave no response. The names are those of RFC 9209 2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginError {
    /// The name could not be resolved.
    DnsError,
    /// The connection was not open in time.
    ConnectionTimeout,
    /// Nobody listens.
    ConnectionRefused,
    /// The connection was closed before the response was whole.
    ConnectionTerminated,
    /// The response did not begin, or went silent, for too long.
    HttpResponseTimeout,
    /// TLS failed.
    TlsError,
    /// What came is not HTTP, or more of it than we take.
    HttpProtocolError,
    /// This platform has no connection left for us.
    ConnectionLimitReached,
    /// This platform does not let us reach the origin.
    DestinationIpProhibited,
}

/// A platform: the stores, the origin, and the few things the core may not have of its own.
///
/// It is cloned into work that outlives the request, so a clone must be cheap.
#[allow(async_fn_in_trait)]
pub trait Host: Clone + 'static {
    /// The platform's body stream.
    type Stream: 'static;
    /// L1.
    type Kv: Kv;
    /// L2.
    type Sql: Sql;

    /// Whether writing to L1 costs nothing worth counting: what `admit = "auto"` means.
    const KV_WRITES_ARE_FREE: bool;

    /// Whether L1 drops by itself what it was told to keep for a time that is over.
    const KV_EXPIRES: bool;

    /// What the platform calls L2 on its bill.
    const SQL_SERVICE: &'static str = "sql";

    /// The codings that [`Host::encode`] writes and [`Host::decode`] reads; in no other is anything stored here.
    const CODINGS: Codings;

    /// L1.
    fn kv(&self) -> &Self::Kv;

    /// L2.
    fn sql(&self) -> &Self::Sql;

    /// One exchange with the origin: redirects are not followed, content is not decoded, a body that ends early is an error
    /// of the stream and not its end.
    ///
    /// # Errors
    /// [`OriginError`] where no response head came.
    async fn fetch(&self, request: OriginRequest<Self::Stream>) -> Result<Response<Self::Stream>, OriginError>;

    /// The time.
    fn now(&self) -> Timestamp;

    /// Waits.
    async fn sleep(&self, duration: Duration);

    /// A random number, for jitter and ids; not for secrets.
    fn random(&self) -> u64;

    /// A secret or variable by the name that `terrace.toml` gives it; `None` where the platform has none.
    async fn secret(&self, name: &str) -> Option<String>;

    /// Work that goes on after the response has left.
    fn defer(&self, work: impl Future<Output = ()> + 'static);

    /// Passes `stream` on and pushes every chunk to `copy`, which is finished at the body's proper end. The future resolves to
    /// `None` where the body was cut or aborted, or the copy given up. Reading goes on when the client has left, as long as the
    /// copy is live.
    fn tee(
        &self,
        stream: Self::Stream,
        copy: Capture,
    ) -> (Self::Stream, impl Future<Output = Option<Bytes>> + 'static + use<Self>);

    /// Content in a coding, at a level that costs no more than the content is worth; `None` where the platform does not manage.
    /// It is at most [`crate::entry::coded::MAX_SIZE`] bytes long. What takes long yields on the way.
    async fn encode(&self, coding: Coding, content: &Bytes) -> Option<Vec<u8>>;

    /// What a coding was made of, by [`Host::encode`] or by others: in gzip of all its members, one after the other (RFC 1952 2.2).
    /// `None` where it comes to something much longer than `length` bytes, which is never held.
    async fn decode(&self, coding: Coding, coded: Bytes, length: usize) -> Option<Vec<u8>>;

    /// A line for the operator's log, of something that somebody should see to.
    fn warn(&self, message: &str);

    /// A line for the operator's log, of something that went as it should.
    fn info(&self, message: &str);
}
