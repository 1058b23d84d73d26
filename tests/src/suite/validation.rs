//! Conditional requests, both ways (RFC 9110 13, RFC 9111 4.3).

use super::Behaviour;
use crate::client::{Request, Response};
use crate::origin::{Seen, date_in};
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    a_client_that_has_it_gets_a_304_from_the_cache,
    if_none_match_is_compared_weakly_and_as_a_list,
    if_none_match_comes_before_if_modified_since,
    if_modified_since_is_compared_with_last_modified,
    a_stale_response_is_validated_with_what_is_stored,
    a_304_updates_the_stored_fields,
    a_304_makes_the_response_fresh_again_in_l2_too,
    a_changed_response_replaces_the_stored_one,
    a_client_gets_its_304_after_our_own_validation,
    a_conditional_request_for_something_unknown_reaches_the_origin,
    validation_of_a_variant_sends_its_fields,
    a_304_keeps_content_fields,
];

const NOW: &str = "[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"";

/// Stale at once, `"e"` while `changed` is false.
fn validating(seen: &Seen) -> Reply {
    let reply = match seen.field("if-none-match") {
        Some(tags) if tags.contains("\"e\"") => Reply::status(304),
        _ => Reply::ok("validated"),
    };
    reply.with("ETag", "\"e\"").with("Cache-Control", "max-age=0").with("X-Nth", seen.nth.to_string())
}

fn revalidated(response: &Response) -> bool {
    response.tier() == "REVALIDATED"
}

async fn a_client_that_has_it_gets_a_304_from_the_cache(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("ETag", "\"e\"").with("Vary", "X-A"));
    terrace.warm("/x").await;
    let asked = origin.count("/x");
    let response = terrace.get_with("/x", "If-None-Match", "\"e\"").await;
    response.has_status(304).has_body("").has_tier("L1-HIT").has_field("etag", "\"e\"").has_field("vary", "X-A");
    response.has_field("cache-control", "max-age=60");
    assert!(response.fields.has("date"), "{response:?}");
    terrace.get_with("/x", "If-None-Match", "\"other\"").await.has_status(200).has_tier("L1-HIT").has_body("x");
    assert_eq!(origin.count("/x"), asked);
    let mut kept = terrace.connect().await;
    kept.send(&Request::get("/x").with("If-None-Match", "\"e\"")).await.has_status(304);
    kept.send(&Request::get("/x")).await.has_status(200).has_body("x");
}

async fn if_none_match_is_compared_weakly_and_as_a_list(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/strong", Reply::fresh("s").with("ETag", "\"e\""));
    origin.serve("/weak", Reply::fresh("w").with("ETag", "W/\"e\""));
    for path in ["/strong", "/weak"] {
        terrace.warm(path).await;
        for tags in ["\"e\"", "W/\"e\"", "\"a\", \"e\"", "\"a,b\",W/\"e\" , \"z\"", "*"] {
            terrace.get_with(path, "If-None-Match", tags).await.has_status(304);
        }
        for tags in ["\"E\"", "e", "\"a\"", "\"a,e\""] {
            terrace.get_with(path, "If-None-Match", tags).await.has_status(200);
        }
        let lines = Request::get(path).with("If-None-Match", "\"a\"").with("If-None-Match", "\"e\"");
        terrace.send(&lines).await.has_status(304);
    }
}

async fn if_none_match_comes_before_if_modified_since(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("ETag", "\"e\"").with("Last-Modified", date_in(-1000)));
    terrace.warm("/x").await;
    let changed = Request::get("/x").with("If-None-Match", "\"other\"").with("If-Modified-Since", date_in(0));
    terrace.send(&changed).await.has_status(200).has_body("x");
    let same = Request::get("/x").with("If-None-Match", "\"e\"").with("If-Modified-Since", date_in(-5000));
    terrace.send(&same).await.has_status(304);
}

async fn if_modified_since_is_compared_with_last_modified(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("Last-Modified", "Wed, 01 Jul 2026 12:00:00 GMT"));
    terrace.warm("/x").await;
    for (date, status) in [
        ("Wed, 01 Jul 2026 12:00:00 GMT", 304),
        ("Thu, 02 Jul 2026 12:00:00 GMT", 304),
        ("Wed, 01 Jul 2026 11:59:59 GMT", 200),
        ("Wednesday, 01-Jul-26 12:00:00 GMT", 304),
        ("Wed Jul  1 12:00:00 2026", 304),
        ("yesterday", 200),
    ] {
        let response = terrace.get_with("/x", "If-Modified-Since", date).await;
        assert_eq!(response.status, status, "{date}\n{response:?}");
    }
}

async fn a_stale_response_is_validated_with_what_is_stored(world: World) {
    let (origin, terrace) = world.serve(NOW).await;
    origin.on("/tag", validating);
    let response = terrace.until(&Request::get("/tag"), "validated", revalidated).await;
    response.has_status(200).has_body("validated");
    let status = response.cache_status();
    assert_eq!((status.text("fwd"), status.text("fwd-status")), (Some("stale"), Some("304")), "{response:?}");
    assert_eq!(origin.last("/tag").field("if-none-match"), Some("\"e\""));

    let modified = "Wed, 01 Jul 2026 12:00:00 GMT";
    origin.on("/date", move |seen| {
        let reply = match seen.field("if-modified-since") {
            Some(since) if since == modified => Reply::status(304),
            _ => Reply::ok("dated"),
        };
        reply.with("Last-Modified", modified).with("Cache-Control", "max-age=0")
    });
    terrace.until(&Request::get("/date"), "validated", revalidated).await.has_status(200).has_body("dated");
}

