//! Hit, miss, stale, validated: what the client sees and what the origin is asked.

use super::support::*;
use http::Method;
use terrace_core::host::OriginError;

#[test]
fn a_miss_is_stored_and_the_next_request_is_a_hit() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=60"), ("content-type", "text/plain")], "hello");
    let first = cache.get("/a");
    assert_eq!((first.tier(), first.text()), ("MISS", "hello"));
    assert_eq!(first.field("cache-status"), "terrace; fwd=uri-miss; stored");
    cache.wait(5);
    let second = cache.get("/a");
    assert_eq!((second.tier(), second.text(), second.field("age")), ("L1-HIT", "hello", "5"));
    assert_eq!(second.field("cache-status"), "terrace; hit; ttl=55; detail=L1");
    assert_eq!(second.field("content-length"), "5");
    assert_eq!(cache.asked(), 1);
}

#[test]
fn the_origin_gets_the_path_as_sent_the_configured_fields_and_no_unkeyed_input() {
    let mut cache = Cache::new("headers = { \"x-api-key\" = { secret = \"ORIGIN_API_KEY\" } }\n");
    cache.respond(200, &[("cache-control", "no-store")], "");
    let answer = cache.get_with("/a%3Fb/c%2f?q=%41", &[("x-forwarded-host", "evil.test"), ("accept", "*/*")]);
    assert_eq!(answer.tier(), "MISS");
    let seen = cache.last_seen();
    assert_eq!(seen.target, "/a%3Fb/c%2f?q=%41");
    assert_eq!(seen.fields.get_str("x-api-key"), Some("s3cret"));
    assert_eq!(seen.fields.get_str("accept"), Some("*/*"));
    assert!(!seen.fields.contains("x-forwarded-host"));
    assert!(!seen.fields.contains("host"));
}

#[test]
fn a_304_from_the_origin_refreshes_what_is_stored() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=10"), ("etag", "\"v1\""), ("x-v", "1")], "hello");
    cache.get("/a");
    cache.wait(100);
    cache.respond(304, &[("cache-control", "max-age=10"), ("etag", "\"v1\""), ("x-v", "2")], "");
    let answer = cache.get("/a");
    assert_eq!(cache.last_seen().fields.get_str("if-none-match"), Some("\"v1\""));
    assert_eq!(cache.last_seen().method, Method::GET);
    assert_eq!((answer.status, answer.tier(), answer.text(), answer.field("x-v")), (200, "REVALIDATED", "hello", "2"));
    assert_eq!(answer.field("cache-status"), "terrace; fwd=stale; fwd-status=304; detail=L1");
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    cache.restart();
    let answer = cache.get("/a");
    assert_eq!((answer.tier(), answer.text(), answer.field("x-v")), ("L2-HIT", "hello", "2"));
}

#[test]
fn a_clients_condition_is_answered_from_the_store_and_does_not_keep_the_store_empty() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=60"), ("etag", "\"v1\"")], "hello");
    let first = cache.get_with("/a", &[("if-none-match", "W/\"v1\"")]);
    assert!(!cache.last_seen().fields.contains("if-none-match"));
    assert_eq!((first.status, first.text()), (304, ""));
    let second = cache.get_with("/a", &[("if-none-match", "\"v1\"")]);
    assert_eq!((second.status, second.tier()), (304, "L1-HIT"));
    assert_eq!(cache.get("/a").text(), "hello");
    assert_eq!(cache.asked(), 1);
}

#[test]
fn what_the_origin_no_longer_has_is_not_served_while_it_is_refreshed_again() {
    for (status, fields) in [(404, &[][..]), (410, &[]), (200, &[("cache-control", "private")])] {
        let mut cache = Cache::new("");
        cache.respond(200, &[("cache-control", "max-age=10, stale-while-revalidate=20")], "old");
        cache.get("/a");
        cache.wait(12);
        cache.respond(status, fields, "over");
        assert_eq!(cache.get("/a").text(), "old");
        cache.respond(status, fields, "over");
        assert_eq!((cache.get("/a").status, cache.asked()), (status, 3), "{status}");
    }
    // An error may pass (RFC 5861 3): it is served on.
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=10, stale-while-revalidate=20")], "old");
    cache.get("/a");
    cache.wait(12);
    cache.respond(429, &[], "slow down");
    cache.get("/a");
    cache.respond(429, &[], "slow down");
    assert_eq!(cache.get("/a").text(), "old");
}

#[test]
fn stale_while_revalidate_serves_at_once_and_refreshes_once() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=10, stale-while-revalidate=30")], "old");
    cache.get("/a");
    cache.wait(20);
    cache.respond(200, &[("cache-control", "max-age=10, stale-while-revalidate=30")], "new");
    let stale = cache.get("/a");
    assert_eq!((stale.tier(), stale.text()), ("STALE-L1", "old"));
    let fresh = cache.get("/a");
    assert_eq!((fresh.tier(), fresh.text()), ("L1-HIT", "new"));
    assert_eq!(cache.asked(), 2);
}

