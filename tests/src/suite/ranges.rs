//! Ranges of what is stored (RFC 9110 14, RFC 9111 3.3, 3.4).

use super::{Behaviour, noise};
use crate::client::{Request, Response};
use crate::origin::Seen;
use crate::reply::Reply;
use crate::world::{Terrace, World};
use std::time::Duration;

pub const ALL: &[Behaviour] = behaviours![
    a_single_range_comes_from_the_stored_response,
    several_ranges_come_as_multipart,
    a_range_beyond_the_end_is_416,
    a_range_that_is_not_understood_is_ignored,
    if_range_needs_a_strong_match,
    a_range_of_something_unknown_is_answered_rightly_and_fills_nothing_wrong,
    a_range_comes_from_l2_too,
    a_condition_comes_before_a_range,
    a_range_of_a_head_or_an_error_is_ignored,
    a_stored_part_answers_for_the_ranges_within_it_and_for_nothing_else,
    parts_of_one_content_are_joined,
    parts_of_other_content_are_not_joined,
    the_rest_of_what_is_held_is_asked_for_and_the_whole_is_answered,
    a_part_without_its_place_or_not_whole_is_not_stored,
];

const SIZE: usize = 10_000;

fn content() -> Vec<u8> {
    noise(7, SIZE)
}

async fn a_single_range_comes_from_the_stored_response(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh(content()).with("ETag", "\"e\"").with("Content-Type", "image/x"));
    terrace.warm("/x").await;
    let asked = origin.count("/x");
    for (range, from, to) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-499", 0, 499),
        ("bytes=500-999", 500, 999),
        ("bytes=9000-", 9000, 9999),
        ("bytes=-100", 9900, 9999),
        ("bytes=-20000", 0, 9999),
        ("bytes=9999-20000", 9999, 9999),
        ("Bytes=1-2", 1, 2),
    ] {
        let response = terrace.get_with("/x", "Range", range).await;
        response.has_status(206).has_body(&content()[from..=to]).has_tier("L1-HIT");
        response.has_field("content-range", &format!("bytes {from}-{to}/{SIZE}"));
        response.has_field("content-length", &(to - from + 1).to_string());
        response.has_field("content-type", "image/x").has_field("etag", "\"e\"");
    }
    assert_eq!(origin.count("/x"), asked);
}

/// The parts of a multipart/byteranges response: their Content-Range and content.
fn parts(response: &Response) -> Vec<(String, Vec<u8>)> {
    let kind = response.field("content-type").unwrap_or_default();
    assert!(kind.starts_with("multipart/byteranges"), "{response:?}");
    let boundary = kind.split("boundary=").nth(1).unwrap_or_default().trim_matches('"');
    assert!(!boundary.is_empty(), "{response:?}");
    let delimiter = format!("\r\n--{boundary}");
    let body = [b"\r\n", response.body.as_ref()].concat();
    let mut found = Vec::new();
    let mut rest = &body[..];
    loop {
        let at = rest.windows(delimiter.len()).position(|window| window == delimiter.as_bytes()).expect("a delimiter");
        rest = &rest[at + delimiter.len()..];
        if rest.starts_with(b"--") {
            return found;
        }
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("a part's head");
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-range:"));
        let range = line.and_then(|line| line.split_once(':')).expect("Content-Range").1.trim().to_owned();
        rest = &rest[end + 4..];
        let length = rest.windows(delimiter.len()).position(|window| window == delimiter.as_bytes()).expect("an end");
        found.push((range, rest[..length].to_vec()));
    }
}

