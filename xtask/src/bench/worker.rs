//! `cargo xtask bench-worker`: an L1 hit of the Worker beside JavaScript Workers that do one `KV.get` and return the value, each in
//! a workerd of its own.
//!
//! KV is one map behind HTTP, as workerd's binding speaks to it, and D1 a database in which nothing is, both in this process: what
//! they cost is on nobody's account.

use super::load::Generator;
use super::peer::{self, Peer};
use super::{Turns, body};
use crate::test::{cargo, target};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terrace_tests::client::{Connection, Request as Ask, Response as Answer};
use terrace_tests::host::workerd;
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;
use terrace_tests::stores::Watched;

#[derive(Args)]
#[command(after_help = "Example:\n  cargo xtask bench-worker --starts 3 --seconds 2")]
pub struct Options {
    /// How often all is started anew: of two processes of one program, one may need a tenth more than the other.
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// Rounds after each start; every peer has its turn in each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Seconds of load after a start, for V8 to compile what is hot.
    #[arg(long, default_value_t = 8)]
    warm_up: u64,
    /// Connections, kept alive.
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

const PATH: &str = "/api/products/42";

/// What turns L0 on, with entries that outlive the run.
const L0: &str = "[tiers.l0]\nsize = \"8MiB\"\nmax_ttl = \"1h\"\n";

/// The key of the JavaScript Workers.
const KEY: &str = "value";

pub fn run(options: &Options) -> Result<()> {
    workerd::install()?;
    workerd::build()?;
    let built = cargo(&["build", "--release", "--locked", "-p", "xtask"]).status()?;
    ensure!(built.success(), "the load generator cannot be built");
    let generator = Generator::find(&target().join("release/xtask"));
    // KV and the origin run beside the load generator, which is waited for on this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(compare(options, &generator))
}

async fn compare(options: &Options, generator: &Generator) -> Result<()> {
    let origin = Origin::start().await;
    let reply = Reply::ok(body()).with("Content-Type", "application/json").with("ETag", "\"42\"");
    origin.serve(PATH, reply.with("Cache-Control", "max-age=86400"));
    let values = Values::default();
    put(&values, KEY, body());
    let stores = Stores::start(&values)?;

    println!(
        "GET {PATH}: {} bytes of JSON from KV, {} connections, {} starts of {} rounds of {} s each in turn after {} s, {} cores\nload: {}",
        body().len(),
        options.connections,
        options.starts,
        options.rounds,
        options.seconds,
        options.warm_up,
        std::thread::available_parallelism()?,
        generator.describe()
    );
    let bench = super::Options {
        rounds: options.rounds,
        seconds: options.seconds,
        connections: options.connections,
        arguments: Vec::new(),
    };
    let mut turns = Turns::default();
    for _ in 0..options.starts {
        let peers = start_all(&origin, &values, stores).await?;
        let asked = origin.count(PATH);
        turns.take(&bench, generator, &peers, PATH, options.warm_up)?;
        ensure!(origin.count(PATH) == asked, "the origin was asked: these were not all hits");
    }
    turns.report();
    Ok(())
}

/// Every peer in a process of its own, with its answer in its cache.
async fn start_all(origin: &Origin, values: &Values, stores: Stores) -> Result<[Peer; 4]> {
    let ours = terrace("terrace (wasm)", "the Worker, as `wrangler deploy` uploads it", "", origin, stores)?;
    let l0 = terrace("terrace, L0", "the same with [tiers.l0] size = \"8MiB\"", L0, origin, stores)?;
    store(origin, &[&ours, &l0], values).await?;
    let hit = warm(&ours, "L1-HIT").await?;
    warm(&l0, "L0-HIT").await?;
    let get = script(
        "KV.get",
        "a JavaScript Worker: KV.get, one field",
        &get(&[("content-type", "application/json")]),
        stores,
    )?;
    let skip = ["connection", "keep-alive", "transfer-encoding", "content-length"];
    let fields: Vec<_> = hit.fields.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let fields: Vec<_> =
        fields.into_iter().filter(|(name, _)| !skip.contains(&name.to_ascii_lowercase().as_str())).collect();
    let same = format!("a JavaScript Worker: KV.get, and the {} fields that terrace answers with", fields.len());
    let same = script("KV.get, same fields", &same, &self::get(&fields), stores)?;
    let peers = [ours, get, same, l0];
    for peer in &peers {
        let response = answer(peer).await;
        ensure!(response.body == hit.body, "{} answers something else: {response:?}", peer.name);
    }
    Ok(peers)
}

/// What the load generator will ask of a peer: its Host is part of the key.
fn request(peer: &Peer) -> Ask {
    Ask::get(PATH).with("Host", peer.address().to_string())
}

async fn answer(peer: &Peer) -> Answer {
    Connection::open(peer.address()).await.send(&request(peer)).await
}

/// Has a Worker that has D1 store what the peers will be asked for, and copies it out of its KV: what L2 has not judged stays in L1
/// for seconds only.
async fn store(origin: &Origin, peers: &[&Peer], values: &Values) -> Result<()> {
    let worker = Watched::in_front_of(&origin.url(), "[tiers.l1]\nadmit = \"always\"", &[]).await;
    for peer in peers {
        worker.costs(&request(peer)).await;
        let (hit, _) = worker.costs(&request(peer)).await;
        ensure!(hit.field("x-cache-tier") == Some("L1-HIT"), "not stored: {hit:?}");
    }
    for held in worker.kv().await {
        put(values, &held.key, held.value);
    }
    Ok(())
}

/// The same request until it is a hit of this tier.
async fn warm(peer: &Peer, tier: &str) -> Result<Answer> {
    for _ in 0..200 {
        let response = answer(peer).await;
        ensure!(response.status == 200, "{}: {response:?}", peer.name);
        if response.field("x-cache-tier") == Some(tier) {
            return Ok(response);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    anyhow::bail!("{} never answers {tier}", peer.name)
}

/// What KV holds, by path.
type Values = Arc<Mutex<HashMap<String, Bytes>>>;

fn put(values: &Values, key: &str, value: impl Into<Bytes>) {
    lock(values).insert(format!("/{key}"), value.into());
}

fn lock(values: &Values) -> MutexGuard<'_, HashMap<String, Bytes>> {
    values.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the stores are.
#[derive(Clone, Copy)]
struct Stores {
    kv: SocketAddr,
    d1: SocketAddr,
}

impl Stores {
    fn start(values: &Values) -> Result<Stores> {
        let values = values.clone();
        Ok(Stores { kv: serve(move |request| kv(values.clone(), request))?, d1: serve(d1)? })
    }
}

/// A server with a thread of its own, which ends with the process.
fn serve<F>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> Result<SocketAddr>
where
    F: Future<Output = Result<Response<Full<Bytes>>>> + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let service = service_fn(answer.clone());
                tokio::task::spawn_local(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            #[expect(unreachable_code, reason = "says the type of the errors above")]
            Ok::<(), std::io::Error>(())
        })
    });
    Ok(address)
}

