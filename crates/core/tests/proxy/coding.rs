//! What is stored compressed, and what of it clients are sent (RFC 9110 8.4, 8.8.1, 12.5.3, 14.2).

use super::support::*;
use http::Method;
use std::rc::Rc;
use terrace_core::Proxy;
use terrace_core::config::Config;

const BR: &[(&str, &str)] = &[("accept-encoding", "gzip, deflate, br")];
const GZIP: &[(&str, &str)] = &[("accept-encoding", "gzip")];
const NONE: &[(&str, &str)] = &[];

/// So many bytes of text that repeats itself.
fn prose(length: usize) -> &'static str {
    let line = |n: usize| format!("{{\"id\":{n},\"name\":\"terrace {}\"}}\n", n * n % 97);
    let mut text: String = (0..)
        .map(line)
        .scan(0, |sum, line| {
            (*sum < length).then(|| {
                *sum += line.len();
                line
            })
        })
        .collect();
    text.truncate(length);
    String::leak(text)
}

/// More than is kept as it came beside its coded forms.
fn large() -> &'static str {
    prose(60_000)
}

fn respond(cache: &Cache, body: &'static str, more: &[(&'static str, &str)]) {
    let mut fields = vec![("content-type", "application/json"), ("etag", "\"v\""), ("cache-control", "max-age=60")];
    let length = body.len().to_string();
    fields.push(("content-length", &length));
    fields.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    fields.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    cache.respond(200, &fields, body);
}

fn stored(body: &'static str, more: &[(&'static str, &str)]) -> Cache {
    let mut cache = Cache::new("");
    respond(&cache, body, more);
    assert_eq!(cache.get("/a").tier(), "MISS");
    cache
}

#[track_caller]
fn is(answer: &Answer, tier: &str, coding: &str, body: &str) {
    assert_eq!((answer.status, answer.tier(), answer.field("content-encoding")), (200, tier, coding), "{answer:?}");
    let sent = answer.body.as_deref().unwrap();
    assert_eq!(answer.field("content-length"), sent.len().to_string());
    assert!(decoded(coding, sent).unwrap() == body.as_bytes(), "{coding}: other content");
    assert_eq!(answer.field("vary"), "Accept-Encoding");
    assert_eq!(answer.field("etag"), if coding.is_empty() { "\"v\"" } else { "W/\"v\"" });
}

#[test]
fn text_is_compressed_once_and_sent_in_the_coding_that_is_asked_for() {
    let body = large();
    let mut cache = Cache::new("");
    respond(&cache, body, &[]);
    is(&cache.get_with("/a", BR), "MISS", "", body);
    let world = cache.host.world.clone();
    assert_eq!(world.encodings.get(), 2);
    let kept: usize = world.kv.borrow().values().map(Vec::len).sum();
    assert!(kept < body.len() / 2, "{kept} bytes are kept in L1");
    for tier in ["L1-HIT", "L2-HIT"] {
        is(&cache.get_with("/a", BR), tier, "br", body);
        cache.host.world.kv.borrow_mut().retain(|_, _| tier == "L1-HIT");
        is(&cache.get_with("/a", GZIP), tier, "gzip", body);
        cache.host.world.kv.borrow_mut().retain(|_, _| tier == "L1-HIT");
        is(&cache.get_with("/a", NONE), tier, "", body);
        is(&cache.get_with("/a", &[("accept-encoding", "zstd")]), "L1-HIT", "", body);
        cache.restart();
    }
    assert_eq!((cache.asked(), world.encodings.get()), (1, 2));
}

#[test]
fn a_hit_in_a_stored_form_costs_one_read_and_no_coder() {
    for (body, restored) in [(prose(8000), 0), (large(), 1)] {
        let mut cache = stored(body, &[]);
        let world = cache.host.world.clone();
        let (gets, queries) = (world.kv_gets.get(), world.queries.get());
        is(&cache.get_with("/a", BR), "L1-HIT", "br", body);
        is(&cache.get_with("/a", GZIP), "L1-HIT", "gzip", body);
        assert_eq!((world.kv_gets.get() - gets, world.queries.get() - queries), (2, 0));
        assert_eq!(world.decodings.get(), 0);
        is(&cache.get_with("/a", NONE), "L1-HIT", "", body);
        assert_eq!(world.decodings.get(), restored, "small content is kept as it came as well");
    }
}

