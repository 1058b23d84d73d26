//! Content in the key: QUERY (RFC 10008), and POST where a route says so.

use super::support::*;
use bytes::Bytes;
use http::Method;
use terrace_core::message::Body;

const BOTH: &str = "[[route]]\nmatch = \"/search\"\nkey = { content = \"16B\", methods = [\"QUERY\", \"POST\"] }";
const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const JSON: (&str, &str) = ("content-type", "application/json");

fn query() -> Method {
    Method::from_bytes(b"QUERY").unwrap()
}

/// Sends this content in two chunks, with its length.
fn ask(cache: &mut Cache, method: Method, content: &'static str, fields: &[(&str, &str)]) -> Answer {
    let length = content.len().to_string();
    let fields: Vec<_> = fields.iter().copied().chain([("content-length", length.as_str())]).collect();
    let (one, other) = content.split_at(content.len() / 2);
    cache.send_content(method, "/search", &fields, chunked(&[one, other], false))
}

#[test]
fn the_same_content_is_one_object_and_another_is_another() {
    for method in [query(), Method::POST] {
        let mut cache = Cache::new(BOTH);
        cache.respond(200, &[FRESH], "a");
        let first = ask(&mut cache, method.clone(), "{\"q\":1}", &[JSON]);
        assert_eq!(
            (first.tier(), first.text(), first.field("cache-status")),
            ("MISS", "a", "terrace; fwd=uri-miss; stored")
        );
        let seen = cache.last_seen();
        assert_eq!((&seen.method, seen.body.as_deref()), (&method, Some(&b"{\"q\":1}"[..])));
        assert_eq!(
            (seen.fields.get_str("content-type"), seen.fields.get_str("content-length")),
            (Some("application/json"), Some("7"))
        );
        let reads = cache.host.world.kv_gets.get();
        let again = ask(&mut cache, method.clone(), "{\"q\":1}", &[JSON]);
        assert_eq!((again.tier(), again.text()), ("L1-HIT", "a"));
        assert_eq!(cache.host.world.kv_gets.get() - reads, 2);
        // RFC 10008 2.7: the content, and what is said of it.
        for (content, fields) in [
            ("{\"q\":2}", &[JSON][..]),
            ("{\"q\":1}", &[("content-type", "text/plain")]),
            ("{\"q\":1}", &[]),
            ("{\"q\":1}", &[JSON, ("content-encoding", "gzip")]),
            ("{\"q\":1}", &[JSON, ("content-language", "de")]),
            ("", &[JSON]),
        ] {
            cache.respond(200, &[FRESH], "b");
            assert_eq!(ask(&mut cache, method.clone(), content, fields).text(), "b", "{content} {fields:?}");
            assert_eq!(ask(&mut cache, method.clone(), content, fields).tier(), "L1-HIT", "{content} {fields:?}");
        }
        cache.respond(200, &[FRESH], "got");
        assert_eq!(cache.get("/search").text(), "got");
        let other = if method == Method::POST { query() } else { Method::POST };
        cache.respond(200, &[FRESH], "c");
        assert_eq!(ask(&mut cache, other, "{\"q\":1}", &[JSON]).text(), "c");
        cache.restart();
        assert_eq!(ask(&mut cache, method.clone(), "{\"q\":1}", &[JSON]).tier(), "L2-HIT");
        assert_eq!(ask(&mut cache, method, "{\"q\":1}", &[JSON]).tier(), "L1-HIT");
    }
}

#[test]
fn without_the_routes_word_both_pass() {
    for (config, method, fwd) in [
        ("", query(), "method"),
        ("", Method::POST, "method"),
        ("[[route]]\nmatch = \"*\"\nkey = { content = \"1KiB\" }", Method::POST, "method"),
    ] {
        let mut cache = Cache::new(config);
        for _ in 0..2 {
            cache.respond(200, &[FRESH], "a");
            let answer = ask(&mut cache, method.clone(), "q", &[]);
            assert_eq!(answer.field("cache-status"), format!("terrace; fwd={fwd}"));
            assert_eq!(cache.last_seen().body.as_deref(), Some(&b"q"[..]));
        }
    }
}