async fn several_ranges_come_as_multipart(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh(content()).with("ETag", "\"e\"").with("Content-Type", "image/x"));
    terrace.warm("/x").await;
    let response = terrace.get_with("/x", "Range", "bytes=0-9, 100-199, -5").await;
    response.has_status(206).has_tier("L1-HIT");
    let content = content();
    let wanted = [
        (format!("bytes 0-9/{SIZE}"), content[..10].to_vec()),
        (format!("bytes 100-199/{SIZE}"), content[100..200].to_vec()),
        (format!("bytes 9995-9999/{SIZE}"), content[9995..].to_vec()),
    ];
    assert_eq!(parts(&response), wanted);
    // Thousands of ranges are an attack: anything but more bytes than the content many times over.
    let many: Vec<String> = (0..2000).map(|n| format!("{}-", n % 10)).collect();
    let response = terrace.get_with("/x", "Range", &format!("bytes={}", many.join(","))).await;
    assert!(matches!(response.status, 200 | 206 | 416), "{response:?}");
    assert!(response.body.len() < 4 * SIZE, "{} bytes", response.body.len());
}

async fn a_range_beyond_the_end_is_416(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh(content()).with("ETag", "\"e\""));
    terrace.warm("/x").await;
    for range in ["bytes=10000-", "bytes=20000-30000", "bytes=-0"] {
        let response = terrace.get_with("/x", "Range", range).await;
        response.has_status(416).has_field("content-range", &format!("bytes */{SIZE}"));
    }
    terrace.get("/x").await.has_status(200).has_tier("L1-HIT").has_body(content());
    origin.serve("/empty", Reply::fresh(""));
    terrace.warm("/empty").await;
    let response = terrace.get_with("/empty", "Range", "bytes=0-").await;
    assert!(matches!(response.status, 200 | 416), "{response:?}");
}

async fn a_range_that_is_not_understood_is_ignored(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh(content()));
    terrace.warm("/x").await;
    for range in
        ["lines=1-2", "bytes=5-2", "bytes=a-b", "bytes", "bytes=", "bytes=1-2-3", "bytes=99999999999999999999-x"]
    {
        let response = terrace.get_with("/x", "Range", range).await;
        assert_eq!(response.status, 200, "{range}\n{response:?}");
        response.has_body(content());
    }
}

async fn if_range_needs_a_strong_match(world: World) {
    let (origin, terrace) = world.serve("").await;
    let modified = "Wed, 01 Jul 2026 12:00:00 GMT";
    origin.serve("/strong", Reply::fresh(content()).with("ETag", "\"e\"").with("Last-Modified", modified));
    origin.serve("/weak", Reply::fresh(content()).with("ETag", "W/\"e\""));
    for (path, validator, status) in [
        ("/strong", "\"e\"", 206),
        ("/strong", "\"other\"", 200),
        ("/strong", "W/\"e\"", 200),
        ("/strong", modified, 206),
        ("/strong", "Wed, 01 Jul 2026 12:00:01 GMT", 200),
        ("/weak", "W/\"e\"", 200),
        ("/weak", "\"e\"", 200),
    ] {
        terrace.warm(path).await;
        let request = Request::get(path).with("Range", "bytes=0-9").with("If-Range", validator);
        let response = terrace.send(&request).await;
        assert_eq!(response.status, status, "{path} If-Range: {validator}\n{response:?}");
        let wanted = if status == 206 { content()[..10].to_vec() } else { content() };
        response.has_body(wanted);
    }
}