#[test]
fn a_clients_copy_in_any_coding_is_confirmed() {
    let mut cache = stored(large(), &[]);
    for (accept, tag) in [("br", "W/\"v\""), ("gzip", "W/\"v\""), ("identity", "\"v\"")] {
        for condition in ["\"v\"", "W/\"v\"", "\"x\", W/\"v\"", "*"] {
            let answer = cache.get_with("/a", &[("accept-encoding", accept), ("if-none-match", condition)]);
            assert_eq!((answer.status, answer.field("etag")), (304, tag), "{accept} {condition}");
            assert_eq!((answer.field("vary"), answer.field("content-encoding")), ("Accept-Encoding", ""));
        }
        let other = cache.get_with("/a", &[("accept-encoding", accept), ("if-none-match", "W/\"x\"")]);
        assert_eq!(other.status, 200);
    }
    assert_eq!(cache.host.world.decodings.get(), 1, "only what is sent is restored");
}

#[test]
fn ranges_are_those_of_the_content_as_it_came() {
    let body = large();
    let mut cache = stored(body, &[("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")]);
    let range =
        |more: &[(&'static str, &'static str)]| [&[("accept-encoding", "br"), ("range", "bytes=10-19")], more].concat();
    for more in [&[][..], &[("if-range", "\"v\"")]] {
        let part = cache.get_with("/a", &range(more));
        assert_eq!((part.status, part.text()), (206, &body[10..20]), "{more:?}");
        assert_eq!((part.field("content-range"), part.field("etag")), ("bytes 10-19/60000", "\"v\""));
        assert_eq!((part.field("content-encoding"), part.field("vary")), ("", "Accept-Encoding"));
    }
    // The coded content has the same date: who resumes that must not be sent a part of the plain one (RFC 9110 8.8.1).
    for more in [("if-range", "W/\"v\""), ("if-range", "\"x\""), ("if-range", "Mon, 01 Jan 2024 00:00:00 GMT")] {
        is(&cache.get_with("/a", &range(&[more])), "L1-HIT", "", body);
    }
    let beyond = cache.get_with("/a", &[("accept-encoding", "br"), ("range", "bytes=60000-")]);
    assert_eq!((beyond.status, beyond.field("content-range")), (416, "bytes */60000"));
    is(&cache.get_with("/a", &[("accept-encoding", "br"), ("range", "lines=1-2")]), "L1-HIT", "", body);
}

#[test]
fn head_has_the_fields_of_a_get() {
    let mut cache = stored(large(), &[]);
    for fields in [BR, GZIP, NONE] {
        let get = cache.get_with("/a", fields);
        let head = cache.send(Method::HEAD, "/a", fields);
        assert_eq!((head.status, head.fields, head.body), (200, get.fields, Some(Vec::new())));
    }
}

#[test]
fn what_must_not_or_need_not_be_compressed_is_stored_as_it_came() {
    let (body, noise) = (large(), noise(20_000));
    let cases: &[(&'static str, &[(&'static str, &str)])] = &[
        (body, &[("cache-control", "max-age=60, no-transform")]),
        (body, &[("content-encoding", "gzip")]),
        (body, &[("vary", "Accept-Encoding")]),
        (body, &[("content-type", "image/png")]),
        (body, &[("content-type", "")]),
        (body, &[("repr-digest", "sha-256=:AAAA:")]),
        (prose(1000), &[]),
        (prose((1 << 20) + 1), &[]),
        (noise, &[]),
    ];
    for (body, more) in cases {
        let mut cache = Cache::new("");
        respond(&cache, body, more);
        let miss = cache.get_with("/a", BR);
        let hit = cache.get_with("/a", BR);
        assert!(hit.tier().ends_with("-HIT") && hit.text() == *body, "{more:?}");
        assert_eq!(hit.field("etag"), "\"v\"");
        let coding = more.iter().find(|(name, _)| *name == "content-encoding").map_or("", |(_, coding)| *coding);
        let vary = more.iter().find(|(name, _)| *name == "vary").map_or("", |(_, vary)| *vary);
        assert_eq!((hit.field("content-encoding"), hit.field("vary")), (coding, vary), "{more:?}");
        if body.len() != noise.len() {
            assert_eq!(miss.field("vary"), vary, "{more:?}");
            assert_eq!(cache.host.world.encodings.get(), 0, "{more:?}");
        }
    }
}

