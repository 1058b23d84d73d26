//! What L1 may hold is never newer in its own eyes than what a client was shown, although not every write to it is made.

use super::support::Cache;

const SECOND_HIT: &str = "[cache]\nrequest_directives = \"honour\"\n[tiers.l1]\nadmit = \"second-hit\"\n";
const FRESH: (&str, &str) = ("cache-control", "max-age=3600");

/// Has L1 hold what the origin answers to this.
fn held(cache: &mut Cache, fields: &[(&str, &str)]) {
    let tiers: Vec<String> = (0..3).map(|_| cache.get_with("/a", fields).tier().to_string()).collect();
    assert_eq!(tiers[1..], ["L2-HIT", "L1-HIT"], "{tiers:?}");
}

#[test]
fn what_a_304_has_changed_of_a_fresh_response_is_changed_in_l1() {
    let mut cache = Cache::new(&format!("{SECOND_HIT}writes = \"1/d\"\n"));
    cache.respond(200, &[FRESH, ("etag", "\"e\""), ("x-v", "1")], "hello");
    held(&mut cache, &[]);
    cache.respond(304, &[FRESH, ("etag", "\"e\""), ("x-v", "2")], "");
    assert_eq!(cache.get_with("/a", &[("cache-control", "no-cache")]).field("x-v"), "2");
    assert_eq!(cache.get("/a").field("x-v"), "2");
    cache.respond(304, &[("cache-control", "max-age=3600, no-cache"), ("etag", "\"e\""), ("x-v", "3")], "");
    assert_eq!(cache.get_with("/a", &[("cache-control", "no-cache")]).field("x-v"), "3");
    cache.respond(304, &[("cache-control", "max-age=3600, no-cache"), ("etag", "\"e\""), ("x-v", "4")], "");
    let next = cache.get("/a");
    assert_eq!((next.tier(), next.field("x-v")), ("REVALIDATED", "4"), "RFC 9111 5.2.2.4");
}

#[test]
fn a_fresh_variant_is_not_found_any_more_when_it_was_replaced_by_what_has_no_variants() {
    let mut cache = Cache::new(SECOND_HIT);
    for key in ["a", "b"] {
        cache.respond(200, &[FRESH, ("vary", "x-k")], "old");
        held(&mut cache, &[("x-k", key)]);
    }
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get_with("/a", &[("x-k", "b"), ("cache-control", "no-cache")]).text(), "new");
    assert_eq!(cache.get_with("/a", &[("x-k", "b")]).text(), "new");
}

#[test]
fn what_l1_could_not_be_asked_for_is_replaced_there() {
    let mut cache = Cache::new(SECOND_HIT);
    cache.respond(200, &[FRESH], "old");
    held(&mut cache, &[]);
    cache.host.database.execute("DELETE FROM entries", []).unwrap();
    cache.host.world.kv_fails.set(true);
    cache.respond(200, &[FRESH], "new");
    let answer = cache.open("/a");
    cache.host.world.kv_fails.set(false);
    assert_eq!(cache.read(answer).text(), "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn while_l1_takes_no_writes_what_it_shows_stale_hides_nothing() {
    let mut cache = Cache::new("[cache]\nearly_refresh = 0\n");
    cache.respond(200, &[("cache-control", "max-age=2")], "old");
    cache.get("/a");
    cache.wait(3);
    let before = cache.host.world.kv.borrow().clone();
    cache.host.world.kv_fails.set(true);
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get("/a").tier(), "STALE-L2");
    assert_eq!(cache.get("/a").text(), "new");
    cache.host.world.kv_fails.set(false);
    *cache.host.world.kv.borrow_mut() = before;
    assert_eq!(cache.get("/a").text(), "new");
}
