//! `terrace serve` under ten thousand requests at once: what the origin is asked, what clients get, and what it takes of memory.
//! `cargo test -p terrace-tests --test crowd -- [FILTER]`
//!
//! How long it took is printed, and asserted nowhere.

use libtest_mimic::{Arguments, Trial};
use std::pin::Pin;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use terrace_tests::client::{Connection, Request};
use terrace_tests::crowd::{Answer, Crowd, all, let_in, percentile};
use terrace_tests::host::{ADMIN_TOKEN, Host, Process, terrace_binary};
use terrace_tests::origin::Origin;
use terrace_tests::reply::{Gate, Length, Reply, Step};
use terrace_tests::suite::{join, noise};
use terrace_tests::world::{Terrace, World};

const WORLD: World = World { host: Host::Wasmtime };

/// How many ask at once: ten thousand, or as many as `TERRACE_CROWD` says.
static CROWD: LazyLock<usize> = LazyLock::new(|| {
    let asked = std::env::var("TERRACE_CROWD").ok();
    asked.map_or(10_000, |text| text.parse().unwrap_or_else(|_| panic!("TERRACE_CROWD={text} is no number")))
});

/// How long a test may take, and how long it is waited for all requests to come in: a crowd is much for a loaded machine.
const LIMIT: Duration = Duration::from_secs(240);
const PATIENCE: Duration = Duration::from_secs(90);

const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n";

type Run = fn() -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! tests {
    ($($name:ident),+ $(,)?) => { [$((stringify!($name), (|| Box::pin($name())) as Run)),+] };
}

fn main() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let tests = tests![
        for_one_cold_key_an_instance_asks_the_origin_once,
        for_one_cold_key_each_of_several_instances_asks_once,
        streams_of_http_2_share_one_fetch_as_connections_do,
        what_cannot_be_shared_is_asked_for_by_all_at_once,
        ten_thousand_objects_are_asked_for_at_once,
        an_answer_that_is_cut_costs_the_others_one_more_fetch,
        a_leader_that_leaves_costs_the_others_one_more_fetch,
        more_at_once_than_an_instance_answers_are_told_so,
        clients_that_leave_at_random_hold_up_nobody,
        with_few_files_the_api_is_reached_all_the_same,
    ];
    let missing = let_in(*CROWD).err();
    if let Some(why) = &missing {
        let bar = "=".repeat(100);
        eprintln!("{bar}\nTHE TESTS OF CROWDS DID NOT RUN: {why}\n{bar}");
    }
    let trials = tests.into_iter().map(|(name, run)| {
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(async { tokio::time::timeout(LIMIT, run()).await })?)
        };
        Trial::test(name, run).with_ignored_flag(missing.is_some())
    });
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// What all of them ask for.
const PATH: &str = "/cold";

/// An origin, and the cache with so many instances before it.
async fn serve(workers: usize) -> (Origin, Terrace) {
    // A machine that is busy is slow to connect, and an origin that is asked by ten thousand to accept.
    let config = format!("connect_timeout = \"60s\"\ntimeout = \"120s\"\n{ADMIN}");
    WORLD.serve_with(&config, &["--workers", &workers.to_string()]).await
}