/// Letters that a compressor makes hardly smaller.
fn noise(length: usize) -> &'static str {
    let mut state = 1u64;
    let text: String = (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(((state >> 33) % 128) as u8)
        })
        .collect();
    String::leak(text)
}

#[test]
fn a_refresh_asks_with_the_origins_tag_and_keeps_the_forms() {
    let body = large();
    let mut cache = stored(body, &[("cache-control", "max-age=10, stale-while-revalidate=0")]);
    for (fields, coding) in [(BR, "br"), (NONE, ""), (GZIP, "gzip")] {
        cache.wait(100);
        cache.respond(304, &[("etag", "\"v\""), ("cache-control", "max-age=10, stale-while-revalidate=0")], "");
        is(&cache.get_with("/a", fields), "REVALIDATED", coding, body);
        assert_eq!(cache.last_seen().fields.get_str("if-none-match"), Some("\"v\""));
        is(&cache.get_with("/a", BR), "L1-HIT", "br", body);
        cache.restart();
        is(&cache.get_with("/a", GZIP), "L2-HIT", "gzip", body);
    }
    cache.wait(100);
    cache.respond(304, &[("etag", "\"v\"")], "");
    let have = cache.get_with("/a", &[("accept-encoding", "br"), ("if-none-match", "W/\"v\"")]);
    assert_eq!((have.status, have.field("etag")), (304, "W/\"v\""));
    assert_eq!(cache.last_seen().fields.get_str("if-none-match"), Some("\"v\""), "not the client's tag of a form");
    assert_eq!(cache.host.world.encodings.get(), 2);
}

#[test]
fn a_refresh_behind_the_answer_and_an_origin_that_fails_change_no_form() {
    let body = large();
    let mut cache = stored(body, &[("cache-control", "max-age=10, stale-while-revalidate=60, stale-if-error=600")]);
    cache.wait(20);
    cache.respond(304, &[("etag", "\"v\"")], "");
    is(&cache.get_with("/a", BR), "STALE-L1", "br", body);
    is(&cache.get_with("/a", GZIP), "L1-HIT", "gzip", body);
    cache.wait(200);
    for (fields, coding) in [(BR, "br"), (NONE, "")] {
        cache.wait(100);
        cache.respond(503, &[], "");
        is(&cache.get_with("/a", fields), "STALE-L1", coding, body);
    }
}

#[test]
fn a_refresh_that_forbids_transformations_is_obeyed_at_once() {
    let body = large();
    let forbids = [("cache-control", "max-age=10, no-transform"), ("etag", "\"v\"")];
    let mut cache = stored(body, &[("cache-control", "max-age=10, stale-while-revalidate=0")]);
    cache.wait(100);
    cache.respond(304, &forbids, "");
    is(&cache.get_with("/a", BR), "REVALIDATED", "", body);
    respond(&cache, body, &forbids);
    assert_eq!(cache.get_with("/a", BR).tier(), "MISS");
    let hit = cache.get_with("/a", BR);
    assert_eq!((hit.tier(), hit.field("content-encoding"), hit.text() == body), ("L1-HIT", "", true));

    let mut cache = stored(body, &[("cache-control", "max-age=10, stale-while-revalidate=0")]);
    cache.wait(100);
    cache.respond(200, &[("content-length", "60000"), forbids[0], forbids[1]], "");
    cache.send(Method::HEAD, "/a", BR);
    respond(&cache, body, &forbids);
    assert_eq!(cache.get_with("/a", BR).tier(), "MISS");
}

