//! Content in the key: QUERY (RFC 10008), and POST where a route says so.

use super::Behaviour;
use crate::client::Request;
use crate::origin::Seen;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    the_same_content_is_one_object_and_another_is_another,
    content_arrives_at_the_origin_as_it_was_sent,
    content_that_the_key_does_not_take_passes_whole,
    a_query_without_the_routes_word_passes_and_makes_nothing_invalid,
    an_unsafe_request_ends_what_is_stored_for_every_content,
    a_refresh_behind_the_answer_sends_the_content,
    what_is_keyed_by_content_outlives_a_restart,
];

const ROUTE: &str = "[[route]]\nmatch = \"/search*\"\nkey = { content = \"64KiB\", methods = [\"QUERY\", \"POST\"] }";

const METHODS: [&str; 2] = ["QUERY", "POST"];

fn ask(method: &str, content: &str) -> Request {
    Request::new(method, "/search").with("Content-Type", "application/json").body(content.to_owned())
}

/// What was asked, and the how manieth answer it is.
fn echo(seen: &Seen) -> Reply {
    Reply::fresh(format!("{} {} {}", seen.method, String::from_utf8_lossy(&seen.body), seen.nth))
}

async fn the_same_content_is_one_object_and_another_is_another(world: World) {
    let (origin, terrace) = world.serve(ROUTE).await;
    origin.on("/search", echo);
    for method in METHODS {
        let one = terrace.warm_with(&ask(method, "{\"q\":1}")).await.text();
        assert!(one.starts_with(&format!("{method} {{\"q\":1}} ")), "{one}");
        terrace.send(&ask(method, "{\"q\":1}")).await.has_tier("L1-HIT").has_body(&one);
        for other in [
            ask(method, "{\"q\":2}"),
            ask(method, ""),
            Request::new(method, "/search").with("Content-Type", "text/plain").body("{\"q\":1}"),
            ask(method, "{\"q\":1}").with("Content-Encoding", "identity"),
        ] {
            let response = terrace.send(&other).await;
            assert!(response.tier() == "MISS" && response.text() != one, "{response:?}");
        }
    }
    let response = terrace.get("/search").await;
    assert!(response.tier() == "MISS" && response.text().starts_with("GET  "), "{response:?}");
}

async fn content_arrives_at_the_origin_as_it_was_sent(world: World) {
    let (origin, terrace) = world.serve(ROUTE).await;
    origin.on("/search", echo);
    let bytes = super::noise(7, 60_000);
    for method in METHODS {
        let request = Request::new(method, "/search?a=1").with("Content-Type", "application/x").body(bytes.clone());
        terrace.send(&request).await.has_tier("MISS");
        let seen = origin.last("/search");
        assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, "/search?a=1"));
        assert_eq!(seen.fields.all("content-length"), ["60000"]);
        assert_eq!(seen.field("content-type"), Some("application/x"));
        assert!(seen.whole && seen.body == bytes, "{} bytes came", seen.body.len());
    }
}

async fn content_that_the_key_does_not_take_passes_whole(world: World) {
    let (origin, terrace) = world.serve(ROUTE).await;
    origin.on("/search", |seen| Reply::fresh(seen.body.clone()));
    let large = super::noise(8, 200_000);
    for method in METHODS {
        for request in [
            Request::new(method, "/search").body(large.clone()),
            Request::new(method, "/search").chunks(&[&large[..100], &large[100..]]),
        ] {
            for _ in 0..2 {
                let response = terrace.send(&request).await;
                response.has_tier("BYPASS").has_body(&large);
                assert_eq!(response.cache_status().text("detail"), Some("request-content"), "{response:?}");
            }
        }
    }
}

async fn a_query_without_the_routes_word_passes_and_makes_nothing_invalid(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/search", echo);
    terrace.warm("/search").await;
    for _ in 0..2 {
        let response = terrace.send(&ask("QUERY", "q")).await;
        assert_eq!(response.cache_status().text("fwd"), Some("method"), "{response:?}");
        assert!(response.text().starts_with("QUERY q "), "{response:?}");
    }
    terrace.get("/search").await.has_tier("L1-HIT");
}

async fn an_unsafe_request_ends_what_is_stored_for_every_content(world: World) {
    let (origin, terrace) = world.serve(ROUTE).await;
    origin.on("/search", echo);
    for method in METHODS {
        let mut before = Vec::new();
        for content in ["1", "2"] {
            before.push(terrace.warm_with(&ask(method, content)).await.text());
        }
        terrace.send(&Request::new("PUT", "/search").body("")).await.has_status(200);
        for (content, before) in ["1", "2"].into_iter().zip(before) {
            let after = terrace.send(&ask(method, content)).await;
            assert!(!after.is_hit() && after.text() != before, "{after:?}");
            // What came since is stored again.
            terrace.warm_with(&ask(method, content)).await;
        }
    }
}

async fn a_refresh_behind_the_answer_sends_the_content(world: World) {
    let config = format!("{ROUTE}\nttl = \"1s\"\nstale_while_revalidate = \"1m\"");
    let (origin, terrace) = world.serve(&config).await;
    origin.on("/search", echo);
    for method in METHODS {
        let first = terrace.warm_with(&ask(method, "again")).await.text();
        let stale = |response: &crate::client::Response| response.tier().starts_with("STALE-");
        terrace.until(&ask(method, "again"), "stale", stale).await;
        let refreshed = |response: &crate::client::Response| response.text() != first;
        let after = terrace.until(&ask(method, "again"), "refreshed", refreshed).await;
        assert!(after.text().starts_with(&format!("{method} again ")), "{after:?}");
    }
}

async fn what_is_keyed_by_content_outlives_a_restart(world: World) {
    let (origin, mut terrace) = world.serve(ROUTE).await;
    origin.on("/search", echo);
    let stored = terrace.warm_with(&ask("POST", "kept")).await.text();
    terrace.restart().await;
    terrace.send(&ask("POST", "kept")).await.has_tier("L2-HIT").has_body(stored);
}
