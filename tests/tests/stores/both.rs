//! Hosts that share Redis and PostgreSQL: one cache, with no store that it cannot do without.

use crate::{By, WORLD, described};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use terrace_tests::PATIENCE;
use terrace_tests::origin::Origin;
use terrace_tests::postgres::Postgres;
use terrace_tests::redis::Redis;
use terrace_tests::reply::{Reply, Step};
use terrace_tests::suite::join;
use terrace_tests::world::Terrace;

pub const ALL: &[crate::Test] = tests![
    for_one_cold_key_the_hosts_ask_the_origin_at_most_twice(By::Host),
    a_redis_that_is_killed_or_stands_still_under_load_costs_no_request(By::Host),
    a_postgres_that_is_killed_or_stands_still_under_load_costs_no_request(By::Host),
    both_killed_or_standing_still_under_load_cost_no_request(By::Host),
];

pub const BY_COMPONENT: &[crate::Test] = tests![
    for_one_cold_key_the_hosts_ask_the_origin_at_most_twice(By::Component),
    a_postgres_that_is_killed_or_stands_still_under_load_costs_no_request(By::Component),
];

/// Two hosts that share both stores.
pub struct Hosts {
    redis: RefCell<Redis>,
    postgres: RefCell<Postgres>,
    pub origin: Origin,
    pub hosts: [Terrace; 2],
}

impl Hosts {
    pub async fn start(by: By, origin: Origin, config: &str, arguments: &[&str]) -> Hosts {
        let redis = Redis::start().expect("Redis starts");
        let postgres = Postgres::start().expect("PostgreSQL starts");
        let (l1, l2) = (redis.url(), postgres.url());
        let arguments = [&["--l1", l1.as_str(), "--l2", l2.as_str()], by.arguments(), arguments].concat();
        let url = origin.url();
        let (one, other) =
            tokio::join!(WORLD.in_front_of(&url, config, &arguments), WORLD.in_front_of(&url, config, &arguments));
        Hosts { redis: redis.into(), postgres: postgres.into(), origin, hosts: [one, other] }
    }

    /// What one host stores from now on is a hit of the other in each tier.
    async fn share(&self, name: &str) {
        let [one, other] = &self.hosts;
        let started = Instant::now();
        for n in 0.. {
            assert!(started.elapsed() < PATIENCE, "what one stores is no hit of the other");
            let path = format!("/{name}/{n}");
            one.get(&path).await.has_status(200);
            tokio::time::sleep(Duration::from_millis(200)).await;
            let response = other.get(&path).await;
            response.has_status(200);
            let in_l2 = self.postgres.borrow().ask(&format!("SELECT 1 FROM entries WHERE url LIKE '%{path}'"));
            if response.tier() == "L1-HIT" && in_l2.is_ok_and(|rows| !rows.is_empty()) {
                return;
            }
        }
    }
}

async fn for_one_cold_key_the_hosts_ask_the_origin_at_most_twice(by: By) {
    let config = "[cache]\ncollapse = \"global\"\n[tiers.l2]\ntimeout = \"3s\"\n";
    let shared = Hosts::start(by, Origin::start().await, config, &[]).await;
    let slow = Reply::fresh("slow").before(Step::Sleep(Duration::from_millis(400)));
    shared.origin.otherwise(|_| Reply::fresh("ready"));
    for host in &shared.hosts {
        host.warm("/ready").await;
    }
    for path in ["/cold/1", "/cold/2", "/cold/3"] {
        shared.origin.serve(path, slow.clone());
        let asks = (0..200).map(|n| shared.hosts[n % 2].get(path));
        for response in join(asks.collect()).await {
            response.has_status(200).has_body("slow");
        }
        let asked = shared.origin.count(path);
        assert!((1..=2).contains(&asked), "{path} was asked for {asked} times");
    }
}

/// What becomes of a store.
#[derive(Clone, Copy, Debug)]
enum Fault {
    StandsStill,
    IsKilled,
}

/// Load on both hosts, of known keys and new ones, while stores are gone and come back: nobody may notice anything.
async fn costs_no_request(by: By, redis: bool, postgres: bool) {
    let shared = Hosts::start(by, described().await, "", &[]).await;
    shared.share("before").await;
    for fault in [Fault::StandsStill, Fault::IsKilled] {
        let done = Cell::new(false);
        let clients = (0..12).map(|n| {
            let (hosts, done) = (&shared.hosts, &done);
            async move {
                for k in 0.. {
                    if done.get() {
                        break;
                    }
                    let path = if k % 4 == 0 { format!("/{fault:?}/{n}/{k}") } else { format!("/{}", k % 16) };
                    hosts[n % 2].get(&path).await.has_status(200).has_body(format!("body of {path}"));
                }
            }
        });
        let disturb = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            shared.begin(fault, redis, postgres);
            tokio::time::sleep(Duration::from_millis(2500)).await;
            shared.end(fault, redis, postgres);
            tokio::time::sleep(Duration::from_millis(500)).await;
            done.set(true);
        };
        tokio::join!(join(clients.collect()), disturb);
        shared.share(&format!("after/{fault:?}")).await;
    }
}

impl Hosts {
    fn begin(&self, fault: Fault, redis: bool, postgres: bool) {
        let (mut one, mut other) = (self.redis.borrow_mut(), self.postgres.borrow_mut());
        match fault {
            Fault::StandsStill => {
                redis.then(|| one.freeze());
                postgres.then(|| other.freeze());
            }
            Fault::IsKilled => {
                redis.then(|| one.stop());
                postgres.then(|| other.stop());
            }
        }
    }

    fn end(&self, fault: Fault, redis: bool, postgres: bool) {
        let (mut one, mut other) = (self.redis.borrow_mut(), self.postgres.borrow_mut());
        match fault {
            Fault::StandsStill => {
                redis.then(|| one.thaw());
                postgres.then(|| other.thaw());
            }
            Fault::IsKilled => {
                redis.then(|| one.resume().expect("Redis starts again"));
                postgres.then(|| other.resume().expect("PostgreSQL starts again"));
            }
        }
    }
}

async fn a_redis_that_is_killed_or_stands_still_under_load_costs_no_request(by: By) {
    costs_no_request(by, true, false).await;
}

async fn a_postgres_that_is_killed_or_stands_still_under_load_costs_no_request(by: By) {
    costs_no_request(by, false, true).await;
}

async fn both_killed_or_standing_still_under_load_cost_no_request(by: By) {
    costs_no_request(by, true, true).await;
}
