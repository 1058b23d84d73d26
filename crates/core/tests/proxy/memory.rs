//! L0: what it answers, for how long, and how much it holds.

use super::support::*;
use http::Method;
use terrace_core::config::L0;
use terrace_core::entry::{Entry, Selecting};
use terrace_core::fields::Fields;
use terrace_core::key::Key;
use terrace_core::rules::freshness::Freshness;
use terrace_core::tiers::memory::Memory;
use terrace_core::time::Timestamp;

const ON: &str = "[tiers.l0]\nsize = \"1MiB\"\n";

/// The tiers that answer one request after the other.
fn tiers(cache: &mut Cache, requests: usize) -> Vec<String> {
    (0..requests).map(|_| cache.get("/a").tier().to_string()).collect()
}

#[test]
fn it_is_off_unless_the_file_asks_for_it() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=100")], "hello");
    assert_eq!(tiers(&mut cache, 4), ["MISS", "L1-HIT", "L1-HIT", "L1-HIT"]);
    assert_eq!(cache.proxy.memory().bytes(), 0);
}

#[test]
fn what_l1_was_asked_for_is_answered_from_memory_at_no_cost() {
    let mut cache = Cache::new(&format!("{ON}\n[purge]\npoll = \"1m\""));
    cache.respond(200, &[("cache-control", "max-age=100"), ("age", "10")], "hello");
    assert_eq!(tiers(&mut cache, 2), ["MISS", "L1-HIT"]);
    let world = cache.host.world.clone();
    let costs = || (world.kv_gets.take(), world.kv_puts.take(), world.queries.take(), world.batches.take());
    costs();
    cache.wait(5);
    let hit = cache.get("/a");
    assert_eq!((hit.tier(), hit.field("x-cache"), hit.text()), ("L0-HIT", "HIT", "hello"));
    assert_eq!((hit.field("age"), hit.field("cache-status")), ("15", "terrace; hit; ttl=85; detail=L0"));
    assert_eq!(costs(), (0, 0, 0, 0));
}

#[test]
fn nothing_stays_longer_than_max_ttl_or_than_it_is_fresh() {
    for (lifetime, stay, after, then) in [
        ("max-age=100", "10s", 9, "L0-HIT"),
        ("max-age=100", "10s", 10, "L1-HIT"),
        ("max-age=100", "60s", 59, "L0-HIT"),
        ("max-age=20", "60s", 19, "L0-HIT"),
        // Stale, and refreshed behind: a fresher one may be in L1.
        ("max-age=20", "60s", 21, "STALE-L1"),
    ] {
        let mut cache = Cache::new(&format!("{ON}max_ttl = \"{stay}\"\n"));
        cache.respond(200, &[("cache-control", lifetime)], "hello");
        assert_eq!(tiers(&mut cache, 2), ["MISS", "L1-HIT"]);
        cache.respond(200, &[("cache-control", lifetime)], "new");
        cache.wait(after);
        assert_eq!(tiers(&mut cache, 1), [then], "{lifetime} {stay} {after}");
    }
}

#[test]
fn what_is_stored_updated_or_invalidated_leaves_the_memory() {
    let fresh = [("cache-control", "max-age=100"), ("etag", "\"1\"")];
    // An unsafe method.
    let mut cache = Cache::new(ON);
    cache.respond(200, &fresh, "old");
    assert_eq!(tiers(&mut cache, 3), ["MISS", "L1-HIT", "L0-HIT"]);
    cache.respond(204, &[], "").respond(200, &fresh, "new");
    cache.send(Method::POST, "/a", &[]);
    assert_eq!(tiers(&mut cache, 3), ["MISS", "L1-HIT", "L0-HIT"]);
    assert_eq!(cache.get("/a").text(), "new");
    // A new response, and a 304 to the one that was held: both asked for by a request that memory would have answered.
    for (status, body, then) in [(200, "new", "new"), (304, "", "old")] {
        let mut cache = Cache::new(&format!("{ON}[cache]\nrequest_directives = \"honour\"\n"));
        cache.respond(200, &fresh, "old");
        assert_eq!(tiers(&mut cache, 3), ["MISS", "L1-HIT", "L0-HIT"]);
        cache.respond(status, &[("cache-control", "max-age=100"), ("etag", "\"1\""), ("x-n", "2")], body);
        cache.get_with("/a", &[("cache-control", "no-cache")]);
        let after = cache.get("/a");
        assert_eq!((after.tier(), after.text(), after.field("x-n")), ("L1-HIT", then, "2"));
    }
}

#[test]
fn a_variant_is_answered_only_to_whom_it_is_meant_for() {
    let mut cache = Cache::new(ON);
    let varied = [("cache-control", "max-age=100"), ("vary", "accept-language")];
    cache.respond(200, &varied, "hallo").respond(200, &varied, "hello");
    let get = |cache: &mut Cache, language| cache.get_with("/a", &[("accept-language", language)]);
    for _ in 0..3 {
        assert_eq!(get(&mut cache, "de").text(), "hallo");
        assert_eq!(get(&mut cache, "en").text(), "hello");
    }
    assert_eq!((get(&mut cache, "de").tier(), get(&mut cache, "en").tier()), ("L0-HIT", "L1-HIT"));
}

fn key(n: u16) -> Key {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    Key(bytes)
}

fn entry(length: usize) -> Entry {
    let freshness = Freshness { lifetime_ms: 100_000, ..fresh_for_ever() };
    Entry::new(200, Fields::new(), freshness, Selecting::default(), vec![b'x'; length].into())
}

fn fresh_for_ever() -> Freshness {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=100")], "");
    cache.get("/a");
    let record = cache.host.world.kv.borrow().values().next().cloned().unwrap();
    terrace_core::entry::codec::decode(record.into()).unwrap().0.head.freshness
}

#[test]
fn it_is_bounded_and_keeps_what_is_asked_for() {
    let (memory, now) = (Memory::default(), Timestamp(START));
    let limits = L0 { size: 64 << 10, max_size: 4 << 10, max_ttl: std::time::Duration::from_secs(10) };
    let put = |n: u16, entry: &Entry| memory.put(&limits, key(n), entry, memory.removals(&key(n)), now);
    let (small, large) = (entry(1 << 10), entry((4 << 10) + 1));
    put(0, &small);
    for n in 1..1000 {
        assert!(memory.get(&key(0), now).is_some(), "asked for all the time, and gone after {n}");
        put(n, &small);
        assert!(memory.bytes() <= 64 << 10);
    }
    assert!(memory.bytes() > 60 << 10);
    let held = (0..1000).filter(|n| memory.get(&key(*n), now).is_some()).count();
    assert!((40..=64).contains(&held), "{held}");
    // Too large: it is not kept, and what it would have replaced is not either.
    put(0, &large);
    assert!(memory.get(&key(0), now).is_none());
    for n in 0..1000 {
        memory.remove(&key(n));
    }
    assert_eq!(memory.bytes(), 0);
}

#[test]
fn what_was_removed_while_l1_was_read_is_not_kept() {
    let (memory, now) = (Memory::default(), Timestamp(START));
    let limits = L0 { size: 64 << 10, max_size: 4 << 10, max_ttl: std::time::Duration::from_secs(10) };
    let (seen, other) = (memory.removals(&key(256)), memory.removals(&key(512)));
    memory.remove(&key(256));
    memory.put(&limits, key(256), &entry(1), seen, now);
    memory.put(&limits, key(512), &entry(1), other, now);
    assert!(memory.get(&key(256), now).is_none());
    assert!(memory.get(&key(512), now).is_some());
}