#[test]
fn what_is_too_large_or_of_unknown_length_goes_through_whole_and_is_not_kept() {
    let mut cache = Cache::new(BOTH);
    for _ in 0..2 {
        cache.respond(200, &[FRESH], "a");
        let answer = ask(&mut cache, query(), "seventeen bytes!!", &[]);
        assert_eq!(answer.field("cache-status"), "terrace; fwd=bypass; detail=request-content");
        assert_eq!(cache.last_seen().body.as_deref(), Some(&b"seventeen bytes!!"[..]));
        cache.respond(200, &[FRESH], "a");
        let answer = cache.send_content(query(), "/search", &[], chunked(&["of ", "any ", "length"], false));
        assert_eq!(answer.field("cache-status"), "terrace; fwd=bypass; detail=request-content");
        assert_eq!(cache.last_seen().body.as_deref(), Some(&b"of any length"[..]));
    }
    cache.respond(200, &[FRESH], "a");
    ask(&mut cache, query(), "sixteen bytes!!!", &[]);
    assert_eq!(ask(&mut cache, query(), "sixteen bytes!!!", &[]).tier(), "L1-HIT");
}

#[test]
fn content_that_does_not_come_whole_is_not_passed_on() {
    let mut cache = Cache::new(BOTH);
    for (length, body) in [
        ("9", chunked(&["five!"], true)),
        ("9", chunked(&["five!"], false)),
        ("2", chunked(&["fi", "ve!"], false)),
        ("9", Body::Full(Bytes::from_static(b"five!"))),
        ("9", Body::Empty),
    ] {
        let answer = cache.send_content(query(), "/search", &[("content-length", length)], body);
        assert_eq!((answer.status, answer.field("content-type")), (400, "application/problem+json"));
    }
    assert_eq!(cache.asked(), 0);
}

#[test]
fn an_unsafe_request_ends_what_is_stored_for_every_content_and_a_query_ends_nothing() {
    let mut cache = Cache::new(BOTH);
    cache.respond(200, &[FRESH], "got");
    cache.get("/search");
    for content in ["1", "2"] {
        cache.respond(200, &[FRESH], "old");
        ask(&mut cache, query(), content, &[]);
        assert_eq!(ask(&mut cache, query(), content, &[]).tier(), "L1-HIT");
    }
    // RFC 10008 2: safe. So is, by the route's word, a POST whose content is in the key.
    cache.respond(200, &[FRESH], "posted");
    ask(&mut cache, Method::POST, "1", &[]);
    assert_eq!((cache.get("/search").tier(), ask(&mut cache, query(), "1", &[]).tier()), ("L1-HIT", "L1-HIT"));
    // A POST that is passed by is what any POST is.
    for (method, size) in [(Method::PUT, "1"), (Method::POST, "larger than it may be")] {
        cache.respond(204, &[], "");
        ask(&mut cache, method, size, &[]);
        for (method, content) in [(query(), "1"), (query(), "2"), (Method::POST, "1")] {
            cache.respond(200, &[FRESH], "new");
            let answer = ask(&mut cache, method.clone(), content, &[]);
            assert_eq!((answer.tier(), answer.text()), ("MISS", "new"), "{method} {content}");
            assert_eq!(ask(&mut cache, method.clone(), content, &[]).tier(), "L1-HIT", "{method} {content}");
        }
    }
    // Long after, too, and after a restart.
    cache.wait(11 * 60);
    cache.restart();
    cache.respond(200, &[FRESH], "newer");
    assert_eq!(ask(&mut cache, query(), "1", &[]).text(), "newer");
}

#[test]
fn what_was_on_its_way_during_an_invalidation_is_not_found_again() {
    let mut cache = Cache::new(BOTH);
    // An answer to QUERY that ends only after the URL was changed.
    let (tx, rx) = futures::channel::mpsc::unbounded();
    cache.origin(Script::Open(200, owned(&[FRESH]), rx));
    let body = Body::Full(Bytes::from_static(b"1"));
    let late = cache.begin(query(), "/search", &[("content-length", "1")], body);
    assert_eq!(cache.asked(), 1);
    cache.respond(204, &[], "");
    cache.send(Method::DELETE, "/search", &[]);
    tx.unbounded_send(Ok(Bytes::from_static(b"old"))).unwrap();
    drop(tx);
    assert_eq!(cache.finish(late).text(), "old");
    cache.respond(200, &[FRESH], "new");
    assert_eq!(ask(&mut cache, query(), "1", &[]).text(), "new");
}

