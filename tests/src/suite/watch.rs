//! Watched documents: what they say has changed is purged.

use super::Behaviour;
use crate::PATIENCE;
use crate::client::{Request, Response};
use crate::host::Host;
use crate::origin::Origin;
use crate::reply::Reply;
use crate::world::{Terrace, World};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const ALL: &[Behaviour] = behaviours![
    a_value_that_changes_purges_what_has_its_tag_and_nothing_else,
    a_member_that_changes_purges_the_tag_of_its_name,
    a_document_that_says_the_same_in_other_words_purges_nothing,
    a_document_that_fails_purges_nothing_until_it_says_what_has_changed,
    a_number_that_no_double_holds_is_told_apart,
    what_changed_while_nothing_ran_is_purged_after_the_start,
    a_document_is_asked_for_by_its_etag_and_with_the_secret_fields,
    a_soft_watch_lets_what_has_changed_go_out_while_the_origin_is_down
];

pub const BY_CLOCK: &[Behaviour] = behaviours![
    a_document_is_asked_for_though_nobody_asks_for_anything,
    what_was_purged_as_it_should_be_is_no_warning_in_the_log;
    if |host| host == Host::Wasmtime
];

/// A document is asked for every second, and a purge holds everywhere after another.
const WATCH: &str = "headers = { \"x-key\" = \"k\" }\n[cache]\nstale_while_revalidate = \"0s\"\n[purge]\npoll = \"1s\"\n\
                     [[watch]]\nurl = \"/updated\"\nevery = \"1s\"\n\
                     tags = { a = \"/a\", b = \"/b\", \"item-*\" = \"/items/*/at\" }\n";

/// What the document says now.
#[derive(Clone, Default)]
struct Document(Arc<Mutex<(u16, String)>>);

impl Document {
    fn says(&self, status: u16, text: &str) {
        *self.0.lock().expect("not poisoned") = (status, text.to_owned());
    }
}

/// An origin whose answers are numbered, tagged by their path, and a document that begins like this, asked for twice since.
async fn watched(world: &World, config: &str, text: &str) -> (Origin, Terrace, Document) {
    let origin = Origin::start().await;
    origin.otherwise(|seen| {
        let name = seen.path().trim_start_matches('/').to_owned();
        let reply = Reply::ok(format!("{name} {}", seen.nth)).with("Cache-Control", "max-age=600");
        reply.with("Cache-Tag", name)
    });
    let document = Document::default();
    document.says(200, text);
    let says = document.clone();
    origin.on("/updated", move |seen| {
        let (status, text) = says.0.lock().expect("not poisoned").clone();
        let etag = format!("\"{}\"", text.len());
        match seen.field("if-none-match") == Some(etag.as_str()) && status == 200 {
            true => Reply::status(304).with("ETag", &etag),
            false => Reply::status(status).body(text).with("ETag", &etag),
        }
    });
    let terrace = world.in_front_of(&origin.url(), &format!("{WATCH}{config}"), &[]).await;
    is_asked_for(&origin, &terrace, 2).await;
    (origin, terrace, document)
}

