//! Two tiers: promotion, variants, sizes, and how many calls each request costs.

use super::support::*;
use bytes::Bytes;
use terrace_core::config::Config;
use terrace_core::entry::{Entry, Selected};
use terrace_core::fields::Fields;
use terrace_core::host::Host;
use terrace_core::key::Key;
use terrace_core::rules::{Exchange, storable};
use terrace_core::tiers::{Lookup, Place};
use terrace_core::time::Timestamp;

#[test]
fn after_a_restart_l2_answers_and_fills_l1_without_making_the_response_younger() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=100"), ("age", "10")], "hello");
    cache.get("/a");
    cache.wait(20);
    cache.restart();
    let l2 = cache.get("/a");
    assert_eq!((l2.tier(), l2.field("age")), ("L2-HIT", "30"));
    cache.wait(20);
    let l1 = cache.get("/a");
    assert_eq!((l1.tier(), l1.field("age")), ("L1-HIT", "50"));
    // Past the 30 s of stale-while-revalidate, too.
    cache.wait(80);
    cache.respond(200, &[("cache-control", "max-age=100")], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn a_hit_costs_one_read_and_a_miss_one_read_one_query_and_one_batch() {
    let mut cache = Cache::new("");
    // The tables are made by the first use.
    cache.respond(200, &[("cache-control", "max-age=100")], "warm");
    cache.get("/warm");
    let world = cache.host.world.clone();
    let costs = || (world.kv_gets.take(), world.kv_puts.take(), world.queries.take(), world.batches.take());
    costs();
    cache.respond(200, &[("cache-control", "max-age=100")], "hello");
    cache.get("/a");
    assert_eq!(costs(), (1, 1, 2, 1));
    cache.get("/a");
    assert_eq!(costs(), (1, 0, 0, 0));
    cache.restart();
    cache.get("/a");
    // The first query of an instance reads the purge log; the last asks, after the promotion, whether the URL was invalidated
    // meanwhile; only where that is free.
    assert_eq!(costs(), (1, 1, 3, 0));
}

#[test]
fn with_second_hit_admission_a_miss_writes_l2_only_and_a_second_request_fills_l1() {
    let mut cache = Cache::new("[tiers.l1]\nadmit = \"second-hit\"\n");
    cache.respond(200, &[("cache-control", "max-age=100")], "hello");
    cache.get("/a");
    assert_eq!(cache.host.world.kv_puts.get(), 0);
    assert_eq!(cache.get("/a").tier(), "L2-HIT");
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    assert_eq!(cache.host.world.kv_puts.get(), 1);
}

#[test]
fn variants_stand_side_by_side_in_both_tiers() {
    let mut cache = Cache::new("");
    let langs = ["de", "en", "fr", "it"];
    for lang in langs {
        cache.origin(Script::Respond(
            200,
            vec![("cache-control", "max-age=100".into()), ("vary", "Accept-Language".into())],
            vec![lang.as_bytes()],
        ));
        assert_eq!(cache.get_with("/a", &[("accept-language", lang)]).text(), lang);
    }
    for tier in ["L1-HIT", "L2-HIT"] {
        for lang in langs {
            let answer = cache.get_with("/a", &[("accept-language", lang)]);
            assert_eq!((answer.text(), answer.tier()), (lang, tier));
        }
        cache.restart();
    }
    assert_eq!(cache.asked(), 4);
}

#[test]
fn a_variant_that_the_list_in_l1_does_not_know_is_found_all_the_same() {
    let mut cache = Cache::new("[tiers.l1]\nadmit = \"second-hit\"\n");
    for lang in ["de", "en"] {
        let fields = vec![("cache-control", "max-age=100".into()), ("vary", "Accept-Language".into())];
        cache.origin(Script::Respond(200, fields, vec![lang.as_bytes()]));
        let ask = [("accept-language", lang)];
        let tiers: Vec<String> = (0..3).map(|_| cache.get_with("/a", &ask).tier().to_string()).collect();
        assert_eq!(tiers, ["MISS", "L2-HIT", "L1-HIT"], "{lang}");
    }
}

#[test]
fn a_first_response_with_vary_costs_no_more_than_one_without() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=100")], "warm");
    cache.get("/warm");
    let world = cache.host.world.clone();
    let costs = || (world.kv_gets.take(), world.kv_puts.take(), world.queries.take(), world.batches.take());
    costs();
    cache.respond(200, &[("cache-control", "max-age=100"), ("vary", "Accept-Encoding")], "hello");
    cache.get("/a");
    assert_eq!(costs(), (1, 1, 2, 1));
}

