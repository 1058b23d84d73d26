//! Purges: by URL, prefix, tag and cache group, hard and soft, and who may.

use super::Behaviour;
use crate::client::{Request, Response};
use crate::host::{ADMIN_TOKEN, Host};
use crate::origin::Origin;
use crate::reply::Reply;
use crate::world::{Terrace, World};
use std::time::Duration;

pub const ALL: &[Behaviour] = behaviours![
    without_a_token_nothing_can_be_purged,
    a_purge_takes_the_token,
    a_wrong_document_is_told_what_is_wrong_with_it,
    a_purge_by_tag_url_prefix_or_group_removes_what_it_names_and_nothing_else,
    a_url_with_the_other_scheme_is_purged_as_well,
    the_answer_says_how_much_is_hit_and_what_can_hardly_be_meant,
    what_is_under_terrace_never_reaches_the_origin_however_it_is_written,
    a_purge_of_everything_removes_all_there_is,
    a_purge_of_a_url_hits_all_its_variants,
    a_purge_holds_everywhere_within_the_poll,
    a_purge_holds_after_a_restart,
    after_a_soft_purge_the_object_is_refreshed_and_served_while_the_origin_is_down,
    tags_are_taken_from_the_fields_and_hidden_from_clients,
    an_unsafe_request_invalidates_the_cache_groups_that_its_answer_names;
    if |host| host != Host::Spin
];

pub const BY_METHOD: &[Behaviour] =
    behaviours![the_method_purge_removes_its_url; if |host| host != Host::Spin && host.takes_every_method()];

/// Purges hold everywhere after a second; nothing is served while it is refreshed.
const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[purge]\npoll = \"1s\"\n\
                     [cache]\nstale_while_revalidate = \"0s\"\n";

fn purge(document: &str) -> Request {
    let request = Request::new("POST", "/_terrace/purge").with("Content-Type", "application/json");
    request.with("Authorization", format!("Bearer {ADMIN_TOKEN}")).body(document.to_owned())
}

/// Purges, and waits until it holds everywhere.
async fn purged(terrace: &Terrace, document: &str) {
    let answer = terrace.send(&purge(document)).await;
    answer.has_status(200).has_field("cache-control", "no-store").has_field("content-type", "application/json");
    holds(&answer).await;
}

async fn holds(answer: &Response) {
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    assert!(said["id"].as_str().is_some_and(|id| id.parse::<u64>().is_ok()), "{answer:?}");
    assert!(said["holds_everywhere_at"].as_str().is_some_and(|at| at.ends_with(" GMT")), "{answer:?}");
    let wait = said["holds_everywhere_in_ms"].as_u64().unwrap_or_else(|| panic!("{answer:?}"));
    tokio::time::sleep(Duration::from_millis(wait + 1)).await;
}

/// An origin whose answers are numbered, tagged by their path.
async fn numbered(world: &World, config: &str) -> (Origin, Terrace) {
    let (origin, terrace) = world.serve(&format!("{ADMIN}{config}")).await;
    origin.otherwise(|seen| {
        let name = seen.path().trim_start_matches('/').to_owned();
        let reply = Reply::ok(format!("{name} {}", seen.nth)).with("Cache-Control", "max-age=600");
        reply.with("Cache-Tag", format!("all, tag-{name}")).with("Cache-Groups", format!("\"group-{name}\""))
    });
    (origin, terrace)
}

async fn without_a_token_nothing_can_be_purged(world: World) {
    let (origin, terrace) = world.serve("").await;
    terrace.send(&purge("{\"everything\":true}")).await.is_problem(404);
    assert_eq!(origin.seen().len(), 0);
}

