//! A trace: who asks for what, and when.

use super::platform::{Bill, Location, World};
use http::Method;
use std::rc::Rc;
use terrace_core::Proxy;
use terrace_core::config::Config;
use terrace_core::fields::Fields;
use terrace_core::message::{Body, Request};

/// Requests whose keys follow Zipf's law: the n-th is asked for 1/n^skew as often as the first.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    pub seed: u64,
    pub skew: f64,
    pub keys: usize,
    pub requests: usize,
    pub per_second: i64,
}

/// Instances, each in a location of its own.
const LOCATIONS: usize = 4;

/// When every trace begins.
const START: i64 = 1_800_000_000_000;

/// What came of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    pub requests: u64,
    pub l1_hits: u64,
    pub l2_hits: u64,
    pub bill: Bill,
    pub rows_written: u64,
}

/// How long an object is fresh, in seconds, and after how many of those times it changes: by its number, mixed.
fn lifetime(target: &str) -> (i64, i64) {
    let n: u64 = target.trim_start_matches('/').parse().unwrap();
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let lifetime = match mixed % 10 {
        0..2 => 30,
        2..5 => 300,
        5..8 => 3600,
        _ => 86_400,
    };
    (lifetime, 1 + (mixed / 10 % 4) as i64)
}

/// Runs it; `l1` is what stands in `[tiers.l1]`.
pub fn run(trace: &Trace, l1: &str) -> Outcome {
    let world = Rc::new(World::default());
    world.seed(trace.seed);
    let database = Rc::new(rusqlite::Connection::open_in_memory().unwrap());
    let text = format!("[origin]\nurl = \"http://origin.test\"\n[cache]\ncompress = []\n[tiers.l1]\n{l1}\n");
    let config = Config::parse(&text, "terrace.toml").unwrap_or_else(|errors| panic!("{errors}"));
    let instances: Vec<(Rc<Proxy>, Location)> = (0..LOCATIONS)
        .map(|_| (Rc::new(Proxy::new(config.clone())), Location::new(&world, &database, lifetime)))
        .collect();
    let mut sums = Vec::with_capacity(trace.keys);
    let mut sum = 0.0;
    for n in 1..=trace.keys {
        sum += (n as f64).powf(-trace.skew);
        sums.push(sum);
    }
    let mut outcome = Outcome { requests: trace.requests as u64, ..Outcome::default() };
    for n in 0..trace.requests {
        world.arrive(START + n as i64 * 1000 / trace.per_second);
        let drawn = (world.draw() >> 11) as f64 / (1u64 << 53) as f64 * sum;
        let key = sums.partition_point(|sum| *sum < drawn);
        let (proxy, location) = &instances[(world.draw() >> 33) as usize % LOCATIONS];
        let request = Request {
            method: Method::GET,
            scheme: "http",
            authority: "cache.test".into(),
            target: format!("/{key}"),
            fields: Fields::new(),
            body: Body::Empty,
            client: None,
        };
        let answer = world.wait_for(proxy.clone().handle(location.clone(), request));
        assert_eq!(answer.status, 200);
        match answer.fields.get_str("x-cache-tier").unwrap() {
            "L1-HIT" | "STALE-L1" => outcome.l1_hits += 1,
            "L2-HIT" | "STALE-L2" => outcome.l2_hits += 1,
            _ => {}
        }
        world.work();
    }
    outcome.bill = world.bill();
    let sum = |of: fn(&terrace_core::meter::Meter) -> u64| instances.iter().map(|(proxy, _)| of(proxy.meter())).sum::<u64>();
    let metered = Bill {
        kv_reads: sum(|meter| meter.kv_reads.get()),
        kv_writes: sum(|meter| meter.kv_writes.get()),
        kv_deletes: sum(|meter| meter.kv_deletes.get()),
        refused: outcome.bill.refused,
        queries: sum(|meter| meter.queries.get()),
        batches: sum(|meter| meter.batches.get()),
        fetches: sum(|meter| meter.fetches.get()),
    };
    assert_eq!(metered, outcome.bill, "what the meters have counted is what the stores have");
    for (why, _) in instances[0].0.admission().declined() {
        let n: u64 = instances.iter().flat_map(|(p, _)| p.admission().declined()).filter(|(w, _)| *w == why).map(|(_, n)| n).sum();
        print!("{}={n} ", why.as_str());
    }
    outcome
}
