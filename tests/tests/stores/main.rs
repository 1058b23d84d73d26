//! `terrace serve` with real stores that hosts share: what they hold, what one cache of several hosts is, and what becomes of
//! requests when a store is gone. `cargo test -p terrace-tests --test stores -- [FILTER]`

/// Lists the tests of a file: `tests![a, b(argument)]`.
macro_rules! tests {
    ($($name:ident $(($argument:expr))?),+ $(,)?) => {
        &[$($crate::Test { name: stringify!($name), run: || Box::pin($name($($argument)?)) }),+]
    };
}

mod both;
mod postgres;
mod purges;
mod redis;

use libtest_mimic::{Arguments, Trial};
use std::pin::Pin;
use std::time::Duration;
use terrace_tests::host::Host;
use terrace_tests::origin::Origin;
use terrace_tests::postgres::Postgres;
use terrace_tests::redis::Redis;
use terrace_tests::reply::Reply;
use terrace_tests::suite::join;
use terrace_tests::world::{Terrace, World};

const WORLD: World = World { host: Host::Wasmtime };

/// Who connects to PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The host, which serves the component's SQLite from it.
    Host,
    /// The component, as under `spin up`.
    Component,
}

impl By {
    /// The arguments that make it so.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            By::Host => &[],
            By::Component => &["--like-spin"],
        }
    }
}

/// How long a test may take; one that was asked for more than it does by itself may take hours.
fn limit() -> Duration {
    Duration::from_secs(if purges::is_long() { 24 * 3600 } else { 120 })
}

/// One test.
pub struct Test {
    name: &'static str,
    run: fn() -> Pin<Box<dyn Future<Output = ()>>>,
}

fn main() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let (no_redis, no_postgres) = (Redis::missing(), Postgres::missing());
    for (store, missing) in [("REDIS", &no_redis), ("POSTGRESQL", &no_postgres)] {
        if let Some(why) = missing {
            let bar = "=".repeat(100);
            eprintln!("{bar}\nTHE TESTS DID NOT RUN ON {store}: {why}\n{bar}");
        }
    }
    let ideas = [
        ("redis", redis::ALL, no_redis.is_some()),
        ("postgres", postgres::ALL, no_postgres.is_some()),
        ("component", postgres::BY_COMPONENT, no_postgres.is_some()),
        ("both", both::ALL, no_redis.is_some() || no_postgres.is_some()),
        ("purges", purges::ALL, no_redis.is_some() || no_postgres.is_some()),
        ("component_and_redis", both::BY_COMPONENT, no_redis.is_some() || no_postgres.is_some()),
        ("purges_by_component", purges::BY_COMPONENT, no_redis.is_some() || no_postgres.is_some()),
    ];
    let trials = ideas.into_iter().flat_map(|(idea, tests, missing)| {
        tests.iter().map(move |test| {
            let run = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let in_time = runtime.block_on(async { tokio::time::timeout(limit(), (test.run)()).await });
                Ok(in_time?)
            };
            Trial::test(format!("{idea}::{}", test.name), run).with_ignored_flag(missing)
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

/// Sixteen clients at once, each with as many paths; nobody may notice anything.
async fn all_is_well(terrace: &Terrace) {
    let clients = (0..16).map(|client| async move {
        for n in 0..16 {
            let path = format!("/{}", (client + n) % 16);
            terrace.get(&path).await.has_status(200).has_body(format!("body of {path}"));
        }
    });
    join(clients.collect()).await;
}

/// An origin whose answers are told apart by their paths.
async fn described() -> Origin {
    let origin = Origin::start().await;
    origin.otherwise(|seen| Reply::fresh(format!("body of {}", seen.path())));
    origin
}