#[test]
fn a_query_is_validated_and_refreshed_with_its_content_and_a_post_is_asked_anew() {
    let route = "[[route]]\nmatch = \"/search\"\nstale_while_revalidate = \"20s\"\n\
                 key = { content = \"1KiB\", methods = [\"QUERY\", \"POST\"] }";
    for (method, validator) in [(query(), Some("\"v1\"")), (Method::POST, None)] {
        let mut cache = Cache::new(route);
        cache.respond(200, &[("cache-control", "max-age=10"), ("etag", "\"v1\"")], "one");
        ask(&mut cache, method.clone(), "q", &[JSON]);
        // Behind the answer.
        cache.wait(15);
        cache.respond(200, &[("cache-control", "max-age=10"), ("etag", "\"v1\"")], "two");
        assert_eq!(ask(&mut cache, method.clone(), "q", &[JSON]).tier(), "STALE-L1");
        let refresh = cache.last_seen();
        assert_eq!((&refresh.method, refresh.body.as_deref()), (&method, Some(&b"q"[..])));
        assert_eq!(refresh.fields.get_str("content-type"), Some("application/json"));
        assert_eq!(refresh.fields.get_str("if-none-match"), validator);
        assert_eq!(ask(&mut cache, method.clone(), "q", &[JSON]).text(), "two");
        // Before it.
        cache.wait(100);
        cache.respond(200, &[("cache-control", "max-age=10"), ("etag", "\"v2\"")], "three");
        assert_eq!(ask(&mut cache, method.clone(), "q", &[JSON]).text(), "three");
        let asked = cache.last_seen();
        assert_eq!((asked.body.as_deref(), asked.fields.get_str("if-none-match")), (Some(&b"q"[..]), validator));
    }
}

#[test]
fn a_querys_own_conditions_and_ranges_are_answered_and_a_posts_are_passed() {
    let mut cache = Cache::new(BOTH);
    cache.respond(200, &[FRESH, ("etag", "\"v1\"")], "0123456789");
    ask(&mut cache, query(), "q", &[]);
    assert_eq!(ask(&mut cache, query(), "q", &[("if-none-match", "\"v1\"")]).status, 304);
    assert_eq!(ask(&mut cache, query(), "q", &[("range", "bytes=2-3")]).text(), "23");
    for (name, value) in [("if-none-match", "\"v1\""), ("range", "bytes=2-3"), ("if-match", "*")] {
        cache.respond(412, &[], "");
        let answer = ask(&mut cache, Method::POST, "q", &[(name, value)]);
        assert_eq!((answer.status, answer.field("cache-status")), (412, "terrace; fwd=bypass; detail=precondition"));
        assert_eq!(cache.last_seen().fields.get_str(name), Some(value));
    }
}

#[test]
fn all_who_find_nothing_at_once_store_for_one_another() {
    let mut cache = Cache::new(BOTH);
    let begun: Vec<_> = ["1", "2", "3"]
        .into_iter()
        .map(|content| {
            cache.origin(Script::After(50, Box::new(Script::Respond(200, owned(&[FRESH]), vec![b"x"]))));
            cache.begin(
                query(),
                "/search",
                &[("content-length", "1")],
                Body::Full(Bytes::from_static(content.as_bytes())),
            )
        })
        .collect();
    for late in begun {
        assert_eq!(cache.finish(late).tier(), "MISS");
    }
    for content in ["1", "2", "3"] {
        assert_eq!(ask(&mut cache, query(), content, &[]).tier(), "L1-HIT", "{content}");
    }
}

#[test]
fn where_the_life_of_a_url_is_remembered_that_is_renewed_before_it_is_over() {
    let mut cache = Cache::new(
        "[tiers.l2]\nmax_ttl = \"100s\"\n[tiers.l1]\nmax_ttl = \"1000s\"\n[[route]]\nmatch = \"*\"\nkey = { content = \"1KiB\" }",
    );
    let fresh = [("cache-control", "max-age=1000")];
    cache.respond(200, &fresh, "1");
    ask(&mut cache, query(), "1", &[]);
    cache.wait(60);
    cache.respond(200, &fresh, "2");
    ask(&mut cache, query(), "2", &[]);
    cache.wait(60);
    // Its first record is over by now.
    cache.restart();
    assert_eq!(ask(&mut cache, query(), "2", &[]).tier(), "L2-HIT");
}
