//! `cargo xtask bench`: L1 hits of `terrace serve` beside native hyper and nginx, on one machine, in one run.
//!
//! The peers take turns (A B C A B C), the medians count, and CPU per request is the steadier figure: it does not depend on
//! what else the machine does.

pub mod load;
pub mod native;
mod peer;
pub mod worker;

use crate::test::{build_program, cargo, set_up_targets, target};
use anyhow::{Result, ensure};
use clap::Args;
use load::{Generator, Measured};
use native::Answer;
use peer::Peer;
use terrace_tests::client::{Connection, Request, Response};
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench --rounds 3 --seconds 2\n  \
    cargo build --profile dist -p terrace && TERRACE_BIN=target/dist/terrace cargo xtask bench")]
pub struct Options {
    /// Rounds; every peer has its turn in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections, kept alive.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// More arguments for `terrace serve`, such as `--workers 1`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

const PATH: &str = "/api/products/42";

/// A JSON body of 2 KB.
fn body() -> String {
    let items: Vec<serde_json::Value> = (0..19)
        .map(|id| serde_json::json!({"id": id, "name": format!("Product {id:02}"), "price": 9.99, "tags": ["a", "b"], "stock": 1000 + id}))
        .collect();
    let mut text = serde_json::to_string(&items).unwrap_or_default();
    let padding = 2048usize.saturating_sub(text.len() + ",\"\"".len());
    let end = format!(",\"{}\"]", "x".repeat(padding));
    text.pop();
    text + &end
}

pub fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.seconds > 0 && options.connections > 1, "nothing to measure");
    set_up_targets()?;
    if std::env::var_os("TERRACE_BIN").is_none() {
        build_program()?;
    }
    let built = cargo(&["build", "--release", "--locked", "-p", "xtask"]).status()?;
    ensure!(built.success(), "the native peer cannot be built");
    let own = target().join("release/xtask");

    // The origin runs beside the load generator, which is waited for on this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(compare(options, &own))
}

async fn answer(peer: &Peer) -> Response {
    // The load generator's Host: it is part of the key.
    let request = Request::get(PATH).with("Host", peer.address().to_string());
    Connection::open(peer.address()).await.send(&request).await
}

/// The same request until it is a hit.
async fn warm(peer: &Peer) -> Result<Response> {
    for _ in 0..200 {
        let response = answer(peer).await;
        ensure!(response.status == 200, "{}: {response:?}", peer.name);
        if response.field("x-cache") == Some("HIT") {
            return Ok(response);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    anyhow::bail!("{} never answers from its cache", peer.name)
}

struct Turn {
    rate: f64,
    cpu: f64,
    measured: Measured,
}

async fn compare(options: &Options, own: &std::path::Path) -> Result<()> {
    let generator = Generator::find(own);
    let origin = Origin::start().await;
    let reply = Reply::ok(body()).with("Content-Type", "application/json").with("ETag", "\"42\"");
    origin.serve(PATH, reply.with("Cache-Control", "max-age=86400"));

    let mut peers = vec![peer::terrace(&origin, &options.arguments)?];
    let hit = warm(&peers[0]).await?;
    let skip = ["connection", "keep-alive", "transfer-encoding"];
    let fields = hit.fields.0.iter().filter(|(name, _)| !skip.contains(&name.to_ascii_lowercase().as_str()));
    let same = Answer { fields: fields.cloned().collect(), body: hit.text() };
    peers.push(peer::native(own, &same)?);
    match peer::nginx(&origin) {
        Ok(nginx) => {
            warm(&nginx).await?;
            peers.push(nginx);
        }
        Err(why) => println!("nginx proxy_cache is left out: {why:#}"),
    }
    for peer in &peers {
        let response = answer(peer).await;
        ensure!(response.body == hit.body, "{} answers something else: {response:?}", peer.name);
    }
    let asked = origin.count(PATH);

    println!(
        "GET {PATH}: {} bytes of JSON, {} connections, {} rounds of {} s each in turn, {} cores\nload: {}",
        hit.body.len(),
        options.connections,
        options.rounds,
        options.seconds,
        std::thread::available_parallelism()?,
        generator.describe()
    );
    let mut turns = Turns::default();
    turns.take(options, &generator, &peers, PATH, 1)?;
    turns.report();
    ensure!(origin.count(PATH) == asked, "the origin was asked: these were not all hits");
    Ok(())
}

/// What the peers, of which the first is ours, did in their turns.
#[derive(Default)]
struct Turns(Vec<Taken>);

struct Taken {
    name: &'static str,
    turns: Vec<Turn>,
    memory: u64,
}

impl Turns {
    /// Has them take turns under load.
    fn take(
        &mut self,
        options: &Options,
        generator: &Generator,
        peers: &[Peer],
        path: &str,
        warm_up: u64,
    ) -> Result<()> {
        if self.0.is_empty() {
            for peer in peers {
                println!("  {}: {}", peer.name, peer.settings);
                self.0.push(Taken { name: peer.name, turns: Vec::new(), memory: 0 });
            }
        }
        let dir = tempfile::tempdir()?;
        for peer in peers {
            generator.run(dir.path(), peer.address(), path, options.connections, warm_up)?;
        }
        for round in 1..=options.rounds {
            for (peer, taken) in peers.iter().zip(&mut self.0) {
                let before = peer.cpu_seconds()?;
                let measured = generator.run(dir.path(), peer.address(), path, options.connections, options.seconds)?;
                let cpu = (peer.cpu_seconds()? - before) / measured.requests as f64 * 1e6;
                let rate = measured.requests as f64 / measured.seconds;
                println!("  round {round}: {:<20} {rate:>9.0} requests/s {cpu:>7.1} us CPU/request", peer.name);
                taken.turns.push(Turn { rate, cpu, measured });
                taken.memory = taken.memory.max(peer.peak_memory()?);
            }
        }
        Ok(())
    }

    /// Says what came of it.
    fn report(&self) {
        let median = |of: &dyn Fn(&Turn) -> f64, turns: &[Turn]| {
            let mut values: Vec<f64> = turns.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "\nmedians              requests/s  terrace/it   CPU us/req  terrace/it   p50 us   p90 us   p99 us   max us  memory"
        );
        let rate = |turn: &Turn| turn.rate;
        let cpu = |turn: &Turn| turn.cpu;
        let (ours_rate, ours_cpu) = (median(&rate, &self.0[0].turns), median(&cpu, &self.0[0].turns));
        for Taken { name, turns, memory } in &self.0 {
            let (its_rate, its_cpu) = (median(&rate, turns), median(&cpu, turns));
            println!(
                "{name:<20} {its_rate:>10.0} {:>10.2}x {its_cpu:>12.1} {:>10.2}x {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>4.0} MB",
                ours_rate / its_rate,
                ours_cpu / its_cpu,
                median(&|turn| turn.measured.p50, turns),
                median(&|turn| turn.measured.p90, turns),
                median(&|turn| turn.measured.p99, turns),
                median(&|turn| turn.measured.max, turns),
                *memory as f64 / 1e6,
            );
        }
    }
}