/// Waits until the document was asked for so many times more: all but the last of them have come to something. Where there is no
/// clock, that is behind requests.
async fn is_asked_for(origin: &Origin, terrace: &Terrace, more: usize) {
    let (before, started) = (origin.count("/updated"), Instant::now());
    while origin.count("/updated") < before + more {
        assert!(started.elapsed() < PATIENCE, "the document is not asked for");
        terrace.get("/other").await.has_status(200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a GET until it is answered with something else than before.
async fn changes(terrace: &Terrace, target: &str, before: &Response) -> Response {
    let before = before.text();
    terrace.until(&Request::get(target), "purged", |response| response.text() != before).await
}

async fn a_value_that_changes_purges_what_has_its_tag_and_nothing_else(world: World) {
    let (origin, terrace, document) = watched(&world, "", r#"{"a":1,"b":1}"#).await;
    let (a, b) = (terrace.warm("/a").await, terrace.warm("/b").await);
    document.says(200, r#"{"a":10,"b":1}"#);
    changes(&terrace, "/a", &a).await;
    is_asked_for(&origin, &terrace, 2).await;
    terrace.get("/b").await.has_body(b.text());
}

async fn a_member_that_changes_purges_the_tag_of_its_name(world: World) {
    let (origin, terrace, document) = watched(&world, "", r#"{"items":{"1":{"at":1},"2":{"at":1}}}"#).await;
    let (one, two) = (terrace.warm("/item-1").await, terrace.warm("/item-2").await);
    document.says(200, r#"{"items":{"1":{"at":1},"2":{"at":20}}}"#);
    changes(&terrace, "/item-2", &two).await;
    is_asked_for(&origin, &terrace, 2).await;
    terrace.get("/item-1").await.has_body(one.text());
}

async fn a_document_that_says_the_same_in_other_words_purges_nothing(world: World) {
    let (origin, terrace, document) = watched(&world, "", r#"{"a":{"x":1,"y":[1,2]},"b":1}"#).await;
    let (a, b) = (terrace.warm("/a").await, terrace.warm("/b").await);
    document.says(200, r#"{ "b": 1, "new": true, "a": { "y": [ 1, 2 ], "x": 1 } }"#);
    is_asked_for(&origin, &terrace, 3).await;
    // And where a purge would hold by now.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    terrace.get("/a").await.has_body(a.text());
    terrace.get("/b").await.has_body(b.text());
}

async fn a_document_that_fails_purges_nothing_until_it_says_what_has_changed(world: World) {
    let (origin, terrace, document) = watched(&world, "", r#"{"a":1,"b":1}"#).await;
    let (a, b) = (terrace.warm("/a").await, terrace.warm("/b").await);
    for (status, text) in [(503, r#"{"a":2}"#), (200, "<p>Sorry.</p>")] {
        document.says(status, text);
        is_asked_for(&origin, &terrace, 1).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        terrace.get("/a").await.has_body(a.text());
    }
    document.says(200, r#"{"a":100,"b":1}"#);
    changes(&terrace, "/a", &a).await;
    terrace.get("/b").await.has_body(b.text());
}

async fn a_number_that_no_double_holds_is_told_apart(world: World) {
    let (_origin, terrace, document) = watched(&world, "", "\u{feff}{\"a\":1234567890123456789012,\"b\":1e400}").await;
    let (a, b) = (terrace.warm("/a").await, terrace.warm("/b").await);
    document.says(200, r#"{"a":1234567890123456789013, "b":1e400}"#);
    changes(&terrace, "/a", &a).await;
    terrace.get("/b").await.has_body(b.text());
}

async fn what_changed_while_nothing_ran_is_purged_after_the_start(world: World) {
    let (_origin, mut terrace, document) = watched(&world, "", r#"{"a":1,"b":1}"#).await;
    let (a, b) = (terrace.warm("/a").await, terrace.warm("/b").await);
    terrace.stop().await;
    document.says(200, r#"{"a":10,"b":1}"#);
    terrace.start().await;
    changes(&terrace, "/a", &a).await;
    terrace.get("/b").await.has_body(b.text());
}

async fn a_document_is_asked_for_by_its_etag_and_with_the_secret_fields(world: World) {
    let (origin, terrace, _document) = watched(&world, "", r#"{"a":1,"b":1,"items":{}}"#).await;
    is_asked_for(&origin, &terrace, 1).await;
    let seen = origin.seen_at("/updated");
    assert!(seen.iter().all(|seen| seen.method == "GET" && seen.field("x-key") == Some("k")), "{seen:?}");
    let conditions: Vec<_> = seen.iter().map(|seen| seen.field("if-none-match")).collect();
    assert_eq!(conditions[0], None);
    assert!(conditions[1..].iter().all(|etag| *etag == Some("\"24\"")), "{conditions:?}");
}

async fn a_soft_watch_lets_what_has_changed_go_out_while_the_origin_is_down(world: World) {
    let config = "soft = true\n";
    let (origin, terrace, document) = watched(&world, config, r#"{"a":1,"b":1}"#).await;
    let b = terrace.warm("/b").await;
    origin.on("/a", |seen| match seen.nth {
        1 => Reply::fresh("first").with("Cache-Tag", "a"),
        _ => Reply::status(503),
    });
    terrace.warm("/a").await.has_body("first");
    document.says(200, r#"{"a":10,"b":1}"#);
    let stale = |response: &Response| response.tier().starts_with("STALE-");
    terrace.until(&Request::get("/a"), "stale", stale).await.has_status(200).has_body("first");
    terrace.get("/b").await.has_body(b.text());
}

async fn what_was_purged_as_it_should_be_is_no_warning_in_the_log(world: World) {
    let (origin, mut terrace, document) = watched(&world, "", r#"{"a":1,"b":1,"items":{}}"#).await;
    document.says(200, r#"{"a":10,"b":1,"items":{}}"#);
    is_asked_for(&origin, &terrace, 2).await;
    document.says(200, r#"{"a":10,"items":{}}"#);
    is_asked_for(&origin, &terrace, 2).await;
    let log = terrace.process().log();
    let level = |what: &str| {
        let line = log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what} in {log}"));
        line.split_whitespace().find(|word| matches!(*word, "INFO" | "WARN")).map(str::to_owned)
    };
    assert_eq!(level("watch /updated: purged a,").as_deref(), Some("INFO"), "{log}");
    assert_eq!(level("watch /updated: nothing is at /b").as_deref(), Some("WARN"), "{log}");
}

async fn a_document_is_asked_for_though_nobody_asks_for_anything(world: World) {
    let origin = Origin::start().await;
    origin.serve("/updated", Reply::ok("{}"));
    let terrace = world.in_front_of(&origin.url(), WATCH, &[]).await;
    origin.until("/updated", 3).await;
    drop(terrace);
    assert!(origin.seen().iter().all(|seen| seen.path() == "/updated"));
}
