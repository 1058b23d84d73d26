//! Content that is stored compressed, and what of it clients are sent (RFC 9110 8.4, 8.8.1, 12.5.3, 14.2).

use super::{Behaviour, noise};
use crate::client::{Request, Response};
use crate::reply::Reply;
use crate::world::{Terrace, World};

pub const ALL: &[Behaviour] = behaviours![
    text_is_sent_in_every_coding_that_the_host_has,
    a_client_that_takes_no_coding_is_sent_the_content_as_it_came,
    weights_decide_and_what_is_refused_is_not_sent,
    forms_survive_a_restart,
    a_form_has_a_weak_etag_that_is_confirmed_and_never_sent_to_the_origin,
    a_refresh_by_304_keeps_every_form,
    a_range_is_one_of_the_content_as_it_came,
    head_has_the_fields_of_the_form_that_a_get_has,
    what_may_not_be_transformed_or_is_coded_already_is_sent_as_it_came,
    what_is_small_or_no_text_is_sent_as_it_came,
    a_route_says_whether_its_text_is_compressed,
    variants_are_compressed_each_for_itself,
];

/// Text of so many bytes, more than what is kept beside its coded forms.
fn prose(length: usize) -> String {
    let lines = (0..).map(|n| format!("{{\"id\":{n},\"name\":\"terrace {}\"}}\n", n * n % 97));
    let mut text = String::with_capacity(length + 64);
    for line in lines {
        text += &line;
        if text.len() >= length {
            break;
        }
    }
    text.truncate(length);
    text
}

fn json(body: impl Into<bytes::Bytes>) -> Reply {
    Reply::fresh(body).with("Content-Type", "application/json").with("ETag", "\"v\"")
}

fn accept(codings: &str) -> Request {
    Request::get("/x").with("Accept-Encoding", codings)
}

/// Asserts that a response has this content in this coding; none where it is empty.
#[track_caller]
fn is(response: &Response, coding: &str, content: &str) {
    response.has_status(200).has_field("content-encoding", coding).has_field("vary", "Accept-Encoding");
    response.has_field("etag", if coding.is_empty() { "\"v\"" } else { "W/\"v\"" });
    assert!(
        response.field("content-length").is_none_or(|length| length == response.body.len().to_string()),
        "{response:?}"
    );
    assert!(coding.is_empty() || response.body.len() < content.len() / 2, "it is not compressed\n{response:?}");
    assert!(super::decoded(coding, &response.body) == content.as_bytes(), "other content\n{response:?}");
}

fn is_revalidated(response: &Response) -> bool {
    response.tier() == "REVALIDATED"
}

/// Asks until what was deferred is done.
async fn warm(terrace: &Terrace, content: &str) {
    let miss = terrace.warm("/x").await;
    is(&miss, "", content);
}

async fn text_is_sent_in_every_coding_that_the_host_has(world: World) {
    let config = "[cache]\ncompress = [\"br\", \"zstd\", \"gzip\"]";
    let (host, (origin, terrace)) = (world.host, world.serve(config).await);
    let content = prose(100_000);
    origin.serve("/x", json(content.clone()));
    is(&terrace.send(&accept("gzip")).await, "", &content);
    warm(&terrace, &content).await;
    let asked = origin.count("/x");
    for coding in ["br", "zstd", "gzip"] {
        let sent = if host.codings().contains(&coding) { coding } else { "" };
        let hit = terrace.send(&accept(coding)).await;
        is(hit.has_tier("L1-HIT"), sent, &content);
    }
    let browser = terrace.send(&accept("gzip, deflate, br, zstd")).await;
    is(browser.has_tier("L1-HIT"), host.codings()[0], &content);
    assert_eq!(origin.count("/x"), asked);
}

async fn a_client_that_takes_no_coding_is_sent_the_content_as_it_came(world: World) {
    let (origin, terrace) = world.serve("").await;
    for size in [5_000, 100_000, 1 << 20] {
        let content = prose(size);
        let path = format!("/{size}");
        origin.serve(&path, json(content.clone()));
        terrace.warm(&path).await;
        for codings in ["", "identity", "deflate", "compress;q=0.5"] {
            let hit = terrace.send(&Request::get(&path).with("Accept-Encoding", codings)).await;
            assert!(hit.is_hit(), "{hit:?}");
            is(&hit, "", &content);
        }
        is(&terrace.send(&Request::get(&path).with("Accept-Encoding", "gzip")).await, "gzip", &content);
    }
}

