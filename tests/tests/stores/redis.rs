//! `terrace serve --l1 redis://..`: what Redis holds, what hosts share by it, and what becomes of requests when it is gone.

use crate::{WORLD, all_is_well, described};
use std::time::Duration;
use terrace_tests::client::{Request, Response};
use terrace_tests::host::ADMIN_TOKEN;
use terrace_tests::origin::Origin;
use terrace_tests::redis::{PASSWORD, Redis};
use terrace_tests::reply::Reply;
use terrace_tests::world::Terrace;

pub const ALL: &[crate::Test] = tests![
    what_one_host_stores_is_a_hit_of_the_other,
    a_purge_through_one_host_holds_in_the_other_within_the_poll,
    a_value_expires_with_what_it_holds,
    keys_begin_with_the_prefix_of_the_url,
    garbage_under_a_key_is_a_miss_and_replaced,
    a_redis_that_goes_and_comes_back_costs_no_request_and_no_restart,
    a_redis_that_stands_still_costs_no_request,
    a_redis_that_was_never_there_costs_no_request_and_is_found_later,
    what_a_redis_that_takes_no_writes_goes_on_to_hold_is_not_served,
    a_wrong_password_costs_no_request_and_is_never_shown,
];

fn redis() -> Redis {
    Redis::start().expect("Redis starts")
}

/// A cache that has nothing but Redis to share with another: its L2 is its own.
async fn with_l1(origin: &Origin, redis: &str, config: &str) -> Terrace {
    WORLD.in_front_of(&origin.url(), config, &["--l1", redis]).await
}

async fn what_one_host_stores_is_a_hit_of_the_other() {
    let (redis, origin) = (redis(), Origin::start().await);
    origin.serve("/x", Reply::fresh("shared").with("ETag", "\"s\""));
    let one = with_l1(&origin, &redis.url(), "").await;
    let other = with_l1(&origin, &redis.url(), "").await;
    one.warm("/x").await.has_tier("L1-HIT");
    let asked = origin.count("/x");
    other.get("/x").await.has_status(200).has_tier("L1-HIT").has_body("shared").has_field("etag", "\"s\"");
    assert_eq!(origin.count("/x"), asked, "the origin was asked");
}

async fn a_purge_through_one_host_holds_in_the_other_within_the_poll() {
    let (redis, origin) = (redis(), Origin::start().await);
    origin.otherwise(|seen| Reply::ok(format!("{}", seen.nth)).with("Cache-Control", "max-age=600"));
    let dir = tempfile::tempdir().expect("a folder");
    let l2 = format!("sqlite:{}", dir.path().join("shared.db").display());
    let config = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[purge]\npoll = \"1s\"\n[cache]\n\
                  stale_while_revalidate = \"0s\"\n";
    let url = redis.url();
    let arguments = ["--l1", url.as_str(), "--l2", l2.as_str()];
    let one = WORLD.in_front_of(&origin.url(), config, &arguments).await;
    let other = WORLD.in_front_of(&origin.url(), config, &arguments).await;
    one.warm("/x").await.has_body("1");
    other.get("/x").await.has_tier("L1-HIT").has_body("1");
    let purge = Request::new("POST", "/_terrace/purge").with("Content-Type", "application/json");
    let purge = purge.with("Authorization", format!("Bearer {ADMIN_TOKEN}")).body("{\"everything\":true}");
    let answer = one.send(&purge).await;
    answer.has_status(200);
    let said: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let wait = said["holds_everywhere_in_ms"].as_u64().expect("when it holds");
    tokio::time::sleep(Duration::from_millis(wait + 1)).await;
    for terrace in [&other, &one] {
        // What the first has asked for anew may not be stored yet.
        let response = terrace.get("/x").await;
        response.has_status(200);
        assert_ne!(response.text(), "1", "{response:?}");
    }
}

async fn a_value_expires_with_what_it_holds() {
    let (redis, origin) = (redis(), Origin::start().await);
    origin.serve("/x", Reply::fresh("long"));
    with_l1(&origin, &redis.url(), "").await.warm("/x").await.has_tier("L1-HIT");
    for key in redis.keys() {
        let left = redis.ask(&["PTTL", &key]).expect("PTTL").concat();
        let left: i64 = left.parse().expect("a number");
        // A value without a time to live says -1.
        assert!((1..=3_600_000).contains(&left), "{key} stays for {left} ms");
    }
    let brief = with_l1(&origin, &format!("{}?prefix=brief:", redis.url()), "[tiers.l1]\nmax_ttl = \"2s\"").await;
    brief.warm("/x").await.has_tier("L1-HIT");
    let held = || redis.keys().iter().filter(|key| key.starts_with("brief:")).count();
    assert!(held() > 0);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(held(), 0, "{:?}", redis.keys());
}

async fn keys_begin_with_the_prefix_of_the_url() {
    let (redis, origin) = (redis(), Origin::start().await);
    origin.serve_in_turn("/x", vec![Reply::fresh("one"), Reply::fresh("two")]);
    redis.ask(&["SET", "theirs", "1"]).expect("SET");
    with_l1(&origin, &redis.url(), "").await.warm("/x").await.has_body("one");
    let apart = with_l1(&origin, &format!("{}/0?prefix=apart:", redis.url()), "").await;
    apart.warm("/x").await.has_body("two");
    let ours = |prefix: &str| redis.keys().iter().filter(|key| key.starts_with(prefix)).count();
    assert!(ours("terrace:") > 0 && ours("apart:") > 0, "{:?}", redis.keys());
    assert_eq!(ours("terrace:") + ours("apart:") + 1, redis.keys().len(), "{:?}", redis.keys());
    assert_eq!(redis.ask(&["GET", "theirs"]).expect("GET"), ["1"]);
}

