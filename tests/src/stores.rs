//! The stores of a Worker as a test sees and disturbs them, through `tests/workerd/watched.mjs`.

use crate::PATIENCE;
use crate::client::{Request, Response};
use crate::host::Host;
use crate::origin::Origin;
use crate::world::{Terrace, World};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// A Worker with its stores watched. It is a [`Terrace`] as well.
pub struct Watched(Terrace);

impl Deref for Watched {
    type Target = Terrace;

    fn deref(&self) -> &Terrace {
        &self.0
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Terrace {
        &mut self.0
    }
}

/// What is wrong with KV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvFault {
    /// Nothing.
    None,
    /// Every call fails.
    Fail,
    /// Writes are refused with 429: one a second is allowed for a key.
    Refuse,
    /// Every call is refused with 429.
    RefuseAll,
    /// Readers see what was there when this began: a write shows elsewhere after a minute.
    Lag,
    /// No call is ever answered.
    Hang,
}

/// What is wrong with D1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum D1Fault {
    /// Nothing.
    None,
    /// Every call fails.
    Fail,
    /// Every call is refused for now.
    Overloaded,
    /// Nothing can be written.
    Full,
    /// Nothing can be added; what is there can be removed.
    FullForStores,
    /// No call is ever answered.
    Hang,
}

/// A call to a store.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// `kv` or `d1`.
    pub store: String,
    /// `get`, `put`, `delete` and so on; for D1 `batch`, or how one statement was run.
    pub op: String,
    /// The key, of KV.
    #[serde(default)]
    pub key: String,
    /// Bytes written, of KV.
    #[serde(default)]
    pub size: usize,
    /// Options, of KV.
    #[serde(default)]
    pub options: Value,
    /// Statements, of D1.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// Rows that D1 says a batch wrote, those of indexes included.
    #[serde(default)]
    pub written: u64,
    /// Rows that D1 says a call read.
    #[serde(default)]
    pub read: u64,
}

/// A statement that D1 was given.
#[derive(Clone, Debug, Deserialize)]
pub struct Statement {
    /// Its text.
    pub sql: String,
    /// The bytes bound to it.
    pub size: usize,
}

/// Everything that one or more requests cost.
#[derive(Clone, Debug)]
pub struct Calls(pub Vec<Call>);

impl Calls {
    /// How many calls of KV are of this kind.
    pub fn kv(&self, op: &str) -> usize {
        self.0.iter().filter(|call| call.store == "kv" && call.op == op).count()
    }

    /// How many calls of D1 run one statement.
    pub fn queries(&self) -> usize {
        self.0.iter().filter(|call| call.store == "d1" && call.op != "batch").count()
    }

    /// How many calls of D1 run a batch.
    pub fn batches(&self) -> usize {
        self.0.iter().filter(|call| call.store == "d1" && call.op == "batch").count()
    }

    /// Rows that D1 read.
    pub fn rows_read(&self) -> u64 {
        self.0.iter().map(|call| call.read).sum()
    }

    /// Rows that D1 wrote.
    pub fn rows_written(&self) -> u64 {
        self.0.iter().map(|call| call.written).sum()
    }

    /// Bytes sent to the stores.
    pub fn sent(&self) -> usize {
        let bound = self.0.iter().flat_map(|call| &call.statements).map(|statement| statement.size).sum::<usize>();
        bound + self.0.iter().map(|call| call.size).sum::<usize>()
    }

    /// Asserts what was called: reads, writes (puts and deletes) of KV, queries and batches of D1.
    #[track_caller]
    pub fn are(&self, reads: usize, writes: usize, queries: usize, batches: usize) -> &Calls {
        let found = (
            self.kv("get") + self.kv("getWithMetadata"),
            self.kv("put") + self.kv("delete"),
            self.queries(),
            self.batches(),
        );
        assert_eq!(
            found,
            (reads, writes, queries, batches),
            "(KV reads, KV writes, D1 queries, D1 batches)\n{self:#?}"
        );
        assert_eq!(self.0.len(), reads + writes + queries + batches, "and others\n{self:#?}");
        self
    }
}

