//! HEAD, unsafe methods, and what they make invalid (RFC 9111 4, 4.4).

use super::Behaviour;
use crate::client::Request;
use crate::reply::{Gate, Reply, Step};
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    head_is_answered_from_a_stored_get,
    a_head_does_not_fill_a_get_with_nothing,
    a_post_passes_through_with_its_body,
    a_chunked_request_body_arrives_whole,
    an_unsafe_method_makes_its_url_invalid,
    every_variant_is_made_invalid,
    a_store_that_is_under_way_does_not_survive_an_invalidation,
    a_response_that_is_on_its_way_during_an_invalidation_is_not_stored,
    location_and_content_location_of_the_same_origin_are_made_invalid,
    a_location_elsewhere_makes_nothing_invalid,
    a_failed_unsafe_request_makes_nothing_invalid,
    safe_methods_make_nothing_invalid,
    an_unsafe_request_is_never_answered_from_the_cache,
    what_was_made_invalid_stays_invalid_after_a_restart,
];

async fn head_is_answered_from_a_stored_get(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("twelve bytes").with("ETag", "\"e\""));
    terrace.warm("/x").await;
    let asked = origin.count("/x");
    let head = terrace.send(&Request::new("HEAD", "/x")).await;
    head.has_status(200).has_tier("L1-HIT").has_field("content-length", "12").has_field("etag", "\"e\"").has_body("");
    assert_eq!(origin.count("/x"), asked);
    // The connection is in step afterwards: no content followed the head.
    let mut kept = terrace.connect().await;
    kept.send(&Request::new("HEAD", "/x")).await.has_tier("L1-HIT");
    kept.send(&Request::get("/x")).await.has_tier("L1-HIT").has_body("twelve bytes");
}

async fn a_head_does_not_fill_a_get_with_nothing(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("content"));
    for _ in 0..3 {
        terrace.send(&Request::new("HEAD", "/x")).await.has_status(200).has_body("");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    terrace.get("/x").await.has_status(200).has_body("content");
    terrace.warm("/x").await.has_body("content");
}

async fn a_post_passes_through_with_its_body(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/form", |seen| Reply::status(201).body(seen.body.clone()).with("Cache-Control", "max-age=60"));
    let body: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    for _ in 0..2 {
        let request = Request::new("POST", "/form?q=1").with("Content-Type", "application/x").body(body.clone());
        let response = terrace.send(&request).await;
        response.has_status(201).has_field("x-cache", "MISS").has_body(&body);
        assert_eq!(response.cache_status().text("fwd"), Some("method"), "{response:?}");
    }
    assert_eq!(origin.count("/form"), 2);
    let seen = origin.last("/form");
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/form?q=1"));
    assert_eq!(seen.field("content-type"), Some("application/x"));
    assert!(seen.whole && seen.body == body, "{} bytes came", seen.body.len());
}

async fn a_chunked_request_body_arrives_whole(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/form", Reply::ok("done"));
    let request = Request::new("PUT", "/form").chunks(&[b"one ", b"two ", &[b'x'; 70_000]]);
    terrace.send(&request).await.has_status(200);
    let seen = origin.last("/form");
    assert_eq!(seen.body.len(), 70_008);
    assert!(seen.whole && seen.body.starts_with(b"one two xxx"));
}

async fn an_unsafe_method_makes_its_url_invalid(world: World) {
    let unheard_of = world.host.takes_every_method().then_some("FROBNICATE");
    let (origin, terrace) = world.serve("").await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "LOCK"].into_iter().chain(unheard_of) {
        let path = format!("/{method}");
        origin.on(&path, |seen| match seen.method.as_str() {
            "GET" => Reply::fresh(format!("v{}", seen.nth)),
            _ => Reply::status(204),
        });
        let before = terrace.warm(&path).await.text();
        terrace.send(&Request::new(method, &path).body("")).await.has_status(204);
        let after = terrace.get(&path).await;
        assert!(after.text() != before && !after.is_hit(), "{method} left it\n{after:?}");
    }
}

async fn every_variant_is_made_invalid(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| match seen.method.as_str() {
        "GET" => Reply::fresh("variant").with("Vary", "X-A"),
        _ => Reply::ok("posted"),
    });
    for value in ["1", "2", "3"] {
        terrace.warm_with(&Request::get("/x").with("X-A", value)).await;
    }
    terrace.send(&Request::new("POST", "/x").body("b")).await.has_status(200);
    for value in ["1", "2", "3"] {
        let response = terrace.get_with("/x", "X-A", value).await;
        assert!(!response.is_hit(), "variant {value} is left\n{response:?}");
    }
}