#[test]
fn after_an_invalidation_no_variant_is_found_again() {
    let mut cache = Cache::new("");
    let vary = |lang: &'static str| {
        let fields = vec![("cache-control", "max-age=100".into()), ("vary", "Accept-Language".into())];
        Script::Respond(200, fields, vec![lang.as_bytes()])
    };
    for round in 0..2 {
        for lang in ["de", "en", "fr"] {
            cache.origin(vary(lang));
            assert_eq!(cache.get_with("/a", &[("accept-language", lang)]).tier(), "MISS", "round {round}, {lang}");
            assert_eq!(cache.get_with("/a", &[("accept-language", lang)]).tier(), "L1-HIT");
        }
        cache.respond(204, &[], "");
        cache.send(http::Method::DELETE, "/a", &[]);
    }
}

/// An entry that was asked for before an invalidation, and comes to the store after it.
fn entry(body: &'static str, now: Timestamp) -> Entry {
    let fields: Fields = [("cache-control".to_string(), b"max-age=100".to_vec())].into_iter().collect();
    let (method, url, request) = (http::Method::GET, "http://cache.test/a", Fields::new());
    let exchange = Exchange {
        method: &method,
        url,
        request: &request,
        status: 200,
        response: &fields,
        request_time: now,
        response_time: now,
    };
    let config = Config::parse("[origin]\nurl = \"http://origin.test\"\n", "terrace.toml").unwrap();
    let plan = storable::storable(&exchange, config.policy("/a")).unwrap();
    Entry::new(200, plan.fields, plan.freshness, plan.selecting, Bytes::from_static(body.as_bytes()))
}

fn text(lookup: Lookup) -> Result<String, Option<u64>> {
    match lookup {
        Lookup::Found(found) => Ok(String::from_utf8(found.entry.body.to_vec()).unwrap()),
        Lookup::OtherVariants(_) => panic!("there are no variants"),
        Lookup::Nothing(life) => Err(life),
    }
}

#[test]
fn what_was_asked_for_before_an_invalidation_is_not_stored_after_it() {
    let mut cache = Cache::new("");
    let (tiers, pool) = cache.tiers();
    let (now, key, none) = (tiers.host.now(), Key([7; 32]), Fields::new());
    pool.run_until(async {
        let life = tiers.invalidate(&key, now).await;
        assert!(life.is_some());
        // The lookup before the invalidation had found nothing.
        tiers.store(&key, "http://cache.test/a", entry("old", now), &Place::New(None), now).await;
        assert_eq!(text(tiers.lookup(&key, &none, now).await), Err(life));
        assert!(tiers.host.world.kv.borrow().is_empty(), "L1 has it");
        // The lookup after it is told of the new life.
        tiers.store(&key, "http://cache.test/a", entry("new", now), &Place::New(life), now).await;
        assert_eq!(text(tiers.lookup(&key, &none, now).await), Ok("new".to_string()));
        // One more: what replaces the entry of the life before is refused as well, in both forms.
        let Lookup::Found(found) = tiers.lookup(&key, &none, now).await else { panic!("it was found") };
        let second = tiers.invalidate(&key, now).await;
        assert_ne!(second, life);
        tiers.update(&found, "http://cache.test/a", &found.entry.head.freshness, now).await;
        assert_eq!(text(tiers.lookup(&key, &none, now).await), Err(second));
        tiers.store(&key, "http://cache.test/a", entry("late", now), &Place::Over(found), now).await;
        assert_eq!(text(tiers.lookup(&key, &none, now).await), Err(second));
        assert!(tiers.host.world.kv.borrow().is_empty(), "L1 has it");
    });
}

#[test]
fn what_l2_held_before_an_invalidation_does_not_stay_in_l1_after_it() {
    let mut cache = Cache::new("");
    let (tiers, pool) = cache.tiers();
    let (now, key, none) = (tiers.host.now(), Key([7; 32]), Fields::new());
    pool.run_until(async {
        tiers.store(&key, "http://cache.test/a", entry("old", now), &Place::New(None), now).await;
        tiers.host.world.kv.borrow_mut().clear();
        let Lookup::Found(found) = tiers.lookup(&key, &none, now).await else { panic!("L2 has it") };
        let life = tiers.invalidate(&key, now).await;
        tiers.promote(&found, now).await;
        assert_eq!(text(tiers.lookup(&key, &none, now).await), Err(life));
    });
}