async fn weights_decide_and_what_is_refused_is_not_sent(world: World) {
    let (origin, terrace) = world.serve("").await;
    let content = prose(50_000);
    origin.serve("/x", json(content.clone()));
    warm(&terrace, &content).await;
    for (codings, sent) in [
        ("gzip;q=0", ""),
        ("*;q=0", ""),
        ("identity, gzip;q=0.5", ""),
        ("identity;q=0.5, gzip;q=1.0", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("br;q=0.4, gzip;q=0.5", "gzip"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("X-GZIP", "gzip"),
    ] {
        let hit = terrace.send(&accept(codings)).await;
        is(hit.has_tier("L1-HIT"), sent, &content);
    }
}

async fn forms_survive_a_restart(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    let content = prose(100_000);
    origin.serve("/x", json(content.clone()));
    warm(&terrace, &content).await;
    let asked = origin.count("/x");
    terrace.restart().await;
    let hit = terrace.send(&accept("gzip")).await;
    is(hit.has_tier("L2-HIT"), "gzip", &content);
    let hit = terrace.get("/x").await;
    assert!(hit.is_hit(), "{hit:?}");
    is(&hit, "", &content);
    assert_eq!(origin.count("/x"), asked);
}

async fn a_form_has_a_weak_etag_that_is_confirmed_and_never_sent_to_the_origin(world: World) {
    let (origin, terrace) = world.serve("[cache]\nstale_while_revalidate = \"0s\"").await;
    let content = prose(50_000);
    origin.serve("/x", json(content.clone()));
    warm(&terrace, &content).await;
    for (codings, tag) in [("gzip", "W/\"v\""), ("identity", "\"v\"")] {
        for condition in ["\"v\"", "W/\"v\""] {
            let have = terrace.send(&accept(codings).with("If-None-Match", condition)).await;
            have.has_status(304).has_field("etag", tag).has_field("vary", "Accept-Encoding").lacks("content-encoding");
        }
    }
    let lost = terrace.send(&accept("gzip").with("If-None-Match", "W/\"w\"")).await;
    is(lost.has_tier("L1-HIT"), "gzip", &content);

    origin.on("/y", |seen| match seen.field("if-none-match") {
        Some("\"v\"") => Reply::status(304).with("ETag", "\"v\"").with("Cache-Control", "max-age=60"),
        _ => json(prose(50_000)).with("Cache-Control", "max-age=0, no-cache"),
    });
    terrace.get("/y").await.has_tier("MISS");
    let request = Request::get("/y").with("Accept-Encoding", "gzip").with("If-None-Match", "W/\"v\"");
    let have = terrace.until(&request, "revalidated", is_revalidated).await;
    have.has_status(304).has_tier("REVALIDATED").has_field("etag", "W/\"v\"");
    assert_eq!(origin.last("/y").field("if-none-match"), Some("\"v\""));
}

async fn a_refresh_by_304_keeps_every_form(world: World) {
    let (origin, terrace) = world.serve("[cache]\nstale_while_revalidate = \"0s\"").await;
    let content = prose(100_000);
    let first = content.clone();
    origin.on("/x", move |seen| match seen.field("if-none-match") {
        Some(_) => Reply::status(304).with("ETag", "\"v\"").with("Cache-Control", "max-age=60"),
        None => json(first.clone()).with("Cache-Control", "max-age=0, no-cache"),
    });
    terrace.get("/x").await.has_tier("MISS");
    let refreshed = terrace.until(&accept("gzip"), "revalidated", is_revalidated).await;
    is(refreshed.has_tier("REVALIDATED"), "gzip", &content);
    let refreshed = terrace.warm("/x").await;
    is(&refreshed, "", &content);
    let hit = terrace.send(&accept("gzip")).await;
    assert!(hit.is_hit(), "{hit:?}");
    is(&hit, "gzip", &content);
}

async fn a_range_is_one_of_the_content_as_it_came(world: World) {
    let (origin, terrace) = world.serve("").await;
    let content = prose(50_000);
    origin.serve("/x", json(content.clone()));
    warm(&terrace, &content).await;
    let range = accept("gzip").with("Range", "bytes=100-199");
    for request in [range.clone(), range.clone().with("If-Range", "\"v\"")] {
        let part = terrace.send(&request).await;
        part.has_status(206).has_body(&content[100..200]).has_field("content-range", "bytes 100-199/50000");
        part.lacks("content-encoding").has_field("etag", "\"v\"").has_field("vary", "Accept-Encoding");
    }
    let whole = terrace.send(&range.with("If-Range", "W/\"v\"")).await;
    is(whole.has_tier("L1-HIT"), "", &content);
    let beyond = terrace.send(&accept("gzip").with("Range", "bytes=50000-")).await;
    beyond.has_status(416).has_field("content-range", "bytes */50000");
}

async fn head_has_the_fields_of_the_form_that_a_get_has(world: World) {
    let (origin, terrace) = world.serve("").await;
    let content = prose(50_000);
    origin.serve("/x", json(content.clone()));
    warm(&terrace, &content).await;
    for codings in ["gzip", "identity"] {
        let get = terrace.send(&accept(codings)).await;
        let head = terrace.send(&Request::new("HEAD", "/x").with("Accept-Encoding", codings)).await;
        head.has_status(200).has_tier("L1-HIT").has_body("");
        for name in ["content-encoding", "content-length", "content-type", "etag", "vary"] {
            head.has_field(name, &get.fields.joined(name));
        }
    }
}

async fn what_may_not_be_transformed_or_is_coded_already_is_sent_as_it_came(world: World) {
    let (origin, terrace) = world.serve("").await;
    let content = prose(50_000);
    let text = |body: &[u8]| Reply::ok(body.to_vec()).with("Content-Type", "text/plain").with("ETag", "\"v\"");
    origin.serve("/no-transform", text(content.as_bytes()).with("Cache-Control", "max-age=60, no-transform"));
    let packed = super::gzip(content.as_bytes());
    let coded = text(&packed).with("Cache-Control", "max-age=60").with("Content-Encoding", "gzip");
    origin.serve("/coded", coded.with("Vary", "Accept-Encoding"));
    let digested = text(content.as_bytes()).with("Cache-Control", "max-age=60");
    origin.serve("/digest", digested.with("Repr-Digest", "sha-256=:AAAA:"));
    for (path, coding, vary, body) in [
        ("/no-transform", "", "", content.as_bytes()),
        ("/coded", "gzip", "Accept-Encoding", packed.as_slice()),
        ("/digest", "", "", content.as_bytes()),
    ] {
        let request = Request::get(path).with("Accept-Encoding", "gzip, br");
        let hit = terrace.warm_with(&request).await;
        hit.has_field("content-encoding", coding).has_field("vary", vary).has_field("etag", "\"v\"").has_body(body);
    }
}

async fn what_is_small_or_no_text_is_sent_as_it_came(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/small", json(prose(500)));
    origin.serve("/image", Reply::fresh(prose(50_000)).with("Content-Type", "image/png").with("ETag", "\"v\""));
    origin.serve("/noise", json(noise(9, 50_000)));
    for path in ["/small", "/image", "/noise"] {
        let hit = terrace.warm_with(&Request::get(path).with("Accept-Encoding", "gzip, br")).await;
        hit.lacks("content-encoding").has_field("etag", "\"v\"");
        if path != "/noise" {
            hit.lacks("vary");
        }
    }
}

async fn a_route_says_whether_its_text_is_compressed(world: World) {
    let config = "[[route]]\nmatch = \"/off\"\ncompress = []\n[[route]]\nmatch = \"/rfc\"\nprofile = \"rfc9111\"";
    let (origin, terrace) = world.serve(config).await;
    let content = prose(50_000);
    for (path, coding) in [("/off", ""), ("/rfc", ""), ("/on", "gzip")] {
        origin.serve(path, json(content.clone()));
        let hit = terrace.warm_with(&Request::get(path).with("Accept-Encoding", "gzip")).await;
        hit.has_field("content-encoding", coding);
        hit.has_field("vary", if coding.is_empty() { "" } else { "Accept-Encoding" });
        assert_eq!(super::decoded(coding, &hit.body), content.as_bytes());
    }
}

async fn variants_are_compressed_each_for_itself(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| {
        let language = seen.field("accept-language").unwrap_or("none");
        json(format!("in {language}\n").repeat(5_000)).with("Vary", "Accept-Language")
    });
    let request = |language: &str| accept("gzip").with("Accept-Language", language);
    for language in ["de", "en"] {
        terrace.warm_with(&request(language)).await;
    }
    for language in ["de", "en"] {
        let hit = terrace.send(&request(language)).await;
        hit.has_tier("L1-HIT").has_field("content-encoding", "gzip");
        hit.has_field("vary", "Accept-Language, Accept-Encoding");
        assert_eq!(super::decoded("gzip", &hit.body), format!("in {language}\n").repeat(5_000).as_bytes());
    }
}
