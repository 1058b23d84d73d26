//! What the core asks of a platform, for one instance.

use crate::executor::Group;
use crate::origin::{Asked, Reply};
use crate::sql::Database;
use crate::tally::{Cost, Tally};
use crate::world::World;
use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::{FutureExt, StreamExt};
use http::StatusCode;
use std::future::Future;
use std::time::Duration;
use terrace_core::capture::Capture;
use terrace_core::entry::coded::{Coding, Codings};
use terrace_core::host::{Host, Kv, OriginError, Sql, Statement, StoreError, Value};
use terrace_core::message::{Body, OriginRequest, Response};
use terrace_core::time::Timestamp;

/// A body: chunks, then its proper end, or a cut (`Err`).
pub type Chunks = mpsc::UnboundedReceiver<Result<Bytes, ()>>;

/// The platform of one instance, on behalf of one request. `FREE` is whether writes to L1 cost nothing.
#[derive(Clone)]
pub struct Platform<const FREE: bool> {
    world: World,
    instance: Group,
    request: Tally,
}

impl<const FREE: bool> Platform<FREE> {
    /// The platform of an instance. What a request costs is counted by `request`, what is done behind its answer included.
    pub fn new(world: World, instance: Group, request: Tally) -> Self {
        Platform { world, instance, request }
    }

    fn count(&self, one: impl Fn(&mut Cost)) {
        self.request.count(&one);
        self.world.tally.count(&one);
    }

    async fn write_kv(&self, key: &str, value: Option<Vec<u8>>, ttl: Duration) -> Result<(), StoreError> {
        let (world, key, by) = (self.world.clone(), key.to_string(), self.instance);
        self.world.kv.network.write(move || world.kv.write(&key, value, ttl, by)).await
    }
}

impl<const FREE: bool> Kv for Platform<FREE> {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.count(|cost| cost.kv_gets += 1);
        self.world.kv.network.read(|| Ok(self.world.kv.show(key, self.instance))).await
    }
    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), StoreError> {
        self.count(|cost| cost.kv_puts += 1);
        self.write_kv(key, Some(value), ttl).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.count(|cost| cost.kv_deletes += 1);
        self.write_kv(key, None, Duration::MAX).await
    }
}

impl<const FREE: bool> Sql for Platform<FREE> {
    async fn query(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        match Database::is_poll(statement) {
            true => self.count(|cost| cost.polls += 1),
            false => self.count(|cost| cost.queries += 1),
        }
        self.world.sql.network.read(|| self.world.sql.execute(statement)).await
    }
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
        self.count(|cost| cost.batches += 1);
        let (world, statements) = (self.world.clone(), statements.to_vec());
        self.world.sql.network.write(move || world.sql.transact(&statements)).await
    }
}

impl<const FREE: bool> Host for Platform<FREE> {
    type Stream = Chunks;
    type Kv = Self;
    type Sql = Self;
    const KV_WRITES_ARE_FREE: bool = FREE;
    const KV_EXPIRES: bool = true;
    const CODINGS: Codings = Codings::NONE;

    fn kv(&self) -> &Self {
        self
    }
    fn sql(&self) -> &Self {
        self
    }
    async fn fetch(&self, request: OriginRequest<Chunks>) -> Result<Response<Chunks>, OriginError> {
        self.count(|cost| cost.fetches += 1);
        let (method, target, limit) = (request.method().clone(), request.target().to_string(), request.timeout());
        let (fields, body) = request.into_parts();
        read(body).await;
        let asked = Asked { method, target, fields, by: self.instance, at: self.world.now() };
        let Reply { after, content_after, head, content, cut } = self.world.answer(&asked);
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.world.executor.sleep(after.min(limit)).await;
        if after > limit {
            return Err(OriginError::HttpResponseTimeout);
        }
        let (status, fields) = head?;
        let status = StatusCode::from_u16(status).map_err(|_| OriginError::HttpProtocolError)?;
        if matches!(status.as_u16(), 204 | 304) || asked.method == http::Method::HEAD {
            return Ok(Response { status, fields, body: Body::Empty });
        }
        let (tx, rx) = mpsc::unbounded();
        let executor = self.world.executor.clone();
        let send = async move {
            let half = content.len() / 2;
            let _ = tx.unbounded_send(Ok(content.slice(..half)));
            if content_after > 0 {
                executor.sleep(content_after).await;
            }
            let _ = tx.unbounded_send(if cut { Err(()) } else { Ok(content.slice(half..)) });
        };
        match content_after {
            0 => send.await,
            _ => drop(self.world.executor.spawn(crate::executor::WORLD, send)),
        }
        Ok(Response { status, fields, body: Body::Stream(rx) })
    }
    fn now(&self) -> Timestamp {
        Timestamp(self.world.now())
    }
    async fn sleep(&self, duration: Duration) {
        self.world.executor.sleep(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).await;
    }
    fn random(&self) -> u64 {
        self.world.random.draw()
    }
    async fn secret(&self, name: &str) -> Option<String> {
        (name == "ADMIN_TOKEN").then(|| crate::world::TOKEN.to_string())
    }
    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        self.world.executor.spawn(self.instance, work);
    }
    fn tee(
        &self,
        mut stream: Chunks,
        mut copy: Capture,
    ) -> (Chunks, impl Future<Output = Option<Bytes>> + 'static + use<FREE>) {
        let (tx, rx) = mpsc::unbounded();
        let (done, told) = oneshot::channel();
        self.defer(async move {
            let mut whole = true;
            while let Some(chunk) = stream.next().await {
                match &chunk {
                    Ok(bytes) => copy.push(bytes),
                    Err(()) => whole = false,
                }
                let _ = tx.unbounded_send(chunk);
            }
            let _ = done.send(if whole { copy.finish() } else { None });
        });
        (rx, told.map(|copy| copy.ok().flatten()))
    }
    async fn encode(&self, _: Coding, _: &Bytes) -> Option<Vec<u8>> {
        None
    }
    async fn decode(&self, _: Coding, _: Bytes, _: usize) -> Option<Vec<u8>> {
        None
    }
    fn warn(&self, _: &str) {}
    fn info(&self, _: &str) {}
}

/// The whole of a body; `None` where it was cut.
pub async fn read(body: Body<Chunks>) -> Option<Bytes> {
    let mut chunks = match body {
        Body::Empty => return Some(Bytes::new()),
        Body::Full(bytes) => return Some(bytes),
        Body::Stream(chunks) => chunks,
    };
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next().await {
        all.extend_from_slice(&chunk.ok()?);
    }
    Some(Bytes::from(all))
}