/// A D1 that finds nothing, whatever it is asked: the purge log is empty, and what is not in KV is nowhere.
async fn d1(request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let rows = request.uri().query().is_some_and(|query| query.contains("ROWS_AND_COLUMNS"));
    let asked: serde_json::Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    let statements = asked.as_array().map_or(1, Vec::len);
    let results = if rows { json!({"columns": [], "rows": []}) } else { json!([]) };
    let found = json!({"success": true, "results": results, "meta": {"duration": 0, "changes": 0}});
    let answer = serde_json::to_string(&vec![found; statements])?;
    Ok(Response::builder().header("content-type", "application/json").body(answer.into())?)
}

async fn kv(values: Values, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let key = parts.uri.path().to_owned();
    let (status, body) = match parts.method {
        Method::GET => match lock(&values).get(&key) {
            Some(value) => (StatusCode::OK, value.clone()),
            None => (StatusCode::NOT_FOUND, Bytes::new()),
        },
        Method::PUT => {
            let value = body.collect().await?.to_bytes();
            lock(&values).insert(key, value);
            (StatusCode::OK, Bytes::new())
        }
        _ => {
            lock(&values).remove(&key);
            (StatusCode::OK, Bytes::new())
        }
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

/// A JavaScript Worker that answers what KV gives.
fn get(fields: &[(&str, &str)]) -> String {
    let fields: serde_json::Map<_, _> = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let fields = serde_json::Value::from(fields);
    format!(
        "export default {{
  async fetch(request, env) {{
    const value = await env.L1.get({KEY:?}, \"arrayBuffer\");
    return new Response(value, {{ headers: {fields} }});
  }},
}};
"
    )
}

fn script(name: &'static str, settings: &str, script: &str, stores: Stores) -> Result<Peer> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("worker.js"), script)?;
    start(name, settings, dir, &[("worker.js".to_owned(), "esModule")], stores, "")
}

/// The Worker as it would be uploaded, with all that is stored in L1.
fn terrace(name: &'static str, settings: &str, more: &str, origin: &Origin, stores: Stores) -> Result<Peer> {
    let dir = tempfile::tempdir()?;
    let main = workerd::entry(&workerd::configuration()?)?;
    let mut modules = vec![(main.clone(), "esModule")];
    for module in std::fs::read_dir(workerd::upload()?)? {
        let module = module?;
        let (path, module) = (module.path(), module.file_name().to_string_lossy().into_owned());
        let kind = match Path::new(&module).extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => "wasm",
            Some("json") => "text",
            Some("js") => "esModule",
            _ => continue,
        };
        if kind == "text" {
            // A hit waits for no loaded machine in vain.
            let config = format!("[tiers.l1]\nadmit = \"always\"\ntimeout = \"1s\"\n{more}");
            std::fs::write(dir.path().join(&module), workerd::told(&config)?)?;
        } else {
            std::fs::copy(path, dir.path().join(&module))?;
        }
        if module != main {
            modules.push((module, kind));
        }
    }
    let origin = format!("(name = \"ORIGIN_URL\", text = {:?})", origin.url());
    start(name, settings, dir, &modules, stores, &origin)
}