#[test]
fn a_variant_that_was_asked_for_before_an_invalidation_is_not_stored_after_it() {
    let mut cache = Cache::new("");
    let (tiers, pool) = cache.tiers();
    let (now, key) = (tiers.host.now(), Key([7; 32]));
    let url = "http://cache.test/a";
    let variant = |value: &'static str, body: &'static str| {
        let mut entry = entry(body, now);
        entry.head.selecting.0 = vec![Selected::new("v", Some(value.as_bytes().to_vec()))];
        entry
    };
    let asks = |value: &str| Fields::from([("v", value)]);
    pool.run_until(async {
        tiers.store(&key, url, variant("a", "a of the first life"), &Place::New(None), now).await;
        let Lookup::OtherVariants(life) = tiers.lookup(&key, &asks("b"), now).await else { panic!("a is there") };
        let begun = tiers.invalidate(&key, now).await;
        tiers.store(&key, url, variant("a", "a of the second"), &Place::New(begun), now).await;
        tiers.store(&key, url, variant("b", "b of the first"), &Place::Beside(life), now).await;
        assert!(matches!(tiers.lookup(&key, &asks("b"), now).await, Lookup::OtherVariants(_)));
        assert_eq!(text(tiers.lookup(&key, &asks("a"), now).await), Ok("a of the second".to_string()));
    });
}

#[test]
fn what_was_asked_for_earlier_never_takes_the_place_of_what_was_asked_for_later() {
    let mut cache = Cache::new("");
    let (tiers, pool) = cache.tiers();
    let (now, key, none) = (tiers.host.now(), Key([7; 32]), Fields::new());
    let (url, later) = ("http://cache.test/a", now.plus_millis(10));
    pool.run_until(async {
        tiers.store(&key, url, entry("first", now), &Place::New(None), now).await;
        let Lookup::Found(first) = tiers.lookup(&key, &none, now).await else { panic!("it is there") };
        tiers.store(&key, url, entry("second", later), &Place::Over(first.clone()), later).await;
        // A 304 for the first, and a response to a request from before the second's.
        let (mut confirmed, was) = ((*first).clone(), first.entry.head.freshness.clone());
        confirmed.entry.head.freshness.requested = now.plus_millis(5);
        tiers.update(&confirmed, url, &was, later).await;
        tiers.store(&key, url, entry("late", now.plus_millis(5)), &Place::Over(first), later).await;
        for _ in 0..2 {
            assert_eq!(text(tiers.lookup(&key, &none, later).await), Ok("second".to_string()));
            tiers.host.world.kv.borrow_mut().clear();
        }
        assert_eq!(tiers.counters.corrupt.get(), 0);
    });
}

#[test]
fn what_l2_could_not_judge_does_not_stay_in_l1() {
    let mut cache = Cache::new("");
    cache.host.world.sql_fails.set(true);
    cache.respond(200, &[("cache-control", "max-age=1000")], "unjudged");
    cache.get("/a");
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    cache.wait(6);
    cache.host.world.sql_fails.set(false);
    cache.respond(200, &[("cache-control", "max-age=1000")], "judged");
    assert_eq!(cache.get("/a").text(), "judged");
    cache.wait(60);
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
}

#[test]
fn what_l2_still_holds_is_not_used_before_it_was_told_of_an_invalidation() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=1000")], "old");
    cache.get("/a");
    cache.host.world.sql_fails.set(true);
    cache.respond(204, &[], "");
    cache.send(http::Method::DELETE, "/a", &[]);
    cache.host.world.sql_fails.set(false);
    cache.respond(200, &[("cache-control", "max-age=1000")], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn an_invalidation_that_a_tier_refused_is_made_later() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=1000")], "old");
    cache.get("/a");
    cache.host.world.sql_fails.set(true);
    cache.respond(204, &[], "");
    cache.send(http::Method::DELETE, "/a", &[]);
    cache.host.world.sql_fails.set(false);
    cache.wait_at_work(10);
    cache.respond(200, &[("cache-control", "max-age=1000")], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn a_large_response_is_kept_in_l2_in_chunks_and_not_in_l1() {
    let body: &'static [u8] = Vec::leak((0..3_000_000u32).map(|n| n as u8).collect());
    let mut cache = Cache::new("");
    cache.origin(Script::Respond(200, vec![("cache-control", "max-age=100".into())], vec![body]));
    cache.get("/a");
    for _ in 0..2 {
        let answer = cache.get("/a");
        assert_eq!(answer.tier(), "L2-HIT");
        assert!(answer.body.as_deref() == Some(body));
    }
    // A smaller one replaces it whole.
    cache.wait(1000);
    cache.respond(200, &[("cache-control", "max-age=100")], "small");
    cache.get("/a");
    let chunks: i64 = cache.host.database.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0)).unwrap();
    assert_eq!(chunks, 0);
}

