//! Which writes to L1 are made where they are billed, and that what is left out is never seen by a client.

use bytes::Bytes;
use http::Method;
use std::cell::Cell;
use std::rc::Rc;
use terrace_simulation::{Answer, Instance, Outage, Reply, World};

/// An origin whose answers are numbered, each fresh for so many seconds.
fn numbered(secs: u64) -> World {
    let count = Cell::new(0);
    World::of_workers(7, move |_| {
        count.set(count.get() + 1);
        Reply::new(100, 200, &[("cache-control", &format!("max-age={secs}"))], format!("v{}", count.get()))
    })
}

const NO_STALE: &str =
    "[cache]\nstale_while_revalidate = \"0s\"\nearly_refresh = 0.0\nrequest_directives = \"honour\"\n";

/// Clients that may ask for something newer, and whatever stands in `[tiers.l1]`.
fn instance(world: &World, l1: &str) -> Instance<false> {
    world.instance(&format!("{NO_STALE}[tiers.l1]\n{l1}\n"))
}

/// Asks, and lets what is behind the answer come to its end.
fn ask(world: &World, instance: &Instance<false>, fields: &[(&str, &str)]) -> (String, String) {
    let answer: Answer = world.run(instance.send(Method::GET, "/a", fields, Bytes::new()));
    world.executor.pass(500);
    (answer.tier().to_string(), answer.text().to_string())
}

fn get(world: &World, instance: &Instance<false>) -> (String, String) {
    ask(world, instance, &[])
}

fn is(tier: &str, text: &str) -> (String, String) {
    (tier.to_string(), text.to_string())
}

/// What is not given to L1, by the reason.
fn declined(instance: &Instance<false>, reason: &str) -> u64 {
    let of = |(why, count): (terrace_core::decision::NotAdmitted, u64)| (why.as_str() == reason).then_some(count);
    instance.proxy.admission().declined().find_map(of).expect("a reason")
}

const NEWER: &[(&str, &str)] = &[("cache-control", "no-cache")];

#[test]
fn what_is_stale_in_l1_and_newer_in_l2_comes_from_l2_when_the_budget_is_spent() {
    let world = numbered(100);
    let a = instance(&world, "writes = \"1/h\"\n");
    assert_eq!(get(&world, &a), is("MISS", "v1"));
    assert_eq!(get(&world, &a), is("L2-HIT", "v1"));
    world.executor.pass(60_000);
    assert_eq!(get(&world, &a), is("L1-HIT", "v1"));
    world.executor.pass(45_000);
    // Nothing is left for what takes its place, which stays in L2.
    assert_eq!(get(&world, &a), is("MISS", "v2"));
    assert_eq!(world.tally.get().kv_puts, 1);
    for _ in 0..5 {
        assert_eq!(get(&world, &a), is("L2-HIT", "v2"));
    }
    assert_eq!((world.tally.get().kv_puts, world.tally.get().fetches), (1, 2));
    assert!(declined(&a, "budget") > 0);
    // A budget that is there again.
    world.executor.pass(3_600_000);
    assert_eq!(get(&world, &a), is("MISS", "v3"));
    assert_eq!(get(&world, &a), is("L2-HIT", "v3"));
    assert_eq!(world.tally.get().kv_puts, 2);
}

#[test]
fn what_l1_would_be_believed_for_is_replaced_though_the_budget_is_spent() {
    let world = numbered(1000);
    world.kv.lag.set(0);
    let a = instance(&world, "writes = \"1/h\"\n");
    for (tier, text) in [("MISS", "v1"), ("L2-HIT", "v1"), ("L1-HIT", "v1")] {
        assert_eq!(get(&world, &a), is(tier, text));
    }
    world.executor.pass(5_000);
    assert_eq!(ask(&world, &a, NEWER), is("MISS", "v2"));
    assert_eq!(get(&world, &a), is("L1-HIT", "v2"));
    // So is what is no longer worth its place.
    world.set_origin(|_| Reply::new(0, 200, &[("cache-control", "no-store")], "gone"));
    world.executor.pass(1_001_000);
    assert_eq!(get(&world, &a), is("MISS", "gone"));
    assert_eq!(get(&world, &a), is("MISS", "gone"));
}

