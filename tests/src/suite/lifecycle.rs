//! The end of the process, in order and out of order.

use super::{Behaviour, noise};
use crate::client::Request;
use crate::host::Host;
use crate::reply::{Gate, Reply, Step};
use crate::world::{Terrace, World};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub const ALL: &[Behaviour] = behaviours![
    sigterm_ends_it_with_exit_code_0,
    sigterm_finishes_what_runs_and_accepts_nothing_new,
    sigterm_closes_idle_connections,
    kill_9_during_writes_loses_nothing_that_l2_acknowledged,
    a_database_of_garbage_is_a_miss_or_a_clear_error;
    if Host::is_ours
];

/// Spin does not drain, and a host that keeps instances as Spin does promises no more.
pub const DRAIN: &[Behaviour] = behaviours![sigterm_finishes_deferred_stores; if |host| host == Host::Wasmtime];

async fn sigterm_ends_it_with_exit_code_0(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    let status = terrace.stop().await;
    assert!(status.success(), "before the first request: {status}");
    terrace.start().await;
    origin.serve("/x", Reply::fresh("x"));
    terrace.warm("/x").await;
    let status = terrace.stop().await;
    assert!(status.success(), "after requests: {status}");
}

async fn sigterm_finishes_what_runs_and_accepts_nothing_new(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    let gate = Gate::new();
    origin.serve("/slow", Reply::fresh("one, ").then(Step::Wait(gate.clone())).send("two").chunked());
    let mut client = terrace.connect().await;
    client.request(&Request::get("/slow")).await;
    let head = client.head("GET").await.expect("a head");
    let address = terrace.process().address;
    terrace.process().terminate();
    // It stops listening...
    let started = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(started.elapsed() < crate::PATIENCE, "it still listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // ...and the response that runs is finished.
    gate.open();
    client.rest(head).await.has_status(200).has_body("one, two");
    let status = terrace.ended().await;
    assert!(status.success(), "{status}");
    terrace.start().await;
    terrace.get("/slow").await.has_tier("L2-HIT").has_body("one, two");
}

async fn sigterm_finishes_deferred_stores(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    let count = 40u64;
    origin.otherwise(|seen| {
        let number: u64 = seen.target.trim_start_matches('/').parse().unwrap_or(0);
        Reply::fresh(noise(number, 20_000))
    });
    for number in 0..count {
        terrace.get(&format!("/{number}")).await.has_status(200);
    }
    // No pause: the stores of the last ones may still be running.
    let status = terrace.stop().await;
    assert!(status.success(), "{status}");
    terrace.start().await;
    let asked = origin.seen().len();
    for number in 0..count {
        terrace.get(&format!("/{number}")).await.has_tier("L2-HIT").has_body(noise(number, 20_000));
    }
    assert_eq!(origin.seen().len(), asked);
}

async fn sigterm_closes_idle_connections(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x"));
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut connection = terrace.connect().await;
        connection.send(&Request::get("/x")).await.has_status(200);
        idle.push(connection);
    }
    let silent = terrace.connect().await;
    let status = terrace.stop().await;
    assert!(status.success(), "{status}");
    for connection in &mut idle {
        assert!(connection.closed().await);
    }
    drop(silent);
}

const ENTRY: usize = 3000;

fn path_of(number: u64) -> String {
    format!("/entry/{number}")
}

/// One client: it asks for new URLs (each is a write), and for each that it is served from L2 it knows that L2 has it.
async fn write_and_confirm(terrace: &Terrace, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut confirmed = Vec::new();
    let mut connection = terrace.connect().await;
    let mut behind = std::collections::VecDeque::new();
    for number in numbers {
        for (number, is_new) in [Some((number, true)), behind.front().map(|n| (*n, false))].into_iter().flatten() {
            let bytes = format!("GET {} HTTP/1.1\r\nHost: kill\r\n\r\n", path_of(number));
            if connection.write(bytes.as_bytes()).await.is_err() {
                return confirmed;
            }
            let Ok(head) = connection.head("GET").await else {
                return confirmed;
            };
            let response = connection.rest(head).await;
            if !response.whole {
                return confirmed;
            }
            response.has_status(200).has_body(noise(number, ENTRY));
            if is_new {
                behind.push_back(number);
            } else if response.tier() == "L2-HIT" {
                confirmed.push(number);
                behind.pop_front();
            }
        }
        if behind.len() < 4 {
            tokio::task::yield_now().await;
        }
    }
    confirmed
}

async fn kill_9_during_writes_loses_nothing_that_l2_acknowledged(world: World) {
    // Nothing fits L1, so that a hit is L2's word.
    let config = "[tiers.l1]\nmax_size = \"1B\"\n[tiers.l2]\ntimeout = \"10s\"";
    let (mut origin, mut terrace) = world.serve(config).await;
    origin.otherwise(|seen| {
        let number: u64 = seen.target.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        Reply::ok(noise(number, ENTRY)).with("Cache-Control", "max-age=3600")
    });
    let mut confirmed = BTreeSet::new();
    let mut next = 0u64;
    for round in 0..3 {
        let id = terrace.process().id();
        let clients = (0..4).map(|client| write_and_confirm(&terrace, (next..).skip(client).step_by(4)));
        let clients = super::join(clients.collect());
        let killer = async {
            // In the middle of it: once a few hundred requests have gone through.
            let started = Instant::now();
            let before = origin.seen().len();
            while origin.seen().len() < before + 300 + 77 * round {
                assert!(started.elapsed() < crate::PATIENCE, "it does not get going");
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            crate::host::kill_9(id);
        };
        let (found, ()) = tokio::join!(clients, killer);
        confirmed.extend(found.into_iter().flatten());
        terrace.ended().await;
        next += 1_000_000;
        terrace.start().await;
    }
    assert!(confirmed.len() > 50, "only {} entries were confirmed", confirmed.len());
    let written: BTreeSet<String> = origin.seen().into_iter().map(|seen| seen.target).collect();
    origin.down().await;
    let (mut kept, mut lost) = (0, 0);
    for target in written {
        let number: u64 = target.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let response = terrace.send(&Request::get(&target).with("Host", "kill")).await;
        match response.status {
            200 => {
                response.has_tier("L2-HIT").has_body(noise(number, ENTRY));
                kept += 1;
            }
            _ => {
                response.is_problem(502);
                assert!(!confirmed.contains(&number), "{number} was acknowledged and is lost\n{response:?}");
                lost += 1;
            }
        }
    }
    assert!(kept >= confirmed.len(), "{kept} kept, {lost} lost, {} confirmed", confirmed.len());
}

async fn a_database_of_garbage_is_a_miss_or_a_clear_error(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("right"));
    terrace.warm("/x").await;
    terrace.stop().await;
    terrace.overwrite_database(&noise(1, 50_000));
    match terrace.try_start().await {
        // A tier that fails is a miss, never an error.
        Ok(()) => {
            terrace.get("/x").await.has_status(200).has_body("right");
        }
        Err(why) => {
            let why = format!("{why:#}");
            assert!(why.contains("t.db") && !why.contains("panicked"), "no clear error: {why}");
        }
    }
}