async fn garbage_under_a_key_is_a_miss_and_replaced() {
    let (redis, origin) = (redis(), Origin::start().await);
    origin.serve("/x", Reply::fresh("good"));
    let terrace = with_l1(&origin, &redis.url(), "").await;
    let is_l1 = |response: &Response| response.tier() == "L1-HIT";
    for garbage in ["", "x", "TRC\u{5}garbage that is longer than what a record begins with"] {
        terrace.warm("/x").await.has_tier("L1-HIT");
        for key in redis.keys() {
            redis.ask(&["SET", &key, garbage]).expect("SET");
        }
        let response = terrace.get("/x").await;
        response.has_status(200).has_body("good");
        assert!(!is_l1(&response), "{garbage:?}: {response:?}");
    }
    terrace.warm("/x").await.has_tier("L1-HIT");
    for key in redis.keys() {
        redis.ask(&["DEL", &key]).expect("DEL");
        redis.ask(&["RPUSH", &key, "a list"]).expect("RPUSH");
    }
    terrace.get("/x").await.has_status(200).has_body("good");
    terrace.until(&Request::get("/x"), "in L1 again", is_l1).await.has_body("good");
}

/// What is answered from L1 is so again, by the process that was there before.
async fn is_back(terrace: &Terrace) {
    let is_l1 = |response: &Response| response.tier() == "L1-HIT";
    terrace.until(&Request::get("/0"), "in L1 again", is_l1).await.has_body("body of /0");
}

async fn a_redis_that_goes_and_comes_back_costs_no_request_and_no_restart() {
    let (mut redis, origin) = (redis(), described().await);
    let terrace = with_l1(&origin, &redis.url(), "").await;
    terrace.warm("/0").await.has_tier("L1-HIT");
    for _ in 0..2 {
        let load = async {
            for _ in 0..4 {
                all_is_well(&terrace).await;
            }
        };
        let stop = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            redis.stop();
        };
        let ((), ()) = tokio::join!(load, stop);
        all_is_well(&terrace).await;
        redis.resume().expect("Redis starts again");
        is_back(&terrace).await;
    }
}

async fn a_redis_that_stands_still_costs_no_request() {
    let (redis, origin) = (redis(), described().await);
    let terrace = with_l1(&origin, &redis.url(), "").await;
    terrace.warm("/0").await.has_tier("L1-HIT");
    // Every command of every client waits.
    redis.ask(&["CLIENT", "PAUSE", "1500", "ALL"]).expect("CLIENT PAUSE");
    all_is_well(&terrace).await;
    is_back(&terrace).await;
}

async fn a_redis_that_was_never_there_costs_no_request_and_is_found_later() {
    let (mut redis, origin) = (redis(), described().await);
    redis.stop();
    let terrace = with_l1(&origin, &redis.url(), "").await;
    all_is_well(&terrace).await;
    redis.resume().expect("Redis starts again");
    is_back(&terrace).await;
}

async fn what_a_redis_that_takes_no_writes_goes_on_to_hold_is_not_served() {
    let (redis, origin) = (redis(), Origin::start().await);
    origin.serve("/x", Reply::fresh("old"));
    let dir = tempfile::tempdir().expect("a folder");
    let l2 = format!("sqlite:{}", dir.path().join("shared.db").display());
    let (url, config) = (redis.url(), "[purge]\npoll = \"1s\"\n");
    let arguments = ["--l1", url.as_str(), "--l2", l2.as_str()];
    let mut one = WORLD.in_front_of(&origin.url(), config, &arguments).await;
    let other = WORLD.in_front_of(&origin.url(), config, &arguments).await;
    one.warm("/x").await.has_tier("L1-HIT");
    other.get("/x").await.has_tier("L1-HIT").has_body("old");
    // A replica of nobody answers what it holds.
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).expect("REPLICAOF");
    origin.serve("/x", Reply::fresh("new"));
    one.send(&Request::new("POST", "/x").body("b")).await.has_status(200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for _ in 0..4 {
        one.get("/x").await.has_status(200).has_body("new");
        other.get("/x").await.has_status(200).has_body("new");
    }
    redis.ask(&["REPLICAOF", "NO", "ONE"]).expect("REPLICAOF");
    let is_l1 = |response: &Response| response.tier() == "L1-HIT";
    one.until(&Request::get("/x"), "in L1 again", is_l1).await.has_body("new");
    let log = one.process().log();
    assert!(log.contains("L1 takes no writes: the store failed: Redis: ") && !log.contains("Error"), "{log}");
}

async fn a_wrong_password_costs_no_request_and_is_never_shown() {
    let (redis, origin) = (redis(), described().await);
    for (password, works) in [("wr0ng-4711", false), (PASSWORD, true)] {
        let mut terrace = with_l1(&origin, &redis.url_with(password), "").await;
        all_is_well(&terrace).await;
        assert_eq!(!redis.keys().is_empty(), works);
        let log = terrace.process().log();
        assert!(!log.contains(password), "{log}");
    }
}
