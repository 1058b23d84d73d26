//! What KV and D1 hold.

use super::{SECOND_HIT, lasting, ready, tier};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};
use terrace_tests::client::Request;
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;
use terrace_tests::stores::Watched;
use terrace_tests::suite::{decoded, noise};

/// Everything enters L1 at once, and nothing is kept past its freshness.
const EXACT: &str = "[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"\n[tiers.l1]\nadmit = \"always\"";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn number(row: &Value, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_else(|| panic!("{column}: {row}"))
}

#[tokio::test]
async fn kv_forgets_an_entry_when_it_is_of_no_more_use() {
    let (origin, worker) = ready(EXACT).await;
    // Freshness, and how long KV keeps it: it takes no time below a minute, and tiers.l1.max_ttl is an hour.
    for (path, max_age, kept) in [("/minutes", 600, 600), ("/seconds", 5, 60), ("/day", 86_400, 3600)] {
        origin.serve(path, Reply::ok(path).with("Cache-Control", format!("max-age={max_age}")));
        let before = now();
        assert_eq!(tier(&worker, path).await, "MISS");
        let held = worker.kv().await;
        let [held] = held.as_slice() else { panic!("{path}: not one key: {held:?}") };
        let expiration = held.expiration.expect("a time to live");
        assert!((before + kept - 1..=now() + kept).contains(&expiration), "{path}: {} s", expiration - before);
        worker.delete_kv(&held.key).await;
    }
}

#[tokio::test]
async fn kv_holds_head_and_content_under_a_key_that_says_nothing() {
    let (origin, worker) = ready(EXACT).await;
    let body = noise(1, 5000);
    origin.serve("/private/path", Reply::fresh(body.clone()).with("X-Held", "with it"));
    assert_eq!(tier(&worker, "/private/path?token=hidden").await, "MISS");
    let held = worker.kv().await;
    let [held] = held.as_slice() else { panic!("not one key: {held:?}") };
    assert!(held.key.len() <= 512 && !held.key.contains("path") && !held.key.contains("hidden"), "{}", held.key);
    let has = |bytes: &[u8]| held.value.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(&body) && has(b"with it"), "{} bytes", held.value.len());
}

#[tokio::test]
async fn kv_and_d1_hold_text_compressed_once_in_every_coding_of_the_route() {
    let (origin, worker) = ready(EXACT).await;
    let text = "all that is text is kept compressed\n".repeat(5_000);
    origin.serve("/text", Reply::fresh(text.clone()).with("Content-Type", "text/plain"));
    assert_eq!(tier(&worker, "/text").await, "MISS");
    let held = worker.kv().await;
    let [held] = held.as_slice() else { panic!("not one key: {held:?}") };
    assert!(held.value.len() < text.len() / 10, "{} bytes in KV", held.value.len());
    let rows = worker.d1("SELECT length(body) AS size FROM entries").await;
    let [row] = rows.as_slice() else { panic!("not one row: {rows:?}") };
    let gzip = [0x1f, 0x8b];
    assert_eq!(held.value.windows(2).filter(|window| *window == gzip).count(), 1, "once");
    let mut together = 0;
    for coding in ["br", "gzip"] {
        let (hit, costs) = worker.costs(&Request::get("/text").with("Accept-Encoding", coding)).await;
        hit.has_tier("L1-HIT").has_field("content-encoding", coding);
        assert_eq!(decoded(coding, &hit.body), text.as_bytes());
        costs.are(1, 0, 0, 0);
        assert!(held.value.windows(hit.body.len()).any(|window| window == hit.body), "what is sent is what is held");
        together += hit.body.len();
    }
    assert_eq!(number(row, "size"), together as u64, "both forms, and nothing else");
}

#[tokio::test]
async fn with_second_hit_admission_kv_holds_what_was_asked_for_again() {
    let (origin, worker) = ready(SECOND_HIT).await;
    origin.serve("/once", lasting("once"));
    origin.serve("/twice", lasting("twice"));
    for path in ["/once", "/twice", "/twice"] {
        tier(&worker, path).await;
    }
    let held = worker.kv().await;
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(tier(&worker, "/twice").await, "L1-HIT");
    assert_eq!(tier(&worker, "/once").await, "L2-HIT");
}

