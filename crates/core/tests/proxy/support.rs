//! A platform in memory: a clock that is moved by hand, a key-value store that can misbehave, real SQLite, and a scripted origin.

use bytes::Bytes;
use futures::channel::mpsc;
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::join_all;
use futures::task::LocalSpawnExt;
use futures::{FutureExt, StreamExt};
use http::{Method, StatusCode};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;
use terrace_core::Proxy;
use terrace_core::capture::Capture;
use terrace_core::config::Config;
use terrace_core::entry::coded::{Coding, Codings};
use terrace_core::fields::Fields;
use terrace_core::hex;
use terrace_core::host::{Host, Kv, OriginError, Sql, Statement, StoreError, Text, Value};
use terrace_core::message::{Body, OriginRequest, Request, Response};
use terrace_core::tiers::Tiers;
use terrace_core::tiers::gone::Gone;
use terrace_core::tiers::purges::Purges;
use terrace_core::tiers::room::Room;
use terrace_core::time::Timestamp;

/// A body: chunks, then its proper end (`Ok`) or a cut.
pub type Chunks = mpsc::UnboundedReceiver<Result<Bytes, ()>>;

/// An answer that is waited for later.
pub type Late = futures::future::RemoteHandle<Answer>;

/// What the origin does with one request.
pub enum Script {
    Respond(u16, Vec<(&'static str, String)>, Vec<&'static [u8]>),
    /// The body ends early.
    Cut(u16, Vec<(&'static str, String)>, Vec<&'static [u8]>),
    Fail(OriginError),
    /// The body is what comes of these.
    Open(u16, Vec<(&'static str, String)>, Chunks),
    /// The same once the clock has moved this far.
    After(u64, Box<Script>),
    /// No answer until the clock has moved this far.
    Late(u64),
}

#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub target: String,
    pub fields: Fields,
    /// `None` where it was cut.
    pub body: Option<Vec<u8>>,
}

/// When a key was written, and what to; `None` where it was deleted.
type Written = (i64, Option<Vec<u8>>);

#[derive(Default)]
pub struct World {
    pub now: Cell<i64>,
    sleepers: RefCell<Vec<Waker>>,
    pub kv: RefCell<HashMap<String, Vec<u8>>>,
    /// Every write to a key, and when.
    kv_writes: RefCell<HashMap<String, Vec<Written>>>,
    /// How long a write shows to nobody, in milliseconds.
    pub kv_lag: Cell<i64>,
    pub drawn: Cell<u64>,
    pub kv_fails: Cell<bool>,
    pub kv_hangs: Cell<bool>,
    /// It can be read, and takes neither values nor deletes.
    pub kv_refuses: Cell<bool>,
    pub sql_fails: Cell<bool>,
    /// It can be read, and takes no batch.
    pub sql_refuses: Cell<bool>,
    /// SQL that carries bytes as hexadecimal digits.
    pub sql_is_text: Cell<bool>,
    pub kv_gets: Cell<u32>,
    pub kv_puts: Cell<u32>,
    pub kv_deletes: Cell<u32>,
    pub queries: Cell<u32>,
    pub batches: Cell<u32>,
    pub encodings: Cell<u32>,
    pub decodings: Cell<u32>,
    pub decoding_fails: Cell<bool>,
    pub script: RefCell<VecDeque<Script>>,
    pub seen: RefCell<Vec<Seen>>,
    pub warnings: RefCell<Vec<String>>,
    pub infos: RefCell<Vec<String>>,
}

impl World {
    fn refuse_kv(&self) -> Result<(), StoreError> {
        match self.kv_refuses.get() {
            true => Err(StoreError::Other("READONLY You can't write against a read only replica.".into())),
            false => Ok(()),
        }
    }

    fn wrote(&self, key: &str, value: Option<Vec<u8>>) {
        if self.kv_lag.get() > 0 {
            self.kv_writes.borrow_mut().entry(key.into()).or_default().push((self.now.get(), value));
        }
    }
}

#[derive(Clone)]
pub struct Fake {
    pub world: Rc<World>,
    pub database: Rc<rusqlite::Connection>,
    spawner: LocalSpawner,
}

pub struct Cache {
    pub host: Fake,
    pub proxy: Rc<Proxy>,
    gone: Gone,
    purges: Purges,
    room: Room,
    pool: LocalPool,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub fields: Fields,
    /// `None` where it was cut.
    pub body: Option<Vec<u8>>,
}

impl Answer {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get_str(name).unwrap_or("")
    }
    pub fn tier(&self) -> &str {
        self.field("x-cache-tier")
    }
    pub fn text(&self) -> &str {
        self.body.as_deref().map_or("(cut)", |b| std::str::from_utf8(b).unwrap())
    }
}

/// The time at which every test begins.
pub const START: i64 = 1_800_000_000_000;

impl Cache {
    pub fn new(config: &str) -> Self {
        let pool = LocalPool::new();
        let world = Rc::new(World { now: Cell::new(START), ..World::default() });
        let database = Rc::new(rusqlite::Connection::open_in_memory().unwrap());
        let host = Fake { world, database, spawner: pool.spawner() };
        let text = format!("[origin]\nurl = \"http://origin.test\"\n{config}");
        let config = Config::parse(&text, "terrace.toml").unwrap_or_else(|e| panic!("{e}"));
        Cache {
            host,
            proxy: Rc::new(Proxy::new(config)),
            gone: Gone::default(),
            purges: Purges::default(),
            room: Room::default(),
            pool,
        }
    }

    /// A new instance over the same stores, L1 emptied: what a restart is.
    pub fn restart(&mut self) {
        self.host.world.kv.borrow_mut().clear();
        self.proxy = Rc::new(Proxy::new(self.proxy.config().clone()));
    }

    pub fn origin(&self, script: Script) -> &Self {
        self.host.world.script.borrow_mut().push_back(script);
        self
    }

    pub fn respond(&self, status: u16, fields: &[(&'static str, &str)], body: &'static str) -> &Self {
        self.origin(Script::Respond(status, owned(fields), vec![body.as_bytes()]))
    }

    pub fn wait(&self, secs: i64) {
        self.host.world.now.set(self.host.world.now.get() + secs * 1000);
    }

    /// The clock moves on by 10 ms, and what was deferred with it.
    pub fn step(&mut self) {
        self.host.world.now.set(self.host.world.now.get() + 10);
        self.host.world.sleepers.borrow_mut().drain(..).for_each(Waker::wake);
        self.pool.run_until_stalled();
    }

    /// The same, and what was deferred goes on meanwhile.
    pub fn wait_at_work(&mut self, secs: i64) {
        for _ in 0..secs {
            self.wait(1);
            self.host.world.sleepers.borrow_mut().drain(..).for_each(Waker::wake);
            self.pool.run_until_stalled();
        }
    }

    pub fn asked(&self) -> usize {
        self.host.world.seen.borrow().len()
    }

    pub fn last_seen(&self) -> Seen {
        self.host.world.seen.borrow().last().unwrap().clone()
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.send(Method::GET, target, &[])
    }

    pub fn get_with(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, target, fields)
    }

    /// A response whose content nobody reads.
    pub fn open(&mut self, target: &str) -> Response<Chunks> {
        let request = Request {
            method: Method::GET,
            scheme: "http",
            authority: "cache.test".into(),
            target: target.into(),
            fields: Fields::new(),
            body: Body::Empty,
            client: None,
        };
        let (proxy, host) = (self.proxy.clone(), self.host.clone());
        self.pool.run_until(clocked(self.host.world.clone(), proxy.handle(host, request)))
    }

    /// Reads the content of one.
    pub fn read(&mut self, response: Response<Chunks>) -> Answer {
        let body = self.pool.run_until(clocked(self.host.world.clone(), read(response.body)));
        Answer { status: response.status.as_u16(), fields: response.fields, body }
    }

    /// What a host's clock calls for.
    pub fn sweep(&mut self) {
        let (proxy, host) = (self.proxy.clone(), self.host.clone());
        self.pool.run_until(clocked(self.host.world.clone(), async move { proxy.sweep(&host).await }));
    }

    /// The same for all that is due. Returns how soon something will be again.
    pub fn tend(&mut self) -> Duration {
        let (proxy, host) = (self.proxy.clone(), self.host.clone());
        let again = self.pool.run_until(clocked(self.host.world.clone(), async move { proxy.tend(&host).await }));
        self.pool.run_until_stalled();
        again
    }

    /// The same for these instances at once.
    pub fn tend_each(&mut self, instances: &[Rc<Proxy>]) {
        let all = join_all(instances.iter().map(|proxy| {
            let (proxy, host) = (proxy.clone(), self.host.clone());
            async move { proxy.tend(&host).await }
        }));
        self.pool.run_until(clocked(self.host.world.clone(), all));
        self.pool.run_until_stalled();
    }

    /// The tiers, which know the purges, and the runner of what is done with them.
    pub fn tiers(&mut self) -> (Tiers<'_, Fake>, &mut LocalPool) {
        let tiers = Tiers {
            host: &self.host,
            config: self.proxy.config(),
            counters: self.proxy.counters(),
            memory: self.proxy.memory(),
            gone: &self.gone,
            purges: &self.purges,
            room: &self.room,
            meter: self.proxy.meter(),
            admission: self.proxy.admission(),
        };
        self.pool.run_until(tiers.read_purges());
        (tiers, &mut self.pool)
    }

    /// Sends a request, reads the whole answer, and lets deferred work finish.
    pub fn send(&mut self, method: Method, target: &str, fields: &[(&str, &str)]) -> Answer {
        let body = if method == Method::POST { Body::Full(Bytes::from_static(b"posted")) } else { Body::Empty };
        self.send_content(method, target, fields, body)
    }

    /// The same with any content.
    pub fn send_content(
        &mut self,
        method: Method,
        target: &str,
        fields: &[(&str, &str)],
        body: Body<Chunks>,
    ) -> Answer {
        let answer = self.pool.run_until(clocked(self.host.world.clone(), self.exchange(method, target, fields, body)));
        self.pool.run_until_stalled();
        answer
    }

    /// Asks for a purge, and lets deferred work finish.
    pub fn purge(&mut self, document: &'static str) -> Answer {
        let fields = [("authorization", "Bearer t0ken"), ("content-length", &document.len().to_string())];
        let content = Body::Full(Bytes::from_static(document.as_bytes()));
        self.send_content(Method::POST, "/_terrace/purge", &fields, content)
    }

    /// Another instance over the same stores takes over. Returns the one before.
    pub fn another(&mut self) -> Rc<Proxy> {
        let other = Rc::new(Proxy::new(self.proxy.config().clone()));
        std::mem::replace(&mut self.proxy, other)
    }

    /// Sends a request whose answer is waited for later.
    pub fn begin(&mut self, method: Method, target: &str, fields: &[(&str, &str)], body: Body<Chunks>) -> Late {
        let late = self.host.spawner.spawn_local_with_handle(self.exchange(method, target, fields, body)).unwrap();
        self.pool.run_until_stalled();
        late
    }

    /// Sends a request that the platform ends as soon as it waits, without a word.
    pub fn begin_and_lose(&mut self, target: &str) {
        let mut lost = Box::pin(self.exchange(Method::GET, target, &[], Body::Empty));
        assert!((&mut lost).now_or_never().is_none());
        std::mem::forget(lost);
    }

    /// Waits for the answer, and lets deferred work finish.
    pub fn finish(&mut self, late: Late) -> Answer {
        let answer = self.pool.run_until(clocked(self.host.world.clone(), late));
        self.pool.run_until_stalled();
        answer
    }

    /// Sends a GET for each of these fields, 10 ms after the one before and whether that is answered or not.
    pub fn get_side_by_side(&mut self, target: &str, each: &[&[(&str, &str)]]) -> Vec<Answer> {
        let all = join_all((0..).zip(each).map(|(n, fields)| {
            let (world, exchange) = (self.host.world.clone(), self.exchange(Method::GET, target, fields, Body::Empty));
            async move {
                sleep(world, 10 * n).await;
                exchange.await
            }
        }));
        let answers = self.pool.run_until(clocked(self.host.world.clone(), all));
        self.pool.run_until_stalled();
        answers
    }

    /// The same, all at once.
    pub fn get_at_once(&mut self, target: &str, each: &[&[(&str, &str)]]) -> Vec<Answer> {
        let all = join_all(each.iter().map(|fields| self.exchange(Method::GET, target, fields, Body::Empty)));
        let answers = self.pool.run_until(clocked(self.host.world.clone(), all));
        self.pool.run_until_stalled();
        answers
    }

    /// So many at once from each of these instances, one of each after the other.
    pub fn get_from_each(&mut self, instances: &[Rc<Proxy>], target: &str, each: usize) -> Vec<Answer> {
        let mut all = Vec::new();
        for _ in 0..each {
            for proxy in instances {
                self.proxy = proxy.clone();
                all.push(self.exchange(Method::GET, target, &[], Body::Empty));
            }
        }
        let answers = self.pool.run_until(clocked(self.host.world.clone(), join_all(all)));
        self.pool.run_until_stalled();
        answers
    }

    fn exchange(
        &self,
        method: Method,
        target: &str,
        fields: &[(&str, &str)],
        body: Body<Chunks>,
    ) -> impl Future<Output = Answer> + 'static + use<> {
        let request = Request {
            method,
            scheme: "http",
            authority: "cache.test".into(),
            target: target.into(),
            fields: fields.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect(),
            body,
            client: None,
        };
        let (proxy, host) = (self.proxy.clone(), self.host.clone());
        async move {
            let response = proxy.handle(host, request).await;
            let body = read(response.body).await;
            Answer { status: response.status.as_u16(), fields: response.fields, body }
        }
    }
}

/// Content in these chunks, and cut behind them or not.
pub fn chunked(chunks: &[&'static str], cut: bool) -> Body<Chunks> {
    let (tx, rx) = mpsc::unbounded();
    for chunk in chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).chain(cut.then_some(Err(()))) {
        tx.unbounded_send(chunk).unwrap();
    }
    Body::Stream(rx)
}

/// The whole of a body; `None` where it was cut.
async fn read(body: Body<Chunks>) -> Option<Vec<u8>> {
    let mut chunks = match body {
        Body::Empty => return Some(Vec::new()),
        Body::Full(bytes) => return Some(bytes.to_vec()),
        Body::Stream(chunks) => chunks,
    };
    let mut all = Some(Vec::new());
    while let Some(chunk) = chunks.next().await {
        match (chunk, &mut all) {
            (Ok(bytes), Some(all)) => all.extend_from_slice(&bytes),
            _ => all = None,
        }
    }
    all
}

pub fn owned(fields: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    fields.iter().map(|(n, v)| (*n, v.to_string())).collect()
}

/// Runs `work`; whenever all of it waits, the clock moves on by 10 ms.
async fn clocked<T>(world: Rc<World>, work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    poll_fn(move |cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(value),
        Poll::Pending => {
            if !world.sleepers.borrow().is_empty() {
                world.now.set(world.now.get() + 10);
                world.sleepers.borrow_mut().drain(..).for_each(Waker::wake);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

async fn sleep(world: Rc<World>, ms: u64) {
    let until = world.now.get() + ms as i64;
    poll_fn(|cx| {
        if world.now.get() >= until {
            return Poll::Ready(());
        }
        world.sleepers.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// Content out of its coding; as it is without one.
pub fn decoded(coding: &str, content: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = match coding {
        "br" => brotli::Decompressor::new(content, 4096).read_to_end(&mut out),
        "gzip" => flate2::read::MultiGzDecoder::new(content).read_to_end(&mut out),
        _ => return Some(content.to_vec()),
    };
    read.ok().map(|_| out)
}

fn bump(counter: &Cell<u32>) {
    counter.set(counter.get() + 1);
}

impl Kv for Fake {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        bump(&self.world.kv_gets);
        if self.world.kv_hangs.get() {
            std::future::pending::<()>().await;
        }
        if self.world.kv_fails.get() {
            return Err(StoreError::Other("kv is down".into()));
        }
        if self.world.kv_lag.get() > 0 {
            let shown = self.world.now.get() - self.world.kv_lag.get();
            let writes = self.world.kv_writes.borrow();
            let last = writes.get(key).and_then(|all| all.iter().rev().find(|(at, _)| *at <= shown));
            return Ok(last.and_then(|(_, value)| value.clone()).map(Bytes::from));
        }
        Ok(self.world.kv.borrow().get(key).cloned().map(Bytes::from))
    }
    async fn put(&self, key: &str, value: Vec<u8>, _: Duration) -> Result<(), StoreError> {
        bump(&self.world.kv_puts);
        if self.world.kv_fails.get() {
            return Err(StoreError::Busy("429".into()));
        }
        self.world.refuse_kv()?;
        self.world.wrote(key, Some(value.clone()));
        self.world.kv.borrow_mut().insert(key.into(), value);
        Ok(())
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        bump(&self.world.kv_deletes);
        self.world.refuse_kv()?;
        self.world.wrote(key, None);
        self.world.kv.borrow_mut().remove(key);
        Ok(())
    }
}

fn sql_error(error: rusqlite::Error) -> StoreError {
    match error.to_string() {
        why if why.contains("no such table") => StoreError::Schema(why),
        why if why.contains("disk is full") => StoreError::Full,
        why => StoreError::Other(why),
    }
}

impl Fake {
    fn execute(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        use rusqlite::types::{Value as V, ValueRef};
        if self.world.sql_fails.get() {
            return Err(StoreError::Other("sql is down".into()));
        }
        let is_text = self.world.sql_is_text.get();
        let sql = if is_text { statement.sql.hex } else { statement.sql.bytes };
        let mut prepared = self.database.prepare(sql).map_err(sql_error)?;
        let params = statement.params.iter().map(|value| match value {
            Value::Null => V::Null,
            Value::Integer(n) => V::Integer(*n),
            Value::Text(t) => V::Text(t.clone()),
            Value::Blob(b) if is_text => V::Text(hex::encode(b)),
            Value::Blob(b) => V::Blob(b.clone()),
        });
        let columns = prepared.column_count();
        let mut rows = prepared.query(rusqlite::params_from_iter(params)).map_err(sql_error)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(sql_error)? {
            let value = |i| match row.get_ref(i).unwrap() {
                ValueRef::Null | ValueRef::Real(_) => Value::Null,
                ValueRef::Integer(n) => Value::Integer(n),
                ValueRef::Text(t) => Value::Text(String::from_utf8(t.to_vec()).unwrap()),
                ValueRef::Blob(_) if is_text => panic!("bytes cannot be carried: {sql}"),
                ValueRef::Blob(b) => Value::Blob(b.to_vec()),
            };
            all.push((0..columns).map(value).collect());
        }
        Ok(all)
    }
}

impl Sql for Fake {
    async fn query(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        bump(&self.world.queries);
        self.execute(statement)
    }
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
        bump(&self.world.batches);
        if self.world.sql_refuses.get() {
            return Err(StoreError::Other("attempt to write a readonly database".into()));
        }
        let command = |sql| self.execute(&Statement { sql: Text::plain(sql), params: vec![] });
        command("BEGIN")?;
        match statements.iter().try_fold(Vec::new(), |_, s| self.execute(s)) {
            Ok(last) => command("COMMIT").map(|_| last),
            Err(error) => command("ROLLBACK").and(Err(error)),
        }
    }
}

impl Host for Fake {
    type Stream = Chunks;
    type Kv = Fake;
    type Sql = Fake;
    const KV_WRITES_ARE_FREE: bool = true;
    const KV_EXPIRES: bool = false;
    const CODINGS: Codings = Codings::NONE.with(Coding::Br).with(Coding::Gzip);

    fn kv(&self) -> &Fake {
        self
    }
    fn sql(&self) -> &Fake {
        self
    }
    async fn fetch(&self, request: OriginRequest<Chunks>) -> Result<Response<Chunks>, OriginError> {
        assert_eq!((request.scheme(), request.authority()), ("http", "origin.test"));
        let (method, target) = (request.method().clone(), request.target().to_string());
        let (fields, body) = request.into_parts();
        let body = read(body).await;
        self.world.seen.borrow_mut().push(Seen { method, target: target.clone(), fields, body });
        let mut script = self.world.script.borrow_mut().pop_front();
        while let Some(Script::After(ms, then)) = script {
            sleep(self.world.clone(), ms).await;
            script = Some(*then);
        }
        let (status, fields, chunks, end) = match script {
            Some(Script::Open(status, fields, chunks)) => {
                return Ok(Response {
                    status: StatusCode::from_u16(status).unwrap(),
                    fields: fields.into_iter().map(|(n, v)| (n.to_string(), v.into_bytes())).collect(),
                    body: Body::Stream(chunks),
                });
            }
            Some(Script::After(..)) | None => panic!("the origin was asked for {target}, and no answer is scripted"),
            Some(Script::Fail(error)) => return Err(error),
            Some(Script::Late(ms)) => {
                sleep(self.world.clone(), ms).await;
                return Err(OriginError::HttpResponseTimeout);
            }
            Some(Script::Respond(status, fields, chunks)) => (status, fields, chunks, None),
            Some(Script::Cut(status, fields, chunks)) => (status, fields, chunks, Some(Err(()))),
        };
        let (tx, rx) = mpsc::unbounded();
        for chunk in chunks.into_iter().map(|c| Ok(Bytes::from_static(c))).chain(end) {
            tx.unbounded_send(chunk).unwrap();
        }
        Ok(Response {
            status: StatusCode::from_u16(status).unwrap(),
            fields: fields.into_iter().map(|(n, v)| (n.to_string(), v.into_bytes())).collect(),
            body: if matches!(status, 204 | 304) { Body::Empty } else { Body::Stream(rx) },
        })
    }
    fn now(&self) -> Timestamp {
        Timestamp(self.world.now.get())
    }
    async fn sleep(&self, duration: Duration) {
        sleep(self.world.clone(), duration.as_millis() as u64).await;
    }
    fn random(&self) -> u64 {
        self.world.drawn.set(self.world.drawn.get() + 2);
        self.world.drawn.get().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1
    }
    async fn secret(&self, name: &str) -> Option<String> {
        match name {
            "ORIGIN_API_KEY" => Some("s3cret".to_string()),
            "ADMIN_TOKEN" => Some("t0ken".to_string()),
            _ => None,
        }
    }
    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        self.spawner.spawn_local(work).unwrap();
    }
    fn tee(
        &self,
        mut stream: Chunks,
        mut copy: Capture,
    ) -> (Chunks, impl Future<Output = Option<Bytes>> + 'static + use<>) {
        let (tx, rx) = mpsc::unbounded();
        let (done_tx, done) = futures::channel::oneshot::channel();
        self.defer(async move {
            let mut whole = true;
            while let Some(chunk) = stream.next().await {
                match &chunk {
                    Ok(bytes) => copy.push(bytes),
                    Err(()) => whole = false,
                }
                let _ = tx.unbounded_send(chunk);
            }
            let _ = done_tx.send(if whole { copy.finish() } else { None });
        });
        (rx, done.map(|copy| copy.ok().flatten()))
    }
    async fn encode(&self, coding: Coding, content: &Bytes) -> Option<Vec<u8>> {
        bump(&self.world.encodings);
        match coding {
            Coding::Br => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 18);
                encoder.write_all(content).unwrap();
                Some(encoder.into_inner())
            }
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(content).unwrap();
                Some(encoder.finish().unwrap())
            }
            Coding::Zstd => None,
        }
    }
    async fn decode(&self, coding: Coding, coded: Bytes, length: usize) -> Option<Vec<u8>> {
        bump(&self.world.decodings);
        if self.world.decoding_fails.get() {
            return None;
        }
        decoded(coding.as_str(), &coded).filter(|content| content.len() <= length)
    }
    fn warn(&self, message: &str) {
        self.world.warnings.borrow_mut().push(message.to_string());
    }
    fn info(&self, message: &str) {
        self.world.infos.borrow_mut().push(message.to_string());
    }
}
