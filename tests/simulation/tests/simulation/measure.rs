use super::fleet::*;
use terrace_simulation::*;
#[test]
fn measure() {
    for (kv, sql) in [((0, 0), (0, 0)), ((1, 5), (2, 10)), ((1, 10), (5, 30)), ((1, 20), (2, 60))] {
        for (config, n) in [("", 1), ("", 20), ("[cache]\ncollapse = \"global\"\n", 20)] {
            for control in ["max-age=100", "no-store"] {
                let world = World::of_workers(1, move |a| {
                    Reply::new(800, 200, &[("cache-control", control)], a.target.clone())
                });
                world.kv.network.latency.set(kv);
                world.sql.network.latency.set(sql);
                let instances = world.instances::<false>(config, n);
                let answers = crowd(&world, &instances, "/a", 10_000);
                world.executor.pass(60_000);
                let answers2 = crowd(&world, &instances, "/a", 10_000);
                world.executor.pass(60_000);
                eprintln!(
                    "kv {kv:?} sql {sql:?} n={n} {config:?} {control}: p50 {} p99 {} max {}; then p99 {} max {} ; {:?}",
                    percentile(&answers, 50),
                    percentile(&answers, 99),
                    percentile(&answers, 100),
                    percentile(&answers2, 99),
                    percentile(&answers2, 100),
                    world.tally.get()
                );
            }
        }
    }
}
