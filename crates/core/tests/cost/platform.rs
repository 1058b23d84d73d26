//! A platform that bills: KV as Cloudflare has it, shown elsewhere a minute late, real SQLite, and an origin that takes its time.

use bytes::Bytes;
use http::StatusCode;
use rusqlite::types::{Value as V, ValueRef};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use terrace_core::capture::Capture;
use terrace_core::entry::coded::{Coding, Codings};
use terrace_core::fields::Fields;
use terrace_core::host::{Host, Kv, OriginError, Sql, Statement, StoreError, Value};
use terrace_core::message::{Body, OriginRequest, Response};
use terrace_core::time::Timestamp;

/// How long a location goes on with what it has read, absence included, and how long the origin takes, in milliseconds.
const LAG: i64 = 60_000;
const ORIGIN: i64 = 200;

/// Calls, as the stores themselves count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    pub kv_reads: u64,
    pub kv_writes: u64,
    pub kv_deletes: u64,
    /// Writes of a key within a second of the one before, which KV refuses.
    pub refused: u64,
    pub queries: u64,
    pub batches: u64,
    pub fetches: u64,
}

type Job = Pin<Box<dyn Future<Output = ()>>>;

/// A value and until when it is held.
type Held = (Bytes, i64);

/// What all locations share.
#[derive(Default)]
pub struct World {
    /// When the current request came, and how long it and what it left behind have taken since.
    arrived: Cell<i64>,
    taken: Cell<i64>,
    random: Cell<u64>,
    kv: RefCell<HashMap<String, Held>>,
    written: RefCell<HashMap<String, i64>>,
    bill: Cell<Bill>,
    jobs: RefCell<Vec<Job>>,
    waiting: RefCell<Vec<Job>>,
}

impl World {
    pub fn now(&self) -> i64 {
        self.arrived.get() + self.taken.get()
    }

    /// The clock moves to a time, and what waits goes on.
    pub fn arrive(&self, at: i64) {
        self.arrived.set(at);
        self.taken.set(0);
        let waiting = self.waiting.take();
        self.jobs.borrow_mut().extend(waiting);
        self.work();
    }

    /// Does what was deferred, until all of it waits.
    pub fn work(&self) {
        loop {
            let jobs = self.jobs.take();
            if jobs.is_empty() {
                return;
            }
            for mut job in jobs {
                if poll(&mut job).is_none() {
                    self.waiting.borrow_mut().push(job);
                }
            }
        }
    }

    /// Runs what a client waits for.
    pub fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = Box::pin(work);
        loop {
            if let Some(done) = poll(&mut work) {
                return done;
            }
            self.taken.set(self.taken.get() + 1);
        }
    }

    pub fn bill(&self) -> Bill {
        self.bill.get()
    }

    fn counts(&self, what: impl FnOnce(&mut Bill)) {
        let mut bill = self.bill.get();
        what(&mut bill);
        self.bill.set(bill);
    }

    pub fn draw(&self) -> u64 {
        // SplitMix64
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn seed(&self, seed: u64) {
        self.random.set(seed);
    }
}

fn poll<T>(work: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Option<T> {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}


/// One location: an instance, and what its KV shows.
#[derive(Clone)]
pub struct Location {
    pub world: Rc<World>,
    pub database: Rc<rusqlite::Connection>,
    pub lifetime: fn(&str) -> (i64, i64),
    shown: Rc<RefCell<HashMap<String, (Option<Held>, i64)>>>,
}

impl Location {
    pub fn new(world: &Rc<World>, database: &Rc<rusqlite::Connection>, lifetime: fn(&str) -> (i64, i64)) -> Self {
        Location { world: world.clone(), database: database.clone(), lifetime, shown: Rc::default() }
    }

    /// KV takes one write per second of a key.
    fn write(&self, key: &str, value: Option<Held>) -> Result<(), StoreError> {
        let now = self.world.now();
        let before = self.world.written.borrow().get(key).copied();
        if before.is_some_and(|before| now - before < 1000) {
            self.world.counts(|bill| bill.refused += 1);
            return Err(StoreError::Busy("429 Too Many Requests".into()));
        }
        self.world.written.borrow_mut().insert(key.into(), now);
        self.shown.borrow_mut().insert(key.into(), (value.clone(), now));
        match value {
            Some(value) => self.world.kv.borrow_mut().insert(key.into(), value),
            None => self.world.kv.borrow_mut().remove(key),
        };
        Ok(())
    }

    fn execute(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        let failed = |error: rusqlite::Error| match error.to_string() {
            why if why.contains("no such table") => StoreError::Schema(why),
            why => StoreError::Other(why),
        };
        let mut prepared = self.database.prepare_cached(statement.sql.bytes).map_err(failed)?;
        let params = statement.params.iter().map(|value| match value {
            Value::Null => V::Null,
            Value::Integer(n) => V::Integer(*n),
            Value::Text(text) => V::Text(text.clone()),
            Value::Blob(bytes) => V::Blob(bytes.clone()),
        });
        let columns = prepared.column_count();
        let mut rows = prepared.query(rusqlite::params_from_iter(params)).map_err(failed)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let value = |i| match row.get_ref(i).unwrap() {
                ValueRef::Null | ValueRef::Real(_) => Value::Null,
                ValueRef::Integer(n) => Value::Integer(n),
                ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
            };
            all.push((0..columns).map(value).collect());
        }
        Ok(all)
    }
}