#[test]
fn an_instance_writes_a_key_once_a_second_and_its_last_word_arrives() {
    let world = numbered(1000);
    world.kv.lag.set(0);
    let a = instance(&world, "");
    for (tier, text) in [("MISS", "v1"), ("L2-HIT", "v1")] {
        assert_eq!(get(&world, &a), is(tier, text));
    }
    // Each takes 100 ms, and what L1 holds is fresh.
    for n in 2..7 {
        let answer = world.run(a.send(Method::GET, "/a", NEWER, Bytes::new()));
        assert_eq!(answer.text(), format!("v{n}"));
    }
    world.executor.pass(3_000);
    assert_eq!(a.proxy.counters().l1_errors.get(), 0, "KV has refused a write");
    assert_eq!(get(&world, &a), is("L1-HIT", "v6"));
    assert_eq!(world.tally.get().kv_puts, 2);
}

#[test]
fn what_another_instance_has_refreshed_is_found_in_l2_while_kv_shows_what_was_there_before() {
    // KV is a minute late, and the object is asked for at each instance in turn.
    let world = numbered(120);
    let all: Vec<_> = (0..4).map(|_| instance(&world, "")).collect();
    for _ in 0..200 {
        for a in &all {
            get(&world, a);
        }
    }
    let (cost, secs) = (world.tally.get(), world.now() / 1000 - terrace_simulation::world::START / 1000);
    let lives = secs as u64 / 120 + 1;
    assert!(cost.fetches <= lives, "{cost:?} in {lives} lives");
    // The first time each may write what it finds; after that, who refreshes it does.
    assert!(cost.kv_puts <= lives + 3, "{cost:?} in {lives} lives");
}

#[test]
fn what_was_written_is_not_written_again_while_kv_does_not_show_it() {
    let world = numbered(1000);
    let a = instance(&world, "");
    for _ in 0..100 {
        get(&world, &a);
    }
    assert_eq!(world.tally.get().kv_puts, 1);
}

#[test]
fn a_write_that_kv_refuses_leaves_nothing_old_behind() {
    let world = numbered(1000);
    world.kv.lag.set(0);
    let a = instance(&world, "");
    for (tier, text) in [("MISS", "v1"), ("L2-HIT", "v1"), ("L1-HIT", "v1")] {
        assert_eq!(get(&world, &a), is(tier, text));
    }
    world.executor.pass(5_000);
    let newer = a.send(Method::GET, "/a", NEWER, Bytes::new());
    world.executor.spawn(a.number, async move { assert_eq!(newer.await.text(), "v2") });
    // KV has said what it holds, and the API takes its time.
    world.executor.pass(50);
    world.kv.network.outage.set(Outage::Refusing);
    world.executor.pass(200);
    world.kv.network.outage.set(Outage::None);
    assert_eq!(a.proxy.counters().l1_errors.get(), 1, "a write was to be refused");
    world.executor.pass(3_000);
    assert_eq!(get(&world, &a), is("L1-HIT", "v2"));
}

#[test]
fn nothing_is_refreshed_early_that_could_not_be_replaced() {
    let asked = Rc::new(Cell::new(0));
    let seen = asked.clone();
    let world = World::of_workers(7, move |_| {
        seen.set(seen.get() + 1);
        Reply::new(100, 200, &[("cache-control", "max-age=100")], "x")
    });
    let config = |writes: &str| format!("[cache]\nearly_refresh = 100.0\n[tiers.l1]\n{writes}\n");
    let lives = |a: Instance<false>| {
        asked.set(0);
        let started = world.now();
        // Until a little before its end it is never stale: whatever is fetched then, is early.
        while world.now() - started < 99_000 {
            world.run(a.get("/a"));
            world.executor.pass(200);
        }
        asked.get()
    };
    assert_eq!(lives(world.instance(&config("writes = \"1/h\""))), 1);
    world.executor.pass(200_000);
    assert_eq!(lives(world.instance(&config("writes = \"1000/m\""))), 2);
}
