//! One fetch for many: requests that ask for the same object at once (RFC 9111 4, RFC 9211 2.6). Where a host has more than one
//! instance, each asks once.

use super::{Behaviour, join};
use crate::client::{Request, Response};
use crate::origin::Origin;
use crate::reply::{Gate, Reply, Step};
use crate::world::{Terrace, World};
use std::time::Duration;

pub const ALL: &[Behaviour] = behaviours![
    those_that_miss_at_once_share_one_request_to_the_origin,
    three_hundred_at_once_share_one_request_to_the_origin,
    each_is_answered_as_it_asked,
    those_that_find_it_stale_share_one_validation,
    what_is_not_to_be_stored_is_waited_for_by_nobody,
    variants_are_each_asked_for,
    when_the_origin_fails_all_are_told,
    a_client_that_leaves_holds_up_nobody,
    off_is_off,
    global_is_one_request_for_all_instances,
    global_holds_up_nobody_where_nothing_may_be_shared,
];

/// One instance where the host lets us choose.
async fn serve(world: &World, config: &str) -> (Origin, Terrace) {
    let arguments: &[&str] =
        if world.host.is_one_instance() && world.host.is_ours() { &["--workers", "1"] } else { &[] };
    world.serve_with(config, arguments).await
}

/// Sends so many at once. The origin answers when all of them can be expected to wait.
async fn at_once(terrace: &Terrace, gate: &Gate, requests: &[Request]) -> Vec<Response> {
    at_once_and_after(terrace, gate, requests, Duration::from_millis(800)).await
}

async fn at_once_and_after(terrace: &Terrace, gate: &Gate, requests: &[Request], pause: Duration) -> Vec<Response> {
    let open = async {
        tokio::time::sleep(pause).await;
        gate.open();
    };
    let all = join(requests.iter().map(|request| terrace.send(request)).collect());
    tokio::join!(all, open).0
}

fn collapsed(answers: &[Response]) -> usize {
    answers.iter().filter(|answer| answer.cache_status().flag("collapsed")).count()
}

async fn crowd(world: &World, many: usize) {
    let (origin, terrace) = serve(world, "").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |_| Reply::fresh("x").before(Step::Wait(waits.clone())));
    let answers = at_once(&terrace, &gate, &vec![Request::get("/x"); many]).await;
    // On a machine that is busy some come when it is there already.
    let late = answers.iter().filter(|answer| answer.is_hit()).count();
    assert!(late < many / 2, "{late} came late");
    for answer in answers.iter().filter(|answer| !answer.is_hit()) {
        answer.has_status(200).has_body("x").has_tier("MISS").has_field("x-cache", "MISS");
        assert_eq!(answer.cache_status().text("fwd"), Some("uri-miss"), "{answer:?}");
    }
    assert_eq!(origin.count("/x"), many - late - collapsed(&answers));
    if world.host.is_one_instance() {
        assert_eq!(origin.count("/x"), 1);
    }
    terrace.warm("/x").await.has_body("x");
}

async fn those_that_miss_at_once_share_one_request_to_the_origin(world: World) {
    crowd(&world, 20).await;
}

async fn three_hundred_at_once_share_one_request_to_the_origin(world: World) {
    crowd(&world, 300).await;
}

async fn each_is_answered_as_it_asked(world: World) {
    let (origin, terrace) = serve(&world, "").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |_| Reply::fresh("hello").with("ETag", "\"1\"").before(Step::Wait(waits.clone())));
    let first = Request::get("/x");
    let requests = [
        first.clone(),
        Request::get("/x").with("If-None-Match", "\"1\""),
        Request::get("/x").with("If-None-Match", "\"2\""),
        Request::new("HEAD", "/x"),
    ];
    let answers = at_once(&terrace, &gate, &requests).await;
    answers[0].has_status(200).has_body("hello");
    answers[1].has_status(304).has_body("").has_field("etag", "\"1\"");
    answers[2].has_status(200).has_body("hello");
    answers[3].has_status(200).has_body("");
}

async fn those_that_find_it_stale_share_one_validation(world: World) {
    let (origin, terrace) = serve(&world, "[cache]\nearly_refresh = 0\nstale_while_revalidate = \"0s\"").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |seen| match seen.field("if-none-match") {
        Some(_) => Reply::status(304)
            .with("ETag", "\"1\"")
            .with("Cache-Control", "max-age=600")
            .before(Step::Wait(waits.clone())),
        None => Reply::ok("hello").with("ETag", "\"1\"").with("Cache-Control", "max-age=1"),
    });
    terrace.warm("/x").await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let before = origin.count("/x");
    let answers = at_once(&terrace, &gate, &vec![Request::get("/x"); 20]).await;
    for answer in &answers {
        answer.has_status(200).has_body("hello").has_tier("REVALIDATED").has_field("x-cache", "HIT");
        assert_eq!(answer.cache_status().number("fwd-status"), Some(304), "{answer:?}");
    }
    assert_eq!(origin.count("/x") - before, 20 - collapsed(&answers));
    if world.host.is_one_instance() {
        assert_eq!(collapsed(&answers), 19);
    }
}

