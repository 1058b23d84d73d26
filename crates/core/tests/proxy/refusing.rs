//! Stores that can be read and take no writes: what is served meanwhile, and by whom, and what is said of it.

use super::support::*;
use http::Method;

const FRESH: (&str, &str) = ("cache-control", "max-age=86400");

/// Has the API change `/a`, and this instance know of it.
fn change(cache: &mut Cache) {
    cache.respond(204, &[], "");
    cache.send(Method::DELETE, "/a", &[]);
    // It is tried again for a few seconds.
    cache.wait_at_work(10);
}

/// For more than an hour, longer than L1 may hold anything, nobody answers with what was there before.
fn nobody_serves_the_old_one(cache: &mut Cache, mut instances: Vec<std::rc::Rc<terrace_core::Proxy>>) {
    for minutes in (0..70).step_by(3) {
        cache.wait(180);
        if minutes % 15 == 0 {
            instances.push(std::rc::Rc::new(terrace_core::Proxy::new(cache.proxy.config().clone())));
        }
        for (n, proxy) in instances.iter().enumerate() {
            cache.proxy = proxy.clone();
            assert_eq!(cache.get("/a").text(), "new", "after {minutes} minutes, instance {n}");
        }
    }
}

#[test]
fn what_an_invalidation_removed_is_served_by_nobody_while_l1_refuses_writes_for_an_hour() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    let first = cache.another();
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    let second = std::mem::replace(&mut cache.proxy, first.clone());
    cache.host.world.kv_refuses.set(true);
    change(&mut cache);
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get("/a").text(), "new");
    nobody_serves_the_old_one(&mut cache, vec![first, second]);
}

#[test]
fn what_is_not_believed_of_l1_costs_nothing_where_it_refused_nothing() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    change(&mut cache);
    cache.respond(200, &[FRESH], "new");
    cache.get("/a");
    let rows: i64 = cache.host.database.query_row("SELECT count(*) FROM gone", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
}

#[test]
fn l1_is_believed_again_when_it_takes_writes() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    cache.host.world.kv_refuses.set(true);
    change(&mut cache);
    cache.respond(200, &[FRESH], "new");
    cache.get("/a");
    assert_eq!(cache.get("/a").tier(), "L2-HIT");
    cache.host.world.kv_refuses.set(false);
    let (l2, l1) = (cache.get("/a"), cache.get("/a"));
    assert_eq!((l2.tier(), l2.text(), l1.tier(), l1.text()), ("L2-HIT", "new", "L1-HIT", "new"));
}

#[test]
fn what_l1_refused_to_replace_is_not_served_again() {
    let mut cache = Cache::new("[cache]\nrequest_directives = \"honour\"\n");
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    let first = cache.another();
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    cache.wait(5);
    let second = std::mem::replace(&mut cache.proxy, first.clone());
    cache.host.world.kv_refuses.set(true);
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get_with("/a", &[("cache-control", "no-cache")]).text(), "new");
    assert_eq!(cache.get("/a").text(), "new");
    nobody_serves_the_old_one(&mut cache, vec![first, second]);
}