async fn a_304_updates_the_stored_fields(world: World) {
    let host = world.host;
    let (origin, terrace) = world.serve(NOW).await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some("\"e\"") => Reply::status(304)
            .with("ETag", "\"e\"")
            .with("Cache-Control", "max-age=60")
            .with("X-Changed", "new")
            .with("X-Added", "a")
            .with("X-Added", "b"),
        _ => Reply::ok("body")
            .with("ETag", "\"e\"")
            .with("Cache-Control", "max-age=0")
            .with("X-Changed", "old")
            .with("X-Kept", "k"),
    });
    terrace.get("/x").await.has_field("x-changed", "old");
    let response = terrace.until(&Request::get("/x"), "validated", |r| revalidated(r) || r.is_hit()).await;
    response.has_status(200).has_body("body");
    let hit = terrace.warm("/x").await;
    hit.has_status(200).has_body("body").has_field("x-changed", "new").has_field("x-kept", "k");
    hit.has_lines(host, "x-added", &["a", "b"]);
    assert!(hit.cache_status().number("ttl") > Some(20), "{hit:?}");
}

async fn a_304_makes_the_response_fresh_again_in_l2_too(world: World) {
    let (origin, mut terrace) = world.serve(NOW).await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some("\"e\"") => Reply::status(304).with("ETag", "\"e\"").with("Cache-Control", "max-age=600").with("X-V", "2"),
        _ => Reply::ok("body").with("ETag", "\"e\"").with("Cache-Control", "max-age=0").with("X-V", "1"),
    });
    terrace.until(&Request::get("/x"), "fresh again", |r| r.is_hit() && r.field("x-v") == Some("2")).await;
    terrace.restart().await;
    terrace.get("/x").await.has_tier("L2-HIT").has_body("body").has_field("x-v", "2");
}

async fn a_changed_response_replaces_the_stored_one(world: World) {
    let (origin, mut terrace) = world.serve(NOW).await;
    origin.on("/x", |seen| {
        let tag = format!("\"{}\"", seen.nth);
        Reply::ok(format!("v{}", seen.nth)).with("ETag", tag).with("Cache-Control", "max-age=1")
    });
    terrace.warm("/x").await;
    let second = terrace.until(&Request::get("/x"), "replaced", |response| response.text() != "v1").await;
    second.has_status(200);
    origin.on("/x", |_| Reply::ok("last").with("ETag", "\"last\"").with("Cache-Control", "max-age=600"));
    terrace.until(&Request::get("/x"), "replaced again", |r| r.is_hit() && r.text() == "last").await;
    terrace.restart().await;
    terrace.get("/x").await.has_tier("L2-HIT").has_body("last");
}

async fn a_client_gets_its_304_after_our_own_validation(world: World) {
    let (origin, terrace) = world.serve(NOW).await;
    origin.on("/x", validating);
    terrace.until(&Request::get("/x"), "validated", revalidated).await;
    terrace.get_with("/x", "If-None-Match", "\"e\"").await.has_status(304).has_body("");
    terrace.get_with("/x", "If-None-Match", "\"mine\"").await.has_status(200).has_body("validated");
}

async fn a_conditional_request_for_something_unknown_reaches_the_origin(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some("\"e\"") => Reply::status(304).with("ETag", "\"e\"").with("Cache-Control", "max-age=60"),
        _ => Reply::fresh("whole").with("ETag", "\"e\""),
    });
    terrace.get_with("/x", "If-None-Match", "\"e\"").await.has_status(304);
    // A 304 fills nothing: whoever has no copy gets the content.
    terrace.get("/x").await.has_status(200).has_body("whole");
    terrace.warm("/x").await.has_status(200).has_body("whole");
}

async fn validation_of_a_variant_sends_its_fields(world: World) {
    let (origin, terrace) = world.serve(NOW).await;
    origin.on("/x", |seen| {
        let tag = format!("\"{}\"", seen.field("x-a").unwrap_or("none"));
        let reply = match seen.field("if-none-match") {
            Some(have) if have.contains(&tag) => Reply::status(304),
            _ => Reply::ok(format!("for {tag}")),
        };
        reply.with("ETag", tag).with("Vary", "X-A").with("Cache-Control", "max-age=0")
    });
    for value in ["1", "2"] {
        let request = Request::get("/x").with("X-A", value);
        let response = terrace.until(&request, "validated", revalidated).await;
        response.has_status(200).has_body(format!("for \"{value}\""));
    }
}

async fn a_304_keeps_content_fields(world: World) {
    let (origin, terrace) = world.serve(NOW).await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some("\"e\"") => Reply::status(304)
            .with("ETag", "\"e\"")
            .with("Cache-Control", "max-age=60")
            .with("Content-Encoding", "broken")
            .with("Content-Range", "bytes 0-1/2"),
        _ => Reply::ok("body").with("ETag", "\"e\"").with("Cache-Control", "max-age=0"),
    });
    let hit = terrace.warm("/x").await;
    hit.has_status(200).has_body("body").has_field("content-length", "4");
    hit.lacks("content-encoding").lacks("content-range");
}
