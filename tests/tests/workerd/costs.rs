//! How many operations that are billed each request costs.

use super::{SECOND_HIT, lasting, ready, tier};
use terrace_tests::client::Request;
use terrace_tests::host::ADMIN_TOKEN;
use terrace_tests::reply::Reply;
use terrace_tests::stores::{Calls, Watched};

/// docs/deploy-cloudflare.md, which says what each outcome costs.
fn table() -> Vec<(String, [f64; 6])> {
    let page = std::fs::read_to_string(terrace_tests::root().join("docs/deploy-cloudflare.md")).expect("the page");
    let rows = page.lines().skip_while(|line| !line.starts_with("| outcome |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let figures = cells[1..].iter().map(|cell| cell.parse().unwrap_or_else(|_| panic!("{line}")));
            let figures: Vec<f64> = figures.collect();
            (cells[0].to_owned(), figures.try_into().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}

/// Asserts that a request costs what the page says of its outcome.
#[track_caller]
pub(super) fn cost(calls: &Calls, outcome: &str) {
    let table = table();
    let (_, said) = table.iter().find(|(name, _)| name == outcome).unwrap_or_else(|| panic!("no row {outcome:?}"));
    let counted = [
        calls.kv("get"),
        calls.kv("put") + calls.kv("delete"),
        calls.queries(),
        calls.batches(),
        calls.rows_written() as usize,
    ];
    assert_eq!(counted.map(|count| count as f64)[..], said[..5], "{outcome}: what the page says, right\n{calls:#?}");
    // And nothing that has no column.
    assert_eq!(counted[..4].iter().sum::<usize>(), calls.0.len(), "{outcome}\n{calls:#?}");
}

#[test]
fn the_prices_of_the_page_are_computed_from_its_operations() {
    // Per million, in dollars: a request, a read of KV, a write of KV, a row written to D1.
    let (request, read, write, row) = (0.30, 0.50, 5.00, 1.00);
    let table = table();
    assert!(table.len() >= 10);
    for (outcome, [reads, writes, _, _, rows, price]) in table {
        let sum = request + reads * read + writes * write + rows * row;
        assert!((sum - price).abs() < 0.005, "{outcome}: {sum:.2}, not {price:.2}");
    }
}

/// Nothing is kept past its freshness.
const NO_STALE: &str = "[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"";

#[tokio::test]
async fn a_miss_is_one_kv_read_one_query_and_one_batch() {
    let (origin, worker) = ready(SECOND_HIT).await;
    origin.serve("/x", lasting("x"));
    let (miss, calls) = worker.costs(&Request::get("/x")).await;
    miss.has_tier("MISS");
    cost(&calls, "miss, stored");
}

#[tokio::test]
async fn where_everything_is_admitted_a_miss_is_one_kv_write_more() {
    let (origin, worker) = ready("[tiers.l1]\nadmit = \"always\"").await;
    origin.serve("/x", Reply::fresh("x"));
    let (miss, calls) = worker.costs(&Request::get("/x")).await;
    miss.has_tier("MISS");
    calls.are(1, 1, 1, 1);
}

#[tokio::test]
async fn an_l2_hit_is_one_kv_read_and_one_query_and_one_kv_write_where_it_is_admitted() {
    let (origin, worker) = ready(SECOND_HIT).await;
    origin.serve("/x", lasting("x"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    let (hit, calls) = worker.costs(&Request::get("/x")).await;
    hit.has_tier("L2-HIT");
    cost(&calls, "L2 hit that enters L1");
}

#[tokio::test]
async fn an_l2_hit_that_is_not_admitted_writes_nothing() {
    let (origin, worker) = ready(&format!("{NO_STALE}\n[tiers.l1]\nmax_size = \"1KiB\"")).await;
    origin.serve("/short", Reply::ok("gone before it pays").with("Cache-Control", "max-age=50"));
    origin.serve("/large", Reply::ok(vec![b'l'; 2000]).with("Cache-Control", "max-age=600"));
    for path in ["/short", "/large"] {
        assert_eq!(tier(&worker, path).await, "MISS");
        for _ in 0..2 {
            let (hit, calls) = worker.costs(&Request::get(path)).await;
            hit.has_tier("L2-HIT");
            cost(&calls, "L2 hit");
        }
    }
}

#[tokio::test]
async fn an_l1_hit_is_one_kv_read_and_nothing_else() {
    let (origin, worker) = ready("").await;
    origin.serve("/x", lasting("x"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    assert_eq!(tier(&worker, "/x").await, "L2-HIT");
    for request in [
        Request::get("/x"),
        Request::new("HEAD", "/x"),
        Request::get("/x").with("Range", "bytes=0-0"),
        Request::get("/x").with("Accept-Encoding", "br"),
    ] {
        let (hit, calls) = worker.costs(&request).await;
        hit.has_tier("L1-HIT");
        cost(&calls, "L1 hit");
    }
}

#[tokio::test]
async fn a_response_that_is_not_stored_is_one_kv_read_and_one_query() {
    let (origin, worker) = ready("").await;
    origin.serve("/x", Reply::ok("x").with("Cache-Control", "no-store"));
    let (miss, calls) = worker.costs(&Request::get("/x")).await;
    miss.has_tier("MISS");
    cost(&calls, "miss, not stored");
}

#[tokio::test]
async fn content_in_the_key_is_one_kv_read_more_and_one_key_more_to_end() {
    let (origin, worker) = ready("[[route]]\nmatch = \"/x\"\nkey = { content = \"1KiB\" }").await;
    origin.serve("/x", lasting("x"));
    let query = Request::new("QUERY", "/x").body("q");
    for tier in ["MISS", "L2-HIT"] {
        worker.costs(&query).await.0.has_tier(tier);
    }
    let (hit, calls) = worker.costs(&query).await;
    hit.has_tier("L1-HIT");
    cost(&calls, "L1 hit, content in the key");
    let (passed, calls) = worker.costs(&Request::new("PUT", "/x").body("")).await;
    passed.has_status(200);
    cost(&calls, "POST and its kin, where content is in the key, of a stored QUERY");
}

#[tokio::test]
async fn the_first_miss_of_a_path_with_a_query_asks_for_no_vary_search() {
    let (origin, worker) = ready(SECOND_HIT).await;
    origin.serve("/x", Reply::fresh("x"));
    for (query, outcome) in [("a=1", "miss with a query, stored, the first of its path"), ("a=2", "miss, stored")] {
        let (miss, calls) = worker.costs(&Request::get(&format!("/x?{query}"))).await;
        miss.has_tier("MISS");
        cost(&calls, outcome);
    }
}

#[tokio::test]
async fn what_is_not_for_the_cache_costs_nothing() {
    let (origin, worker) = ready("[[route]]\nmatch = \"/off\"\ncache = \"off\"").await;
    origin.serve("/off", Reply::ok("off"));
    let (passed, calls) = worker.costs(&Request::get("/off")).await;
    passed.has_tier("BYPASS");
    cost(&calls, "not for the cache");
}

#[tokio::test]
async fn a_304_writes_the_head_and_no_content() {
    const LARGE: usize = 100_000;
    // Content above L1's size stays in L2, so that what is sent is what the refresh sends.
    let (origin, worker) = ready(&format!("{NO_STALE}\n[tiers.l1]\nmax_size = \"1KiB\"")).await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some(_) => Reply::status(304).with("ETag", "\"e\"").with("Cache-Control", "max-age=600"),
        None => Reply::ok(vec![b'b'; LARGE]).with("ETag", "\"e\"").with("Cache-Control", "no-cache"),
    });
    let (_, stored) = worker.costs(&Request::get("/x")).await;
    assert!(stored.sent() > LARGE, "{stored:#?}");
    let (refreshed, calls) = worker.costs(&Request::get("/x")).await;
    refreshed.has_status(200).has_tier("REVALIDATED").has_body(vec![b'b'; LARGE]);
    cost(&calls, "304 from the API, held in L2 alone");
    assert!(calls.sent() < 2000, "a refresh sent the content again\n{calls:#?}");
    worker.get("/x").await.has_tier("L2-HIT");
}

/// Everything enters L1, what is fresh for two seconds as well.
const ALWAYS: &str = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\n[tiers.l1]\nadmit = \"always\"";

/// Sends a GET until it is no hit any more, and returns what that one cost.
async fn past_its_freshness(worker: &terrace_tests::stores::Watched, target: &str) -> Calls {
    worker.calls().await;
    loop {
        let (response, calls) = worker.costs(&Request::get(target)).await;
        if !response.is_hit() {
            return calls;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn what_l1_holds_is_replaced_there_by_one_write() {
    let (origin, worker) = ready(ALWAYS).await;
    origin.on("/x", |seen| Reply::ok(format!("v{}", seen.nth)).with("Cache-Control", "max-age=2"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    let calls = past_its_freshness(&worker, "/x").await;
    cost(&calls, "replaced, held in L1");
    worker.get("/x").await.has_tier("L1-HIT").has_body("v2");
}

#[tokio::test]
async fn what_l1_holds_is_refreshed_by_a_304_and_one_write() {
    let (origin, worker) = ready(ALWAYS).await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some(_) => Reply::status(304).with("ETag", "\"e\"").with("Cache-Control", "max-age=600"),
        None => Reply::ok(vec![b'b'; 10_000]).with("ETag", "\"e\"").with("Cache-Control", "max-age=2"),
    });
    assert_eq!(tier(&worker, "/x").await, "MISS");
    let calls = past_its_freshness(&worker, "/x").await;
    cost(&calls, "304 from the API, held in L1");
    let to_d1: usize = calls.0.iter().flat_map(|call| &call.statements).map(|statement| statement.size).sum();
    assert!(to_d1 < 2000, "the content was sent to D1 again\n{calls:#?}");
    worker.get("/x").await.has_tier("L1-HIT");
}

#[tokio::test]
async fn what_is_soon_stale_costs_no_write_of_kv_however_often_it_is_asked_for() {
    let (origin, worker) = ready(SECOND_HIT).await;
    // The day of stale-if-error, for which it is kept, makes it no fresher.
    origin.serve("/x", Reply::ok("x").with("Cache-Control", "max-age=50"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    for _ in 0..3 {
        let (hit, calls) = worker.costs(&Request::get("/x")).await;
        hit.has_tier("L2-HIT");
        cost(&calls, "L2 hit");
    }
}

#[tokio::test]
async fn when_the_budget_is_spent_what_would_enter_l1_costs_no_more_than_an_l2_hit() {
    let (origin, worker) = ready("[tiers.l1]\nwrites = \"1/h\"").await;
    for (path, outcome) in [("/a", "L2 hit that enters L1"), ("/b", "L2 hit"), ("/c", "L2 hit")] {
        origin.serve(path, lasting("x"));
        assert_eq!(tier(&worker, path).await, "MISS");
        let (hit, calls) = worker.costs(&Request::get(path)).await;
        hit.has_tier("L2-HIT").has_body("x");
        cost(&calls, outcome);
    }
}

#[tokio::test]
async fn what_the_meter_has_counted_is_what_the_stores_were_asked() {
    let (origin, worker) =
        Watched::serve("[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[tiers.l1]\nmax_size = \"1KiB\"").await;
    origin.serve("/small", lasting("s"));
    origin.serve("/large", Reply::fresh(vec![b'l'; 1 << 20]));
    origin.serve("/no-store", Reply::ok("n").with("Cache-Control", "no-store"));
    origin.serve("/posted", Reply::ok("posted"));
    let (mut requests, mut all) = (1, Vec::new());
    for path in ["/small", "/large", "/no-store", "/small?q=1", "/none"] {
        for _ in 0..4 {
            // What is behind an answer comes to its end before the next.
            all.extend(worker.costs(&Request::get(path)).await.1.0);
            requests += 1;
        }
    }
    all.extend(worker.costs(&Request::new("POST", "/small").body("b")).await.1.0);
    let metrics = Request::get("/_terrace/metrics").with("Authorization", format!("Bearer {ADMIN_TOKEN}"));
    let (page, calls) = worker.costs(&metrics).await;
    calls.are(0, 0, 0, 0);
    let (page, calls) = (page.has_status(200).text(), Calls(all));
    let billed = |service: &str, op: &str| {
        let name = format!("terrace_billable_ops_total{{service=\"{service}\",op=\"{op}\"}} ");
        let count = page.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_else(|| panic!("no {op}\n{page}"));
        count.parse::<u64>().expect("a number")
    };
    let counted = [
        ("http", "request", requests + 1),
        ("origin", "fetch", origin.seen().len() as u64),
        ("kv", "read", calls.kv("get") as u64),
        ("kv", "write", calls.kv("put") as u64),
        ("kv", "delete", calls.kv("delete") as u64),
        ("d1", "query", calls.queries() as u64),
        ("d1", "batch", calls.batches() as u64),
        ("d1", "rows_read", calls.rows_read()),
        ("d1", "rows_written", calls.rows_written()),
    ];
    for (service, op, count) in counted {
        assert!(count > 0, "no {op}");
        assert_eq!(billed(service, op), count, "{service} {op}\n{page}");
    }
}

#[tokio::test]
async fn an_unsafe_request_is_one_batch_and_one_kv_write() {
    let (origin, worker) = ready("").await;
    origin.serve("/x", Reply::fresh("x"));
    tier(&worker, "/x").await;
    let (posted, calls) = worker.costs(&Request::new("POST", "/x").body("b")).await;
    posted.has_status(200);
    cost(&calls, "POST and its kin, with success, of a stored URL");
}

#[tokio::test]
async fn a_variant_costs_a_read_more() {
    let (origin, worker) = ready("").await;
    origin.on("/x", |seen| {
        let language = seen.field("accept-language").unwrap_or("none").to_owned();
        lasting(language).with("Vary", "Accept-Language")
    });
    let ask = |language: &str| Request::get("/x").with("Accept-Language", language);
    for language in ["de", "fr"] {
        for _ in 0..3 {
            worker.costs(&ask(language)).await;
        }
    }
    // The first variant is stored under the URL's own key, the others under keys of theirs.
    for (language, reads) in [("de", 1), ("fr", 2)] {
        let (hit, calls) = worker.costs(&ask(language)).await;
        hit.has_tier("L1-HIT").has_body(language);
        calls.are(reads, 0, 0, 0);
    }
}

/// D1 bills rows: what docs/deploy-cloudflare.md says of them is this.
#[tokio::test]
async fn a_store_writes_a_row_for_the_head_and_one_for_each_chunk_after_the_first() {
    let (origin, worker) = ready("").await;
    origin.serve("/small", Reply::fresh("s"));
    origin.serve("/large", Reply::fresh(vec![b'l'; 2 << 20]));
    for (path, rows) in [("/small", 1), ("/large", 3)] {
        let (_, miss) = worker.costs(&Request::get(path)).await;
        assert_eq!(miss.rows_written(), rows, "{path}: {miss:#?}");
        let (hit, read) = worker.costs(&Request::get(path)).await;
        hit.has_tier("L2-HIT");
        assert_eq!(read.rows_written(), 0, "{path}: {read:#?}");
    }
}
