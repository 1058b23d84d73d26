//! Serving what is stale: while it is refreshed, and while the origin fails (RFC 5861, RFC 9111 4.2.4).

use super::Behaviour;
use crate::client::{Request, Response};
use crate::reply::{Gate, Reply, Step};
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    stale_is_served_while_one_refresh_runs_in_the_background,
    the_refresh_in_the_background_is_a_validation_where_it_can_be,
    stale_while_revalidate_of_the_response_outranks_the_configuration,
    a_failed_refresh_keeps_the_stale_response,
    outside_its_window_stale_is_not_served_while_revalidating,
    stale_is_served_where_the_origin_is_down,
    stale_is_served_where_the_origin_answers_an_error,
    outside_its_window_an_error_is_an_error,
    must_revalidate_forbids_stale,
    a_client_error_is_no_reason_for_stale,
    stale_comes_from_l2_after_a_restart,
    recovery_ends_it,
];

fn is_stale(response: &Response) -> bool {
    response.tier().starts_with("STALE-")
}

async fn stale_is_served_while_one_refresh_runs_in_the_background(world: World) {
    let one = world.host.is_one_instance();
    let arguments: &[&str] = if one { &["--workers", "1"] } else { &[] };
    let (origin, terrace) =
        world.serve_with("[cache]\nearly_refresh = 0\nstale_while_revalidate = \"1h\"", arguments).await;
    origin.serve("/x", Reply::ok("old").with("Cache-Control", "max-age=1").with("ETag", "\"old\""));
    terrace.warm("/x").await.has_body("old");
    let gate = Gate::new();
    let held = gate.clone();
    origin.on("/x", move |_| Reply::fresh("new").with("ETag", "\"new\"").before(Step::Wait(held.clone())));
    let asked = origin.count("/x");
    let stale = terrace.until(&Request::get("/x"), "stale", is_stale).await;
    // It came although the origin has not answered.
    stale.has_status(200).has_tier("STALE-L1").has_body("old");
    let status = stale.cache_status();
    assert!(status.flag("hit"), "{stale:?}");
    assert!(status.number("ttl") < Some(1), "{stale:?}");
    assert!(stale.age() >= Some(1), "{stale:?}");
    origin.until("/x", asked + 1).await;
    for _ in 0..10 {
        terrace.get("/x").await.has_tier("STALE-L1").has_body("old");
    }
    gate.open();
    // Where writes to L1 are billed, what is asked for again is left to L2 for a while.
    let refreshed = |response: &crate::client::Response| response.text() == "new" && response.is_hit();
    terrace.until(&Request::get("/x"), "refreshed", refreshed).await;
    if one {
        assert_eq!(origin.count("/x"), asked + 1, "there was more than one refresh");
    }
}

async fn the_refresh_in_the_background_is_a_validation_where_it_can_be(world: World) {
    let (origin, terrace) = world.serve("[cache]\nearly_refresh = 0\nstale_while_revalidate = \"1h\"").await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some("\"e\"") => Reply::status(304).with("ETag", "\"e\"").with("Cache-Control", "max-age=600").with("X-V", "2"),
        _ => Reply::ok("body").with("ETag", "\"e\"").with("Cache-Control", "max-age=1").with("X-V", "1"),
    });
    terrace.warm("/x").await;
    let refreshed =
        terrace.until(&Request::get("/x"), "refreshed", |response| response.field("x-v") == Some("2")).await;
    assert!(refreshed.has_status(200).has_body("body").is_hit(), "{refreshed:?}");
    assert_eq!(origin.last("/x").field("if-none-match"), Some("\"e\""));
}

