//! An origin that is down, slow, or breaks off.

use super::Behaviour;
use crate::client::Request;
use crate::reply::{Gate, Length, Reply, Step};
use crate::world::World;
use std::time::Duration;

pub const ALL: &[Behaviour] = behaviours![
    an_origin_that_is_down_is_a_502,
    an_origin_that_never_answers_is_a_504,
    a_disconnect_before_the_head_is_a_502,
    a_disconnect_in_the_middle_of_the_head_is_a_502,
    an_answer_that_is_not_http_is_a_502,
    a_response_cut_in_the_middle_is_not_stored,
    a_chunked_response_cut_in_the_middle_is_not_stored,
    a_response_reset_in_the_middle_is_not_stored,
    a_response_shorter_than_its_content_length_is_not_stored,
    a_response_longer_than_its_content_length_does_not_poison_the_next,
    a_response_that_stalls_is_cut_and_not_stored,
    interim_responses_are_not_taken_for_the_final_one,
    an_unreasonable_head_of_the_origin_harms_nobody,
    a_response_ended_by_close_arrives_whole,
    a_kept_connection_that_the_origin_closed_is_no_error,
    one_slow_response_does_not_hold_up_the_others,
    a_status_that_http_does_not_know_is_passed_on_or_a_clear_502,
    an_error_of_ours_says_nothing_about_the_origin,
];

async fn an_origin_that_is_down_is_a_502(world: World) {
    let error = if world.host.tells_refused_connections() { "connection_refused" } else { "connection_terminated" };
    let (mut origin, terrace) = world.serve("").await;
    origin.down().await;
    let response = terrace.get("/x").await;
    response.is_problem(502).has_field("x-cache", "MISS");
    assert_eq!(response.proxy_error(), error);
    origin.up().await;
    origin.serve("/x", Reply::ok("back"));
    terrace.until(&Request::get("/x"), "back", |response| response.status == 200).await.has_body("back");
}

async fn an_origin_that_never_answers_is_a_504(world: World) {
    let (origin, terrace) = world.serve("timeout = \"300ms\"").await;
    origin.serve("/x", Reply::ok("").before(Step::Hang));
    let response = terrace.get("/x").await;
    response.is_problem(504);
    assert_eq!(response.proxy_error(), "http_response_timeout");
    origin.serve("/y", Reply::ok("fine"));
    terrace.get("/y").await.has_status(200).has_body("fine");
}

async fn a_disconnect_before_the_head_is_a_502(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/cut", Reply::ok("").before(Step::Cut));
    origin.serve("/reset", Reply::ok("").before(Step::Reset));
    for path in ["/cut", "/reset"] {
        let response = terrace.get(path).await;
        response.is_problem(502);
        assert_eq!(response.proxy_error(), "connection_terminated", "{response:?}");
    }
    // What is not idempotent is sent once.
    let asked = origin.count("/cut");
    terrace.send(&Request::new("POST", "/cut").body("once")).await.is_problem(502);
    assert_eq!(origin.count("/cut"), asked + 1);
}

async fn a_disconnect_in_the_middle_of_the_head_is_a_502(world: World) {
    let (origin, terrace) = world.serve("").await;
    let half = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Ha";
    origin.serve("/x", Reply::ok("").before(Step::Raw(half.into())).before(Step::Cut));
    terrace.get("/x").await.is_problem(502);
    terrace.stays_a_miss(&Request::get("/x")).await;
}

