//! What very many ask for expires, and nobody waits for that.

use super::fleet::{Answers, begin};
use terrace_simulation::{Random, Reply, Seed, World};

/// The lifetime of the hot object, in seconds, and how many lifetimes are looked at.
const LIFETIME: u64 = 10;
const LIFETIMES: u64 = 2;

/// Requests in a millisecond, at all instances together: 5,000 a second.
const RATE: usize = 5;

/// Counts what waited, after the first fetch, and what the origin was asked for in each lifetime.
fn run(seed: u64, control: &'static str, config: &str, instances: usize, lag: u64) -> (usize, f64) {
    let took = Random::new(seed ^ 2);
    let world = World::of_workers(seed, move |asked| {
        let control = format!("max-age={LIFETIME}{control}");
        Reply::new(took.between((150, 400)), 200, &[("cache-control", &control)], format!("at {}", asked.at))
    });
    world.kv.lag.set(lag);
    let instances = world.instances::<false>(config, instances);
    for instance in &instances {
        world.run(instance.get("/a"));
    }
    world.executor.pass(1_000);
    let (before, answers) = (world.tally.get(), Answers::default());
    let mut waited = 0;
    for _ in 0..LIFETIME * LIFETIMES * 1_000 {
        for _ in 0..RATE {
            let instance = world.random.pick(&instances);
            begin(&world, instance, instance.get("/a"), &answers);
        }
        world.executor.pass(1);
        waited +=
            answers.borrow_mut().drain(..).filter(|answer| answer.cost.fetches > 0 || answer.took() > 100).count();
    }
    world.executor.pass(2_000);
    (waited, (world.tally.get() - before).fetches as f64 / LIFETIMES as f64)
}

const GLOBAL: &str = "[cache]\ncollapse = \"global\"\n";

/// How late L1 is on Workers, in milliseconds.
const LATE: u64 = 60_000;

#[test]
fn nobody_waits_and_the_origin_is_asked_at_most_twice_a_lifetime() {
    for control in ["", ", must-revalidate", ", stale-while-revalidate=30"] {
        Seed::each(1, |seed| {
            let (waited, fetches) = run(seed, control, "", 1, 0);
            assert!(waited == 0 && fetches <= 2.0, "{control}: {waited} waited, {fetches} fetches a lifetime");
        });
    }
}

#[test]
fn twenty_instances_ask_at_most_twice_a_lifetime_in_all_where_they_collapse_globally() {
    for (control, late) in [("", 0), (", must-revalidate", 0), ("", LATE)] {
        Seed::each(1, |seed| {
            let (waited, fetches) = run(seed, control, GLOBAL, 20, late);
            assert!(waited == 0 && fetches <= 2.0, "{control}: {waited} waited, {fetches} fetches a lifetime");
        });
    }
}

#[test]
fn each_of_twenty_instances_asks_at_most_once_a_lifetime_however_late_l1_is() {
    for (control, late) in [("", 0), ("", LATE), (", must-revalidate", LATE)] {
        Seed::each(1, |seed| {
            let (waited, fetches) = run(seed, control, "", 20, late);
            assert!(waited == 0 && fetches <= 20.0, "{control}: {waited} waited, {fetches} fetches a lifetime");
        });
    }
}