async fn what_is_not_to_be_stored_is_waited_for_by_nobody(world: World) {
    let (origin, terrace) = serve(&world, "").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |seen| {
        let reply = Reply::status(200).with("Cache-Control", "no-store").chunked().send(format!("{}", seen.nth));
        if seen.nth == 1 { reply.then(Step::Wait(waits.clone())).send("!") } else { reply }
    });
    let opens = gate.clone();
    let others = async {
        origin.until("/x", 1).await;
        let requests = vec![Request::get("/x"); 10];
        let answers = join(requests.iter().map(|request| terrace.send(request)).collect()).await;
        // The first one's content is not there yet.
        opens.open();
        answers
    };
    let request = Request::get("/x");
    let (first, others) = tokio::join!(terrace.send(&request), others);
    let mut texts: Vec<String> = others.iter().map(|answer| answer.has_status(200).text()).collect();
    texts.push(first.text());
    texts.sort_by_key(|text| text.trim_end_matches('!').parse::<u32>().expect("a number"));
    let own: Vec<String> = (1..=11).map(|n| if n == 1 { "1!".to_owned() } else { n.to_string() }).collect();
    assert_eq!(texts, own, "each has an answer of its own");
    assert_eq!(collapsed(&others), 0);
}

async fn variants_are_each_asked_for(world: World) {
    let (origin, terrace) = serve(&world, "").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |seen| {
        let language = seen.field("accept-language").unwrap_or("none").to_owned();
        Reply::fresh(language).with("Vary", "Accept-Language").before(Step::Wait(waits.clone()))
    });
    let languages = ["de", "en", "fr"];
    let requests: Vec<Request> =
        (0..18).map(|n| Request::get("/x").with("Accept-Language", languages[n % 3])).collect();
    for (n, answer) in at_once(&terrace, &gate, &requests).await.iter().enumerate() {
        answer.has_status(200).has_body(languages[n % 3]);
    }
}

async fn when_the_origin_fails_all_are_told(world: World) {
    let (origin, terrace) = serve(&world, "").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |_| Reply::ok("x").before(Step::Wait(waits.clone())).before(Step::Reset));
    let answers = at_once(&terrace, &gate, &vec![Request::get("/x"); 10]).await;
    for answer in &answers {
        answer.is_problem(502);
        answer.has_tier("MISS");
    }
    // A reset may be of one request's own making, and is not when another one meets it.
    assert_eq!(origin.count("/x"), 10 - collapsed(&answers));
    if world.host.is_one_instance() {
        assert_eq!(origin.count("/x"), 2);
    }
    origin.serve("/x", Reply::fresh("well again"));
    terrace.get("/x").await.has_body("well again");
}

async fn a_client_that_leaves_holds_up_nobody(world: World) {
    let (origin, terrace) = serve(&world, "").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |_| Reply::fresh("x").before(Step::Wait(waits.clone())));
    let mut first = terrace.connect().await;
    first.request(&Request::get("/x")).await;
    origin.until("/x", 1).await;
    let leaves = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(first);
        // As long as it takes to notice.
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    let requests = vec![Request::get("/x"); 10];
    let (answers, ()) =
        tokio::join!(at_once_and_after(&terrace, &gate, &requests, Duration::from_millis(2500)), leaves);
    for answer in &answers {
        answer.has_status(200).has_body("x");
    }
    if world.host.is_one_instance() {
        assert!(origin.count("/x") <= 2, "asked {} times", origin.count("/x"));
    }
}

async fn off_is_off(world: World) {
    let (origin, terrace) = serve(&world, "[cache]\ncollapse = \"off\"").await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |_| Reply::fresh("x").before(Step::Wait(waits.clone())));
    let answers = at_once(&terrace, &gate, &vec![Request::get("/x"); 10]).await;
    assert_eq!((origin.count("/x"), collapsed(&answers)), (10, 0));
}

const GLOBAL: &str = "[cache]\ncollapse = \"global\"";

async fn global_is_one_request_for_all_instances(world: World) {
    // As many instances as the host likes.
    let (origin, terrace) = world.serve(GLOBAL).await;
    let gate = Gate::new();
    let waits = gate.clone();
    origin.on("/x", move |_| Reply::fresh("x").before(Step::Wait(waits.clone())));
    let answers = at_once(&terrace, &gate, &vec![Request::get("/x"); 40]).await;
    for answer in &answers {
        answer.has_status(200).has_body("x");
    }
    assert!(origin.count("/x") <= 2, "asked {} times", origin.count("/x"));
    assert!(collapsed(&answers) > 0);
}

async fn global_holds_up_nobody_where_nothing_may_be_shared(world: World) {
    let (origin, terrace) = world.serve(GLOBAL).await;
    origin.on("/x", move |seen| {
        let pause = Step::Sleep(Duration::from_millis(500));
        Reply::ok(seen.nth.to_string()).with("Cache-Control", "no-store").before(pause)
    });
    let started = std::time::Instant::now();
    let requests = vec![Request::get("/x"); 20];
    let answers = join(requests.iter().map(|request| terrace.send(request)).collect()).await;
    let mut own: Vec<usize> = answers.iter().map(|answer| answer.text().parse().expect("a number")).collect();
    own.sort_unstable();
    assert_eq!(own, (1..=20).collect::<Vec<_>>(), "each has an answer of its own");
    // One after the other they would take 10 s.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}
