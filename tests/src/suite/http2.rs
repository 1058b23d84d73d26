//! HTTP/2 with prior knowledge, HTTP/1 connections that are kept, and many at once.

use super::Behaviour;
use crate::client::{HOST, Request};
use crate::host::Host;
use crate::reply::Reply;
use crate::world::World;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};

pub const ALL: &[Behaviour] = behaviours![
    http_2_is_spoken_with_prior_knowledge,
    many_requests_share_one_connection,
    pipelined_requests_are_answered_in_order,
    http_1_0_is_answered_and_closed,
    connection_close_closes,
    a_hundred_clients_at_once_are_all_answered;
    if Host::is_ours
];

async fn http_2_is_spoken_with_prior_knowledge(world: World) {
    let (origin, terrace) = world.serve("").await;
    let body = super::noise(9, 300_000);
    origin.serve("/x", Reply::fresh(body.clone()).with("X-Twice", "1").with("X-Twice", "2"));
    let stream = tokio::net::TcpStream::connect(terrace.address()).await.expect("a connection");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let uri = format!("http://{HOST}/x");
    let started = std::time::Instant::now();
    loop {
        let request = hyper::Request::get(&uri).body(Empty::<bytes::Bytes>::new()).expect("a request");
        let response = sender.send_request(request).await.expect("a response");
        assert_eq!(response.status(), 200);
        let twice: Vec<_> = response.headers().get_all("x-twice").iter().collect();
        assert_eq!(twice, ["1", "2"]);
        let tier = response.headers()["x-cache-tier"].to_str().expect("text").to_owned();
        let got = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(got == body, "{} bytes of {}", got.len(), body.len());
        if tier == "L1-HIT" {
            break;
        }
        assert!(started.elapsed() < crate::PATIENCE, "never a hit");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Side by side in one connection; and HTTP/1.1 finds the same object.
    let mut running = Vec::new();
    for _ in 0..20 {
        let request = hyper::Request::get(&uri).body(Empty::<bytes::Bytes>::new()).expect("a request");
        let response = sender.send_request(request);
        // Each is read as it comes: the bodies together are larger than the connection's window (RFC 9113 5.2).
        running.push(tokio::spawn(async move {
            let response = response.await.expect("a response");
            assert_eq!(response.headers()["x-cache-tier"], "L1-HIT");
            response.into_body().collect().await.expect("a body").to_bytes()
        }));
    }
    for got in running {
        assert!(got.await.expect("no panic") == body);
    }
    terrace.get("/x").await.has_tier("L1-HIT").has_body(&body);
    drop(sender);
    connection.abort();
}

async fn many_requests_share_one_connection(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.otherwise(|seen| match seen.target.as_str() {
        "/missing" => Reply::status(404).body("missing"),
        "/empty" => Reply::status(204),
        target => Reply::fresh(target.to_owned()),
    });
    let mut connection = terrace.connect().await;
    for round in 0..30 {
        let path = format!("/{}", round % 7);
        connection.send(&Request::get(&path)).await.has_status(200).has_body(&path);
        connection.send(&Request::get("/missing")).await.has_status(404).has_body("missing");
        connection.send(&Request::get("/empty")).await.has_status(204);
        connection.send(&Request::new("HEAD", &path)).await.has_status(200);
        connection.send(&Request::new("POST", "/form").body("body")).await.has_status(200).has_body("/form");
    }
}

async fn pipelined_requests_are_answered_in_order(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.otherwise(|seen| Reply::fresh(seen.target.clone()));
    for number in 0..10 {
        terrace.warm(&format!("/{number}")).await;
    }
    let mut connection = terrace.connect().await;
    let all: String = (0..10).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).collect();
    connection.write(all.as_bytes()).await.expect("it is taken");
    for number in 0..10 {
        let head = connection.head("GET").await.expect("a head");
        connection.rest(head).await.has_tier("L1-HIT").has_body(format!("/{number}"));
    }
}

async fn http_1_0_is_answered_and_closed(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("one ").send("two").chunked());
    for _ in 0..3 {
        let mut connection = terrace.connect().await;
        let response = connection.raw(b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n").await.expect("a response");
        response.has_status(200).lacks("transfer-encoding").has_body("one two");
        assert!(connection.closed().await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn connection_close_closes(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x"));
    for _ in 0..2 {
        let mut connection = terrace.connect().await;
        connection.send(&Request::get("/x").with("Connection", "close")).await.has_status(200).has_body("x");
        assert!(connection.closed().await);
        terrace.warm("/x").await;
    }
}

async fn a_hundred_clients_at_once_are_all_answered(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.otherwise(|seen| match seen.method.as_str() {
        "PUT" => Reply::status(201).body(seen.body.clone()),
        _ => Reply::fresh(seen.target.clone()),
    });
    for round in 0..5 {
        // New URLs, one that all ask for, and requests with content that make another invalid.
        let clients = (0..100).map(|number| {
            let request = match number % 4 {
                0 => Request::get(&format!("/shared/{round}")),
                1 => Request::new("PUT", &format!("/put/{}", number % 10)).body(format!("content {number}")),
                _ => Request::get(&format!("/{round}/{number}")),
            };
            let terrace = &terrace;
            async move { (number, terrace.send(&request).await) }
        });
        for (number, response) in super::join(clients.collect()).await {
            match number % 4 {
                0 => response.has_status(200).has_body(format!("/shared/{round}")),
                1 => response.has_status(201).has_body(format!("content {number}")),
                _ => response.has_status(200).has_body(format!("/{round}/{number}")),
            };
        }
    }
    assert!(terrace.process().is_alive());
    let log = terrace.process().log();
    assert!(!log.contains("panicked") && !log.contains("trap"), "{log}");
}
