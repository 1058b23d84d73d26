//! Stores that fail, lie or say nothing: the client sees a correct response every time.

use super::{SECOND_HIT, is_right, lasting, ready, tier};
use terrace_tests::client::{Request, Response};
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;
use terrace_tests::stores::{D1Fault, KvFault, Watched};
use terrace_tests::suite::noise;

/// Everything enters L1, and a store has little time.
const HASTY: &str = "[tiers.l1]\nadmit = \"always\"\ntimeout = \"200ms\"\n[tiers.l2]\ntimeout = \"1s\"";

/// The same path again, one that nobody knows yet, and an unsafe request.
async fn answers_rightly(origin: &Origin, worker: &Watched, known: &str, what: &str) {
    for _ in 0..2 {
        let (response, _) = worker.costs(&Request::get(known)).await;
        is_right(&response, "known");
        let path = format!("/new/{what}");
        origin.serve(&path, lasting(format!("new {what}")));
        let (response, _) = worker.costs(&Request::get(&path)).await;
        is_right(&response, &format!("new {what}"));
    }
    let (posted, _) = worker.costs(&Request::new("POST", "/post").body("b")).await;
    posted.has_status(200).has_body("posted");
}

async fn known(config: &str) -> (Origin, Watched) {
    let (origin, worker) = ready(config).await;
    origin.serve("/post", Reply::ok("posted"));
    origin.serve("/known", Reply::ok("known").with("Cache-Control", "max-age=3600"));
    tier(&worker, "/known").await;
    (origin, worker)
}

#[tokio::test]
async fn kv_that_fails_refuses_or_says_nothing_is_a_miss_of_l1() {
    let (origin, worker) = known(HASTY).await;
    for fault in [KvFault::Fail, KvFault::RefuseAll, KvFault::Hang] {
        worker.disturb_kv(fault).await;
        assert_eq!(tier(&worker, "/known").await, "L2-HIT", "{fault:?}");
        answers_rightly(&origin, &worker, "/known", &format!("{fault:?}")).await;
        assert_eq!(tier(&worker, &format!("/new/{fault:?}")).await, "L2-HIT");
    }
    worker.disturb_kv(KvFault::None).await;
    tier(&worker, "/known").await;
    assert_eq!(tier(&worker, "/known").await, "L1-HIT", "it does not come back");
}

#[tokio::test]
async fn kv_that_refuses_writes_leaves_l2_to_answer() {
    let (origin, worker) = known(HASTY).await;
    worker.disturb_kv(KvFault::Refuse).await;
    answers_rightly(&origin, &worker, "/known", "refused").await;
    assert_eq!(tier(&worker, "/new/refused").await, "L2-HIT");
}

#[tokio::test]
async fn what_kv_does_not_show_yet_comes_from_l2() {
    let (origin, worker) = known(SECOND_HIT).await;
    worker.disturb_kv(KvFault::Lag).await;
    // Promoted again and again, since KV does not show it; and right every time.
    for _ in 0..3 {
        let (response, _) = worker.costs(&Request::get("/known")).await;
        response.has_tier("L2-HIT").has_body("known");
    }
    answers_rightly(&origin, &worker, "/known", "lagging").await;
    worker.disturb_kv(KvFault::None).await;
    assert_eq!(tier(&worker, "/known").await, "L1-HIT");
}

#[tokio::test]
async fn kv_that_still_shows_what_was_replaced_makes_nothing_fresh_again() {
    let config = "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"\n[tiers.l1]\nadmit = \"always\"";
    let (origin, worker) = ready(config).await;
    origin.on("/x", |seen| Reply::ok(format!("v{}", seen.nth)).with("Cache-Control", "max-age=2"));
    assert_eq!(tier(&worker, "/x").await, "MISS");
    worker.disturb_kv(KvFault::Lag).await;
    worker.until(&Request::get("/x"), "stale", |response| !response.is_hit()).await.has_body("v2");
    // From here on KV shows v1, stale, whatever is stored.
    for _ in 0..4 {
        let (response, _) = worker.costs(&Request::get("/x")).await;
        assert_ne!(response.has_status(200).text(), "v1", "{response:?}");
    }
}

#[tokio::test]
async fn kv_that_still_shows_what_was_made_invalid_is_not_believed_by_who_did_it() {
    let (origin, worker) = known(HASTY).await;
    assert_eq!(tier(&worker, "/known").await, "L1-HIT");
    worker.disturb_kv(KvFault::Lag).await;
    origin.serve("/known", Reply::ok("changed").with("Cache-Control", "max-age=3600"));
    worker.send(&Request::new("POST", "/known").body("b")).await.has_status(200);
    for tier in ["MISS", "L2-HIT", "L2-HIT"] {
        let (response, _) = worker.costs(&Request::get("/known")).await;
        response.has_tier(tier).has_body("changed");
    }
    worker.disturb_kv(KvFault::None).await;
    // KV takes one write of a key in a second, and the delete was one.
    let back = |response: &Response| response.tier() == "L1-HIT";
    worker.until(&Request::get("/known"), "in L1", back).await.has_body("changed");
}

