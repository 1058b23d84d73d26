//! Which requests mean the same object, and which must never.

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    urls_that_differ_are_different_objects,
    the_host_is_part_of_the_key,
    spellings_of_one_url_are_one_object,
    the_absolute_form_of_a_url_is_the_same_object,
    unkeyed_fields_cannot_choose_the_object,
    a_query_is_sorted_where_the_route_says_so,
    ignored_parameters_are_no_part_of_the_key,
    fields_named_by_a_route_are_part_of_the_key,
];

fn echo(seen: &crate::origin::Seen) -> Reply {
    Reply::fresh(format!("{} for {}", seen.target, seen.field("x-tenant").unwrap_or("all")))
}

async fn urls_that_differ_are_different_objects(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.otherwise(echo);
    let targets = [
        "/",
        "/a",
        "/a/",
        "/A",
        "/a?",
        "/a?b=1",
        "/a%3Fb=1",
        "/a%3fb%3d1",
        "/a?b=1&",
        "/a?b=2",
        "/a?B=1",
        "/a?b=%31x",
        "/a?b",
        "/a?b=",
        "/a/b",
        "/a%2Fb",
        "/a;b=1",
        "/a+b",
        "/a%20b",
        "/a?b=1+2",
        "/a?b=1%202",
        "/a?b=1%2B2",
        "/a?b=1%26c=2",
        "/a?b=1&c=2",
        "/a%00b",
        "/%E2%82%AC",
        "/a.",
        "/a/.b",
    ];
    for target in targets {
        terrace.get(target).await.has_status(200);
    }
    for target in targets {
        let response = terrace.warm(target).await;
        response.has_tier("L1-HIT");
        let right = format!("{target} for all");
        assert!(response.text().eq_ignore_ascii_case(&right), "{target}: {response:?}");
    }
}

async fn the_host_is_part_of_the_key(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| Reply::fresh(format!("v{}", seen.nth)));
    let to = |host: &str| Request::get("/x").with("Host", host);
    let first = terrace.warm_with(&to("one.example")).await.text();
    let other = terrace.send(&to("two.example")).await;
    assert!(!other.is_hit() && other.text() != first, "{other:?}");
    terrace.send(&to("ONE.example")).await.has_tier("L1-HIT").has_body(&first);
    terrace.send(&to("one.example:8080")).await.has_tier("MISS");
}

async fn spellings_of_one_url_are_one_object(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.otherwise(echo);
    terrace.warm("/~user/%E2%82%AC/a%2Fb?q=%2f").await;
    let asked = origin.seen().len();
    // Percent-encoded unreserved characters, and the case of the digits (RFC 3986 6.2.2).
    terrace.get("/%7Euser/%e2%82%ac/a%2fb?q=%2F").await.has_tier("L1-HIT");
    terrace.get("/%7euser/%E2%82%aC/%61%2Fb?q=%2F").await.has_tier("L1-HIT");
    assert_eq!(origin.seen().len(), asked);
}

async fn the_absolute_form_of_a_url_is_the_same_object(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.otherwise(echo);
    terrace.warm("/x?q=1").await;
    let asked = origin.seen().len();
    let absolute = format!("http://{}/x?q=1", crate::client::HOST);
    terrace.get(&absolute).await.has_status(200).has_tier("L1-HIT").has_body("/x?q=1 for all");
    assert_eq!(origin.seen().len(), asked);
    // RFC 9112 3.2: a bare authority is the root.
    let root = terrace.get(&format!("http://{}", crate::client::HOST)).await;
    root.has_status(200).has_body("/ for all");
}

async fn unkeyed_fields_cannot_choose_the_object(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| {
        let host = seen.field("x-forwarded-host").or(seen.field("x-original-url")).unwrap_or("ours");
        Reply::fresh(format!("<script src=//{host}/>"))
    });
    let poisoned = Request::get("/x").with("X-Forwarded-Host", "evil.example").with("X-Original-URL", "/evil");
    terrace.warm_with(&poisoned).await.has_body("<script src=//ours/>");
    terrace.get("/x").await.has_tier("L1-HIT").has_body("<script src=//ours/>");
}

async fn a_query_is_sorted_where_the_route_says_so(world: World) {
    let config = "[[route]]\nmatch = \"/sorted*\"\nquery = { sort = true }";
    let (origin, terrace) = world.serve(config).await;
    origin.otherwise(echo);
    terrace.warm("/sorted?b=2&a=1&a=0").await;
    terrace.get("/sorted?a=1&b=2&a=0").await.has_tier("L1-HIT");
    terrace.get("/sorted?a=0&a=1&b=2").await.has_tier("MISS");
    terrace.warm("/plain?b=2&a=1").await;
    terrace.get("/plain?a=1&b=2").await.has_tier("MISS");
    // The origin gets what the client sent.
    assert_eq!(origin.last("/plain").target, "/plain?a=1&b=2");
}

async fn ignored_parameters_are_no_part_of_the_key(world: World) {
    let config = "[[route]]\nmatch = \"/*\"\nquery = { ignore = [\"utm_*\", \"fbclid\"] }";
    let (origin, terrace) = world.serve(config).await;
    origin.otherwise(|seen| Reply::fresh(format!("v{}", seen.nth)));
    let first = terrace.warm("/x?id=1&utm_source=a").await.text();
    for target in ["/x?id=1", "/x?utm_medium=b&id=1", "/x?id=1&fbclid=z", "/x?fbclid&id=1&utm_x"] {
        terrace.get(target).await.has_tier("L1-HIT").has_body(&first);
    }
    for target in ["/x?id=2&utm_source=a", "/x?id=1&xutm_source=a", "/x?id=1&utm=a", "/x"] {
        terrace.get(target).await.has_tier("MISS");
    }
}

async fn fields_named_by_a_route_are_part_of_the_key(world: World) {
    let config = "[[route]]\nmatch = \"/t/*\"\nvary = [\"x-tenant\"]";
    let (origin, terrace) = world.serve(config).await;
    origin.otherwise(echo);
    for tenant in ["one", "two"] {
        let request = Request::get("/t/x").with("X-Tenant", tenant);
        terrace.warm_with(&request).await.has_body(format!("/t/x for {tenant}"));
    }
    terrace.get_with("/t/x", "X-Tenant", "one").await.has_tier("L1-HIT").has_body("/t/x for one");
    terrace.get("/t/x").await.has_tier("MISS").has_body("/t/x for all");
    terrace.warm("/u/x").await;
    terrace.get_with("/u/x", "X-Tenant", "one").await.has_tier("L1-HIT");
}
