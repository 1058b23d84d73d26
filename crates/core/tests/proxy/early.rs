//! What is asked for often is refreshed before it is stale, and what fails is left alone for a while.

use super::support::*;
use http::Method;
use terrace_core::host::OriginError;
use terrace_core::message::Body;

/// Without a stale window, so that an expiry would be felt.
const STRICT: &[(&str, &str)] = &[("cache-control", "max-age=10, must-revalidate")];

fn slow(ms: u64, fields: &[(&'static str, &str)], body: &'static str) -> Script {
    Script::After(ms, Box::new(Script::Respond(200, owned(fields), vec![body.as_bytes()])))
}

/// 50 requests every 10 ms until so many milliseconds are over; how many were no hit.
fn load(cache: &mut Cache, ms: i64) -> usize {
    let end = cache.host.world.now.get() + ms;
    let mut slow = 0;
    while cache.host.world.now.get() < end {
        for _ in 0..50 {
            slow += usize::from(!cache.get("/a").tier().ends_with("-HIT"));
        }
        cache.step();
    }
    slow
}

#[test]
fn a_hot_object_that_expires_makes_nobody_wait_and_costs_one_fetch() {
    let mut cache = Cache::new("");
    cache.origin(slow(200, STRICT, "v"));
    cache.get("/a");
    for lifetime in 1..=5 {
        for _ in 0..3 {
            cache.origin(slow(200, STRICT, "v"));
        }
        assert_eq!(load(&mut cache, 10_000), 0, "lifetime {lifetime}");
    }
    let asked = cache.asked() - 1;
    assert!((5..=10).contains(&asked), "at most two fetches per lifetime: {asked} in 5");
}

#[test]
fn without_it_each_expiry_is_waited_for() {
    let mut cache = Cache::new("[cache]\nearly_refresh = 0\n");
    for _ in 0..10 {
        cache.origin(slow(200, STRICT, "v"));
    }
    cache.get("/a");
    assert!(load(&mut cache, 21_000) >= 2);
}

#[test]
fn an_object_that_few_ask_for_is_left_to_expire() {
    let mut cache = Cache::new("");
    for _ in 0..5 {
        cache.origin(slow(20, STRICT, "v"));
    }
    cache.get("/a");
    for _ in 0..4 {
        cache.wait(8);
        assert_eq!(cache.get("/a").tier(), "L1-HIT");
        cache.wait(5);
        assert_eq!(cache.get("/a").tier(), "MISS");
    }
    assert_eq!(cache.asked(), 5);
}

#[test]
fn a_refresh_that_was_not_due_yet_takes_nothing_away() {
    for script in [
        Script::Respond(200, owned(&[("cache-control", "no-store")]), vec![b"not for you"]),
        Script::Respond(503, vec![], vec![b"busy"]),
        Script::Fail(OriginError::ConnectionRefused),
    ] {
        let mut cache = Cache::new("[cache]\nearly_refresh = 100\n");
        cache.origin(slow(800, STRICT, "v"));
        cache.get("/a");
        cache.wait(9);
        cache.origin(script);
        assert_eq!(cache.get("/a").tier(), "L1-HIT");
        assert_eq!(cache.asked(), 2, "it was refreshed early");
        // Fresh is fresh.
        cache.host.world.now.set(cache.host.world.now.get() + 100);
        for _ in 0..3 {
            cache.respond(503, &[], "asked again");
            assert_eq!(cache.get("/a").text(), "v");
        }
    }
}

#[test]
fn what_is_never_fetched_is_never_refreshed() {
    let mut cache = Cache::new("[cache]\nearly_refresh = 100\n[[route]]\nmatch = \"/b\"\ncache = \"only\"\n");
    cache.origin(slow(800, STRICT, "v"));
    cache.get("/a");
    let mut only = Cache::new("[cache]\nearly_refresh = 100\n[[route]]\nmatch = \"/a\"\ncache = \"only\"\n");
    *only.host.world.kv.borrow_mut() = cache.host.world.kv.borrow().clone();
    only.wait(9);
    assert_eq!(only.get("/a").tier(), "L1-HIT");
    assert_eq!(only.asked(), 0);
}

#[test]
fn while_it_is_refreshed_early_nobody_else_asks() {
    let mut cache = Cache::new("[cache]\nearly_refresh = 100\n");
    cache.origin(slow(800, STRICT, "old"));
    cache.get("/a");
    cache.wait(9);
    cache.origin(slow(2_000, STRICT, "new"));
    assert_eq!(cache.get("/a").text(), "old");
    assert_eq!(cache.get("/a").text(), "old");
    // It expires before the answer comes: who asks now waits for that one.
    cache.wait(1);
    let late = cache.begin(Method::GET, "/a", &[], Body::Empty);
    let answer = cache.finish(late);
    assert_eq!((answer.text(), cache.asked()), ("new", 2));
    assert!(answer.field("cache-status").contains("collapsed"), "{answer:?}");
}

#[test]
fn retry_after_is_obeyed_by_refreshes_and_by_who_would_wait_for_one() {
    for window in ["stale-while-revalidate=1000", "stale-if-error=1000"] {
        let mut cache = Cache::new("[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"\n");
        cache.respond(200, &[("cache-control", &format!("max-age=10, {window}"))], "old");
        cache.get("/a");
        cache.wait(20);
        cache.respond(503, &[("retry-after", "60")], "busy");
        assert_eq!(cache.get("/a").text(), "old");
        assert_eq!(cache.asked(), 2);
        for _ in 0..5 {
            cache.wait(11);
            assert_eq!(cache.get("/a").text(), "old", "{window}");
        }
        assert_eq!(cache.asked(), 2, "{window}");
        cache.wait(6);
        cache.respond(200, STRICT, "new");
        cache.get("/a");
        assert_eq!((cache.get("/a").text(), cache.asked()), ("new", 3), "{window}");
    }
}
