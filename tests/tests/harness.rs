//! The suite's own tools do what the behaviours rely on: client and scripted origin, face to face.

use std::process::Command;
use std::time::Duration;
use terrace_tests::client::{Connection, Request, Response};
use terrace_tests::host::Process;
use terrace_tests::origin::Origin;
use terrace_tests::reply::{Gate, Length, Reply, Step};

async fn ask(origin: &Origin, request: &Request) -> Response {
    let address = origin.authority().parse().expect("an address");
    Connection::open(address).await.send(request).await
}

#[tokio::test]
async fn the_origin_plays_what_it_is_told_and_remembers_what_it_was_asked() {
    let origin = Origin::start().await;
    origin.serve_in_turn("/x", vec![Reply::ok("one").with("X-A", "1").with("X-A", "2"), Reply::status(404)]);
    let request = Request::new("POST", "/x?q").with("X-B", "b").chunks(&[b"ab", b"c"]);
    let first = ask(&origin, &request).await;
    first.has_status(200).has_body("one").has_field("content-length", "3");
    assert_eq!(first.all("x-a"), ["1", "2"]);
    ask(&origin, &Request::get("/x")).await.has_status(404);
    let seen = &origin.seen_at("/x")[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str(), &seen.body[..]), ("POST", "/x?q", &b"abc"[..]));
    assert_eq!(seen.field("x-b"), Some("b"));
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn every_fault_shows() {
    let origin = Origin::start().await;
    let cases = [
        ("/length", Reply::ok("half").length(Length::Claim(10)), false),
        ("/chunked", Reply::ok("half").chunked().then(Step::Cut), false),
        ("/reset", Reply::ok("half").length(Length::Claim(10)).then(Step::Reset), false),
        ("/whole", Reply::ok("one ").send("two").chunked(), true),
        ("/close", Reply::ok("until the end").length(Length::Close), true),
    ];
    for (path, reply, whole) in cases {
        origin.serve(path, reply);
        assert_eq!(ask(&origin, &Request::get(path)).await.whole, whole, "{path}");
    }
    origin.serve("/none", Reply::ok("").before(Step::Cut));
    let mut connection = Connection::open(origin.authority().parse().expect("an address")).await;
    connection.request(&Request::get("/none")).await;
    assert!(connection.head("GET").await.is_err());
    origin.serve("/interim", Reply::ok("final").interim(103, &[("Link", "</a>")]));
    let response = ask(&origin, &Request::get("/interim")).await;
    assert_eq!((response.interim.as_slice(), response.text().as_str()), (&[103][..], "final"));
}

#[tokio::test]
async fn a_gate_holds_a_response_until_the_test_opens_it() {
    let origin = Origin::start().await;
    let gate = Gate::new();
    origin.serve("/x", Reply::ok("first").then(Step::Wait(gate.clone())).send("second"));
    let mut connection = Connection::open(origin.authority().parse().expect("an address")).await;
    connection.request(&Request::get("/x")).await;
    let head = connection.head("GET").await.expect("a head");
    assert_eq!(connection.piece().await.expect("a piece").as_deref(), Some(&b"first"[..]));
    gate.open();
    connection.rest(head).await.has_body("second");
}

#[tokio::test]
async fn an_origin_that_is_down_refuses_and_comes_back() {
    let mut origin = Origin::start().await;
    origin.serve("/x", Reply::ok("x"));
    ask(&origin, &Request::get("/x")).await.has_body("x");
    origin.down().await;
    assert!(tokio::net::TcpStream::connect(origin.authority()).await.is_err());
    origin.up().await;
    ask(&origin, &Request::get("/x")).await.has_body("x");
}

#[test]
fn a_process_is_ended_even_when_a_test_panics() {
    let dir = tempfile::tempdir().expect("a folder");
    let nowhere = ([127, 0, 0, 1], 0).into();
    let mut command = Command::new("sleep");
    command.arg("1000");
    let process = Process::silent(command, dir.path(), nowhere).expect("it starts");
    let id = process.id();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _process = process;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    std::thread::sleep(Duration::from_millis(10));
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists(), "process {id} is left");
}
