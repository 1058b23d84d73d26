//! Purges of every kind while two hosts of several instances, which share Redis and PostgreSQL, are asked for what is purged.
//! `TERRACE_REQUESTS=1000000` has so many requests sent.

use crate::By;
use crate::both::Hosts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use terrace_tests::client::{Connection, Request};
use terrace_tests::crowd::all;
use terrace_tests::host::ADMIN_TOKEN;
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;

pub const ALL: &[crate::Test] = tests![under_load_a_purge_through_one_host_holds_in_both_when_it_says_so(By::Host)];

pub const BY_COMPONENT: &[crate::Test] =
    tests![under_load_a_purge_through_one_host_holds_in_both_when_it_says_so(By::Component)];

/// What is purged together: by a tag, a prefix, a cache group, or the URLs of its objects.
const FAMILIES: usize = 5;

/// Objects of each.
const OBJECTS: usize = 6;

/// Clients of each host.
const CLIENTS: usize = 16;

/// Requests that are sent where nobody asks for more. It is gone on until each kind of purge had its turn, in any case.
const REQUESTS: u64 = 4000;

fn requests() -> u64 {
    let asked = std::env::var("TERRACE_REQUESTS").ok();
    asked.map_or(REQUESTS, |text| text.parse().unwrap_or_else(|_| panic!("TERRACE_REQUESTS={text} is no number")))
}

/// Whether more is asked for than is done otherwise.
pub fn is_long() -> bool {
    std::env::var_os("TERRACE_REQUESTS").is_some()
}

/// What has happened to a family.
#[derive(Default)]
struct Family {
    /// What the origin shows.
    newest: AtomicU64,
    /// The least that may be shown: what was there before was purged.
    floor: AtomicU64,
}

#[derive(Default)]
struct Run {
    families: [Family; FAMILIES],
    sent: AtomicU64,
    hits: AtomicU64,
    purges: AtomicU64,
}

/// The document of the `nth` purge, which is of the family `of`: each kind in turn, hard and soft.
fn document(nth: usize, of: usize) -> String {
    let urls: Vec<_> = (0..OBJECTS).map(|object| format!("/{of}/{object}")).collect();
    let soft = nth / 4 % 2 == 1;
    let what = match nth % 4 {
        0 => serde_json::json!({"tags": [format!("tag-{of}")], "soft": soft}),
        1 => serde_json::json!({"prefixes": [format!("/{of}/")], "soft": soft}),
        2 => serde_json::json!({"groups": [format!("group-{of}")], "soft": soft}),
        _ => serde_json::json!({"urls": urls, "soft": soft}),
    };
    what.to_string()
}

async fn under_load_a_purge_through_one_host_holds_in_both_when_it_says_so(by: By) {
    let run = Arc::new(Run::default());
    let (origin, shown) = (Origin::start().await, run.clone());
    origin.otherwise(move |seen| {
        let family: usize = seen.path()[1..2].parse().expect("a family");
        let reply =
            Reply::ok(shown.families[family].newest.load(SeqCst).to_string()).with("Cache-Control", "max-age=600");
        reply.with("Cache-Tag", format!("tag-{family}")).with("Cache-Groups", format!("\"group-{family}\""))
    });
    let config = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[purge]\npoll = \"1s\"\n[cache]\n\
                  stale_while_revalidate = \"0s\"\n[tiers.l2]\ntimeout = \"3s\"\n";
    // Instances as Spin has them are many by themselves.
    let workers: &[&str] = if by == By::Host { &["--workers", "2"] } else { &[] };
    let shared = Hosts::start(by, origin, config, workers).await;
    let addresses = [shared.hosts[0].address(), shared.hosts[1].address()];
    let (started, most) = (Instant::now(), requests());

    let clients = (0..2 * CLIENTS).map(|client| {
        let run = run.clone();
        tokio::spawn(async move {
            let mut connection = Connection::open(addresses[client % 2]).await;
            for n in client.. {
                if run.sent.fetch_add(1, SeqCst) >= most && run.purges.load(SeqCst) >= 8 {
                    break;
                }
                let (family, object) = (n % FAMILIES, n / FAMILIES % OBJECTS);
                let least = run.families[family].floor.load(SeqCst);
                let response = connection.send(&Request::get(&format!("/{family}/{object}"))).await;
                let version: u64 = response.has_status(200).text().parse().expect("a version");
                assert!(version >= least, "purged before and served: {version} of {least}: {response:?}");
                run.hits.fetch_add(u64::from(response.is_hit()), SeqCst);
            }
        })
    });
    let clients = clients.collect();
    let purger = |host: usize| {
        let run = run.clone();
        tokio::spawn(async move {
            let mut connection = Connection::open(addresses[host]).await;
            // Both purge, each its own families, or it would not be known which version is the newest.
            let own: Vec<_> = (0..FAMILIES).filter(|family| family % 2 == host).collect();
            for nth in 0.. {
                if run.sent.load(SeqCst) >= most && run.purges.load(SeqCst) >= 8 {
                    break;
                }
                let of = own[nth % own.len()];
                let newest = run.families[of].newest.fetch_add(1, SeqCst) + 1;
                let purge = Request::new("POST", "/_terrace/purge").with("Content-Type", "application/json");
                let purge = purge.with("Authorization", format!("Bearer {ADMIN_TOKEN}")).body(document(nth, of));
                let answer = connection.send(&purge).await;
                let said: serde_json::Value = serde_json::from_slice(&answer.has_status(200).body).expect("JSON");
                let wait = said["holds_everywhere_in_ms"].as_u64().expect("when it holds");
                tokio::time::sleep(Duration::from_millis(wait + 1)).await;
                run.families[of].floor.store(newest, SeqCst);
                run.purges.fetch_add(1, SeqCst);
            }
        })
    };
    let purgers = vec![purger(0), purger(1)];
    all(clients).await;
    all(purgers).await;
    let (sent, hits) = (run.sent.load(SeqCst), run.hits.load(SeqCst));
    let (purges, asked) = (run.purges.load(SeqCst), shared.origin.asked());
    eprintln!(
        "{sent} requests in {:.0?}: {hits} hits, {purges} purges, the origin asked {asked} times",
        started.elapsed()
    );
    assert!(hits * 2 > sent, "{hits} hits of {sent} requests are no load");
}