async fn stale_while_revalidate_of_the_response_outranks_the_configuration(world: World) {
    let (origin, terrace) = world.serve("[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"").await;
    origin.on("/x", |seen| {
        Reply::ok(format!("v{}", seen.nth)).with("Cache-Control", "max-age=1, stale-while-revalidate=1000")
    });
    terrace.warm("/x").await;
    terrace.until(&Request::get("/x"), "stale", is_stale).await.has_status(200);
    let (origin, terrace) =
        world.serve("[cache]\nearly_refresh = 0\nstale_while_revalidate = \"1h\"\nstale_if_error = \"0s\"").await;
    origin.on("/x", |seen| {
        Reply::ok(format!("v{}", seen.nth)).with("Cache-Control", "max-age=1, stale-while-revalidate=0")
    });
    terrace.warm("/x").await;
    let next = terrace.until(&Request::get("/x"), "expired", |response| !response.is_hit()).await;
    assert!(!is_stale(&next), "{next:?}");
}

async fn a_failed_refresh_keeps_the_stale_response(world: World) {
    let (mut origin, terrace) = world.serve("[cache]\nearly_refresh = 0\nstale_while_revalidate = \"1h\"").await;
    origin.serve("/x", Reply::ok("old").with("Cache-Control", "max-age=1"));
    terrace.warm("/x").await;
    origin.down().await;
    terrace.until(&Request::get("/x"), "stale", is_stale).await.has_body("old");
    for _ in 0..5 {
        terrace.get("/x").await.has_status(200).has_tier("STALE-L1").has_body("old");
    }
}

async fn outside_its_window_stale_is_not_served_while_revalidating(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"1s\"\nstale_if_error = \"0s\"";
    let (origin, terrace) = world.serve(config).await;
    // Stored with ten seconds of staleness already behind it, and a validator to be kept for.
    origin.on("/x", |seen| {
        let reply = Reply::ok(format!("v{}", seen.nth)).with("ETag", format!("\"{}\"", seen.nth));
        reply.with("Cache-Control", "max-age=10").with("Age", "20")
    });
    for nth in 1..=4 {
        let response = terrace.get("/x").await;
        response.has_body(format!("v{nth}"));
        assert!(!response.is_hit() && !is_stale(&response), "{response:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn stale_is_served_where_the_origin_is_down(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\nstale_if_error = \"1h\"";
    let (mut origin, terrace) = world.serve(config).await;
    origin.serve("/x", Reply::ok("old").with("Cache-Control", "max-age=1"));
    terrace.warm("/x").await;
    origin.down().await;
    let stale = terrace.until(&Request::get("/x"), "stale", is_stale).await;
    stale.has_status(200).has_tier("STALE-L1").has_body("old");
    terrace.get("/unknown").await.is_problem(502);
}

async fn stale_is_served_where_the_origin_answers_an_error(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\nstale_if_error = \"1h\"";
    let (origin, terrace) = world.serve(config).await;
    for status in [429, 500, 502, 503, 504] {
        let path = format!("/{status}");
        origin.serve(&path, Reply::ok("old").with("Cache-Control", "max-age=1"));
        terrace.warm(&path).await;
        origin.serve(&path, Reply::status(status).body("broken"));
        let stale = terrace.until(&Request::get(&path), "stale", is_stale).await;
        stale.has_status(200).has_body("old");
    }
}

async fn outside_its_window_an_error_is_an_error(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"";
    let (mut origin, terrace) = world.serve(config).await;
    origin.serve("/x", Reply::ok("old").with("Cache-Control", "max-age=1"));
    origin.serve("/y", Reply::ok("old").with("Cache-Control", "max-age=1, stale-if-error=1"));
    terrace.warm("/x").await;
    terrace.warm("/y").await;
    origin.serve("/x", Reply::status(503).body("broken"));
    let error = terrace.until(&Request::get("/x"), "an error", |response| response.status == 503).await;
    error.has_body("broken");
    origin.down().await;
    terrace.until(&Request::get("/x"), "an error of ours", |response| response.status == 502).await.is_problem(502);
    terrace.until(&Request::get("/y"), "outside the window", |response| response.status == 502).await.is_problem(502);
}

async fn must_revalidate_forbids_stale(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"1h\"\nstale_if_error = \"1h\"";
    let (mut origin, terrace) = world.serve(config).await;
    let closed =
        [("/must", "max-age=1, must-revalidate"), ("/proxy", "max-age=1, proxy-revalidate"), ("/s", "s-maxage=1")];
    for (path, value) in closed {
        origin.serve(path, Reply::ok("old").with("Cache-Control", value));
        terrace.warm(path).await;
    }
    origin.on("/no-cache", |seen| {
        let reply = if seen.field("if-none-match").is_some() { Reply::status(304) } else { Reply::ok("old") };
        reply.with("Cache-Control", "max-age=600, no-cache").with("ETag", "\"1\"")
    });
    let validated = |response: &Response| response.tier() == "REVALIDATED";
    terrace.until(&Request::get("/no-cache"), "validated", validated).await.has_body("old");
    origin.down().await;
    for path in closed.map(|(path, _)| path).into_iter().chain(["/no-cache"]) {
        let failed = |response: &Response| !response.is_hit();
        let response = terrace.until(&Request::get(path), "an error", failed).await;
        assert!(matches!(response.status, 502 | 504), "{response:?}");
    }
}

async fn a_client_error_is_no_reason_for_stale(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\nstale_if_error = \"1h\"";
    let (origin, terrace) = world.serve(config).await;
    origin.serve("/x", Reply::ok("old").with("Cache-Control", "max-age=1"));
    terrace.warm("/x").await;
    origin.serve("/x", Reply::status(404).body("gone"));
    terrace.until(&Request::get("/x"), "gone", |response| response.status == 404).await.has_body("gone");
}

async fn stale_comes_from_l2_after_a_restart(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\nstale_if_error = \"1h\"";
    let (mut origin, mut terrace) = world.serve(config).await;
    origin.serve("/x", Reply::ok("old").with("Cache-Control", "max-age=1"));
    terrace.warm("/x").await;
    origin.serve("/x", Reply::status(503));
    terrace.until(&Request::get("/x"), "stale", is_stale).await;
    origin.down().await;
    terrace.restart().await;
    terrace.get("/x").await.has_status(200).has_tier("STALE-L2").has_body("old");
}

async fn recovery_ends_it(world: World) {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\nstale_if_error = \"1h\"";
    let (mut origin, terrace) = world.serve(config).await;
    origin.serve("/x", Reply::ok("old").with("Cache-Control", "max-age=1"));
    terrace.warm("/x").await;
    origin.down().await;
    terrace.until(&Request::get("/x"), "stale", is_stale).await;
    origin.serve("/x", Reply::fresh("new"));
    origin.up().await;
    // A cache may space its attempts after a failure.
    terrace.until(&Request::get("/x"), "recovered", |response| response.text() == "new").await;
}
