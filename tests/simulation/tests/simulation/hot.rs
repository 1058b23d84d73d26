//! What very many ask for expires, and nobody waits for that.

use super::fleet::{Answers, begin};
use terrace_simulation::{Random, Reply, Seed, World};

/// The lifetime of the hot object, in seconds, and how many lifetimes are looked at.
const LIFETIME: u64 = 10;
const LIFETIMES: u64 = 3;

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
    eprintln!("{:?}", world.tally.get() - before);
    (waited, (world.tally.get() - before).fetches as f64 / LIFETIMES as f64)
}

#[test]
fn nobody_waits_and_the_origin_is_asked_at_most_twice_a_lifetime() {
    for control in ["", ", must-revalidate", ", stale-while-revalidate=30"] {
        Seed::each(2, |seed| {
            let (waited, fetches) = run(seed, control, "", 1, 0);
            assert!(waited == 0 && fetches <= 2.0, "{control}: {waited} waited, {fetches} fetches a lifetime");
        });
    }
}

#[test]
fn measure_twenty() {
    for (lag, n) in [(0, 1), (60_000, 1), (0, 20), (60_000, 20)] {
        for config in ["", "[cache]\ncollapse = \"global\"\n"] {
            for control in ["", ", must-revalidate"] {
                let (waited, fetches) = run(1, control, config, n, lag);
                eprintln!("{lag} {n} {config:?} {control}: {waited} waited, {fetches} fetches a lifetime");
            }
        }
    }
}
