//! That the world is what it says it is.

use super::fleet::{Answers, begin};
use std::time::Duration;
use terrace_core::host::StoreError;
use terrace_simulation::{Outage, Reply, World};

#[test]
fn a_seed_is_replayed_to_the_letter() {
    let run = |seed| {
        let world = World::of_workers(seed, |asked| {
            Reply::new(300, 200, &[("cache-control", "max-age=20")], asked.target.clone())
        });
        let instances = world.instances::<false>("", 5);
        let answers = Answers::default();
        for n in 0..2_000 {
            let instance = &instances[world.random.below(5) as usize];
            begin(&world, instance, instance.get(&format!("/{}", world.random.below(50))), &answers);
            world.executor.pass(n % 40);
        }
        world.executor.pass(60_000);
        let answers = answers.borrow();
        assert_eq!(answers.len(), 2_000);
        answers.iter().map(|a| (a.asked, a.ended, a.tier().to_string(), a.text().to_string())).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn an_instance_sees_a_write_within_the_lag_and_not_all_see_it_at_once() {
    let world = World::of_workers(1, |_| Reply::new(0, 404, &[], ""));
    let write = |value: &str| world.kv.write("k", Some(value.into()), Duration::from_secs(3600), 0);
    write("1").unwrap();
    assert!(matches!(write("2"), Err(StoreError::Busy(_))), "one write a second for each key");
    world.executor.pass(60_000);
    write("2").unwrap();
    world.executor.pass(30_000);
    let see = |value: &str| (0..100).filter(|n| world.kv.show("k", *n).is_some_and(|v| v == value)).count();
    assert!((20..80).contains(&see("1")) && see("1") + see("2") == 100, "{} {}", see("1"), see("2"));
    world.executor.pass(30_000);
    assert_eq!(see("2"), 100);
    world.executor.pass(3_600_000);
    assert_eq!(see("2"), 0, "its time is over");
}

#[test]
fn nothing_comes_of_a_store_that_is_down() {
    let world = World::new(1, |_| Reply::new(10, 200, &[("cache-control", "max-age=20")], "x"));
    let instance = world.instance::<true>("");
    for outage in [Outage::Refusing, Outage::Silent] {
        world.kv.network.outage.set(outage);
        world.sql.network.outage.set(outage);
        assert_eq!(world.run(instance.get("/a")).tier(), "MISS");
        assert_eq!(world.kv.keys(), 0);
    }
    world.kv.network.outage.set(Outage::None);
    world.sql.network.outage.set(Outage::None);
    world.run(instance.get("/a"));
    world.executor.pass(1_000);
    assert_eq!(world.run(instance.get("/a")).tier(), "L1-HIT");
}
