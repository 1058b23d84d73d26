//! Many requests at once for what is not there: one fetch, and nobody waits longer than the origin takes, or hardly.

use super::fleet::{Answers, begin, crowd, percentile};
use terrace_simulation::{Reply, Seed, World};

/// How long the origin takes, in milliseconds.
const TOOK: u64 = 800;

/// At most 1.2 times as long.
const HARDLY_LONGER: u64 = TOOK * 12 / 10;

const GLOBAL: &str = "[cache]\ncollapse = \"global\"\n";

fn world(seed: u64, control: &'static str) -> World {
    World::of_workers(seed, move |asked| {
        let body = format!("{} at {}", asked.target, asked.at);
        Reply::new(TOOK, 200, &[("cache-control", control)], body)
    })
}

/// Lets everything come to its end, which takes less than a minute.
fn end(world: &World, answers: &Answers, n: usize) {
    world.executor.pass(60_000);
    assert_eq!(answers.borrow().len(), n, "each is answered");
    for answer in answers.borrow().iter() {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn ten_thousand_at_one_instance_are_one_fetch_and_wait_hardly_longer_than_the_origin_takes() {
    Seed::each(10, |seed| {
        let world = world(seed, "max-age=100");
        let instances = world.instances::<false>("", 1);
        let answers = crowd(&world, &instances, "/a", 10_000);
        end(&world, &answers, 10_000);
        assert_eq!(world.tally.get().fetches, 1);
        let (p99, all) = (percentile(&answers, 99), percentile(&answers, 100));
        assert!(p99 <= HARDLY_LONGER && all <= 2 * TOOK, "{p99} {all}");
    });
}

#[test]
fn ten_thousand_at_twenty_instances_are_at_most_two_fetches_with_global_collapse() {
    Seed::each(10, |seed| {
        let world = world(seed, "max-age=100");
        let instances = world.instances::<false>(GLOBAL, 20);
        let answers = crowd(&world, &instances, "/a", 10_000);
        end(&world, &answers, 10_000);
        assert!(world.tally.get().fetches <= 2, "{}", world.tally.get().fetches);
        let p99 = percentile(&answers, 99);
        assert!(p99 <= HARDLY_LONGER, "{p99}");
    });
}

#[test]
fn each_of_twenty_instances_fetches_once_with_local_collapse() {
    Seed::each(3, |seed| {
        let world = world(seed, "max-age=100");
        let instances = world.instances::<false>("", 20);
        let answers = crowd(&world, &instances, "/a", 10_000);
        end(&world, &answers, 10_000);
        assert!(world.tally.get().fetches <= 20, "{}", world.tally.get().fetches);
        assert!(percentile(&answers, 99) <= HARDLY_LONGER);
    });
}

#[test]
fn what_is_for_nobody_else_is_not_serialised() {
    for config in ["", GLOBAL] {
        Seed::each(5, |seed| {
            let world = world(seed, "no-store");
            let instances = world.instances::<false>(config, if config.is_empty() { 1 } else { 20 });
            // The first time it is found out by one fetch, and then all ask at once.
            let first = crowd(&world, &instances, "/a", 10_000);
            world.executor.pass(30_000);
            let all = percentile(&first, 100);
            assert!(first.borrow().len() == 10_000 && all <= 2 * HARDLY_LONGER, "{all}");
            // Then it is known, for a minute.
            let then = crowd(&world, &instances, "/a", 10_000);
            world.executor.pass(30_000);
            let p99 = percentile(&then, 99);
            assert!(then.borrow().len() == 10_000 && p99 <= HARDLY_LONGER, "{p99}");
            let bodies: std::collections::HashSet<_> = then.borrow().iter().map(|a| a.text().to_string()).collect();
            assert_eq!(world.tally.get().fetches, 20_000, "each has asked for itself");
            drop(bodies);
        });
    }
}

#[test]
fn the_death_of_the_leader_delays_those_that_wait_by_at_most_one_origin_time() {
    for lost in [false, true] {
        Seed::each(10, |seed| {
            let world = world(seed, "max-age=100");
            let instances = world.instances::<false>("", 1);
            let leader = begin(&world, &instances[0], instances[0].get("/a"), &Answers::default());
            world.executor.pass(200);
            let answers = crowd(&world, &instances, "/a", 1_000);
            let dies = world.random.below(TOOK - 300) as i64;
            world.executor.pass(dies);
            match lost {
                false => world.executor.abort(leader),
                true => world.executor.lose(leader),
            }
            end(&world, &answers, 1_000);
            assert_eq!(world.tally.get().fetches, 2);
            // Without the death they would have waited for what the first one had left to wait.
            let all = percentile(&answers, 100);
            assert!(all <= TOOK - 200 + TOOK + TOOK / 5, "{all}");
        });
    }
}

#[test]
fn the_death_of_an_instance_delays_the_others_by_its_lease_and_one_origin_time() {
    Seed::each(10, |seed| {
        let world = world(seed, "max-age=100");
        let instances = world.instances::<false>(GLOBAL, 20);
        begin(&world, &instances[0], instances[0].get("/a"), &Answers::default());
        world.executor.pass(200);
        let answers = crowd(&world, &instances[1..], "/a", 1_900);
        world.executor.pass(world.random.below(TOOK - 300) as i64);
        world.executor.kill(instances[0].number);
        end(&world, &answers, 1_900);
        assert!(world.tally.get().fetches <= 3, "{}", world.tally.get().fetches);
        let all = percentile(&answers, 100);
        assert!(all <= 3_000 + TOOK + TOOK / 5 + 300, "{all}");
    });
}