#[test]
fn a_response_larger_than_every_tier_streams_through_uncached() {
    let mut cache = Cache::new("[tiers.l1]\nmax_size = \"10B\"\n[tiers.l2]\nmax_size = \"10B\"\n");
    for length in [vec![("content-length", "11".to_string())], vec![]] {
        let mut fields = vec![("cache-control", "max-age=100".to_string())];
        fields.extend(length);
        cache.origin(Script::Respond(200, fields, vec![b"01234", b"567890"]));
        let answer = cache.get("/a");
        assert_eq!((answer.tier(), answer.text()), ("MISS", "01234567890"));
    }
    assert!(cache.host.world.kv.borrow().is_empty());
}

#[test]
fn what_is_over_is_swept_from_l2() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=1")], "hello");
    cache.get("/a");
    cache.wait(40 * 24 * 3600);
    cache.respond(200, &[("cache-control", "max-age=1")], "again");
    assert_eq!(cache.get("/a").tier(), "MISS");
}

#[test]
fn with_second_hit_admission_a_response_takes_the_place_of_the_one_that_l1_holds() {
    let mut cache = Cache::new("[tiers.l1]\nadmit = \"second-hit\"\n");
    cache.respond(200, &[("cache-control", "max-age=100")], "old");
    let tiers: Vec<String> = (0..3).map(|_| cache.get("/a").tier().to_string()).collect();
    assert_eq!(tiers, ["MISS", "L2-HIT", "L1-HIT"]);
    cache.wait(200);
    cache.respond(200, &[("cache-control", "max-age=100")], "new");
    assert_eq!(cache.get("/a").text(), "new");
    let next = cache.get("/a");
    assert_eq!((next.tier(), next.text()), ("L1-HIT", "new"));
}

#[test]
fn what_l1_still_shows_after_an_invalidation_is_not_used() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=1000")], "old");
    cache.get("/a");
    let before = cache.host.world.kv.borrow().clone();
    cache.respond(204, &[], "");
    cache.send(http::Method::DELETE, "/a", &[]);
    // A store that is eventually consistent goes on showing what it held.
    *cache.host.world.kv.borrow_mut() = before.clone();
    cache.respond(200, &[("cache-control", "max-age=1000")], "new");
    assert_eq!(cache.get("/a").text(), "new");
    *cache.host.world.kv.borrow_mut() = before;
    let (l2, l1) = (cache.get("/a"), cache.get("/a"));
    assert_eq!((l2.tier(), l2.text()), ("L2-HIT", "new"));
    assert_eq!((l1.tier(), l1.text()), ("L1-HIT", "new"));
}

#[test]
fn bytes_that_travelled_as_digits_are_the_same_in_the_database() {
    let body: &'static [u8] = (0..=255u8).cycle().take(2_500_000).collect::<Vec<_>>().leak();
    for (written, read) in [(true, false), (false, true), (true, true)] {
        let mut cache = Cache::new("");
        cache.host.world.sql_is_text.set(written);
        cache.origin(Script::Respond(200, owned(&[("cache-control", "max-age=100"), ("etag", "\"1\"")]), vec![body]));
        cache.get("/a");
        cache.restart();
        cache.host.world.sql_is_text.set(read);
        let found = cache.get("/a");
        assert_eq!((found.tier(), found.body.as_deref()), ("L2-HIT", Some(body)), "{written} {read}");
        // A head of its own, as a 304 writes it.
        cache.wait(150);
        cache.respond(304, &[("cache-control", "max-age=1000"), ("etag", "\"1\"")], "");
        cache.get("/a");
        cache.restart();
        cache.host.world.sql_is_text.set(written);
        let found = cache.get("/a");
        assert_eq!((found.tier(), found.body.as_deref()), ("L2-HIT", Some(body)), "{written} {read}");
    }
}

/// The first response may still be on its way into L2, and is then too late.
#[test]
fn what_a_304_makes_fresh_again_is_stored_in_l2_where_it_is_not_yet() {
    let mut cache = Cache::new("[tiers.l1]\nadmit = \"always\"\n[cache]\nstale_while_revalidate = \"0s\"");
    cache.respond(200, &[("cache-control", "max-age=1"), ("etag", "\"a\"")], "hello");
    cache.get("/a");
    cache.host.database.execute("DELETE FROM entries", ()).unwrap();
    cache.wait_at_work(2);
    cache.respond(304, &[("cache-control", "max-age=600"), ("etag", "\"a\"")], "");
    cache.get("/a");
    cache.host.world.kv.borrow_mut().clear();
    let again = cache.get("/a");
    assert_eq!((again.tier(), again.text()), ("L2-HIT", "hello"));
}