#[test]
fn what_l1_refused_to_remove_is_not_served_again() {
    let mut cache = Cache::new("[cache]\nrequest_directives = \"honour\"\n");
    cache.respond(200, &[FRESH, ("etag", "\"1\"")], "old");
    cache.get("/a");
    cache.host.world.kv_refuses.set(true);
    // What is stored is not what the API has, says its answer to a HEAD (RFC 9111 4.3.5).
    cache.respond(200, &[FRESH, ("etag", "\"2\"")], "");
    cache.send(Method::HEAD, "/a", &[("cache-control", "no-cache")]);
    assert_eq!(cache.asked(), 2);
    cache.respond(200, &[FRESH, ("etag", "\"2\"")], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn what_l2_was_not_told_of_an_invalidation_it_is_told_when_it_takes_writes_again() {
    for readable in [true, false] {
        let mut cache = Cache::new("");
        cache.respond(200, &[FRESH], "old");
        cache.get("/a");
        let world = cache.host.world.clone();
        let fails = if readable { &world.sql_refuses } else { &world.sql_fails };
        fails.set(true);
        change(&mut cache);
        for _ in 0..20 {
            cache.wait(60);
            cache.respond(200, &[FRESH], "new");
            assert_eq!(cache.get("/a").text(), "new", "readable: {readable}");
            cache.host.world.script.borrow_mut().clear();
        }
        fails.set(false);
        // The next request of the instance that knows reads the log, and tells.
        cache.wait(6);
        cache.respond(200, &[FRESH], "other");
        cache.get("/b");
        cache.host.world.script.borrow_mut().clear();
        cache.restart();
        cache.respond(200, &[FRESH], "new");
        assert_eq!(cache.get("/a").text(), "new", "readable: {readable}, another instance");
        cache.host.world.script.borrow_mut().clear();
    }
}

#[test]
fn of_more_refused_invalidations_than_are_read_l1_is_believed_of_nothing_from_before() {
    for (rows, tier) in [(1023, "L1-HIT"), (1024, "L2-HIT")] {
        let mut cache = Cache::new("");
        cache.respond(200, &[FRESH], "held");
        cache.get("/a");
        let until = cache.host.world.now.get() + 3_500_000;
        for n in 0..rows {
            let row = (format!("k{n:064x}"), START, until);
            cache.host.database.execute("INSERT INTO gone (key, life, until) VALUES (?1, ?2, ?3)", row).unwrap();
        }
        cache.another();
        let held = cache.get("/a");
        assert_eq!((held.tier(), held.text()), (tier, "held"), "{rows}");
        // L1 has taken it anew.
        assert_eq!(cache.get("/a").tier(), "L1-HIT");
    }
}

#[test]
fn what_no_tier_takes_is_not_said_to_be_stored() {
    let stored = "terrace; fwd=uri-miss; stored";
    for (kv, sql, says) in [
        (false, false, [stored, stored]),
        (true, false, [stored, stored]),
        (false, true, [stored, stored]),
        // Nothing is known of it before the first.
        (true, true, [stored, "terrace; fwd=uri-miss; detail=no-tier"]),
    ] {
        let mut cache = Cache::new("");
        cache.host.world.kv_refuses.set(kv);
        cache.host.world.sql_refuses.set(sql);
        for (n, says) in says.into_iter().enumerate() {
            cache.respond(200, &[FRESH], "a");
            assert_eq!(cache.get(&format!("/{n}")).field("cache-status"), says, "{kv} {sql} {n}");
        }
        cache.host.world.kv_refuses.set(false);
        cache.host.world.sql_refuses.set(false);
        cache.respond(200, &[FRESH], "a");
        cache.get("/2");
        cache.respond(200, &[FRESH], "a");
        assert_eq!(cache.get("/3").field("cache-status"), stored, "{kv} {sql}, when they take writes again");
    }
}

#[test]
fn what_only_a_tier_would_take_that_does_not_admit_it_is_not_said_to_be_stored() {
    let mut cache = Cache::new("[tiers.l1]\nadmit = \"second-hit\"\n[tiers.l2]\nmax_size = \"10B\"\n");
    for (length, says) in [("10", "terrace; fwd=uri-miss; stored"), ("11", "terrace; fwd=uri-miss; detail=too-large")] {
        let body = if length == "10" { "0123456789" } else { "01234567890" };
        cache.respond(200, &[FRESH, ("content-length", length)], body);
        assert_eq!(cache.get(&format!("/{length}")).field("cache-status"), says);
    }
}

#[test]
fn an_outage_is_told_when_it_begins_and_when_it_is_over_in_plain_words() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH], "a");
    cache.get("/a");
    let lines = |cache: &Cache| std::mem::take(&mut *cache.host.world.warnings.borrow_mut());
    cache.host.world.kv_fails.set(true);
    cache.host.world.sql_fails.set(true);
    for _ in 0..200 {
        cache.wait(1);
        cache.respond(200, &[FRESH], "a");
        cache.get("/a");
    }
    let said = lines(&cache);
    let [l1, l2] = said.as_slice() else { panic!("{said:?}") };
    assert!(l1.starts_with("L1 cannot be read: the store failed: kv is down."), "{l1}");
    assert!(l2.starts_with("L2 cannot be read: the store failed: sql is down."), "{l2}");
    cache.host.world.kv_fails.set(false);
    cache.host.world.sql_fails.set(false);
    for _ in 0..20 {
        cache.wait(1);
        cache.respond(200, &[FRESH], "a");
        cache.get("/a");
    }
    let mut said = lines(&cache);
    said.sort();
    let [l1, l2] = said.as_slice() else { panic!("{said:?}") };
    assert!(
        l1.starts_with("L1 can be read again, after ") && l2.starts_with("L2 can be read again, after "),
        "{said:?}"
    );
}

#[test]
fn an_l1_that_is_gone_for_a_while_is_believed_again_and_costs_l2_no_row() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH], "held");
    cache.get("/held");
    cache.wait(5);
    cache.host.world.kv_fails.set(true);
    cache.host.world.kv_refuses.set(true);
    for n in 0..50 {
        cache.respond(200, &[FRESH], "missed");
        cache.get(&format!("/{n}"));
    }
    let rows: i64 = cache.host.database.query_row("SELECT count(*) FROM gone", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
    cache.host.world.kv_fails.set(false);
    cache.host.world.kv_refuses.set(false);
    cache.wait(5);
    assert_eq!(cache.get("/held").tier(), "L1-HIT");
    let tiers: Vec<String> = (0..2).map(|_| cache.get("/7").tier().to_string()).collect();
    assert_eq!(tiers, ["L2-HIT", "L1-HIT"]);
}