async fn a_purge_takes_the_token(world: World) {
    let (origin, terrace) = numbered(&world, "").await;
    terrace.warm("/a").await.has_body("a 1");
    let document = "{\"everything\":true}";
    for token in [None, Some("Bearer wrong"), Some("Basic c2VzYW1lLTQ3MTI="), Some("Bearer")] {
        let mut request = Request::new("POST", "/_terrace/purge").body(document);
        if let Some(token) = token {
            request = request.with("Authorization", token);
        }
        let refused = terrace.send(&request).await;
        refused.is_problem(401).has_field("www-authenticate", "Bearer");
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    terrace.get("/a").await.has_body("a 1");
    assert_eq!(origin.seen().len(), 1);
}

async fn a_wrong_document_is_told_what_is_wrong_with_it(world: World) {
    let (_origin, terrace) = numbered(&world, "").await;
    for (document, says) in [
        ("", "EOF while parsing"),
        ("{\"tag\":[\"a\"]}", "unknown field `tag`"),
        ("{}", "it names nothing"),
        ("{\"tags\":[\"a b\"]}", "tags[0]"),
        ("{\"urls\":[\"a.test\"]}", "urls[0]"),
        ("{\"prefixes\":[\"/a/*\"]}", "prefixes[0]: this is no pattern"),
    ] {
        let refused = terrace.send(&purge(document)).await;
        refused.is_problem(400);
        assert!(refused.text().contains(says), "{document}: {refused:?}");
    }
    let large = format!("{{\"tags\":[\"{}\"]}}", "a".repeat(70_000));
    terrace.send(&purge(&large)).await.is_problem(413);
    let get = Request::get("/_terrace/purge").with("Authorization", format!("Bearer {ADMIN_TOKEN}"));
    terrace.send(&get).await.is_problem(405).has_field("allow", "POST");
}

async fn a_purge_by_tag_url_prefix_or_group_removes_what_it_names_and_nothing_else(world: World) {
    let (_origin, terrace) = numbered(&world, "[[route]]\nmatch = \"/d*\"\ntags = [\"routed\"]").await;
    let own = "http://terrace.test";
    for (n, (document, gone)) in [
        ("{\"tags\":[\"tag-a\"]}".to_owned(), "a"),
        ("{\"urls\":[\"/b\"]}".to_owned(), "b"),
        (format!("{{\"urls\":[\"{own}/a\"]}}"), "a"),
        ("{\"prefixes\":[\"/c\"]}".to_owned(), "c/1"),
        (format!("{{\"prefixes\":[\"{own}/c/\"]}}"), "c/1"),
        ("{\"groups\":[\"group-b\"]}".to_owned(), "b"),
        ("{\"tags\":[\"routed\"]}".to_owned(), "d"),
    ]
    .iter()
    .enumerate()
    {
        let mut before = Vec::new();
        for name in ["a", "b", "c/1", "d"] {
            before.push((name, terrace.warm(&format!("/{name}")).await.text()));
        }
        purged(&terrace, document).await;
        for (name, body) in before {
            let after = terrace.get(&format!("/{name}")).await;
            assert_eq!(after.text() != body, name == *gone, "{n}: {document}: {name}: {after:?}");
            assert_eq!(after.is_miss(), name == *gone, "{n}: {document}: {name}: {after:?}");
        }
    }
}

async fn a_url_with_the_other_scheme_is_purged_as_well(world: World) {
    let (_origin, terrace) = numbered(&world, "").await;
    for document in ["{\"urls\":[\"https://terrace.test/a\"]}", "{\"prefixes\":[\"https://terrace.test/\"]}"] {
        let before = terrace.warm("/a").await.text();
        purged(&terrace, document).await;
        let after = terrace.get("/a").await;
        assert!(after.is_miss() && after.text() != before, "{document}: {after:?}");
    }
}

async fn the_answer_says_how_much_is_hit_and_what_can_hardly_be_meant(world: World) {
    let (origin, terrace) = numbered(&world, "").await;
    for path in ["/a", "/b", "/c/1"] {
        terrace.warm(path).await;
    }
    let said = async |document: &str| -> serde_json::Value {
        let answer = terrace.send(&purge(document)).await;
        serde_json::from_slice(&answer.has_status(200).body).unwrap_or_else(|_| panic!("{answer:?}"))
    };
    // L2 may have them a moment after they are answered from L1.
    for _ in 0..100 {
        if said("{\"tags\":[\"no-such-tag\"]}").await["looked_at"] == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let of_the_api = format!("{{\"urls\":[\"{}/b\"]}}", origin.url());
    for (document, matched) in [
        ("{\"tags\":[\"all\"],\"soft\":true}", 3),
        ("{\"tags\":[\"Tag-a\"]}", 0),
        ("{\"tags\":[\"tag-a\"]}", 1),
        ("{\"urls\":[\"https://terrace.test/b\"],\"soft\":true}", 1),
        ("{\"prefixes\":[\"/c\"],\"soft\":true}", 1),
        (&of_the_api, 0),
    ] {
        let answer = said(document).await;
        assert!(answer["matched"] == matched && answer["all_looked_at"] == true, "{document}: {answer}");
        assert_eq!(answer["warnings"].is_array(), document == of_the_api, "{document}: {answer}");
    }
}

async fn what_is_under_terrace_never_reaches_the_origin_however_it_is_written(world: World) {
    let (origin, terrace) = numbered(&world, "").await;
    for path in ["/%5fterrace/x", "/_%74errace/purge/x", "/%5Fterrace"] {
        terrace.get(path).await.is_problem(404);
    }
    terrace.get("/%5fterrace/purge").await.is_problem(401);
    assert_eq!(origin.seen().len(), 0);
}

async fn a_purge_of_everything_removes_all_there_is(world: World) {
    let (_origin, terrace) = numbered(&world, "").await;
    for name in ["a", "b"] {
        terrace.warm(&format!("/{name}")).await;
    }
    purged(&terrace, "{\"everything\":true}").await;
    for name in ["a", "b"] {
        let path = format!("/{name}");
        assert!(terrace.get(&path).await.is_miss());
        // What comes after it is stored again.
        terrace.warm(&path).await;
    }
}

async fn a_purge_of_a_url_hits_all_its_variants(world: World) {
    let config = "[[route]]\nmatch = \"/*\"\nvary = [\"x-part\"]\nquery = { ignore = [\"utm_*\"], sort = true }";
    let (origin, terrace) = world.serve(&format!("{ADMIN}{config}")).await;
    origin.otherwise(|seen| {
        let reply = Reply::ok(format!("{}", seen.nth)).with("Cache-Control", "max-age=600");
        reply.with("Vary", "Accept-Language")
    });
    let asks =
        |part: &str, language: &str| Request::get("/v?a=1&b=2").with("X-Part", part).with("Accept-Language", language);
    let all = [asks("1", "de"), asks("1", "en"), asks("2", "de")];
    for ask in &all {
        terrace.warm_with(ask).await;
    }
    purged(&terrace, "{\"urls\":[\"/v?b=2&utm_source=x&a=1\"]}").await;
    for ask in &all {
        assert!(terrace.send(ask).await.is_miss());
    }
}

async fn a_purge_holds_everywhere_within_the_poll(world: World) {
    let (origin, terrace) = numbered(&world, "").await;
    let names: Vec<String> = (0..8).map(|n| format!("/{n}")).collect();
    for name in &names {
        terrace.warm(name).await;
        // Workers of one host have an instance each; every one of them knows the object.
        for _ in 0..8 {
            terrace.get(name).await.has_status(200);
        }
    }
    let asked = origin.seen().len();
    let answer = terrace.send(&purge("{\"tags\":[\"all\"]}")).await;
    answer.has_status(200);
    // Busy instances learn of it as well as idle ones.
    let busy = async {
        for _ in 0..20 {
            terrace.get(&names[0]).await.has_status(200);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(busy, holds(&answer));
    for name in &names {
        for _ in 0..6 {
            let response = terrace.get(name).await;
            assert!(!response.text().ends_with(" 1"), "purged and served: {response:?}");
        }
    }
    assert!(origin.seen().len() >= asked + names.len());
}

async fn a_purge_holds_after_a_restart(world: World) {
    let (_origin, mut terrace) = numbered(&world, "").await;
    for path in ["/a", "/b"] {
        terrace.warm(path).await;
    }
    terrace.send(&purge("{\"tags\":[\"tag-a\"]}")).await.has_status(200);
    terrace.restart().await;
    terrace.get("/b").await.has_tier("L2-HIT");
    terrace.get("/a").await.has_tier("MISS").has_body("a 2");
}

async fn after_a_soft_purge_the_object_is_refreshed_and_served_while_the_origin_is_down(world: World) {
    let (mut origin, terrace) = world.serve(ADMIN).await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some(_) => Reply::status(304).with("ETag", "\"e\"").with("Cache-Control", "max-age=600"),
        None => Reply::ok("kept").with("ETag", "\"e\"").with("Cache-Control", "max-age=600").with("xkey", "t"),
    });
    terrace.warm("/x").await;
    purged(&terrace, "{\"tags\":[\"t\"],\"soft\":true}").await;
    terrace.get("/x").await.has_tier("REVALIDATED").has_body("kept");
    // L1 may take no second write of a key so soon.
    let fresh = |response: &Response| matches!(response.tier(), "L1-HIT" | "L2-HIT");
    terrace.until(&Request::get("/x"), "fresh again", fresh).await.has_body("kept");
    purged(&terrace, "{\"tags\":[\"t\"],\"soft\":true}").await;
    origin.down().await;
    let stale = terrace.get("/x").await;
    stale.has_status(200).has_body("kept");
    assert!(stale.tier().starts_with("STALE-"), "{stale:?}");
    purged(&terrace, "{\"tags\":[\"t\"]}").await;
    terrace.get("/x").await.is_problem(502);
}

async fn tags_are_taken_from_the_fields_and_hidden_from_clients(world: World) {
    let (origin, terrace) = world.serve(ADMIN).await;
    let groups = "\"g\"";
    for (path, name) in [("/1", "Cache-Tag"), ("/2", "Surrogate-Key"), ("/3", "xkey")] {
        origin.serve(path, Reply::fresh("old").with(name, "one").with("Cache-Groups", groups));
        let lower = name.to_ascii_lowercase();
        terrace.get(path).await.has_body("old").lacks(&lower);
        terrace.warm(path).await.lacks(&lower).has_field("cache-groups", groups);
        origin.serve(path, Reply::fresh("new").with(name, "two"));
    }
    origin.serve("/passed", Reply::ok("x").with("Cache-Tag", "t"));
    terrace.send(&Request::new("POST", "/passed").body("")).await.has_body("x").lacks("cache-tag");
    purged(&terrace, "{\"tags\":[\"one\"]}").await;
    for path in ["/1", "/2", "/3"] {
        terrace.get(path).await.has_tier("MISS").has_body("new");
    }
}

async fn an_unsafe_request_invalidates_the_cache_groups_that_its_answer_names(world: World) {
    let (origin, terrace) = numbered(&world, "").await;
    origin.on("/do", |seen| {
        let groups = if seen.field("x-group").is_some() { "\"group-a\", \"other\"" } else { "\"none\"" };
        Reply::ok("done").with("Cache-Group-Invalidation", groups)
    });
    for path in ["/a", "/b"] {
        terrace.warm(path).await;
    }
    let act = |method: &str| Request::new(method, "/do").with("X-Group", "1");
    terrace.send(&act("GET")).await.has_status(200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    terrace.get("/a").await.has_body("a 1");
    terrace
        .send(&act("POST").body(""))
        .await
        .has_body("done")
        .has_field("cache-group-invalidation", "\"group-a\", \"other\"");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    terrace.get("/a").await.has_tier("MISS").has_body("a 2");
    assert!(terrace.get("/b").await.is_hit());
}

async fn the_method_purge_removes_its_url(world: World) {
    let (origin, terrace) = numbered(&world, "").await;
    for path in ["/a?x=1", "/a"] {
        terrace.warm(path).await;
    }
    let purge = Request::new("PURGE", "/a?x=1");
    terrace.send(&purge).await.is_problem(401);
    let answer = terrace.send(&purge.with("Authorization", format!("Bearer {ADMIN_TOKEN}"))).await;
    answer.has_status(200);
    holds(&answer).await;
    assert!(terrace.get("/a").await.is_hit());
    terrace.get("/a?x=1").await.has_tier("MISS");
    assert!(origin.seen().iter().all(|seen| seen.method == "GET"), "PURGE went to the origin");
}
