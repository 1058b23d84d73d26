//! A tier that fails is a miss, a body that is cut is not stored, a corrupt entry is a miss.

use super::support::*;
use terrace_core::entry::codec::VERSION;
use terrace_core::host::OriginError;

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=100")];

#[test]
fn when_l1_fails_l2_answers_and_when_both_fail_the_origin_does() {
    let mut cache = Cache::new("");
    cache.respond(200, FRESH, "hello");
    cache.get("/a");
    cache.host.world.kv_fails.set(true);
    assert_eq!(cache.get("/a").tier(), "L2-HIT");
    cache.host.world.sql_fails.set(true);
    cache.respond(200, FRESH, "from the origin");
    let answer = cache.get("/a");
    assert_eq!((answer.status, answer.text()), (200, "from the origin"));
    assert!(cache.proxy.counters().l1_errors.get() > 0 && cache.proxy.counters().l2_errors.get() > 0);
}

#[test]
fn an_l1_that_hangs_costs_its_deadline_and_no_more() {
    let mut cache = Cache::new("[tiers.l1]\ntimeout = \"50ms\"\n");
    cache.respond(200, FRESH, "hello");
    cache.get("/a");
    cache.host.world.kv_hangs.set(true);
    let before = cache.host.world.now.get();
    assert_eq!(cache.get("/a").tier(), "L2-HIT");
    assert!(cache.host.world.now.get() - before <= 100);
}

#[test]
fn rubbish_in_l1_is_removed_and_the_next_tier_answers() {
    let mut cache = Cache::new("");
    cache.respond(200, FRESH, "hello");
    cache.get("/a");
    let records: Vec<(String, Vec<u8>)> = cache.host.world.kv.borrow().clone().into_iter().collect();
    let (key, good) = records.into_iter().next().unwrap();
    for at in [0, 3, 5, 9, 17, 30, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        cache.host.world.kv.borrow_mut().insert(key.clone(), bad);
        let answer = cache.get("/a");
        assert_eq!((answer.tier(), answer.text()), ("L2-HIT", "hello"), "byte {at}");
    }
    assert_eq!(cache.proxy.counters().corrupt.get(), 7);
}

#[test]
fn a_corrupt_row_in_l2_is_a_miss_and_is_removed() {
    let mut cache = Cache::new("");
    cache.respond(200, FRESH, "hello");
    cache.get("/a");
    cache.host.database.execute("UPDATE entries SET body = x'00'", []).unwrap();
    cache.restart();
    cache.respond(200, FRESH, "again");
    assert_eq!(cache.get("/a").tier(), "MISS");
    assert_eq!(cache.get("/a").text(), "again");
}

#[test]
fn an_entry_of_another_version_is_a_miss_in_both_tiers() {
    let mut cache = Cache::new("");
    cache.respond(200, FRESH, "of the version before");
    cache.get("/a");
    for record in cache.host.world.kv.borrow_mut().values_mut() {
        record[3] = VERSION - 1;
    }
    let head = format!("substr(head, 1, 3) || x'{:02x}' || substr(head, 5)", VERSION - 1);
    let changed = cache.host.database.execute(&format!("UPDATE entries SET head = CAST({head} AS BLOB)"), []);
    assert_eq!(changed, Ok(1));
    cache.respond(200, FRESH, "of this one");
    let answer = cache.get("/a");
    assert_eq!((answer.status, answer.tier(), answer.text()), (200, "MISS", "of this one"));
    for tier in ["L1-HIT", "L2-HIT"] {
        let answer = cache.get("/a");
        assert_eq!((answer.tier(), answer.text()), (tier, "of this one"));
        cache.restart();
    }
}

#[test]
fn a_body_that_is_cut_is_passed_on_as_cut_and_not_stored() {
    let mut cache = Cache::new("");
    let fields = || vec![("cache-control", "max-age=100".to_string())];
    cache.origin(Script::Cut(200, fields(), vec![b"hel"]));
    assert_eq!(cache.get("/a").body, None);
    cache.respond(200, FRESH, "hello");
    let answer = cache.get("/a");
    assert_eq!((answer.tier(), answer.text()), ("MISS", "hello"));
}

#[test]
fn a_body_shorter_than_its_content_length_is_not_stored() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=100"), ("content-length", "9")], "hello");
    cache.get("/a");
    cache.respond(200, FRESH, "hello");
    assert_eq!(cache.get("/a").tier(), "MISS");
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let mut cache = Cache::new("");
    cache
        .host
        .database
        .execute_batch("CREATE TABLE terrace_schema (version INTEGER); INSERT INTO terrace_schema VALUES (99)")
        .unwrap();
    cache.respond(200, FRESH, "hello");
    assert_eq!(cache.get("/a").text(), "hello");
    assert!(cache.host.world.warnings.borrow().iter().any(|w| w.contains("upgrade terrace")));
    let tables: i64 = cache
        .host
        .database
        .query_row("SELECT count(*) FROM sqlite_master WHERE name = 'entries'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn a_missing_secret_is_our_error_and_the_origin_is_not_asked() {
    let mut cache = Cache::new("headers = { \"x-api-key\" = { secret = \"OTHER\" } }\n");
    let answer = cache.get("/a");
    assert_eq!((answer.status, answer.field("proxy-status")), (500, "terrace; error=proxy_configuration_error"));
    assert_eq!(cache.asked(), 0);
}

#[test]
fn content_that_slow_readers_do_not_take_is_bounded() {
    let body: &'static [u8] = Vec::leak(vec![7; 20 << 20]);
    let mut cache = Cache::new("");
    cache.origin(Script::Respond(200, vec![("cache-control", "max-age=100".into())], vec![body]));
    cache.get("/huge");
    let waiting: Vec<_> = (0..20).map(|_| cache.open("/huge")).collect();
    let refused = waiting.iter().filter(|response| response.status == 503).count();
    assert_eq!(refused, 12);
    assert!(waiting.iter().filter(|r| r.status == 503).all(|r| r.fields.get_str("retry-after") == Some("1")));
    drop(waiting);
    assert_eq!(cache.get("/huge").status, 200);
}

#[test]
fn the_operator_is_told_that_the_origin_fails_though_clients_do_not_see_it() {
    for window in ["stale-if-error=100", "stale-while-revalidate=100"] {
        let mut cache = Cache::new("");
        let lifetime = format!("max-age=10, {window}");
        cache.respond(200, &[("cache-control", &lifetime)], "old");
        cache.get("/a");
        cache.wait(20);
        cache.origin(Script::Fail(OriginError::ConnectionRefused));
        assert_eq!(cache.get("/a").text(), "old");
        let warnings = cache.host.world.warnings.borrow();
        let told = warnings.iter().any(|w| w.contains("http://origin.test") && w.contains("connection_refused"));
        assert!(told, "{window}: {warnings:?}");
    }
}