async fn a_range_of_something_unknown_is_answered_rightly_and_fills_nothing_wrong(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| match seen.field("range") {
        Some("bytes=0-9") => Reply::status(206)
            .body(content()[..10].to_vec())
            .with("Content-Range", format!("bytes 0-9/{SIZE}"))
            .with("Cache-Control", "max-age=60")
            .with("ETag", "\"e\""),
        _ => Reply::fresh(content()).with("ETag", "\"e\""),
    });
    for _ in 0..3 {
        let response = terrace.get_with("/x", "Range", "bytes=0-9").await;
        response.has_status(206).has_body(&content()[..10]).has_field("content-range", &format!("bytes 0-9/{SIZE}"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    terrace.get("/x").await.has_status(200).has_body(content()).lacks("content-range");
    terrace.warm("/x").await.has_status(200).has_body(content());
    // An origin that knows no ranges: the whole is a right answer, and so is the part.
    origin.serve("/whole", Reply::fresh(content()));
    let response = terrace.get_with("/whole", "Range", "bytes=0-9").await;
    match response.status {
        206 => response.has_body(&content()[..10]),
        _ => response.has_status(200).has_body(content()),
    };
}

async fn a_range_comes_from_l2_too(world: World) {
    let (origin, terrace) = world.serve("[tiers.l1]\nmax_size = \"1KiB\"").await;
    origin.serve("/x", Reply::fresh(content()).with("ETag", "\"e\""));
    terrace.warm("/x").await;
    let asked = origin.count("/x");
    let response = terrace.get_with("/x", "Range", "bytes=5000-5999").await;
    response.has_status(206).has_tier("L2-HIT").has_body(&content()[5000..6000]);
    assert_eq!(origin.count("/x"), asked);
}

async fn a_condition_comes_before_a_range(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh(content()).with("ETag", "\"e\""));
    terrace.warm("/x").await;
    let have = Request::get("/x").with("Range", "bytes=0-9").with("If-None-Match", "\"e\"");
    terrace.send(&have).await.has_status(304);
    let other = Request::get("/x").with("Range", "bytes=0-9").with("If-None-Match", "\"o\"");
    terrace.send(&other).await.has_status(206).has_body(&content()[..10]);
}

async fn a_range_of_a_head_or_an_error_is_ignored(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh(content()));
    terrace.warm("/x").await;
    terrace.send(&Request::new("HEAD", "/x").with("Range", "bytes=0-9")).await.has_status(200).has_body("");
    origin.serve("/gone", Reply::status(410).body("gone for ever").with("Cache-Control", "max-age=60"));
    terrace.warm("/gone").await;
    terrace.get_with("/gone", "Range", "bytes=0-3").await.has_status(410).has_body("gone for ever");
}

