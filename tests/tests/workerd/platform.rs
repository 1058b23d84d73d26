//! What the platform forces, as the table in docs/deploy-cloudflare.md has it. A test that fails here is good news: take the
//! difference out of the page, and out of `Host`.

use terrace_tests::client::Request;
use terrace_tests::host::Host;
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;
use terrace_tests::world::{Terrace, World};

async fn serve() -> (Origin, Terrace) {
    World { host: Host::Workerd }.serve("").await
}

#[tokio::test]
async fn a_method_that_workerd_does_not_know_is_a_501() {
    let (origin, worker) = serve().await;
    origin.otherwise(|_| Reply::status(204));
    worker.send(&Request::new("M-SEARCH", "/x")).await.has_status(501);
    assert_eq!(origin.seen().len(), 0);
    worker.send(&Request::new("PROPFIND", "/x")).await.has_status(204);
}

#[tokio::test]
async fn the_lines_of_a_repeated_field_are_joined_but_for_set_cookie() {
    let (origin, worker) = serve().await;
    let reply = Reply::ok("x").with("X-Twice", "one").with("X-Twice", "two");
    origin.serve("/x", reply.with("Set-Cookie", "a=1").with("Set-Cookie", "b=2"));
    let request = Request::get("/x").with("X-Asked", "one").with("X-Asked", "two");
    let response = worker.send(&request).await;
    assert_eq!(response.all("x-twice"), ["one, two"], "{response:?}");
    assert_eq!(response.all("set-cookie"), ["a=1", "b=2"], "{response:?}");
    assert_eq!(origin.last("/x").fields.all("x-asked"), ["one, two"]);
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_do_not_survive_in_a_field() {
    let (origin, worker) = serve().await;
    origin.serve("/x", Reply::ok("x").with("X-Utf-8", "caf\u{e9}"));
    let mut client = worker.connect().await;
    let bytes = b"GET /x HTTP/1.1\r\nHost: terrace.test\r\nX-Latin: caf\xe9\r\nX-Utf-8: caf\xc3\xa9\r\n\r\n";
    let response = client.raw(bytes).await.expect("a response");
    response.has_status(200).has_field("x-utf-8", &as_read("caf\u{e9}"));
    let seen = origin.last("/x").fields;
    assert_eq!((seen.joined("x-utf-8"), seen.joined("x-latin")), (as_read("caf\u{e9}"), as_read("caf\u{fffd}")));
}

/// The tests read each byte of a field as one character.
fn as_read(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

#[tokio::test]
async fn interim_responses_are_not_passed_on() {
    let (origin, worker) = serve().await;
    origin.serve("/x", Reply::ok("x").interim(103, &[("Link", "</a>; rel=preload")]));
    let response = worker.get("/x").await;
    response.has_status(200).has_body("x");
    assert!(response.interim.is_empty(), "{response:?}");
}