#[test]
fn a_head_from_the_origin_refreshes_the_forms() {
    let body = large();
    let mut cache = stored(body, &[("cache-control", "max-age=10, stale-while-revalidate=0")]);
    cache.wait(100);
    let same = [("content-type", "application/json"), ("content-length", "60000"), ("etag", "\"v\"")];
    cache.respond(200, &[&same[..], &[("cache-control", "max-age=60")]].concat(), "");
    let head = cache.send(Method::HEAD, "/a", BR);
    assert_eq!((head.tier(), head.field("vary")), ("MISS", "Accept-Encoding"));
    is(&cache.get_with("/a", BR), "L1-HIT", "br", body);
}

#[test]
fn what_cannot_be_restored_is_asked_for_anew() {
    let body = large();
    let mut cache = stored(body, &[]);
    cache.host.world.decoding_fails.set(true);
    is(&cache.get_with("/a", BR), "L1-HIT", "br", body);
    respond(&cache, body, &[]);
    is(&cache.get_with("/a", NONE), "MISS", "", body);
    assert!(!cache.last_seen().fields.contains("if-none-match"));
    assert_eq!(cache.host.world.warnings.borrow().len(), 1);
    assert_eq!(cache.proxy.counters().corrupt.get(), 1);
    cache.host.world.decoding_fails.set(false);
    is(&cache.get_with("/a", NONE), "L1-HIT", "", body);

    cache.wait(100);
    cache.host.world.decoding_fails.set(true);
    cache.respond(304, &[("etag", "\"v\""), ("cache-control", "no-transform")], "");
    respond(&cache, body, &[]);
    is(&cache.get_with("/a", BR), "MISS", "", body);
    assert_eq!(cache.asked(), 4);
}

#[test]
fn a_part_joins_what_is_held_compressed() {
    let body = large();
    let mut cache = stored(body, &[("cache-control", "max-age=10, stale-while-revalidate=0")]);
    cache.wait(100);
    // A 304 for something else, and then the part of the very same content.
    cache.respond(304, &[("etag", "\"w\"")], "");
    let part = vec![
        ("content-range", "bytes 10-19/60000".to_string()),
        ("content-type", "application/json".to_string()),
        ("etag", "\"v\"".to_string()),
        ("cache-control", "max-age=60".to_string()),
    ];
    cache.origin(Script::Respond(206, part, vec![&body.as_bytes()[10..20]]));
    assert_eq!(cache.get_with("/a", &[("range", "bytes=10-19")]).text(), &body[10..20]);
    is(&cache.get_with("/a", BR), "L1-HIT", "br", body);
    is(&cache.get_with("/a", NONE), "L1-HIT", "", body);
    assert_eq!(cache.asked(), 3);
}

#[test]
fn parts_that_come_to_the_whole_are_compressed() {
    let body = large();
    let mut cache = Cache::new("");
    let part = |start: usize, end: usize| {
        let fields = vec![
            ("content-range", format!("bytes {start}-{}/60000", end - 1)),
            ("content-type", "application/json".to_string()),
            ("etag", "\"v\"".to_string()),
            ("cache-control", "max-age=60".to_string()),
        ];
        Script::Respond(206, fields, vec![&body.as_bytes()[start..end]])
    };
    cache.origin(part(0, 40_000));
    assert_eq!(cache.get_with("/a", &[("range", "bytes=0-39999")]).status, 206);
    assert_eq!(cache.host.world.encodings.get(), 0, "a part is kept as it came");
    cache.origin(part(40_000, 60_000));
    assert_eq!(cache.get_with("/a", BR).text(), body);
    is(&cache.get_with("/a", BR), "L1-HIT", "br", body);
}