async fn an_answer_that_is_not_http_is_a_502(world: World) {
    let (origin, terrace) = world.serve("").await;
    for (path, bytes) in [
        ("/smtp", "220 mail.example ESMTP\r\n\r\n"),
        ("/empty-line", "\r\n\r\n\r\n\r\n"),
        ("/status", "HTTP/1.1 abc OK\r\n\r\n"),
        ("/field", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"),
        ("/lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("/length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab"),
    ] {
        origin.serve(path, Reply::ok("").before(Step::Raw(bytes.into())).before(Step::Cut));
        let response = terrace.get(path).await;
        assert_eq!(response.status, 502, "{path}\n{response:?}");
        response.is_problem(502);
    }
}

/// The client must see that it was cut, no copy may be kept, and a whole response afterwards is served whole.
async fn is_cut_and_not_stored(world: World, config: &str, broken: Reply) {
    let (origin, mut terrace) = world.serve(config).await;
    origin.serve("/x", broken.with("Cache-Control", "max-age=60").with("ETag", "\"broken\""));
    for _ in 0..3 {
        let response = terrace.get("/x").await;
        assert!(!response.is_hit(), "it was stored\n{response:?}");
        assert!(!response.whole || response.status == 502, "the cut was hidden\n{response:?}");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    terrace.restart().await;
    let response = terrace.get("/x").await;
    assert!(!response.is_hit(), "it was stored in L2\n{response:?}");
    origin.serve("/x", Reply::fresh("whole"));
    terrace.get("/x").await.has_body("whole").has_tier("MISS");
    terrace.warm("/x").await.has_body("whole");
}

async fn a_response_cut_in_the_middle_is_not_stored(world: World) {
    let broken = Reply::ok("the first half").length(Length::Claim(100_000)).then(Step::Cut);
    is_cut_and_not_stored(world, "", broken).await;
}

async fn a_chunked_response_cut_in_the_middle_is_not_stored(world: World) {
    let broken = Reply::ok("one chunk").send("and another").chunked().then(Step::Cut);
    is_cut_and_not_stored(world, "", broken).await;
}

async fn a_response_reset_in_the_middle_is_not_stored(world: World) {
    let broken = Reply::ok("half").length(Length::Claim(50)).then(Step::Sleep(Duration::from_millis(20)));
    is_cut_and_not_stored(world, "", broken.then(Step::Reset)).await;
}

async fn a_response_shorter_than_its_content_length_is_not_stored(world: World) {
    is_cut_and_not_stored(world, "", Reply::ok("nine byte").length(Length::Claim(10))).await;
}

async fn a_response_that_stalls_is_cut_and_not_stored(world: World) {
    let broken = Reply::ok("half").length(Length::Claim(50)).then(Step::Hang);
    is_cut_and_not_stored(world, "timeout = \"300ms\"", broken).await;
}

async fn a_response_longer_than_its_content_length_does_not_poison_the_next(world: World) {
    let (origin, terrace) = world.serve("").await;
    let smuggled = "onlyHTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age=60\r\n\r\nevil";
    origin.serve("/long", Reply::fresh(smuggled).length(Length::Claim(4)));
    origin.otherwise(|seen| Reply::fresh(format!("right {}", seen.target)));
    for number in 0..10 {
        terrace.get("/long").await.has_body("only");
        let path = format!("/next/{number}");
        let response = terrace.get(&path).await;
        assert!(response.status == 502 || response.text() == format!("right {path}"), "{response:?}");
        let response = terrace.warm(&path).await;
        response.has_body(format!("right {path}"));
    }
}

async fn interim_responses_are_not_taken_for_the_final_one(world: World) {
    let (origin, terrace) = world.serve("").await;
    let hints = [("Link", "</a.css>; rel=preload"), ("Cache-Control", "max-age=1000")];
    let reply = Reply::ok("final").with("Cache-Control", "max-age=60");
    origin.serve("/x", reply.interim(103, &hints).interim(103, &[("X-Interim", "2")]).interim(100, &[]));
    let first = terrace.get("/x").await;
    first.has_status(200).has_body("final").lacks("x-interim").has_field("cache-control", "max-age=60");
    terrace.warm("/x").await.has_status(200).has_body("final").lacks("x-interim");
}

async fn an_unreasonable_head_of_the_origin_harms_nobody(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/value", Reply::fresh("x").with("X-Huge", "v".repeat(2_000_000)));
    let lines = |reply: Reply, n: usize| reply.with(&format!("X-{n}"), "v");
    origin.serve("/lines", (0..20_000).fold(Reply::fresh("x"), lines));
    origin.serve("/fine", Reply::fresh("fine"));
    for path in ["/value", "/lines"] {
        let response = terrace.get(path).await;
        assert!(matches!(response.status, 502 | 200), "{}", response.status);
        terrace.get("/fine").await.has_status(200).has_body("fine");
    }
    // What is large but sensible passes.
    let sensible = (0..50).fold(Reply::fresh("x"), |reply, n| reply.with(&format!("X-{n}"), "v".repeat(100)));
    origin.serve("/sensible", sensible);
    let hit = terrace.warm("/sensible").await;
    assert_eq!(hit.field("x-49").map(str::len), Some(100), "{hit:?}");
}

async fn a_response_ended_by_close_arrives_whole(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("until the end").length(Length::Close));
    terrace.get("/x").await.has_status(200).has_body("until the end");
    terrace.get("/x").await.has_status(200).has_body("until the end");
}

async fn a_kept_connection_that_the_origin_closed_is_no_error(world: World) {
    let (mut origin, terrace) = world.serve("").await;
    origin.otherwise(|seen| Reply::ok(seen.target.clone()).with("Cache-Control", "no-store"));
    for number in 0..10 {
        terrace.get(&format!("/{number}")).await.has_status(200);
        // Every connection of the pool is closed under it; the next request finds out.
        origin.down().await;
        origin.up().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    terrace.get("/last").await.has_status(200).has_body("/last");
}

async fn one_slow_response_does_not_hold_up_the_others(world: World) {
    let (origin, terrace) = world.serve("").await;
    let gate = Gate::new();
    origin.serve("/slow", Reply::ok("slow").before(Step::Wait(gate.clone())));
    origin.otherwise(|seen| Reply::fresh(seen.target.clone()));
    let mut waiting = terrace.connect().await;
    waiting.request(&Request::get("/slow")).await;
    origin.until("/slow", 1).await;
    for number in 0..20 {
        let path = format!("/fast/{number}");
        terrace.get(&path).await.has_status(200).has_body(&path);
    }
    gate.open();
    let head = waiting.head("GET").await.expect("a head");
    waiting.rest(head).await.has_body("slow");
}

async fn a_status_that_http_does_not_know_is_passed_on_or_a_clear_502(world: World) {
    let (origin, terrace) = world.serve("").await;
    for status in [299, 499, 599, 600, 999] {
        let path = format!("/{status}");
        origin.serve(&path, Reply::status(status).body("odd"));
        let response = terrace.get(&path).await;
        match response.status {
            // RFC 9110 15: what is not 100 to 599 is invalid, and hosts differ in what they can carry.
            502 if status > 599 => assert_eq!(response.is_problem(502).proxy_error(), "http_protocol_error"),
            _ => {
                response.has_status(status).has_body("odd");
            }
        }
    }
}

async fn an_error_of_ours_says_nothing_about_the_origin(world: World) {
    let (mut origin, terrace) = world.serve("timeout = \"300ms\"").await;
    let port = origin.authority().rsplit(':').next().unwrap_or_default().to_owned();
    origin.serve("/slow", Reply::ok("").before(Step::Hang));
    let slow = terrace.get("/slow").await;
    origin.down().await;
    let down = terrace.get("/down").await;
    for response in [slow, down] {
        let shown = format!("{:?} {}", response.fields, response.text());
        assert!(!shown.contains(&port), "the origin's address is shown\n{response:?}");
        assert!(!shown.contains("src/") && !shown.contains(".rs"), "{response:?}");
    }
}