impl Kv for Location {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.world.counts(|bill| bill.kv_reads += 1);
        let now = self.world.now();
        let shown = self.shown.borrow().get(key).filter(|(_, at)| now - at < LAG).cloned();
        let value = match shown {
            Some((value, _)) => value,
            None => {
                let value = self.world.kv.borrow().get(key).cloned();
                self.shown.borrow_mut().insert(key.into(), (value.clone(), now));
                value
            }
        };
        Ok(value.filter(|(_, until)| now < *until).map(|(bytes, _)| bytes))
    }
    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), StoreError> {
        self.world.counts(|bill| bill.kv_writes += 1);
        let until = self.world.now() + (ttl.as_millis() as i64).max(60_000);
        self.write(key, Some((value.into(), until)))
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.world.counts(|bill| bill.kv_deletes += 1);
        self.write(key, None)
    }
}

impl Sql for Location {
    async fn query(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        self.world.counts(|bill| bill.queries += 1);
        self.execute(statement)
    }
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
        self.world.counts(|bill| bill.batches += 1);
        self.database.execute_batch("BEGIN").unwrap();
        let done = statements.iter().try_fold(Vec::new(), |_, statement| self.execute(statement));
        self.database.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        done
    }
}

impl Host for Location {
    type Stream = std::convert::Infallible;
    type Kv = Location;
    type Sql = Location;
    const KV_WRITES_ARE_FREE: bool = false;
    const SQL_SERVICE: &'static str = "d1";
    const CODINGS: Codings = Codings::NONE;

    fn kv(&self) -> &Location {
        self
    }
    fn sql(&self) -> &Location {
        self
    }
    async fn fetch(&self, request: OriginRequest<Self::Stream>) -> Result<Response<Self::Stream>, OriginError> {
        self.world.counts(|bill| bill.fetches += 1);
        self.world.taken.set(self.world.taken.get() + ORIGIN);
        let (lifetime, changes) = (self.lifetime)(request.target());
        let tag = format!("\"{}\"", self.world.now() / (lifetime * changes * 1000));
        let (fields, _) = request.into_parts();
        let held = fields.get_str("if-none-match") == Some(tag.as_str());
        let fields = Fields::from([("cache-control", format!("max-age={lifetime}").as_str()), ("etag", tag.as_str())]);
        Ok(match held {
            true => Response { status: StatusCode::NOT_MODIFIED, fields, body: Body::Empty },
            false => Response { status: StatusCode::OK, fields, body: Body::Full(Bytes::from_static(&[b'x'; 600])) },
        })
    }
    fn now(&self) -> Timestamp {
        Timestamp(self.world.now())
    }
    async fn sleep(&self, duration: Duration) {
        let until = self.world.now() + duration.as_millis() as i64;
        let world = self.world.clone();
        std::future::poll_fn(move |_| if world.now() >= until { Poll::Ready(()) } else { Poll::Pending }).await;
    }
    fn random(&self) -> u64 {
        self.world.draw()
    }
    async fn secret(&self, _: &str) -> Option<String> {
        None
    }
    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        self.world.jobs.borrow_mut().push(Box::pin(work));
    }
    fn tee(
        &self,
        stream: Self::Stream,
        _: Capture,
    ) -> (Self::Stream, impl Future<Output = Option<Bytes>> + 'static + use<>) {
        (stream, std::future::ready(None))
    }
    async fn encode(&self, _: Coding, _: &Bytes) -> Option<Vec<u8>> {
        None
    }
    async fn decode(&self, _: Coding, _: Bytes, _: usize) -> Option<Vec<u8>> {
        None
    }
    fn warn(&self, _: &str) {}
}
