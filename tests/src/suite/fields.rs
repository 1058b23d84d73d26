//! Fields on their way through: what is kept, what is dropped, what is added (RFC 9110 7.6, RFC 9111 3.1).

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    repeated_fields_are_kept_as_they_came,
    hop_by_hop_fields_of_a_response_are_dropped,
    hop_by_hop_fields_of_a_request_are_dropped,
    fields_that_are_no_part_of_the_key_are_not_forwarded,
    everything_else_is_forwarded,
    the_origin_sees_its_own_host,
    configured_fields_are_sent_and_replace_what_a_client_sends,
    a_client_cannot_forge_what_we_say,
    via_is_added_on_both_ways,
    a_request_that_comes_back_is_a_508,
    two_caches_in_a_row_are_no_loop,
    the_date_is_the_one_of_the_origin,
    a_response_without_a_date_gets_one,
    unusual_field_values_survive_storage,
    redirects_are_passed_on_and_not_followed,
];

async fn repeated_fields_are_kept_as_they_came(world: World) {
    let host = world.host;
    let (origin, mut terrace) = world.serve("").await;
    let reply = Reply::fresh("x").with("X-Twice", "one").with("Link", "</a>; rel=a").with("X-Twice", "two, three");
    origin.serve("/x", reply.with("Link", "</b>; rel=b").with("X-Empty", ""));
    let check = |response: &crate::client::Response| {
        response.has_lines(host, "x-twice", &["one", "two, three"]);
        response.has_lines(host, "link", &["</a>; rel=a", "</b>; rel=b"]);
        assert_eq!(response.all("x-empty"), [""], "{response:?}");
    };
    check(&terrace.get("/x").await);
    check(&terrace.warm("/x").await);
    terrace.restart().await;
    check(terrace.get("/x").await.has_tier("L2-HIT"));
    let request = Request::get("/y").with("X-Twice", "one").with("X-Twice", "two, three");
    terrace.send(&request).await;
    let seen = origin.last("/y");
    assert_eq!(seen.fields.joined("x-twice"), "one, two, three");
    if host.keeps_field_lines() {
        assert_eq!(seen.fields.all("x-twice"), ["one", "two, three"]);
    }
}

async fn hop_by_hop_fields_of_a_response_are_dropped(world: World) {
    let (origin, terrace) = world.serve("").await;
    let reply = Reply::fresh("x")
        .with("Connection", "x-hop, X-Other")
        .with("X-Hop", "1")
        .with("X-Other", "2")
        .with("Keep-Alive", "timeout=5")
        .with("Proxy-Authenticate", "Basic")
        .with("Proxy-Connection", "keep-alive")
        .with("Upgrade", "h2c")
        .with("X-End", "kept");
    origin.serve("/x", reply);
    for response in [terrace.get("/x").await, terrace.warm("/x").await] {
        response.has_status(200).has_body("x").has_field("x-end", "kept");
        for name in ["x-hop", "x-other", "proxy-authenticate", "proxy-connection", "upgrade"] {
            response.lacks(name);
        }
        assert!(!response.fields.joined("connection").contains("x-hop"), "{response:?}");
        assert!(!response.fields.joined("keep-alive").contains("timeout=5"), "{response:?}");
    }
}

async fn hop_by_hop_fields_of_a_request_are_dropped(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::ok("x"));
    let request = Request::get("/x")
        .with("Connection", "x-hop")
        .with("X-Hop", "1")
        .with("Keep-Alive", "timeout=5")
        .with("Proxy-Authorization", "Basic c2VjcmV0")
        .with("Proxy-Connection", "keep-alive")
        .with("TE", "trailers")
        .with("X-End", "kept");
    terrace.send(&request).await.has_status(200);
    let seen = origin.last("/x");
    assert_eq!(seen.field("x-end"), Some("kept"));
    for name in ["x-hop", "keep-alive", "proxy-authorization", "proxy-connection", "te"] {
        assert!(!seen.fields.has(name), "{name} was forwarded: {seen:?}");
    }
}

async fn fields_that_are_no_part_of_the_key_are_not_forwarded(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::ok("x"));
    let names = [
        "X-Forwarded-Host",
        "X-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Forwarded-Scheme",
        "Forwarded",
    ];
    let request = names.iter().fold(Request::get("/x"), |request, name| request.with(name, "host=evil.example"));
    terrace.send(&request).await.has_status(200);
    let seen = origin.last("/x");
    for name in names {
        let value = seen.fields.joined(name);
        assert!(!value.contains("evil"), "{name} was forwarded: {seen:?}");
    }
}

async fn everything_else_is_forwarded(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::ok("x"));
    let fields = [
        ("User-Agent", "curl/8"),
        ("Accept", "application/json"),
        ("Cookie", "a=1; b=2"),
        ("Authorization", "Bearer t"),
        ("X-Custom", "1"),
        ("Accept-Language", "de"),
    ];
    let request = fields.iter().fold(Request::get("/x?q=%20a"), |request, (name, value)| request.with(name, *value));
    terrace.send(&request).await.has_status(200);
    let seen = origin.last("/x");
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/x?q=%20a"));
    for (name, value) in fields {
        assert_eq!(seen.field(name), Some(value), "{seen:?}");
    }
}