#[tokio::test]
async fn rubbish_in_kv_is_a_miss_and_is_removed() {
    let (origin, worker) = known(SECOND_HIT).await;
    assert_eq!(tier(&worker, "/known").await, "L2-HIT");
    let entry = worker.kv().await.pop().expect("it was promoted");
    let good = entry.value;
    let of_another_version = {
        // The version follows the magic number.
        let mut value = good.clone();
        value[4] = value[4].wrapping_add(1);
        value
    };
    let flipped = {
        let mut value = good.clone();
        *value.last_mut().expect("it has content") ^= 1;
        value
    };
    let values = [
        ("nothing", vec![]),
        ("noise", noise(7, 1000)),
        ("as long as it was", noise(8, good.len())),
        ("a part", good[..good.len() / 2].to_vec()),
        ("all but a byte", good[..good.len() - 1].to_vec()),
        ("a byte more", [good.as_slice(), b"x"].concat()),
        ("a bit flipped", flipped),
        ("another version", of_another_version),
    ];
    let asked = origin.count("/known");
    for (what, value) in values {
        worker.put_kv(&entry.key, &value).await;
        let (response, calls) = worker.costs(&Request::get("/known")).await;
        assert_eq!((response.status, response.tier()), (200, "L2-HIT"), "{what}: {response:?}");
        is_right(&response, "known");
        assert_eq!(calls.kv("delete"), 1, "{what} was not removed: {calls:#?}");
        // KV takes one write of a key in a second, and the delete was one.
        let good = |response: &Response| response.tier() == "L1-HIT";
        is_right(&worker.until(&Request::get("/known"), "in L1", good).await, "known");
    }
    assert_eq!(origin.count("/known"), asked, "the origin was asked");
}

#[tokio::test]
async fn d1_that_fails_is_overloaded_full_or_says_nothing_is_a_miss_of_l2() {
    let (origin, worker) = known(HASTY).await;
    for fault in [D1Fault::Fail, D1Fault::Overloaded, D1Fault::Full, D1Fault::Hang] {
        worker.disturb_d1(fault).await;
        // L1 does not need it.
        assert_eq!(tier(&worker, "/known").await, "L1-HIT", "{fault:?}");
        answers_rightly(&origin, &worker, "/known", &format!("{fault:?}")).await;
        // What D1 could not judge L1 keeps for some seconds.
        let path = format!("/newer/{fault:?}");
        origin.serve(&path, Reply::fresh("newer"));
        for expected in ["MISS", "L1-HIT"] {
            assert_eq!(tier(&worker, &path).await, expected, "{fault:?}");
        }
    }
    worker.disturb_d1(D1Fault::None).await;
    answers_rightly(&origin, &worker, "/known", "again").await;
}

#[tokio::test]
async fn without_any_store_the_origin_answers() {
    let (mut origin, worker) = known(HASTY).await;
    origin.serve("/left-alone", lasting("left alone"));
    tier(&worker, "/left-alone").await;
    for (kv, d1) in [(KvFault::Fail, D1Fault::Fail), (KvFault::Hang, D1Fault::Hang), (KvFault::Refuse, D1Fault::Full)] {
        worker.disturb_kv(kv).await;
        worker.disturb_d1(d1).await;
        answers_rightly(&origin, &worker, "/known", &format!("{kv:?} and {d1:?}").replace(' ', "-")).await;
    }
    worker.disturb_kv(KvFault::Fail).await;
    worker.disturb_d1(D1Fault::Fail).await;
    origin.down().await;
    worker.get("/known").await.is_problem(502);
    worker.disturb_kv(KvFault::None).await;
    worker.get("/left-alone").await.has_tier("L1-HIT").has_body("left alone");
    // What KV has refused to replace is not believed.
    worker.get("/known").await.is_problem(502);
}

#[tokio::test]
async fn rubbish_in_d1_is_a_miss_and_is_replaced() {
    let (origin, worker) = known(SECOND_HIT).await;
    for (what, damage) in [
        ("a head of noise", "UPDATE entries SET head = randomblob(200)"),
        ("no head", "UPDATE entries SET head = x''"),
        (
            "a head of another version",
            "UPDATE entries SET head = unhex(replace(substr(hex(head), 1, 10), '0', '7') || substr(hex(head), 11))",
        ),
        ("content of noise", "UPDATE entries SET body = randomblob(length(body))"),
        ("no content", "UPDATE entries SET body = x''"),
        ("content that is text", "UPDATE entries SET body = 'text'"),
        ("a chunk too many", "INSERT INTO chunks (key, n, body) SELECT key, 1, x'00' FROM entries"),
    ] {
        worker.d1(damage).await;
        let (response, _) = worker.costs(&Request::get("/known")).await;
        assert_eq!((response.status, response.tier()), (200, "MISS"), "{what}: {response:?}");
        is_right(&response, "known");
        worker.d1("DELETE FROM entries WHERE url NOT LIKE '%/known'").await;
        for held in worker.kv().await {
            worker.delete_kv(&held.key).await;
        }
        let (response, _) = worker.costs(&Request::get("/known")).await;
        assert_eq!(response.tier(), "L2-HIT", "{what}: nothing good took its place: {response:?}");
        for held in worker.kv().await {
            worker.delete_kv(&held.key).await;
        }
    }
    assert_eq!(origin.count("/known"), 8);
}

#[tokio::test]
async fn tables_that_are_missing_are_made() {
    let (origin, worker) = known(SECOND_HIT).await;
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' \
                  AND name NOT LIKE 'sqlite%' ORDER BY name";
    let before = worker.d1(tables).await;
    assert!(before.len() >= 4, "{before:?}");
    for table in before.iter().filter_map(|row| row["name"].as_str()) {
        worker.d1(&format!("DROP TABLE \"{table}\"")).await;
    }
    answers_rightly(&origin, &worker, "/known", "without").await;
    assert_eq!(worker.d1(tables).await, before);
    assert_eq!(tier(&worker, "/new/without").await, "L1-HIT");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let (origin, worker) = known(HASTY).await;
    worker.d1("UPDATE terrace_schema SET version = 1000").await;
    worker.d1("DROP TABLE entries").await;
    answers_rightly(&origin, &worker, "/known", "newer").await;
    let tables = worker.d1("SELECT name FROM sqlite_master WHERE name = 'entries'").await;
    assert_eq!(tables.len(), 0, "a table of an older version was made in it");
}