#[test]
fn when_the_origin_fails_stale_is_served_inside_its_window_and_the_origin_is_left_alone_for_a_while() {
    let mut cache = Cache::new("[cache]\nstale_while_revalidate = \"0s\"\n");
    cache.respond(200, &[("cache-control", "max-age=10, stale-if-error=100")], "old");
    cache.get("/a");
    cache.wait(20);
    cache.origin(Script::Fail(OriginError::ConnectionRefused));
    assert_eq!(cache.get("/a").tier(), "STALE-L1");
    // Within the back-off nobody asks.
    assert_eq!(cache.get("/a").tier(), "STALE-L1");
    assert_eq!(cache.asked(), 2);
    cache.wait(40);
    cache.respond(503, &[], "down");
    let answer = cache.get("/a");
    assert_eq!((answer.status, answer.text(), answer.tier()), (200, "old", "STALE-L1"));
    cache.wait(60);
    cache.origin(Script::Fail(OriginError::ConnectionRefused));
    let answer = cache.get("/a");
    assert_eq!((answer.status, answer.field("proxy-status")), (502, "terrace; error=connection_refused"));
    assert_eq!(answer.field("content-type"), "application/problem+json");
}

#[test]
fn must_revalidate_forbids_stale_even_when_the_origin_fails() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=10, must-revalidate, stale-if-error=100")], "old");
    cache.get("/a");
    cache.wait(20);
    cache.origin(Script::Fail(OriginError::HttpResponseTimeout));
    assert_eq!(cache.get("/a").status, 504);
}

#[test]
fn an_origin_that_does_not_answer_is_a_504() {
    let mut cache = Cache::new("timeout = \"1s\"\nconnect_timeout = \"1s\"\n");
    cache.origin(Script::Late(60_000));
    let answer = cache.get("/a");
    assert_eq!((answer.status, answer.field("proxy-status")), (504, "terrace; error=http_response_timeout"));
}

#[test]
fn a_no_store_answer_does_not_evict_what_is_fresh() {
    let mut cache = Cache::new("[cache]\nrequest_directives = \"honour\"\n");
    cache.respond(200, &[("cache-control", "max-age=60")], "kept");
    cache.get("/a");
    cache.respond(200, &[("cache-control", "no-store")], "passing");
    assert_eq!(cache.get_with("/a", &[("cache-control", "no-cache")]).text(), "passing");
    let answer = cache.get("/a");
    assert_eq!((answer.tier(), answer.text()), ("L1-HIT", "kept"));
}

#[test]
fn an_unsafe_method_invalidates_before_its_answer_leaves() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=60")], "old");
    cache.get("/a");
    cache.respond(200, &[("cache-control", "max-age=60")], "listed");
    cache.get("/list");
    cache.respond(201, &[("location", "/list")], "made");
    let answer = cache.send(Method::POST, "/a", &[("content-length", "6")]);
    assert_eq!((answer.status, answer.tier()), (201, "BYPASS"));
    cache.respond(200, &[("cache-control", "max-age=60")], "new");
    assert_eq!(cache.get("/a").text(), "new");
    cache.respond(200, &[("cache-control", "max-age=60")], "listed again");
    assert_eq!(cache.get("/list").text(), "listed again");
}

#[test]
fn head_is_answered_from_a_stored_get() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=60"), ("x-v", "1")], "hello");
    cache.get("/a");
    let answer = cache.send(Method::HEAD, "/a", &[]);
    assert_eq!((answer.status, answer.tier(), answer.text()), (200, "L1-HIT", ""));
    assert_eq!((answer.field("content-length"), answer.field("x-v")), ("5", "1"));
}

#[test]
fn ranges_are_cut_from_the_stored_response() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=60"), ("etag", "\"v\"")], "0123456789");
    cache.get("/a");
    let part = cache.get_with("/a", &[("range", "bytes=2-4")]);
    assert_eq!((part.status, part.text(), part.field("content-range")), (206, "234", "bytes 2-4/10"));
    let tail = cache.get_with("/a", &[("range", "bytes=-3")]);
    assert_eq!((tail.status, tail.text(), tail.field("content-length")), (206, "789", "3"));
    let none = cache.get_with("/a", &[("range", "bytes=10-")]);
    assert_eq!((none.status, none.field("content-range")), (416, "bytes */10"));
    let other = cache.get_with("/a", &[("range", "bytes=0-0"), ("if-range", "\"other\"")]);
    assert_eq!((other.status, other.text()), (200, "0123456789"));
}

#[test]
fn everything_under_our_own_name_stays_here() {
    let mut cache = Cache::new("");
    assert_eq!(cache.get("/_terrace/health").status, 404);
    assert_eq!(cache.asked(), 0);
}

