//! A trace, and what comes of it: requests whose keys follow Zipf's law, at a few instances over stores as they are on Workers.

use http::Method;
use terrace_core::meter::Meter;
use terrace_core::tiers::admission::Admission;
use terrace_simulation::{Asked, Cost, Instance, Reply, World};

/// Instances, each where its visitors are.
pub const INSTANCES: usize = 4;

/// Objects, requests, and requests a second.
pub const OBJECTS: usize = 100_000;
pub const REQUESTS: u64 = 100_000;
pub const PER_SECOND: u64 = 20;

/// Of ten objects so many are fresh for so many seconds.
pub const LIFETIMES: [(u64, u64); 4] = [(2, 30), (3, 300), (3, 3600), (2, 86_400)];

/// How long the API takes, in milliseconds.
pub const API_TAKES: u64 = 200;

/// What came of a trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub requests: u64,
    pub l1_hits: u64,
    pub l2_hits: u64,
    pub cost: Cost,
    /// Why what is stored did not enter L1.
    pub not_admitted: Vec<(&'static str, u64)>,
}

impl Outcome {
    /// How many of a hundred requests were answered from any tier.
    pub fn hit_ratio(&self) -> f64 {
        self.of_requests(self.l1_hits + self.l2_hits)
    }

    pub fn of_requests(&self, count: u64) -> f64 {
        count as f64 * 100.0 / self.requests as f64
    }

    pub fn kv_writes(&self) -> u64 {
        self.cost.kv_puts + self.cost.kv_deletes
    }
}

/// An object changes after some of its lifetimes; until then it is confirmed.
fn origin(asked: &Asked) -> Reply {
    let number: u64 = asked.target.trim_start_matches('/').parse().expect("a number");
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let mut of_ten = mixed % 10;
    let (_, lifetime) = LIFETIMES
        .into_iter()
        .find(|(share, _)| match of_ten < *share {
            true => true,
            false => {
                of_ten -= share;
                false
            }
        })
        .expect("they are ten");
    let changes = 1 + mixed / 10 % 4;
    let tag = format!("\"{}\"", asked.at as u64 / (lifetime * changes * 1000));
    let status = if asked.fields.get_str("if-none-match") == Some(&tag) { 304 } else { 200 };
    let fields = [("cache-control", format!("max-age={lifetime}")), ("etag", tag)];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    Reply::new(API_TAKES, status, &fields, &b"{\"a\":\"small\",\"answer\":[1,2,3]}"[..])
}

/// Runs a trace with Zipf's exponent `skew`: the n-th object is asked for `1/n^skew` as often as the first. `l1` is what stands in
/// `[tiers.l1]`.
pub fn run(seed: u64, skew: f64, requests: u64, l1: &str) -> Outcome {
    let world = World::of_workers(seed, origin);
    let instances: Vec<Instance<false>> =
        world.instances(&format!("[cache]\ncompress = []\n[tiers.l1]\n{l1}\n"), INSTANCES);
    let sums: Vec<f64> = (1..=OBJECTS)
        .scan(0.0, |sum, n| {
            *sum += (n as f64).powf(-skew);
            Some(*sum)
        })
        .collect();
    let draws = terrace_simulation::Random::new(seed ^ 0x5A17);
    let mut outcome = Outcome { requests, ..Outcome::default() };
    let tiers = std::rc::Rc::new(std::cell::Cell::new((0, 0)));
    for _ in 0..requests {
        let drawn = draws.unit() * sums.last().expect("there are objects");
        let target = format!("/{}", sums.partition_point(|sum| *sum <= drawn));
        let instance = draws.pick(&instances);
        let (request, tiers) = (instance.send(Method::GET, &target, &[], Default::default()), tiers.clone());
        world.executor.spawn(instance.number, async move {
            let answer = request.await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let (l1, l2) = tiers.get();
            match answer.tier() {
                "L1-HIT" | "STALE-L1" => tiers.set((l1 + 1, l2)),
                "L2-HIT" | "STALE-L2" => tiers.set((l1, l2 + 1)),
                _ => {}
            }
        });
        world.executor.pass((1000 / PER_SECOND) as i64);
    }
    world.executor.pass(60_000);
    (outcome.l1_hits, outcome.l2_hits) = tiers.get();
    outcome.cost = world.tally.get();
    outcome.not_admitted = not_admitted(instances.iter().map(|instance| instance.proxy.admission()));
    let metered = metered(instances.iter().map(|instance| instance.proxy.meter()));
    let Cost { polls, queries, .. } = outcome.cost;
    let counted = Cost { polls: 0, queries: queries + polls, ..outcome.cost };
    assert_eq!(metered, (requests, counted), "what the meters have counted, and what the stores have");
    outcome
}

/// The sum of the meters: requests, and the calls as the stores count them.
fn metered<'a>(meters: impl Iterator<Item = &'a Meter>) -> (u64, Cost) {
    let mut sum = (0, Cost::default());
    for meter in meters {
        sum.0 += meter.requests.get();
        let cost = &mut sum.1;
        cost.kv_gets += meter.kv_reads.get();
        cost.kv_puts += meter.kv_writes.get();
        cost.kv_deletes += meter.kv_deletes.get();
        cost.queries += meter.queries.get();
        cost.batches += meter.batches.get();
        cost.fetches += meter.fetches.get();
    }
    sum
}

fn not_admitted<'a>(all: impl Iterator<Item = &'a Admission>) -> Vec<(&'static str, u64)> {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for (why, count) in all.flat_map(Admission::declined) {
        match sums.iter_mut().find(|(name, _)| *name == why.as_str()) {
            Some((_, sum)) => *sum += count,
            None => sums.push((why.as_str(), count)),
        }
    }
    sums
}
