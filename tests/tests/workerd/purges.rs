//! Purges where L1 shows a write a minute later: what they cost, and what L2 then holds.

use super::{SECOND_HIT, awake, tier};
use std::time::Duration;
use terrace_tests::client::Request;
use terrace_tests::host::ADMIN_TOKEN;
use terrace_tests::reply::Reply;
use terrace_tests::stores::{D1Fault, KvFault, Watched};

const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[tiers.l1]\nadmit = \"always\"\n";

fn purge(document: &'static str) -> Request {
    let token = format!("Bearer {ADMIN_TOKEN}");
    Request::new("POST", "/_terrace/purge").with("Authorization", token).body(document)
}

async fn purged(worker: &Watched, document: &'static str) {
    worker.send(&purge(document)).await.has_status(200);
    worker.calls().await;
}

#[tokio::test]
async fn a_purge_is_one_batch_and_the_next_hit_reads_nothing_more() {
    let (origin, worker) = awake(&format!("{ADMIN}[purge]\npoll = \"1h\"")).await;
    origin.serve("/kept", Reply::fresh("kept").with("Cache-Tag", "kept"));
    assert_eq!(tier(&worker, "/kept").await, "MISS");
    let (answer, calls) = worker.costs(&purge("{\"tags\":[\"gone\"]}")).await;
    answer.has_status(200);
    super::costs::cost(&calls, "a purge of one tag");
    let (hit, calls) = worker.costs(&Request::get("/kept")).await;
    hit.has_tier("L1-HIT");
    super::costs::cost(&calls, "L1 hit");
}

#[tokio::test]
async fn the_log_is_asked_behind_answers_and_before_them_after_a_pause_alone() {
    let (origin, worker) = awake(&format!("{ADMIN}[purge]\npoll = \"3s\"")).await;
    origin.serve("/x", Reply::ok("x").with("Cache-Control", "max-age=600"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    let started = std::time::Instant::now();
    let mut queries = 0;
    while started.elapsed() < Duration::from_secs(12) {
        let (hit, calls) = worker.costs(&Request::get("/x")).await;
        hit.has_tier("L1-HIT");
        calls.are(1, 0, calls.queries(), 0);
        queries += calls.queries();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // One every 2.4 s, or, where an answer was a long time coming, before one.
    assert!((2..=6).contains(&queries), "{queries}");
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let (hit, calls) = worker.costs(&Request::get("/x")).await;
    hit.has_tier("L1-HIT");
    calls.are(1, 0, 1, 0);
}

#[tokio::test]
async fn what_kv_goes_on_showing_is_not_served() {
    let (origin, worker) = awake(&format!("{ADMIN}[purge]\npoll = \"1h\"")).await;
    origin.on("/x", |seen| Reply::fresh(format!("v{}", seen.nth)).with("Surrogate-Key", "a b"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    assert_eq!(tier(&worker, "/x").await, "L1-HIT");
    worker.disturb_kv(KvFault::Lag).await;
    purged(&worker, "{\"tags\":[\"b\"]}").await;
    worker.get("/x").await.has_tier("MISS").has_body("v2");
    worker.calls().await;
    // KV still shows the old one; L2 has the new one.
    worker.get("/x").await.has_tier("L2-HIT").has_body("v2");
}

#[tokio::test]
async fn an_entry_in_l2_carries_its_tags_and_is_dead_there_too() {
    let (origin, worker) = awake(&format!("[admin]\ntoken = {{ secret = \"ADMIN_TOKEN\" }}\n{SECOND_HIT}")).await;
    origin.on("/x", |seen| Reply::fresh(format!("v{}", seen.nth)).with("xkey", "red"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    purged(&worker, "{\"tags\":[\"red\"],\"urls\":[\"/y\"],\"soft\":true}").await;
    let rows = worker.d1("SELECT what, soft FROM purges ORDER BY what").await;
    let rows: Vec<String> = rows.iter().map(|row| format!("{} {}", row["what"], row["soft"])).collect();
    assert_eq!(rows, ["\"m/y\" 1", "\"tred\" 1", "\"u/y\" 1"]);
    purged(&worker, "{\"tags\":[\"red\"]}").await;
    // The hard one needs no softer beside it.
    assert_eq!(worker.d1("SELECT 1 FROM purges WHERE what = 'tred'").await.len(), 1);
    worker.get("/x").await.has_tier("MISS").has_body("v2");
}

#[tokio::test]
async fn without_d1_no_purge_is_accepted() {
    let (_origin, worker) = awake(ADMIN).await;
    worker.disturb_d1(D1Fault::Fail).await;
    worker.send(&purge("{\"everything\":true}")).await.is_problem(503).has_field("retry-after", "1");
    worker.disturb_d1(D1Fault::None).await;
    worker.send(&purge("{\"everything\":true}")).await.has_status(200);
}