#[test]
fn what_a_careful_server_refuses_never_reaches_the_origin() {
    let mut cache = Cache::new("");
    let long = format!("/{}", "a".repeat(20_000));
    for (target, status) in [
        ("//evil", 400),
        ("/\\evil", 400),
        ("/a\\b", 400),
        ("/a b", 400),
        ("/a\u{0}b", 400),
        ("", 400),
        (long.as_str(), 414),
    ] {
        let answer = cache.get(target);
        assert_eq!(answer.status, status, "{target:.20}");
        assert_eq!(answer.field("content-type"), "application/problem+json");
    }
    assert_eq!(cache.send(Method::TRACE, "/a", &[]).status, 405);
    assert_eq!(cache.asked(), 0);
}

#[test]
fn a_vary_that_comes_with_a_304_selects_from_then_on() {
    for vary in ["Cookie", "X-User, Cookie"] {
        let mut cache = Cache::new("");
        let as_user = |user: &'static str| [("cookie", user)];
        cache.respond(200, &[("cache-control", "max-age=1"), ("etag", "\"a\"")], "for A");
        cache.get_with("/s", &as_user("u=A"));
        cache.wait(100);
        cache.respond(304, &[("cache-control", "max-age=60"), ("etag", "\"a\""), ("vary", vary)], "");
        assert_eq!(cache.get_with("/s", &as_user("u=A")).tier(), "REVALIDATED");
        for restart in [false, true] {
            if restart {
                cache.restart();
            }
            cache.respond(200, &[("cache-control", "no-store")], "for B");
            assert_eq!(cache.get_with("/s", &as_user("u=B")).text(), "for B");
            assert_eq!(cache.get_with("/s", &as_user("u=A")).text(), "for A");
        }
    }
}

#[test]
fn a_304_with_vary_star_ends_the_stored_response() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=1"), ("etag", "\"a\"")], "for A");
    cache.get("/s");
    cache.wait(100);
    cache.respond(304, &[("cache-control", "max-age=60"), ("etag", "\"a\""), ("vary", "*")], "");
    assert_eq!(cache.get("/s").text(), "for A");
    cache.respond(200, &[("cache-control", "no-store")], "new");
    assert_eq!(cache.get("/s").text(), "new");
}

#[test]
fn framing_that_is_in_doubt_is_refused_and_what_is_true_is_kept() {
    let fresh = ("cache-control", "max-age=60".to_string());
    let with = |status, name: &'static str, value: &str| {
        let fields = vec![fresh.clone(), (name, value.to_string())];
        Script::Respond(status, fields, vec![b"hello"])
    };
    let rows = [
        (with(200, "content-length", "5, 5"), 200, "5"),
        (with(200, "content-length", "5, 6"), 502, "145"),
        (with(200, "content-length", "+5"), 502, "145"),
        (with(200, "transfer-encoding", "gzip"), 502, "145"),
        (with(200, "transfer-encoding", "Chunked"), 200, ""),
        (with(204, "content-length", "5"), 204, ""),
        (with(600, "x", "y"), 502, "145"),
        (with(304, "x", "y"), 502, "145"),
    ];
    for (n, (script, status, length)) in rows.into_iter().enumerate() {
        let mut cache = Cache::new("");
        cache.origin(script);
        let answer = cache.get("/a");
        assert_eq!(answer.status, status, "row {n}");
        if status != 502 {
            assert_eq!(answer.field("content-length"), length, "row {n}");
        }
    }
}

#[test]
fn crumbs_of_a_cookie_become_one_line() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "no-store")], "");
    cache.get_with("/a", &[("cookie", "a=1"), ("cookie", "b=2")]);
    let seen: Vec<Vec<u8>> = cache.last_seen().fields.get_all("cookie").map(<[u8]>::to_vec).collect();
    assert_eq!(seen, [b"a=1; b=2".to_vec()]);
}

#[test]
fn a_route_is_found_whatever_the_slashes() {
    let mut cache = Cache::new("[[route]]\nmatch = \"/api/account/*\"\ncache = \"off\"\n");
    cache.respond(200, &[("cache-control", "max-age=60")], "");
    assert_eq!(cache.get("/api//account///me").tier(), "BYPASS");
}

#[test]
fn a_response_without_a_date_gets_one_whether_it_is_stored_or_not() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "no-store")], "passing");
    assert_eq!(cache.get("/a").field("date"), "Fri, 15 Jan 2027 08:00:00 GMT");
    cache.respond(200, &[("cache-control", "no-store"), ("date", "Fri, 15 Jan 2027 07:00:00 GMT")], "passing");
    assert_eq!(cache.get("/a").field("date"), "Fri, 15 Jan 2027 07:00:00 GMT");
}

#[test]
fn an_options_that_may_go_no_further_is_answered_here() {
    let mut cache = Cache::new("");
    let own = cache.send(Method::OPTIONS, "/a", &[("max-forwards", "0")]);
    assert_eq!((own.status, own.tier(), cache.asked()), (200, "BYPASS", 0));
    assert!(own.field("allow").contains("GET"));
    cache.respond(204, &[("allow", "PUT")], "");
    let theirs = cache.send(Method::OPTIONS, "/a", &[("max-forwards", "3")]);
    assert_eq!((theirs.field("allow"), cache.last_seen().fields.get_str("max-forwards")), ("PUT", Some("2")));
}
