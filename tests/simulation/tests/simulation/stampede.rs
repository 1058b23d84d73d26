//! Many requests at once for what is not there: one fetch, and nobody waits longer than the origin takes, or hardly.

use super::fleet::{Answers, begin, crowd, percentile};
use terrace_simulation::{Cost, Instance, Reply, Seed, World};

/// How long the origin takes, in milliseconds.
const TOOK: u64 = 800;

/// At most 1.2 times as long.
const HARDLY_LONGER: u64 = TOOK * 12 / 10;

/// How long nothing is heard of a leader that was ended without a word before another request takes over, in milliseconds.
const SILENCE: u64 = 500;

/// How long a lease is at least, in milliseconds. It is as long as the origin has been waited for when it is renewed.
const LEASE: u64 = 500;

/// The longest time between two looks at a lease, in milliseconds.
const LOOK: u64 = 250;

const GLOBAL: &str = "[cache]\ncollapse = \"global\"\n";

fn world(seed: u64, control: &'static str) -> World {
    World::of_workers(seed, move |asked| {
        let body = format!("{} at {}", asked.target, asked.at);
        Reply::new(TOOK, 200, &[("cache-control", control)], body)
    })
}

/// So many instances that know the stores, as those in use do.
fn warm(world: &World, config: &str, n: usize) -> Vec<Instance<false>> {
    let instances = world.instances(config, n);
    for instance in &instances {
        world.run(instance.get("/warm"));
    }
    world.executor.pass(2_000);
    instances
}

/// How often the origin was asked since all were warm.
fn fetches(world: &World, before: Cost) -> u64 {
    (world.tally.get() - before).fetches
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
    Seed::each(3, |seed| {
        let world = world(seed, "max-age=100");
        let instances = warm(&world, "", 1);
        let before = world.tally.get();
        let answers = crowd(&world, &instances, "/a", 10_000);
        end(&world, &answers, 10_000);
        assert_eq!(fetches(&world, before), 1);
        let (p99, all) = (percentile(&answers, 99), percentile(&answers, 100));
        assert!(p99 <= HARDLY_LONGER && all <= 2 * TOOK, "{p99} {all}");
    });
}

#[test]
fn ten_thousand_at_twenty_instances_are_at_most_two_fetches_with_global_collapse() {
    Seed::each(3, |seed| {
        let world = world(seed, "max-age=100");
        let instances = warm(&world, GLOBAL, 20);
        let before = world.tally.get();
        let answers = crowd(&world, &instances, "/a", 10_000);
        end(&world, &answers, 10_000);
        assert!(fetches(&world, before) <= 2, "{}", fetches(&world, before));
        let p99 = percentile(&answers, 99);
        assert!(p99 <= HARDLY_LONGER, "{p99}");
    });
}

#[test]
fn where_l2_is_far_and_each_answer_of_it_takes_another_time_they_are_at_most_two_fetches() {
    Seed::each(30, |seed| {
        let world = world(seed, "max-age=100");
        let instances = warm(&world, GLOBAL, 20);
        world.sql.network.latency.set((30, 300));
        let before = world.tally.get();
        let answers = crowd(&world, &instances, "/a", 400);
        end(&world, &answers, 400);
        assert!(fetches(&world, before) <= 2, "{}", fetches(&world, before));
    });
}

#[test]
fn a_lease_is_not_over_before_an_l2_that_answers_late_has_renewed_it() {
    Seed::each(10, |seed| {
        let world = World::of_workers(seed, |asked| {
            let took = if asked.target == "/a" { 10 * TOOK } else { TOOK };
            Reply::new(took, 200, &[("cache-control", "max-age=100")], "a")
        });
        let instances = warm(&world, "[cache]\ncollapse = \"global\"\n[tiers.l2]\ntimeout = \"5s\"\n", 20);
        world.sql.network.latency.set((900, 1_100));
        for instance in &instances {
            world.run(instance.get(&format!("/known/{}", instance.number)));
        }
        world.executor.pass(20_000);
        let before = world.tally.get();
        let answers = crowd(&world, &instances, "/a", 400);
        end(&world, &answers, 400);
        assert_eq!(fetches(&world, before), 1);
    });
}

#[test]
fn each_of_twenty_instances_fetches_once_with_local_collapse() {
    Seed::each(3, |seed| {
        let world = world(seed, "max-age=100");
        let instances = warm(&world, "", 20);
        let before = world.tally.get();
        let answers = crowd(&world, &instances, "/a", 10_000);
        end(&world, &answers, 10_000);
        assert!(fetches(&world, before) <= 20, "{}", fetches(&world, before));
        assert!(percentile(&answers, 99) <= HARDLY_LONGER);
    });
}

#[test]
fn what_is_for_nobody_else_is_not_serialised() {
    for config in ["", GLOBAL] {
        Seed::each(2, |seed| {
            let world = world(seed, "no-store");
            let instances = warm(&world, config, if config.is_empty() { 1 } else { 20 });
            let before = world.tally.get();
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
            assert_eq!(fetches(&world, before), 20_000, "each has asked for itself");
        });
    }
}

#[test]
fn the_death_of_a_leader_delays_those_that_wait_by_at_most_one_origin_time() {
    for lost in [false, true] {
        Seed::each(3, |seed| {
            let world = world(seed, "max-age=100");
            let instances = warm(&world, "", 1);
            let before = world.tally.get();
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
            assert_eq!(fetches(&world, before), 2);
            // Without the death they would have waited for what the first one had left to wait.
            let all = percentile(&answers, 100);
            let silence = if lost { SILENCE } else { 0 };
            assert!(all <= TOOK - 200 + HARDLY_LONGER + silence, "{all}");
        });
    }
}

#[test]
fn the_death_of_an_instance_delays_the_others_by_no_more_than_the_death_of_a_leader() {
    Seed::each(5, |seed| {
        let world = world(seed, "max-age=100");
        let instances = warm(&world, GLOBAL, 20);
        let before = world.tally.get();
        begin(&world, &instances[0], instances[0].get("/a"), &Answers::default());
        world.executor.pass(200);
        let answers = crowd(&world, &instances[1..], "/a", 1_900);
        let dies = world.random.below(TOOK - 300);
        world.executor.pass(dies as i64);
        world.executor.kill(instances[0].number);
        end(&world, &answers, 1_900);
        assert!(fetches(&world, before) <= 3, "{}", fetches(&world, before));
        let all = percentile(&answers, 100);
        // Since its end: what is left of the lease, the time until that is seen, and the origin's.
        assert!(all <= dies + LEASE.max(200 + dies) + LOOK + HARDLY_LONGER, "{all}, at {dies}");
    });
}

#[test]
fn an_instance_that_dies_late_leaves_one_fetch_to_each_crowd_that_has_waited_for_it() {
    Seed::each(3, |seed| {
        // Nearly as long as the origin may take.
        let world = World::of_workers(seed, |_| Reply::new(950, 200, &[("cache-control", "max-age=100")], "late"));
        let config = "timeout = \"1s\"\n[cache]\ncollapse = \"global\"\n";
        let instances = warm(&world, config, 3);
        let before = world.tally.get();
        begin(&world, &instances[0], instances[0].get("/a"), &Answers::default());
        world.executor.pass(100);
        let answers = crowd(&world, &instances[1..], "/a", 400);
        world.executor.pass(800);
        world.executor.kill(instances[0].number);
        end(&world, &answers, 400);
        assert!(fetches(&world, before) <= 3, "{}", fetches(&world, before));
    });
}