/// What KV holds under a key.
#[derive(Clone, Debug, Deserialize)]
pub struct Held {
    /// The key.
    pub key: String,
    /// When it goes, in seconds since 1970.
    pub expiration: Option<u64>,
    /// The value.
    pub value: Vec<u8>,
}

impl Watched {
    /// An origin and the Worker before it. `config` is as in [`World::serve`].
    pub async fn serve(config: &str) -> (Origin, Watched) {
        let origin = Origin::start().await;
        let worker = Watched::in_front_of(&origin.url(), config, &[]).await;
        (origin, worker)
    }

    /// A Worker before any URL, with variables and secrets as `NAME=VALUE`.
    pub async fn in_front_of(url: &str, config: &str, variables: &[&str]) -> Watched {
        Watched(World { host: Host::WatchedWorkerd }.in_front_of(url, config, variables).await)
    }

    async fn ask<T: DeserializeOwned>(&self, command: Value) -> T {
        let request = Request::new("POST", "/").with("Host", "stores.test").body(command.to_string());
        let response = self.send(&request).await;
        let mut answer: Value = serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("{response:?}"));
        assert_eq!(response.status, 200, "{command}: {answer}");
        serde_json::from_value(answer["ok"].take()).unwrap_or_else(|why| panic!("{command}: {why}: {response:?}"))
    }

    /// Waits for everything that is under way, and returns what was called since the last time.
    pub async fn calls(&self) -> Calls {
        #[derive(Deserialize)]
        struct Answer {
            done: bool,
            calls: Vec<Call>,
        }
        let started = Instant::now();
        loop {
            let answer: Answer = self.ask(json!({"name": "calls"})).await;
            if answer.done {
                return Calls(answer.calls);
            }
            assert!(started.elapsed() < PATIENCE, "work never ends: {:?}", answer.calls);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a request, waits for what it sets going, and returns what it called.
    pub async fn costs(&self, request: &Request) -> (Response, Calls) {
        let response = self.send(request).await;
        let calls = self.calls().await;
        (response, calls)
    }

    /// Disturbs KV from now on.
    pub async fn disturb_kv(&self, fault: KvFault) {
        let kind = match fault {
            KvFault::None => "none",
            KvFault::Fail => "fail",
            KvFault::Refuse => "refuse",
            KvFault::RefuseAll => "refuse-all",
            KvFault::Lag => "lag",
            KvFault::Hang => "hang",
        };
        self.ask(json!({"name": "fault", "store": "kv", "kind": kind})).await
    }

    /// Disturbs D1 from now on.
    pub async fn disturb_d1(&self, fault: D1Fault) {
        let kind = match fault {
            D1Fault::None => "none",
            D1Fault::Fail => "fail",
            D1Fault::Overloaded => "overloaded",
            D1Fault::Full => "full",
            D1Fault::FullForStores => "full-for-stores",
            D1Fault::Hang => "hang",
        };
        self.ask(json!({"name": "fault", "store": "d1", "kind": kind})).await
    }

    /// Everything that KV holds.
    pub async fn kv(&self) -> Vec<Held> {
        self.ask(json!({"name": "kv"})).await
    }

    /// Writes to KV.
    pub async fn put_kv(&self, key: &str, value: &[u8]) {
        self.ask(json!({"name": "kvPut", "key": key, "value": value})).await
    }

    /// Removes from KV.
    pub async fn delete_kv(&self, key: &str) {
        self.ask(json!({"name": "kvDelete", "key": key})).await
    }

    /// Runs a statement on D1; its rows are objects.
    pub async fn d1(&self, sql: &str) -> Vec<Value> {
        self.ask(json!({"name": "d1", "sql": sql})).await
    }

    /// Has the cron trigger fire.
    pub async fn cron(&self) {
        self.ask(json!({"name": "scheduled"})).await
    }
}
