//! What only a Worker has: the stores that bill, by what they hold, what each request costs there, and what becomes of a
//! request when they fail. `cargo test -p terrace-tests --test workerd`

mod contents;
mod costs;
mod faults;
mod platform;
mod purges;
mod room;
mod watch;

use terrace_tests::client::{Request, Response};
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;
use terrace_tests::stores::Watched;

/// As the Worker has it by default: what is asked for again enters L1.
const SECOND_HIT: &str = "[tiers.l1]\nadmit = \"second-hit\"";

/// A Worker whose tables are made, whose making is paid, and which knows the purges for the next hour.
async fn ready(config: &str) -> (Origin, Watched) {
    awake(&format!("{config}\n[purge]\npoll = \"1h\"")).await
}

/// A Worker whose tables are made, and whose making is paid.
async fn awake(config: &str) -> (Origin, Watched) {
    let (origin, worker) = Watched::serve(config).await;
    origin.serve("/ready", Reply::ok("ready").with("Cache-Control", "no-store"));
    worker.get("/ready").await.has_status(200);
    // A miss reads, and only a store finds that tables are missing; a look-up does so too.
    worker.calls().await;
    (origin, worker)
}

/// 200 with this body, fresh for an hour: with second-hit admission, what is fresh for a minute never enters L1.
fn lasting(body: impl Into<bytes::Bytes>) -> Reply {
    Reply::ok(body).with("Cache-Control", "max-age=3600")
}

/// Sends a GET, waits for what it sets going, and returns its tier.
async fn tier(worker: &Watched, target: &str) -> String {
    let (response, _) = worker.costs(&Request::get(target)).await;
    response.has_status(200);
    response.tier().to_owned()
}

/// What came is what the origin sends, whichever way it took.
#[track_caller]
fn is_right(response: &Response, body: &str) {
    response.has_status(200).has_body(body);
}