#[tokio::test]
async fn d1_holds_the_bytes_and_when_they_are_over() {
    let (origin, worker) = ready(EXACT).await;
    let body = noise(2, 3000);
    origin.serve("/x", Reply::ok(body.clone()).with("Cache-Control", "max-age=600"));
    let before = now();
    assert_eq!(tier(&worker, "/x?q=1").await, "MISS");
    let rows = worker
        .d1("SELECT url, until, stored, typeof(head) AS head, typeof(body) AS body, hex(body) AS bytes FROM entries")
        .await;
    let [row] = rows.as_slice() else { panic!("not one row: {rows:?}") };
    assert_eq!(row["url"], "http://terrace.test/x?q=1");
    assert_eq!((&row["head"], &row["body"]), (&"blob".into(), &"blob".into()), "{row}");
    let bytes: String = body.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(row["bytes"], bytes);
    let (stored, until) = (number(row, "stored"), number(row, "until"));
    assert!((before * 1000 - 1000..=now() * 1000 + 1000).contains(&stored), "{row}");
    assert!((stored + 599_000..=stored + 600_000).contains(&until), "{row}");
}

#[tokio::test]
async fn d1_holds_large_content_in_rows_below_its_limit() {
    const MIB: usize = 1 << 20;
    let (origin, worker) = ready(SECOND_HIT).await;
    let body = noise(3, 5 * MIB);
    origin.serve("/large", Reply::fresh(body.clone()));
    assert_eq!(tier(&worker, "/large").await, "MISS");
    let rows = worker
        .d1("SELECT n, length(body) AS size FROM chunks UNION ALL SELECT 0, length(head) + length(body) FROM entries")
        .await;
    assert_eq!(rows.len(), 6, "{rows:?}");
    // A row may have two million bytes, and travels as digits, two for each byte.
    assert!(rows.iter().all(|row| number(row, "size") < 1_000_000), "{rows:?}");
    worker.get("/large").await.has_tier("L2-HIT").has_body(&body);
    worker.calls().await;
    // Smaller content leaves no chunk of the larger behind.
    origin.serve("/large", Reply::fresh("small"));
    worker.send(&Request::new("POST", "/large").body("")).await;
    worker.calls().await;
    tier(&worker, "/large").await;
    assert_eq!(worker.d1("SELECT n FROM chunks").await.len(), 0);
}

#[tokio::test]
async fn content_above_8_mib_stays_out_of_d1_whatever_is_configured() {
    let sizes = "[tiers.l2]\nmax_size = \"60MiB\"\n[tiers.l1]\nadmit = \"always\"\nmax_size = \"20MiB\"";
    let (origin, worker) = ready(sizes).await;
    let body = noise(5, (8 << 20) + 1);
    origin.serve("/huge", Reply::fresh(body.clone()));
    worker.get("/huge").await.has_tier("MISS").has_body(&body);
    worker.calls().await;
    assert_eq!(worker.d1("SELECT url FROM entries").await.len(), 0);
    worker.get("/huge").await.has_tier("L1-HIT").has_body(&body);
}

#[tokio::test]
async fn the_cron_trigger_removes_what_is_over() {
    let (origin, worker) = ready(SECOND_HIT).await;
    origin.serve("/over", Reply::fresh(noise(4, 2 << 20)));
    origin.serve("/held", Reply::fresh("held"));
    for path in ["/over", "/held"] {
        assert_eq!(tier(&worker, path).await, "MISS");
    }
    worker.d1("UPDATE entries SET until = 1 WHERE url LIKE '%/over'").await;
    worker.cron().await;
    let left = worker.d1("SELECT url FROM entries").await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["url"], "http://terrace.test/held");
    assert_eq!(worker.d1("SELECT n FROM chunks").await.len(), 0);
    assert_eq!(tier(&worker, "/held").await, "L2-HIT");
}

#[tokio::test]
async fn variables_outrank_the_configuration_and_secrets_are_stored_nowhere() {
    let origin = Origin::start().await;
    let variable = format!("ORIGIN_URL={}", origin.url());
    let config = "headers = { \"api-key\" = { secret = \"API_KEY\" } }\n[tiers.l1]\nadmit = \"always\"";
    let worker = Watched::in_front_of("http://127.0.0.1:9", config, &[&variable, "API_KEY=sesame-4711"]).await;
    origin.serve("/x", Reply::fresh("x"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    assert_eq!(origin.last("/x").field("api-key"), Some("sesame-4711"));
    assert_eq!(tier(&worker, "/x").await, "L1-HIT");
    let held = worker.kv().await;
    assert!(!held.is_empty() && held.iter().all(|held| !held.value.windows(6).any(|window| window == b"sesame")));
    assert_eq!(worker.d1("SELECT 1 FROM entries WHERE instr(head, 'sesame') OR instr(url, 'sesame')").await.len(), 0);
}
