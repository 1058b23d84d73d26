//! Watched documents: the cron asks for them, and what that costs.

use super::awake;
use std::time::Duration;
use terrace_tests::client::Request;
use terrace_tests::reply::Reply;
use terrace_tests::stores::Watched;

const WATCH: &str = "[purge]\npoll = \"1h\"\n[[watch]]\nurl = \"/updated\"\nevery = \"1s\"\ntags = { a = \"/a\" }\n";

#[tokio::test]
async fn the_cron_asks_for_what_is_due_and_purges_what_has_changed() {
    let (origin, worker) = awake(WATCH).await;
    origin.serve_in_turn(
        "/a",
        vec![Reply::fresh("old").with("Cache-Tag", "a"), Reply::fresh("new").with("Cache-Tag", "a")],
    );
    for (n, text) in ["{\"a\":1}", "{\"a\":1}", "{\"a\":2}"].into_iter().enumerate() {
        // What was asked for behind a request is due again after a second.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let asked = origin.count("/updated");
        origin.serve("/updated", Reply::ok(text));
        worker.cron().await;
        let calls = worker.calls().await;
        assert_eq!(origin.count("/updated"), asked + 1, "{n}");
        match n {
            // With what is swept.
            0 => {
                worker.costs(&Request::get("/a")).await.0.has_body("old");
            }
            // As docs/deploy-cloudflare.md says: when it is due, whose it is, and what was seen.
            1 => assert_eq!((calls.queries(), calls.batches(), calls.rows_written()), (1, 2, 2), "{calls:#?}"),
            // And the purge.
            _ => assert_eq!((calls.queries(), calls.batches()), (1, 3), "{calls:#?}"),
        }
    }
    worker.costs(&Request::get("/a")).await.0.has_body("new");
}

#[tokio::test]
async fn while_nothing_is_due_a_request_costs_what_it_costs_without_a_watch() {
    let (origin, worker) = Watched::serve(&WATCH.replace("1s", "1d")).await;
    origin.serve("/updated", Reply::ok("{}"));
    origin.serve("/x", Reply::ok("x").with("Cache-Control", "max-age=600"));
    worker.costs(&Request::get("/x")).await.0.has_tier("MISS");
    worker.costs(&Request::get("/x")).await.0.has_tier("L2-HIT");
    let (hit, calls) = worker.costs(&Request::get("/x")).await;
    hit.has_tier("L1-HIT");
    assert_eq!(origin.count("/updated"), 1);
    super::costs::cost(&calls, "L1 hit");
}