/// Waits until so many requests have reached whichever instance it is that answers.
async fn until_in(terrace: &Terrace, many: usize) {
    let started = Instant::now();
    let metrics = Request::get("/_terrace/metrics").with("Authorization", format!("Bearer {ADMIN_TOKEN}"));
    loop {
        let page = terrace.send(&metrics).await.text();
        let count = page
            .lines()
            .find_map(|line| line.strip_prefix("terrace_billable_ops_total{service=\"http\",op=\"request\"} "));
        let count: usize = count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count: {page}"));
        if count >= many {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{count} of {many} requests came in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the origin was asked so often.
async fn asked(origin: &Origin, many: usize) {
    let started = Instant::now();
    while origin.asked() < many {
        assert!(started.elapsed() < PATIENCE, "{} requests of {many} reached the origin", origin.asked());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The crowd asks an origin that answers when all of them wait, and each is answered in full.
async fn all_wait_for_one(origin: &Origin, terrace: &mut Terrace, crowd: Crowd, instances: usize) {
    let (gate, body) = (Gate::new(), noise(5, 16 << 10));
    let reply = Reply::fresh(body.clone()).before(Step::Wait(gate.clone()));
    origin.serve(PATH, reply);
    let started = Instant::now();
    let open = async {
        until_in(terrace, *CROWD / instances).await;
        let waited = started.elapsed();
        gate.open();
        waited
    };
    let (answers, origins) = tokio::join!(crowd.ask(|_| PATH.to_owned()), open);
    for answer in &answers {
        answer.response.has_status(200).has_body(&body);
    }
    report(&answers, origins, terrace);
    let collapsed = answers.iter().filter(|answer| answer.response.cache_status().flag("collapsed")).count();
    assert!(collapsed > *CROWD / 2, "{collapsed} waited");
}

fn report(answers: &[Answer], origin: Duration, terrace: &mut Terrace) {
    let (half, most) = (percentile(answers, 50), percentile(answers, 99));
    let peak = terrace.process().peak_memory() >> 20;
    eprintln!("the origin took {origin:.1?}; p50 {half:.1?}, p99 {most:.1?}; {peak} MiB at most");
}

async fn for_one_cold_key_an_instance_asks_the_origin_once() {
    let (origin, mut terrace) = serve(1).await;
    let crowd = Crowd::over_http1(terrace.address(), *CROWD).await;
    all_wait_for_one(&origin, &mut terrace, crowd, 1).await;
    assert_eq!(origin.count(PATH), 1);
}

async fn for_one_cold_key_each_of_several_instances_asks_once() {
    let (origin, mut terrace) = serve(3).await;
    let crowd = Crowd::over_http1(terrace.address(), *CROWD).await;
    all_wait_for_one(&origin, &mut terrace, crowd, 3).await;
    let asked = origin.count(PATH);
    assert!((1..=3).contains(&asked), "asked {asked} times");
}

async fn streams_of_http_2_share_one_fetch_as_connections_do() {
    let (origin, mut terrace) = serve(1).await;
    let crowd = Crowd::over_http2(terrace.address(), *CROWD).await;
    all_wait_for_one(&origin, &mut terrace, crowd, 1).await;
    assert_eq!(origin.count(PATH), 1);
}

/// By streams of HTTP/2, since each has a connection to the origin. A quarter of the others: wasmtime looks at all that it has to tell
/// an instance each time that it has told it something, and so many answers at once take it the square of their number.
async fn what_cannot_be_shared_is_asked_for_by_all_at_once() {
    let (many, (origin, mut terrace)) = (*CROWD / 4, serve(1).await);
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on(PATH, move |seen| {
        let reply = Reply::ok(seen.nth.to_string()).with("Cache-Control", "no-store");
        // The first tells that nobody need wait for it.
        if seen.nth == 1 { reply } else { reply.before(Step::Wait(waits.clone())) }
    });
    let crowd = Crowd::over_http2(terrace.address(), many).await;
    let started = Instant::now();
    let open = async {
        // They are all there together, or the origin never answers.
        asked(&origin, many).await;
        gate.open();
        started.elapsed()
    };
    let (answers, origins) = tokio::join!(crowd.ask(|_| PATH.to_owned()), open);
    let mut own: Vec<usize> =
        answers.iter().map(|a| a.response.has_status(200).text().parse().expect("a number")).collect();
    own.sort_unstable();
    assert!(own.into_iter().eq(1..=many), "each has an answer of its own");
    report(&answers, origins, &mut terrace);
}

/// An object each, that is to be stored: what all of them are copied from at once fits into the memory of an instance.
async fn ten_thousand_objects_are_asked_for_at_once() {
    let (origin, mut terrace) = serve(1).await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.otherwise(move |seen| {
        let body = seen.path().repeat(200);
        let (half, rest) = body.split_at(body.len() / 2);
        Reply::fresh("").chunked().send(half.to_owned()).then(Step::Wait(waits.clone())).send(rest.to_owned())
    });
    let crowd = Crowd::over_http2(terrace.address(), *CROWD).await;
    let started = Instant::now();
    let open = async {
        asked(&origin, *CROWD).await;
        gate.open();
        started.elapsed()
    };
    let (answers, origins) = tokio::join!(crowd.ask(|n| format!("/{n}")), open);
    for (n, answer) in answers.iter().enumerate() {
        answer.response.has_status(200).has_body(format!("/{n}").repeat(200));
    }
    report(&answers, origins, &mut terrace);
    assert!(!terrace.process().log().contains("failed"), "{}", terrace.process().log());
}

async fn an_answer_that_is_cut_costs_the_others_one_more_fetch() {
    let (origin, mut terrace) = serve(1).await;
    let (gate, body) = (Gate::new(), noise(6, 8 << 10));
    let half = Reply::fresh(body[..4 << 10].to_vec()).length(Length::Claim(8 << 10)).then(Step::Wait(gate.clone()));
    origin.serve_in_turn(PATH, vec![half.then(Step::Cut), Reply::fresh(body.clone())]);
    let crowd = Crowd::over_http1(terrace.address(), *CROWD).await;
    let started = Instant::now();
    let open = async {
        until_in(&terrace, *CROWD).await;
        gate.open();
        started.elapsed()
    };
    let (answers, origins) = tokio::join!(crowd.ask(|_| PATH.to_owned()), open);
    let cut = answers.iter().filter(|answer| !answer.response.whole).count();
    assert_eq!(cut, 1, "only the one whose answer it was is told half");
    for answer in answers.iter().filter(|answer| answer.response.whole) {
        answer.response.has_status(200).has_body(&body);
    }
    report(&answers, origins, &mut terrace);
    assert_eq!(origin.count(PATH), 2);
}

async fn a_leader_that_leaves_costs_the_others_one_more_fetch() {
    let (origin, mut terrace) = serve(1).await;
    let (gate, body) = (Gate::new(), noise(6, 8 << 10));
    origin.serve(PATH, Reply::fresh(body.clone()).before(Step::Wait(gate.clone())));
    let mut leader = terrace.connect().await;
    leader.request(&Request::get(PATH)).await;
    origin.until(PATH, 1).await;
    let crowd = Crowd::over_http1(terrace.address(), *CROWD).await;
    let started = Instant::now();
    let open = async {
        until_in(&terrace, *CROWD).await;
        drop(leader);
        // As long as it takes to notice.
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.open();
        started.elapsed()
    };
    let (answers, origins) = tokio::join!(crowd.ask(|_| PATH.to_owned()), open);
    for answer in &answers {
        answer.response.has_status(200).has_body(&body);
    }
    report(&answers, origins, &mut terrace);
    let asked = origin.count(PATH);
    assert!((1..=2).contains(&asked), "asked {asked} times");
}

/// Those that it answers wait on, and the instance lives.
async fn more_at_once_than_an_instance_answers_are_told_so() {
    const MOST: usize = 16_384;
    const MORE: usize = 600;
    const OTHER: &str = "/_terrace/health";
    let (origin, mut terrace) = serve(1).await;
    let gate = Gate::new();
    origin.serve(PATH, Reply::fresh("x").before(Step::Wait(gate.clone())));
    let crowd = Crowd::over_http2(terrace.address(), MOST + MORE).await;
    let started = Instant::now();
    let open = async {
        // One more each time: what asks takes the places of some that came then.
        for asks in 1.. {
            let answers = join((0..asks).map(|_| terrace.get(OTHER)).collect()).await;
            if answers.iter().any(|answer| answer.status == 503) {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "it is never full");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        gate.open();
        started.elapsed()
    };
    let (answers, origins) = tokio::join!(crowd.ask(|_| PATH.to_owned()), open);
    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.response.status == 200);
    for answer in &refused {
        answer.response.is_problem(503).has_field("retry-after", "1");
    }
    assert!(!refused.is_empty() && good.len() > MOST - 200, "{} were refused", refused.len());
    assert_eq!(origin.count(PATH), 1);
    terrace.get(PATH).await.has_status(200).has_body("x");
    report(&answers, origins, &mut terrace);
    assert!(!terrace.process().log().contains("failed"), "{}", terrace.process().log());
}

/// Four instances, 500 objects, some of which cannot be shared, and clients of whom two in three leave: before the answer, or in it.
async fn clients_that_leave_at_random_hold_up_nobody() {
    const OBJECTS: usize = 500;
    let (origin, mut terrace) = serve(4).await;
    let of = |path: &str| format!("{path} ").repeat(1000);
    origin.otherwise(move |seen| {
        let number: usize = seen.path()[1..].parse().expect("a number");
        let control = ["no-store", "max-age=1", "max-age=60", "max-age=60, stale-while-revalidate=0"][number % 4];
        let reply = Reply::ok("").with("Cache-Control", control).chunked().send(of(seen.path()));
        reply.before(Step::Sleep(Duration::from_millis(5 * (number as u64 % 10))))
    });
    let draws = noise(11, 4 * *CROWD);
    let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(400));
    let address = terrace.address();
    let clients = (0..*CROWD).map(|n| {
        let (turns, draw) =
            (turns.clone(), u32::from_le_bytes(draws[4 * n..][..4].try_into().expect("four bytes")) as usize);
        tokio::spawn(async move {
            let _turn = turns.acquire().await;
            let path = format!("/{}", draw / 3 % OBJECTS);
            let mut connection = Connection::open(address).await;
            connection.request(&Request::get(&path)).await;
            if draw % 3 == 0 {
                return tokio::time::sleep(Duration::from_millis(draw as u64 / 3 % 30)).await;
            }
            let head = connection.head("GET").await.expect("a head");
            head.has_status(200);
            if draw % 3 == 1 {
                connection.rest(head).await.has_body(of(&path));
            }
        })
    });
    all(clients.collect()).await;
    for n in 0..OBJECTS {
        let path = format!("/{n}");
        terrace.get(&path).await.has_status(200).has_body(of(&path));
    }
    let log = terrace.process().log();
    assert!(!log.contains("panicked") && !log.contains("failed"), "{log}");
    eprintln!("{} requests for {}; {} MiB at most", origin.asked(), *CROWD, terrace.process().peak_memory() >> 20);
}

/// Clients that have all the connections that they may leave enough to reach the API with, and who is refused is told so.
async fn with_few_files_the_api_is_reached_all_the_same() {
    const FILES: usize = 256;
    // 64 of them are not for clients.
    const CLIENTS: usize = FILES - 64;
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().expect("a folder"));
    origin.otherwise(|seen| Reply::fresh(seen.path().to_owned()));
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n {FILES} && exec \"$0\" \"$@\"")])
        .arg(terrace_binary().expect("the program"));
    command.args(["serve", "--origin", &origin.url(), "--listen", "127.0.0.1:0", "--workers", "1"]);
    command.arg("--l2").arg(format!("sqlite:{}", dir.path().join("t.db").display()));
    let address = |line: &str| line.strip_prefix("listening on http://")?.trim().parse().ok();
    let mut terrace = Process::announced(command, dir.path(), address).expect("it starts");

    let mut held = Vec::new();
    for n in 0..CLIENTS {
        let (mut client, path) = (Connection::open(terrace.address).await, format!("/{n}"));
        client.send(&Request::get(&path)).await.has_status(200).has_body(&path);
        held.push(client);
    }
    let refused = Connection::open(terrace.address).await.raw(b"").await.expect("an answer");
    refused.has_status(503);

    // As many at once are more than the files that are left.
    let gate = Gate::new();
    let waits = gate.clone();
    origin.otherwise(move |seen| Reply::fresh(seen.path().to_owned()).before(Step::Wait(waits.clone())));
    let asked = held.into_iter().enumerate().map(|(n, mut client)| {
        tokio::spawn(async move { (client.send(&Request::get(&format!("/again/{n}"))).await, client) })
    });
    let asked = asked.collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    gate.open();
    let (answers, mut held): (Vec<_>, Vec<_>) = all(asked).await.into_iter().unzip();
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..CLIENTS).contains(&good), "{good} were answered");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.is_problem(503);
        assert_eq!(answer.proxy_error(), "connection_limit_reached", "{answer:?}");
    }
    held[0].send(&Request::get("/later")).await.has_status(200).has_body("/later");
    held.truncate(1);
    // As long as it takes to notice.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Connection::open(terrace.address).await.send(&Request::get("/new")).await.has_status(200);
    assert!(terrace.is_alive());
}
