//! What D1 holds where it is bounded or full, and what that costs.

use super::{SECOND_HIT, ready, tier};
use terrace_tests::client::Request;
use terrace_tests::reply::Reply;
use terrace_tests::stores::{D1Fault, Watched};

async fn number(worker: &Watched, sql: &str) -> i64 {
    worker.d1(&format!("SELECT ({sql}) AS n")).await[0]["n"].as_i64().expect("a number")
}

async fn entries(worker: &Watched) -> i64 {
    number(worker, "SELECT count(*) FROM entries").await
}

#[tokio::test]
async fn the_cron_trigger_removes_what_is_over_with_all_its_rows() {
    let (origin, worker) = ready(SECOND_HIT).await;
    origin.serve("/long", Reply::ok("long").with("Cache-Control", "max-age=3600"));
    origin.serve("/over", Reply::ok(vec![b'x'; 2 << 20]).with("Cache-Control", "max-age=3600"));
    for path in ["/long", "/over"] {
        tier(&worker, path).await;
    }
    worker.d1("UPDATE entries SET until = 1 WHERE url LIKE '%/over'").await;
    worker.d1("INSERT INTO uses (key, at, hits) SELECT key, stored, 4 FROM entries").await;
    worker.calls().await;
    worker.cron().await;
    let calls = worker.calls().await;
    let left = "SELECT count(*) FROM entries WHERE url LIKE '%/long'";
    assert_eq!((entries(&worker).await, number(&worker, left).await), (1, 1));
    assert_eq!(number(&worker, "SELECT count(*) FROM chunks").await, 0);
    assert_eq!(number(&worker, "SELECT count(*) FROM uses").await, 1);
    // The entry, its two further rows and its uses; and how far the walk has come.
    assert_eq!((calls.kv("delete"), calls.rows_written()), (0, 5), "{calls:#?}");
}

#[tokio::test]
async fn d1_holds_no_more_than_its_capacity_for_a_row_and_two_calls_for_each_walk() {
    let config = format!("{SECOND_HIT}\n[tiers.l2]\ncapacity = \"256KiB\"\nmax_size = \"32KiB\"");
    let (origin, worker) = ready(&config).await;
    origin.otherwise(|_| Reply::ok(vec![b'x'; 2000]).with("Cache-Control", "max-age=3600, no-transform"));
    let held = "SELECT coalesce(sum(length(head) + length(body)), 0) FROM entries";
    let (mut batches, mut most) = (0, 0);
    for n in 0..300 {
        let (miss, calls) = worker.costs(&Request::get(&format!("/{n}"))).await;
        miss.has_tier("MISS");
        batches += calls.batches();
        most = most.max(number(&worker, held).await);
        worker.calls().await;
    }
    assert!(most <= 256 << 10, "{most} bytes");
    // A walk for each sixty-fourth of the capacity that is written: three entries.
    assert!((380..=420).contains(&batches), "{batches} batches for 300 misses");
    assert_eq!(number(&worker, "SELECT count(*) FROM walk").await, 1);
}

#[tokio::test]
async fn a_hit_where_d1_is_bounded_is_one_kv_read_and_seldom_a_row_more() {
    let config = format!("{SECOND_HIT}\n[tiers.l2]\ncapacity = \"64MiB\"");
    let (origin, worker) = ready(&config).await;
    origin.serve("/x", Reply::ok("x").with("Cache-Control", "max-age=3600"));
    for _ in 0..2 {
        tier(&worker, "/x").await;
    }
    let (mut batches, mut rows) = (0, 0);
    for _ in 0..40 {
        let (hit, calls) = worker.costs(&Request::get("/x")).await;
        hit.has_tier("L1-HIT");
        assert_eq!((calls.kv("get"), calls.kv("put") + calls.kv("delete"), calls.queries()), (1, 0, 0), "{calls:#?}");
        batches += calls.batches();
        rows += calls.rows_written();
    }
    assert!(batches <= 1 && rows <= 1, "{batches} batches, {rows} rows");
    assert_eq!(number(&worker, "SELECT sum(hits) >= 4 FROM uses").await, 1);
}

#[tokio::test]
async fn a_d1_that_is_full_is_given_room_again_and_no_client_sees_it() {
    let (origin, worker) = ready(SECOND_HIT).await;
    origin.otherwise(|_| Reply::ok("x").with("Cache-Control", "max-age=3600"));
    for n in 0..20 {
        assert_eq!(tier(&worker, &format!("/{n}")).await, "MISS");
    }
    let before = entries(&worker).await;
    worker.disturb_d1(D1Fault::FullForStores).await;
    let (miss, calls) = worker.costs(&Request::get("/more")).await;
    miss.has_status(200).has_tier("MISS");
    let left = entries(&worker).await;
    assert!((10..=15).contains(&left) && before == 20, "{left} of {before} entries\n{calls:#?}");
    worker.disturb_d1(D1Fault::None).await;
    assert_eq!(tier(&worker, "/other").await, "MISS");
    assert_eq!(tier(&worker, "/other").await, "L2-HIT");
}