#[test]
fn a_route_says_in_which_codings() {
    let config = "[[route]]\nmatch = \"/gzip\"\ncompress = [\"gzip\"]\n[[route]]\nmatch = \"/off\"\ncompress = []\n\
                  [[route]]\nmatch = \"/zstd\"\ncompress = [\"zstd\"]\n\
                  [[route]]\nmatch = \"/rfc\"\nprofile = \"rfc9111\"\n\
                  [[route]]\nmatch = \"/more\"\ncompress_min_size = \"100KiB\"\n";
    let body = large();
    let mut cache = Cache::new(config);
    for (path, coding) in [("/gzip", "gzip"), ("/off", ""), ("/zstd", ""), ("/rfc", ""), ("/more", ""), ("/", "br")] {
        respond(&cache, body, &[]);
        let vary = if coding.is_empty() { "" } else { "Accept-Encoding" };
        assert_eq!(cache.get(path).field("vary"), vary, "{path}");
        let hit = cache.get_with(path, BR);
        assert_eq!((hit.tier(), hit.field("content-encoding"), hit.field("vary")), ("L1-HIT", coding, vary), "{path}");
    }
}

#[test]
fn what_a_route_compresses_no_more_is_sent_as_it_came() {
    let body = large();
    let mut cache = stored(body, &[]);
    let config = "[origin]\nurl = \"http://origin.test\"\n[cache]\ncompress = []\n";
    cache.proxy = Rc::new(Proxy::new(Config::parse(config, "terrace.toml").unwrap()));
    is(&cache.get_with("/a", BR), "L1-HIT", "", body);
}

#[test]
fn a_tier_takes_what_is_small_enough_when_it_is_compressed() {
    let body = prose(300_000);
    let mut cache = Cache::new("[tiers.l1]\nmax_size = \"128KiB\"\n");
    respond(&cache, body, &[]);
    cache.get("/a");
    is(&cache.get_with("/a", BR), "L1-HIT", "br", body);
}

#[test]
fn a_client_that_is_listened_to_may_ask_to_be_spared() {
    let spared = [("accept-encoding", "br"), ("cache-control", "no-transform")];
    for (directives, coding) in [("honour", ""), ("ignore", "br")] {
        let body = large();
        let mut cache = Cache::new(&format!("[cache]\nrequest_directives = \"{directives}\"\n"));
        respond(&cache, body, &[]);
        cache.get("/a");
        is(&cache.get_with("/a", &spared), "L1-HIT", coding, body);
    }
}

#[test]
fn variants_of_a_url_are_each_compressed() {
    let (german, english) = (large(), prose(50_000));
    let mut cache = Cache::new("");
    for (language, body) in [("de", german), ("en", english)] {
        respond(&cache, body, &[("vary", "Accept-Language")]);
        cache.get_with("/a", &[("accept-language", language)]);
    }
    for (language, body) in [("de", german), ("en", english)] {
        for (accept, coding) in [("br", "br"), ("gzip", "gzip"), ("identity", "")] {
            let hit = cache.get_with("/a", &[("accept-language", language), ("accept-encoding", accept)]);
            assert_eq!((hit.tier(), hit.field("content-encoding")), ("L1-HIT", coding));
            assert_eq!(hit.field("vary"), "Accept-Language, Accept-Encoding");
            assert!(decoded(coding, hit.body.as_deref().unwrap()).unwrap() == body.as_bytes());
        }
    }
    assert_eq!(cache.asked(), 2);
}

#[test]
fn the_memory_of_the_instance_holds_the_forms() {
    let body = large();
    let mut cache = Cache::new("[tiers.l0]\nsize = \"1MiB\"\n");
    respond(&cache, body, &[]);
    cache.get("/a");
    cache.get("/a");
    for (fields, coding) in [(BR, "br"), (GZIP, "gzip"), (NONE, "")] {
        is(&cache.get_with("/a", fields), "L0-HIT", coding, body);
    }
}