/// The part of [`content`] that a request asks for, by an origin that knows one range and If-Range.
fn part_of(seen: &Seen, etag: &str) -> Reply {
    let whole = || Reply::fresh(content()).with("ETag", etag);
    let range = seen.field("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return whole() };
    if seen.field("if-range").is_some_and(|condition| condition != etag) {
        return whole();
    }
    let first: usize = first.parse().expect("the origin is asked for no suffix");
    let last = last.parse().map_or(SIZE - 1, |last: usize| last.min(SIZE - 1));
    Reply::status(206)
        .body(content()[first..=last].to_vec())
        .with("Content-Range", format!("bytes {first}-{last}/{SIZE}"))
        .with("Cache-Control", "max-age=60")
        .with("ETag", etag)
}

fn range(range: &str) -> Request {
    Request::get("/x").with("Range", range)
}

/// Has a part stored, and lets its store come to an end: meanwhile no other part of the object is asked for.
async fn hold(terrace: &Terrace, part: &str) {
    terrace.warm_with(&range(part)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn a_stored_part_answers_for_the_ranges_within_it_and_for_nothing_else(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| part_of(seen, "\"e\""));
    terrace.warm_with(&range("bytes=1000-1999")).await.has_status(206).has_body(&content()[1000..2000]);
    let asked = origin.count("/x");
    let within = terrace.send(&range("bytes=1500-1599")).await;
    within.has_status(206).has_field("x-cache", "HIT").has_body(&content()[1500..1600]).has_field("etag", "\"e\"");
    within.has_field("content-range", &format!("bytes 1500-1599/{SIZE}")).has_field("content-length", "100");
    let two = terrace.send(&range("bytes=1000-1009,1990-1999")).await;
    let wanted = [
        (format!("bytes 1000-1009/{SIZE}"), content()[1000..1010].to_vec()),
        (format!("bytes 1990-1999/{SIZE}"), content()[1990..2000].to_vec()),
    ];
    assert_eq!(parts(&two), wanted);
    assert_eq!(origin.count("/x"), asked);
    let head = terrace.send(&Request::new("HEAD", "/x")).await;
    head.has_status(200).has_body("");
    assert!(head.is_miss(), "{head:?}");
    terrace.send(&range("bytes=3000-3009")).await.has_status(206).has_body(&content()[3000..3010]);
    terrace.send(&range("bytes=1000-1999").with("If-Range", "\"o\"")).await.has_status(200).has_body(content());
    terrace.warm("/x").await.has_status(200).has_body(content()).lacks("content-range");
}

async fn parts_of_one_content_are_joined(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.on("/x", |seen| part_of(seen, "\"e\""));
    for (first, last) in [(0, 3999), (4000, 6999), (6500, 9999)] {
        let one = terrace.warm_with(&range(&format!("bytes={first}-{last}"))).await;
        one.has_status(206).has_body(&content()[first..=last]);
        // What came before is still held.
        terrace.send(&range("bytes=0-9")).await.has_field("x-cache", "HIT").has_body(&content()[..10]);
    }
    let asked = origin.count("/x");
    let whole = terrace.get("/x").await;
    whole.has_status(200).has_field("x-cache", "HIT").has_body(content()).lacks("content-range");
    terrace.restart().await;
    let whole = terrace.get("/x").await;
    whole.has_status(200).has_tier("L2-HIT").has_body(content()).has_field("content-length", &SIZE.to_string());
    assert_eq!(origin.count("/x"), asked);
}

async fn parts_of_other_content_are_not_joined(world: World) {
    let (origin, terrace) = world.serve("").await;
    for (first, second) in [("\"e\"", "\"f\""), ("W/\"e\"", "W/\"e\"")] {
        origin.on("/x", move |seen| part_of(seen, first));
        terrace.warm_with(&range("bytes=0-4999")).await.has_field("etag", first);
        origin.on("/x", move |seen| part_of(seen, second));
        terrace.warm_with(&range("bytes=5000-9999")).await.has_field("etag", second);
        let asked = origin.count("/x");
        terrace.send(&range("bytes=4000-5999")).await.has_status(206).has_body(&content()[4000..6000]);
        assert_eq!(origin.count("/x"), asked + 1, "{first} and {second} were joined");
        terrace.send(&Request::new("DELETE", "/x")).await;
    }
}

async fn the_rest_of_what_is_held_is_asked_for_and_the_whole_is_answered(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| part_of(seen, "\"e\""));
    hold(&terrace, "bytes=0-5999").await;
    let whole = terrace.get("/x").await;
    whole.has_status(200).has_tier("REVALIDATED").has_body(content()).lacks("content-range");
    let last = origin.last("/x");
    assert_eq!((last.field("range"), last.field("if-range")), (Some("bytes=6000-"), Some("\"e\"")));
    terrace.warm("/x").await.has_status(200).has_body(content());
    // It has changed meanwhile: the origin sends all of it.
    origin.on("/x", |seen| part_of(seen, "\"e\""));
    terrace.send(&Request::new("DELETE", "/x")).await;
    hold(&terrace, "bytes=0-5999").await;
    origin.on("/x", |seen| part_of(seen, "\"f\""));
    terrace.get("/x").await.has_status(200).has_body(content()).has_field("etag", "\"f\"");
}

async fn a_part_without_its_place_or_not_whole_is_not_stored(world: World) {
    let (origin, terrace) = world.serve("").await;
    let part = || Reply::status(206).body("01234").with("Cache-Control", "max-age=60").with("ETag", "\"e\"");
    for reply in [
        part(),
        part().with("Content-Range", "bytes 0-4/*"),
        part().with("Content-Range", "bytes 4-9/10"),
        part().with("Content-Range", "items 0-4/10"),
    ] {
        origin.serve("/x", reply);
        terrace.stays_a_miss(&range("bytes=0-4")).await;
    }
}
