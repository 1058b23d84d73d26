//! What an instance has counted, for who has the token.

use super::Behaviour;
use crate::client::{Request, Response};
use crate::host::{ADMIN_TOKEN, Host};
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    metrics_take_the_admin_token,
    an_instance_counts_what_it_is_asked_and_what_it_asks_the_api;
    if |host| host != Host::Spin
];

const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n";

fn metrics() -> Request {
    Request::get("/_terrace/metrics").with("Authorization", format!("Bearer {ADMIN_TOKEN}"))
}

/// The count of an operation.
fn billed(page: &Response, service: &str, op: &str) -> u64 {
    let name = format!("terrace_billable_ops_total{{service=\"{service}\",op=\"{op}\"}} ");
    let count = page.text().lines().find_map(|line| line.strip_prefix(&name).and_then(|count| count.parse().ok()));
    count.unwrap_or_else(|| panic!("no {service} {op}: {page:?}"))
}

async fn metrics_take_the_admin_token(world: World) {
    let (origin, terrace) = world.serve(ADMIN).await;
    terrace.send(&Request::get("/_terrace/metrics")).await.is_problem(401).has_field("www-authenticate", "Bearer");
    terrace.send(&Request::new("POST", "/_terrace/metrics")).await.is_problem(401);
    let page = terrace.send(&metrics()).await;
    page.has_status(200).has_field("content-type", "text/plain; version=0.0.4; charset=utf-8");
    page.has_field("cache-control", "no-store");
    assert_eq!(origin.seen().len(), 0);
    let (_, closed) = world.serve("").await;
    closed.send(&metrics()).await.is_problem(404);
}

async fn an_instance_counts_what_it_is_asked_and_what_it_asks_the_api(world: World) {
    // Whoever asks reaches one instance of several, or a new one: of `terrace serve` and of workerd there is one.
    let one: &[&str] = if world.host == Host::Wasmtime { &["--workers", "1"] } else { &[] };
    let (origin, terrace) = world.serve_with(ADMIN, one).await;
    origin.serve("/x", Reply::fresh("x"));
    origin.serve("/y", Reply::ok("y").with("Cache-Control", "no-store"));
    terrace.warm("/x").await;
    let before = terrace.send(&metrics()).await;
    for _ in 0..5 {
        terrace.get("/x").await.has_tier("L1-HIT");
        terrace.get("/y").await.has_body("y");
    }
    let after = terrace.send(&metrics()).await;
    let fetches = origin.seen().len() as u64;
    assert!(billed(&after, "http", "request") >= 1 && billed(&after, "origin", "fetch") <= fetches, "{after:?}");
    if matches!(world.host, Host::Wasmtime | Host::Workerd) {
        let more = |service, op| billed(&after, service, op) - billed(&before, service, op);
        assert_eq!(billed(&after, "origin", "fetch"), fetches, "{after:?}");
        // Ten, and the one for the metrics. A hit is a read of L1, a miss one of each tier.
        assert_eq!((more("http", "request"), more("origin", "fetch")), (11, 5), "{before:?}\n{after:?}");
        assert_eq!(
            (more("kv", "read"), more("kv", "write"), more("kv", "delete")),
            (10, 0, 0),
            "{before:?}\n{after:?}"
        );
    }
}