async fn the_origin_sees_its_own_host(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::ok("x"));
    terrace.get_with("/x", "Host", "shop.example").await.has_status(200);
    assert_eq!(origin.last("/x").field("host"), Some(origin.authority().as_str()));
}

async fn configured_fields_are_sent_and_replace_what_a_client_sends(world: World) {
    let (origin, terrace) = world.serve("headers = { \"api-key\" = \"ours\" }").await;
    origin.serve("/x", Reply::ok("x"));
    terrace.get_with("/x", "Api-Key", "theirs").await.has_status(200).lacks("api-key");
    assert_eq!(origin.last("/x").fields.all("api-key"), ["ours"]);
}

async fn a_client_cannot_forge_what_we_say(world: World) {
    let (origin, terrace) = world.serve("").await;
    let forged = [("X-Cache", "HIT"), ("X-Cache-Tier", "L1-HIT"), ("Age", "5")];
    let reply = forged.iter().fold(Reply::ok("x"), |reply, (name, value)| reply.with(name, *value));
    origin.serve("/x", reply.with("Cache-Control", "no-store"));
    let response = terrace.get("/x").await;
    assert_eq!(response.all("x-cache"), ["MISS"], "{response:?}");
    assert_eq!(response.all("x-cache-tier").len(), 1, "{response:?}");
    assert_ne!(response.tier(), "L1-HIT", "{response:?}");
}

async fn via_is_added_on_both_ways(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x"));
    terrace.get_with("/x", "Via", "1.0 outer").await;
    let via = origin.last("/x").fields.joined("via");
    assert!(via.starts_with("1.0 outer, ") && via.contains("terrace"), "{via}");
    for response in [terrace.warm("/x").await, terrace.get("/x").await] {
        let via = response.fields.joined("via");
        assert_eq!(via.matches("terrace").count(), 1, "{response:?}");
    }
}

async fn a_request_that_comes_back_is_a_508(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x"));
    terrace.get_with("/x", "CDN-Loop", "other; a=1").await.has_status(200);
    let sent = origin.last("/x").fields.joined("cdn-loop");
    assert!(sent.starts_with("other; a=1, terrace-"), "{sent}");
    // The origin sends it back here, and nothing that a client may say hides that.
    let asked = origin.seen().len();
    for request in
        [Request::get("/x"), Request::get("/y").with("Connection", "cdn-loop"), Request::new("POST", "/x").body("")]
    {
        let response = terrace.send(&request.with("CDN-Loop", sent.clone())).await;
        response.is_problem(508);
        assert_eq!(response.proxy_error(), "proxy_loop_detected");
    }
    assert_eq!(origin.seen().len(), asked);
}

async fn two_caches_in_a_row_are_no_loop(world: World) {
    let (origin, inner) = world.serve("").await;
    let outer = world.in_front_of(&format!("http://{}", inner.address()), "", &[]).await;
    origin.serve("/x", Reply::fresh("x"));
    outer.get("/x").await.has_status(200).has_body("x");
    let sent = origin.last("/x").fields.joined("cdn-loop");
    assert_eq!(sent.matches("terrace-").count(), 2, "{sent}");
}

async fn the_date_is_the_one_of_the_origin(world: World) {
    let (origin, terrace) = world.serve("").await;
    let date = crate::origin::date_in(-5);
    origin.serve("/x", Reply::fresh("x").with("Date", date.clone()));
    for response in [terrace.get("/x").await, terrace.warm("/x").await] {
        assert_eq!(response.all("date"), [date.as_str()], "{response:?}");
    }
    assert!(terrace.warm("/x").await.age() >= Some(5));
}

async fn a_response_without_a_date_gets_one(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").dateless());
    for response in [terrace.get("/x").await, terrace.warm("/x").await] {
        assert_eq!(response.all("date").len(), 1, "{response:?}");
    }
}

async fn unusual_field_values_survive_storage(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    let values = [("X-Latin", "caf\u{c3}\u{a9}"), ("X-Tab", "a\tb"), ("X-Quote", "\"a, b\"; c=\"\\\"\"")];
    let reply = values.iter().fold(Reply::fresh("x"), |reply, (name, value)| reply.with(name, *value));
    origin.serve("/x", reply.with("X-Long", "l".repeat(5000)));
    let first = terrace.get("/x").await;
    let hit = terrace.warm("/x").await;
    terrace.restart().await;
    let again = terrace.get("/x").await;
    again.has_tier("L2-HIT");
    for name in ["x-latin", "x-tab", "x-quote", "x-long"] {
        assert_eq!(hit.all(name), first.all(name), "{hit:?}");
        assert_eq!(again.all(name), first.all(name), "{again:?}");
        assert!(!first.all(name).is_empty(), "{first:?}");
    }
}

async fn redirects_are_passed_on_and_not_followed(world: World) {
    let (origin, terrace) = world.serve("").await;
    for status in [301, 302, 303, 307, 308] {
        let path = format!("/{status}");
        origin.serve(&path, Reply::status(status).with("Location", "http://elsewhere.example/a?b"));
        terrace.get(&path).await.has_status(status).has_field("location", "http://elsewhere.example/a?b");
    }
    assert_eq!(origin.seen().len(), 5);
}
