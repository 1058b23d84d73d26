//! Miss, L1, L2, and what the response says about it.

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    a_first_request_is_a_miss_and_the_second_an_l1_hit,
    after_a_restart_an_entry_comes_from_l2_and_then_from_l1,
    an_entry_too_large_for_l1_is_served_from_l2,
    an_entry_too_large_for_every_tier_streams_through_uncached,
    every_response_says_where_it_came_from,
    cache_status_is_appended_to_what_the_origin_sent,
    a_hit_on_another_connection_or_worker_is_a_hit_too,
    an_object_promoted_from_l2_is_no_younger,
];

async fn a_first_request_is_a_miss_and_the_second_an_l1_hit(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("terraced").with("Content-Type", "text/plain"));
    let first = terrace.get("/x").await;
    first.has_status(200).has_tier("MISS").has_field("x-cache", "MISS").has_body("terraced");
    let status = first.cache_status();
    assert_eq!(status.text("fwd"), Some("uri-miss"), "{first:?}");
    assert!(status.flag("stored"), "{first:?}");
    first.lacks("age");

    let hit = terrace.warm("/x").await;
    hit.has_status(200).has_tier("L1-HIT").has_field("x-cache", "HIT").has_body("terraced");
    hit.has_field("content-type", "text/plain").has_field("content-length", "8");
    let status = hit.cache_status();
    assert!(status.flag("hit"), "{hit:?}");
    assert_eq!(status.text("detail"), Some("L1"), "{hit:?}");
    assert_eq!(status.text("fwd"), None, "{hit:?}");
    assert!((1..=60).contains(&status.number("ttl").unwrap_or(-1)), "{hit:?}");

    let asked = origin.count("/x");
    for _ in 0..5 {
        terrace.get("/x").await.has_tier("L1-HIT").has_body("terraced");
    }
    assert_eq!(origin.count("/x"), asked, "a hit asked the origin");
}

async fn after_a_restart_an_entry_comes_from_l2_and_then_from_l1(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("kept").with("ETag", "\"k\""));
    terrace.warm("/x").await;
    terrace.restart().await;
    let asked = origin.count("/x");
    let second = terrace.get("/x").await;
    second.has_status(200).has_tier("L2-HIT").has_field("x-cache", "HIT").has_body("kept").has_field("etag", "\"k\"");
    assert_eq!(second.cache_status().text("detail"), Some("L2"), "{second:?}");
    assert!(second.cache_status().flag("hit"), "{second:?}");
    let promoted = |response: &crate::client::Response| response.tier() == "L1-HIT";
    terrace.until(&Request::get("/x"), "promoted to L1", promoted).await.has_body("kept").has_field("etag", "\"k\"");
    assert_eq!(origin.count("/x"), asked, "the origin was asked");
}

async fn an_entry_too_large_for_l1_is_served_from_l2(world: World) {
    let (origin, terrace) = world.serve("[tiers.l1]\nmax_size = \"1KiB\"").await;
    let body = vec![b'm'; 4096];
    origin.serve("/middling", Reply::fresh(body.clone()));
    terrace.warm("/middling").await;
    for _ in 0..3 {
        terrace.get("/middling").await.has_tier("L2-HIT").has_body(&body);
    }
}

async fn an_entry_too_large_for_every_tier_streams_through_uncached(world: World) {
    let (origin, terrace) = world.serve("[tiers.l1]\nmax_size = \"1KiB\"\n[tiers.l2]\nmax_size = \"2KiB\"").await;
    let body = vec![b'l'; 4096];
    origin.serve("/large", Reply::fresh(body.clone()));
    origin.serve("/large/chunked", Reply::fresh(body.clone()).chunked());
    for path in ["/large", "/large/chunked"] {
        terrace.get(path).await.has_status(200).has_body(&body);
        terrace.stays_a_miss(&Request::get(path)).await;
    }
}

async fn every_response_says_where_it_came_from(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/private", Reply::ok("p").with("Cache-Control", "private"));
    let response = terrace.get("/private").await;
    response.has_status(200).has_field("x-cache", "MISS").has_body("p");
    assert!(matches!(response.tier(), "MISS" | "BYPASS"), "{response:?}");
    assert!(!response.cache_status().flag("stored"), "{response:?}");
    origin.serve("/missing", Reply::status(404).body("none"));
    let response = terrace.get("/missing").await;
    response.has_status(404).has_field("x-cache", "MISS");
    response.cache_status();
    let via = response.fields.joined("via");
    assert!(via.contains("terrace"), "Via does not name us: {response:?}");
}

async fn cache_status_is_appended_to_what_the_origin_sent(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("Cache-Status", "\"Inner Cache\"; hit; ttl=5").with("Via", "1.1 inner"));
    for response in [terrace.get("/x").await, terrace.warm("/x").await] {
        assert_eq!(response.cache_status().before, 1, "{response:?}");
        assert!(response.fields.joined("cache-status").starts_with("\"Inner Cache\""), "{response:?}");
        let via = response.fields.joined("via");
        assert!(via.starts_with("1.1 inner, "), "{response:?}");
    }
}

async fn a_hit_on_another_connection_or_worker_is_a_hit_too(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("shared"));
    terrace.warm("/x").await;
    let asked = origin.count("/x");
    for _ in 0..20 {
        terrace.get("/x").await.has_tier("L1-HIT").has_body("shared");
    }
    let mut kept = terrace.connect().await;
    for _ in 0..20 {
        kept.send(&Request::get("/x")).await.has_tier("L1-HIT").has_body("shared");
    }
    assert_eq!(origin.count("/x"), asked);
}

async fn an_object_promoted_from_l2_is_no_younger(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.serve("/old", Reply::ok("old").with("Cache-Control", "max-age=1000").with("Age", "500"));
    terrace.warm("/old").await;
    terrace.restart().await;
    let from_l2 = terrace.get("/old").await;
    from_l2.has_tier("L2-HIT");
    assert!(from_l2.age() >= Some(500), "{from_l2:?}");
    let promoted = |response: &crate::client::Response| response.tier() == "L1-HIT";
    let from_l1 = terrace.until(&Request::get("/old"), "promoted to L1", promoted).await;
    assert!(from_l1.age() >= from_l2.age(), "{from_l2:?}\n{from_l1:?}");
    assert!(from_l1.cache_status().number("ttl") <= Some(500), "{from_l1:?}");
}
