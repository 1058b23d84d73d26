//! All of it together: what a test begins with.

use crate::executor::{Executor, Group};
use crate::host::{Chunks, Platform, read};
use crate::kv::KvStore;
use crate::origin::{Asked, Reply};
use crate::random::Random;
use crate::sql::Database;
use crate::tally::{Cost, Tally};
use bytes::Bytes;
use http::Method;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;
use terrace_core::Proxy;
use terrace_core::config::Config;
use terrace_core::fields::Fields;
use terrace_core::message::{Body, Request};

/// When every world begins, in milliseconds since the epoch.
pub const START: i64 = 1_800_000_000_000;

/// The admin token.
pub const TOKEN: &str = "t0ken";

/// What clients call the cache.
pub const AUTHORITY: &str = "cache.test";

type Origin = Rc<dyn Fn(&Asked) -> Reply>;

/// A world, of which a clone is another handle.
#[derive(Clone)]
pub struct World(Rc<Parts>);

/// What a world is made of.
pub struct Parts {
    /// What runs in it, and its clock.
    pub executor: Executor,
    /// What hosts draw from.
    pub random: Random,
    /// L1.
    pub kv: KvStore,
    /// L2.
    pub sql: Database,
    /// What was asked of the stores and the origin, by all.
    pub tally: Tally,
    origin: RefCell<Origin>,
    instances: Cell<usize>,
}

impl Deref for World {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl World {
    /// The world of a seed, with an origin that answers like this. Its stores are empty, and nothing takes time.
    pub fn new(seed: u64, origin: impl Fn(&Asked) -> Reply + 'static) -> Self {
        let random = Random::new(seed);
        let executor = Executor::new(START, random.fork());
        World(Rc::new(Parts {
            kv: KvStore::new(executor.clone(), &random),
            sql: Database::new(executor.clone(), &random),
            executor,
            random: random.fork(),
            tally: Tally::default(),
            origin: RefCell::new(Rc::new(origin)),
            instances: Cell::default(),
        }))
    }

    /// The same, with stores as they are on Workers: KV is up to a minute late and takes one write a second for each key, and both
    /// take time.
    pub fn of_workers(seed: u64, origin: impl Fn(&Asked) -> Reply + 'static) -> Self {
        let world = World::new(seed, origin);
        world.kv.lag.set(60_000);
        world.kv.limited.set(true);
        world.kv.network.latency.set((1, 20));
        world.sql.network.latency.set((2, 60));
        world
    }

    /// The time, in milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.executor.now()
    }

    /// Has the origin answer like this from now on.
    pub fn set_origin(&self, origin: impl Fn(&Asked) -> Reply + 'static) {
        self.origin.replace(Rc::new(origin));
    }

    /// What the origin answers.
    pub fn answer(&self, asked: &Asked) -> Reply {
        let origin = self.origin.borrow().clone();
        origin(asked)
    }

    /// A new instance. `config` is what follows `[origin]` in terrace.toml.
    ///
    /// # Panics
    /// Where the configuration is wrong.
    pub fn instance<const FREE: bool>(&self, config: &str) -> Instance<FREE> {
        let text = format!("[origin]\nurl = \"http://origin.test\"\n{config}");
        let config = Config::parse(&text, "terrace.toml").unwrap_or_else(|e| panic!("{e}"));
        let number = self.instances.replace(self.instances.get() + 1);
        Instance { world: self.clone(), number, proxy: Rc::new(Proxy::new(config)) }
    }

    /// So many of them.
    pub fn instances<const FREE: bool>(&self, config: &str, n: usize) -> Vec<Instance<FREE>> {
        (0..n).map(|_| self.instance(config)).collect()
    }

    /// Runs until `work` is done.
    pub fn run<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> T {
        self.executor.run(work)
    }
}

/// An instance: a `Proxy` with its own memory. `FREE` is whether writes to L1 cost nothing, as they do not on Workers.
#[derive(Clone)]
pub struct Instance<const FREE: bool> {
    world: World,
    /// Its number, by which its tasks end together.
    pub number: Group,
    /// The cache in it.
    pub proxy: Rc<Proxy>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields.
    pub fields: Fields,
    /// The content; `None` where it was cut.
    pub body: Option<Bytes>,
    /// When it was asked for.
    pub asked: i64,
    /// When it was there, with all its content.
    pub ended: i64,
    /// What was asked of the stores and of the origin before the head was there.
    pub cost: Cost,
    /// The running count of that, and of what is done behind the answer.
    pub in_all: Tally,
}

impl Answer {
    /// A field, or nothing.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get_str(name).unwrap_or("")
    }

    /// Where it came from.
    pub fn tier(&self) -> &str {
        self.field("x-cache-tier")
    }

    /// The content as text.
    pub fn text(&self) -> &str {
        self.body.as_deref().map_or("(cut)", |body| std::str::from_utf8(body).unwrap_or("(binary)"))
    }

    /// How long it was waited for, in milliseconds.
    pub fn took(&self) -> u64 {
        self.ended.abs_diff(self.asked)
    }
}

impl<const FREE: bool> Instance<FREE> {
    /// Sends a GET without fields, and reads the answer.
    pub fn get(&self, target: &str) -> impl Future<Output = Answer> + 'static + use<FREE> {
        self.send(Method::GET, target, &[], Bytes::new())
    }

    /// Sends a request, and reads the answer.
    pub fn send(
        &self,
        method: Method,
        target: &str,
        fields: &[(&str, &str)],
        content: Bytes,
    ) -> impl Future<Output = Answer> + 'static + use<FREE> {
        let body: Body<Chunks> = if content.is_empty() { Body::Empty } else { Body::Full(content) };
        let request = Request {
            method,
            scheme: "http",
            authority: AUTHORITY.into(),
            target: target.into(),
            fields: fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
            body,
            client: None,
        };
        let (world, proxy, in_all) = (self.world.clone(), self.proxy.clone(), Tally::default());
        let host = Platform::<FREE>::new(world.clone(), self.number, in_all.clone());
        async move {
            let asked = world.now();
            let response = proxy.handle(host, request).await;
            let cost = in_all.get();
            let (status, fields) = (response.status.as_u16(), response.fields);
            let body = read(response.body).await;
            Answer { status, fields, body, asked, ended: world.now(), cost, in_all }
        }
    }

    /// Asks for a purge: the document of `POST /_terrace/purge`.
    pub fn purge(&self, document: &str) -> impl Future<Output = Answer> + 'static + use<FREE> {
        let authorization = format!("Bearer {TOKEN}");
        let length = document.len().to_string();
        let fields = [("authorization", authorization.as_str()), ("content-length", &length)];
        self.send(Method::POST, "/_terrace/purge", &fields, Bytes::from(document.to_string()))
    }
}
