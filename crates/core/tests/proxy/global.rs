//! One fetch for many instances that share L2: leases.

use super::support::*;
use std::rc::Rc;
use terrace_core::Proxy;
use terrace_core::host::OriginError;

const GLOBAL: &str = "[cache]\ncollapse = \"global\"\nstale_while_revalidate = \"0s\"\n";
const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=100")];

fn slow(ms: u64, status: u16, fields: &[(&'static str, &str)], body: &'static str) -> Script {
    Script::After(ms, Box::new(Script::Respond(status, owned(fields), vec![body.as_bytes()])))
}

/// So many instances over the same stores.
fn instances(cache: &mut Cache, n: usize) -> Vec<Rc<Proxy>> {
    (0..n).map(|_| cache.another()).collect()
}

fn leases(cache: &Cache) -> i64 {
    cache.host.database.query_row("SELECT count(*) FROM leases", [], |row| row.get(0)).unwrap()
}

#[test]
fn twenty_instances_ask_once_for_ten_thousand() {
    // L1 is as late as Workers KV.
    for lag in [0, 60_000] {
        let mut cache = Cache::new(GLOBAL);
        cache.host.world.kv_lag.set(lag);
        let all = instances(&mut cache, 20);
        cache.origin(slow(800, 200, FRESH, "hello"));
        let start = cache.host.world.now.get();
        let answers = cache.get_from_each(&all, "/a", 500);
        assert_eq!(cache.asked(), 1);
        assert!(answers.iter().all(|a| (a.status, a.text()) == (200, "hello")));
        assert!(cache.host.world.now.get() - start <= 800 * 12 / 10, "{}", cache.host.world.now.get() - start);
        let collapsed = answers.iter().filter(|a| a.field("cache-status").contains("collapsed")).count();
        assert_eq!(collapsed, 9_999);
        assert_eq!(leases(&cache), 0, "the lease is over");
    }
}

#[test]
fn twenty_instances_validate_once() {
    let mut cache = Cache::new(GLOBAL);
    let all = instances(&mut cache, 20);
    cache.respond(200, &[("cache-control", "max-age=10"), ("etag", "\"1\"")], "hello");
    cache.get("/a");
    cache.wait(20);
    cache.origin(slow(500, 304, &[("cache-control", "max-age=10"), ("etag", "\"1\""), ("x-n", "2")], ""));
    let answers = cache.get_from_each(&all, "/a", 5);
    assert_eq!(cache.asked(), 2);
    assert!(answers.iter().all(|a| (a.status, a.text(), a.field("x-n")) == (200, "hello", "2")));
}

#[test]
fn what_may_not_be_shared_is_asked_for_by_all_at_once() {
    let mut cache = Cache::new(GLOBAL);
    let all = instances(&mut cache, 20);
    for _ in 0..100 {
        cache.origin(slow(800, 200, &[("cache-control", "no-store")], "own"));
    }
    let start = cache.host.world.now.get();
    let answers = cache.get_from_each(&all, "/a", 5);
    assert!(answers.iter().all(|a| a.text() == "own"));
    assert!(cache.host.world.now.get() - start <= 2 * 800 + 400, "{}", cache.host.world.now.get() - start);
    assert_eq!(cache.asked(), 100);
}

#[test]
fn an_origin_that_fails_is_not_waited_for_in_turn() {
    for fail in [Script::Fail(OriginError::ConnectionRefused), Script::Respond(503, vec![], vec![b"busy"])] {
        let again = || match &fail {
            Script::Fail(error) => Script::Fail(*error),
            _ => Script::Respond(503, vec![], vec![b"busy"]),
        };
        let mut cache = Cache::new(GLOBAL);
        let all = instances(&mut cache, 20);
        for _ in 0..100 {
            cache.origin(Script::After(500, Box::new(again())));
        }
        let start = cache.host.world.now.get();
        let answers = cache.get_from_each(&all, "/a", 5);
        assert!(answers.iter().all(|a| a.status >= 500));
        if let Script::Fail(_) = fail {
            assert_eq!(cache.asked(), 1, "the others are told");
        }
        assert!(cache.host.world.now.get() - start <= 3 * 500 + 400, "{}", cache.host.world.now.get() - start);
    }
}

#[test]
fn an_instance_that_ends_with_its_lease_at_once_holds_the_others_up_for_half_a_second() {
    let mut cache = Cache::new(GLOBAL);
    let all = instances(&mut cache, 3);
    cache.origin(slow(5_000, 200, FRESH, "for nobody")).origin(slow(5_000, 200, FRESH, "hello"));
    cache.begin_and_lose("/a");
    let start = cache.host.world.now.get();
    let answers = cache.get_from_each(&all, "/a", 10);
    assert!(answers.iter().all(|a| a.text() == "hello"));
    assert_eq!(cache.asked(), 2);
    let took = cache.host.world.now.get() - start;
    assert!(took <= 500 + 5_000 + 250, "{took}");
}

#[test]
fn a_lease_is_renewed_for_as_long_as_the_origin_takes() {
    let mut cache = Cache::new(GLOBAL);
    let all = instances(&mut cache, 5);
    cache.origin(slow(20_000, 200, FRESH, "hello"));
    let answers = cache.get_from_each(&all, "/a", 2);
    assert!(answers.iter().all(|a| a.text() == "hello"));
    assert_eq!(cache.asked(), 1);
}

#[test]
fn without_l2_each_instance_asks_for_itself() {
    let mut cache = Cache::new(GLOBAL);
    let all = instances(&mut cache, 4);
    for proxy in &all {
        // They know of purges.
        cache.proxy = proxy.clone();
        cache.respond(200, FRESH, "warm");
        cache.get(&format!("/warm{}", cache.asked()));
    }
    let before = cache.asked();
    cache.host.world.sql_fails.set(true);
    for _ in 0..4 {
        cache.origin(slow(300, 200, FRESH, "hello"));
    }
    let answers = cache.get_from_each(&all, "/a", 10);
    assert!(answers.iter().all(|a| a.text() == "hello"));
    assert_eq!(cache.asked() - before, 4);
}

#[test]
fn a_refresh_behind_an_answer_is_one_for_all_instances() {
    let mut cache = Cache::new("[cache]\ncollapse = \"global\"\n");
    // What one has stored the others do not see in L1 for a minute.
    cache.host.world.kv_lag.set(60_000);
    let all = instances(&mut cache, 10);
    cache.respond(200, &[("cache-control", "max-age=100, stale-while-revalidate=1000")], "old");
    cache.get("/a");
    cache.wait_at_work(110);
    cache.origin(slow(300, 200, &[("cache-control", "max-age=100, stale-while-revalidate=1000")], "new"));
    let stale = cache.get_from_each(&all, "/a", 5);
    assert!(stale.iter().all(|a| a.text() == "old"));
    cache.wait_at_work(2);
    // L1 shows the old one, L2 has the new one: nobody asks again.
    for _ in 0..3 {
        cache.get_from_each(&all, "/a", 5);
        cache.wait_at_work(2);
    }
    assert_eq!(cache.asked(), 2);
    cache.wait_at_work(60);
    assert!(cache.get_from_each(&all, "/a", 5).iter().all(|a| a.text() == "new"));
}

#[test]
fn leases_that_are_over_are_swept() {
    let mut cache = Cache::new(GLOBAL);
    cache.respond(200, &[("cache-control", "no-store")], "own");
    cache.get("/a");
    assert_eq!(leases(&cache), 1, "that nobody need wait for it is written down");
    cache.wait(61);
    cache.sweep();
    assert_eq!(leases(&cache), 0);
}