async fn a_store_that_is_under_way_does_not_survive_an_invalidation(world: World) {
    let (origin, terrace) = world.serve("").await;
    for n in 0..40 {
        let path = format!("/{n}");
        origin.on(&path, |seen| match seen.method.as_str() {
            "GET" => Reply::fresh(format!("v{}", seen.nth)),
            _ => Reply::status(204),
        });
        // The response has left, and its store has only just begun.
        terrace.get(&path).await.has_tier("MISS");
        terrace.send(&Request::new("POST", &path).body("")).await.has_status(204);
        for _ in 0..2 {
            let after = terrace.get(&path).await;
            assert_ne!(after.text(), "v1", "{path} is left\n{after:?}");
        }
    }
}

async fn a_response_that_is_on_its_way_during_an_invalidation_is_not_stored(world: World) {
    let (origin, terrace) = world.serve("").await;
    let gate = Gate::new();
    let held = gate.clone();
    origin.on("/x", move |seen| match (seen.method.as_str(), seen.nth) {
        ("GET", 1) => Reply::fresh("before").chunked().then(Step::Wait(held.clone())).send(", and its end"),
        ("GET", nth) => Reply::fresh(format!("v{nth}")),
        _ => Reply::status(204),
    });
    let mut slow = terrace.connect().await;
    slow.request(&Request::get("/x")).await;
    let head = slow.head("GET").await.expect("a head");
    terrace.send(&Request::new("POST", "/x").body("")).await.has_status(204);
    gate.open();
    slow.rest(head).await.has_body("before, and its end");
    for _ in 0..5 {
        let after = terrace.get("/x").await;
        assert_ne!(after.text(), "before, and its end", "{after:?}");
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    // What was asked for since is stored.
    terrace.warm("/x").await;
}

async fn location_and_content_location_of_the_same_origin_are_made_invalid(world: World) {
    let (origin, terrace) = world.serve("").await;
    for path in ["/a", "/b"] {
        origin.on(path, |seen| Reply::fresh(format!("v{}", seen.nth)));
        terrace.warm(path).await;
    }
    origin.serve("/form", Reply::status(201).with("Location", "/a").with("Content-Location", "/b"));
    terrace.send(&Request::new("POST", "/form").body("b")).await.has_status(201);
    for path in ["/a", "/b"] {
        let response = terrace.get(path).await;
        assert!(!response.is_hit(), "{path} is left\n{response:?}");
    }
}

async fn a_location_elsewhere_makes_nothing_invalid(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/a", Reply::fresh("a"));
    terrace.warm("/a").await;
    origin.serve("/form", Reply::status(201).with("Location", "http://elsewhere.example/a"));
    terrace.send(&Request::new("POST", "/form").body("b")).await.has_status(201);
    terrace.get("/a").await.has_tier("L1-HIT");
}

async fn a_failed_unsafe_request_makes_nothing_invalid(world: World) {
    let (origin, terrace) = world.serve("").await;
    for status in [400, 404, 500, 503] {
        let path = format!("/{status}");
        origin.on(&path, move |seen| match seen.method.as_str() {
            "GET" => Reply::fresh("kept"),
            _ => Reply::status(status),
        });
        terrace.warm(&path).await;
        terrace.send(&Request::new("POST", &path).body("b")).await.has_status(status);
        terrace.get(&path).await.has_tier("L1-HIT").has_body("kept");
    }
}

async fn safe_methods_make_nothing_invalid(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("kept"));
    terrace.warm("/x").await;
    terrace.send(&Request::new("OPTIONS", "/x")).await.has_status(200);
    terrace.send(&Request::new("HEAD", "/x")).await.has_status(200);
    terrace.get("/x").await.has_tier("L1-HIT").has_body("kept");
}

async fn an_unsafe_request_is_never_answered_from_the_cache(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| Reply::fresh(format!("{} {}", seen.method, seen.nth)));
    terrace.warm("/x").await;
    for method in ["POST", "PUT", "DELETE"] {
        let response = terrace.send(&Request::new(method, "/x").body("b")).await;
        assert!(!response.is_hit() && response.text().starts_with(method), "{response:?}");
    }
}

async fn what_was_made_invalid_stays_invalid_after_a_restart(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.on("/x", |seen| match seen.method.as_str() {
        "GET" => Reply::fresh(format!("v{}", seen.nth)),
        _ => Reply::status(204),
    });
    let before = terrace.warm("/x").await.text();
    terrace.send(&Request::new("DELETE", "/x")).await.has_status(204);
    terrace.restart().await;
    let after = terrace.get("/x").await;
    assert_ne!(after.text(), before, "{after:?}");
}