fn start(
    name: &'static str,
    settings: &str,
    dir: tempfile::TempDir,
    modules: &[(String, &str)],
    stores: Stores,
    binding: &str,
) -> Result<Peer> {
    let program = program()?;
    let Stores { kv, d1 } = stores;
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let wrangler = workerd::configuration()?;
    let date = wrangler.get("compatibility_date").context("wrangler.toml has no compatibility_date")?;
    let flags = wrangler.get("compatibility_flags").map_or_else(|| "[]".to_owned(), ToString::to_string);
    let mut list = String::new();
    for (module, kind) in modules {
        let _ = writeln!(list, "    (name = {module:?}, {kind} = embed {module:?}),");
    }
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (
  services = [
    (name = \"main\", worker = .worker),
    (name = \"internet\", network = (allow = [\"private\", \"local\"])),
    (name = \"kv\", external = (address = \"{kv}\", http = ())),
    (name = \"d1\", external = (address = \"{d1}\", http = ())),
  ],
  sockets = [(name = \"http\", address = \"{address}\", http = (), service = \"main\")],
);
const worker :Workerd.Worker = (
  modules = [
{list}  ],
  compatibilityDate = {date},
  compatibilityFlags = {flags},
  bindings = [
    (name = \"L1\", kvNamespace = \"kv\"),
    (name = \"DB\", wrapped = (
      moduleName = \"cloudflare-internal:d1-api\",
      innerBindings = [(name = \"fetcher\", service = \"d1\")],
    )),
    {binding}
  ],
);
"
    );
    std::fs::write(dir.path().join("workerd.capnp"), config)?;
    let version = Command::new(&program).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    peer::workerd(name, format!("{settings}; {version}, {date}"), &program, dir, address)
}

/// The workerd that npm brought, itself: the program of that name is a script.
fn program() -> Result<PathBuf> {
    let packages = workerd::folder().join("node_modules/@cloudflare");
    let mut found = std::fs::read_dir(&packages).into_iter().flatten().flatten().map(|entry| entry.path());
    let package =
        found.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("workerd-")));
    let package =
        package.with_context(|| format!("npm brought no workerd for this machine into {}", packages.display()))?;
    Ok(package.join("bin/workerd"))
}
