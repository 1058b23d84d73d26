//! Requests that are wrong: a clear 4xx each, nothing reaches the origin, nothing is stored, the process lives.

use super::Behaviour;
use crate::client::{Request, Response};
use crate::host::Host;
use crate::origin::Origin;
use crate::reply::Reply;
use crate::world::{Terrace, World};

pub const ALL: &[Behaviour] = behaviours![
    a_malformed_request_line_is_refused,
    too_much_is_refused,
    a_target_that_leads_elsewhere_is_refused,
    ambiguous_framing_is_refused,
    malformed_fields_are_refused,
    a_body_larger_than_declared_is_no_second_request,
    a_head_that_never_ends_is_given_up;
    if Host::is_ours
];

/// What holds whoever reads the requests.
pub const ANYWHERE: &[Behaviour] =
    behaviours![a_request_body_that_is_cut_does_not_pass_for_whole, garbage_and_silence_harm_nobody];

/// Sends each, and expects a 4xx (where statuses are listed, one of them) with nothing behind it.
async fn refused(world: World, table: Vec<(&str, Vec<u8>, &[u16])>) {
    let (origin, mut terrace) = world.serve("").await;
    origin.otherwise(|_| Reply::fresh("reached"));
    let mut wrong = Vec::new();
    for (what, bytes, statuses) in table {
        let answer = terrace.connect().await.raw(&bytes).await;
        let reached: Vec<String> = origin.seen().into_iter().map(|seen| seen.target).collect();
        if !reached.is_empty() {
            wrong.push(format!("{what}: the origin was asked for {reached:?}"));
        }
        match &answer {
            None => wrong.push(format!("{what}: no response")),
            Some(response) if statuses.is_empty() && !(400..500).contains(&response.status) => {
                wrong.push(format!("{what}: {response:?}"));
            }
            Some(response) if !statuses.is_empty() && !statuses.contains(&response.status) => {
                wrong.push(format!("{what}: not one of {statuses:?}: {response:?}"));
            }
            Some(_) => {}
        }
        origin.forget();
        if !terrace.process().is_alive() {
            panic!("{what}: the process died");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    is_well(&origin, &mut terrace).await;
}

async fn is_well(origin: &Origin, terrace: &mut Terrace) {
    assert!(terrace.process().is_alive(), "the process died");
    origin.serve("/fine", Reply::fresh("fine"));
    terrace.get("/fine").await.has_status(200).has_body("fine");
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

async fn a_malformed_request_line_is_refused(world: World) {
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("no target", bytes("GET\r\nHost: a\r\n\r\n"), &[400]),
        ("no version", bytes("GET /x\r\nHost: a\r\n\r\n"), &[400]),
        ("two spaces", bytes("GET  /x HTTP/1.1\r\nHost: a\r\n\r\n"), &[400]),
        ("a space in the target", bytes("GET /x y HTTP/1.1\r\nHost: a\r\n\r\n"), &[400]),
        ("no slash", bytes("GET x HTTP/1.1\r\nHost: a\r\n\r\n"), &[400]),
        ("a tab", bytes("GET\t/x\tHTTP/1.1\r\nHost: a\r\n\r\n"), &[400]),
        ("version 3", bytes("GET /x HTTP/3.0\r\nHost: a\r\n\r\n"), &[400, 505]),
        ("no HTTP", bytes("GET /x FTP/1.1\r\nHost: a\r\n\r\n"), &[400]),
        ("a method of controls", bytes("G\x01T /x HTTP/1.1\r\nHost: a\r\n\r\n"), &[400]),
        ("a method with parentheses", bytes("G(T /x HTTP/1.1\r\nHost: a\r\n\r\n"), &[400]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        ("binary", (0..=255).chain(*b"\r\n\r\n").collect(), &[400]),
        ("a method without end", [vec![b'A'; 100_000], bytes(" / HTTP/1.1\r\nHost: a\r\n\r\n")].concat(), &[]),
    ];
    refused(world, table).await;
}

async fn too_much_is_refused(world: World) {
    let lines = |count: usize, line: &str| bytes(&format!("GET /x HTTP/1.1\r\nHost: a\r\n{}\r\n", line.repeat(count)));
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("1 MB of one field", lines(1, &format!("X: {}\r\n", "v".repeat(1_000_000))), &[431, 400]),
        ("1 MB of fields", lines(1000, &format!("X: {}\r\n", "v".repeat(1000))), &[431, 400]),
        ("1 MB of a field's name", lines(1, &format!("{}: v\r\n", "X".repeat(1_000_000))), &[431, 400]),
        ("100,000 fields", lines(100_000, "X: v\r\n"), &[431, 400]),
        ("100,000 empty fields", lines(100_000, "X:\r\n"), &[431, 400]),
        ("a URL of 20,000 bytes", bytes(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(20_000))), &[414]),
        (
            "a query of 20,000 bytes",
            bytes(&format!("GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(20_000))),
            &[414],
        ),
        ("a URL of 1 MB", bytes(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(1_000_000))), &[414, 431]),
        (
            "a body of an exabyte",
            bytes("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1152921504606846976\r\n\r\nabc"),
            &[413],
        ),
    ];
    refused(world, table).await;
}

async fn a_target_that_leads_elsewhere_is_refused(world: World) {
    let get = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("absolute-form to another host", get(b"http://evil.example/x"), &[]),
        ("absolute-form to another scheme", get(b"gopher://a/x"), &[]),
        ("absolute-form with credentials", get(b"http://a@evil.example/x"), &[]),
        ("two slashes", get(b"//evil.example/x"), &[]),
        ("a slash and a backslash", get(b"/\\evil.example/x"), &[]),
        ("a backslash", get(b"\\\\evil.example/x"), &[]),
        ("an at sign", get(b"@evil.example/x"), &[]),
        ("a colon", get(b":80/x"), &[]),
        ("NUL in the path", get(b"/x\0y"), &[]),
        ("NUL in the query", get(b"/x?a\0y"), &[]),
        ("DEL in the path", get(b"/x\x7fy"), &[]),
        ("a fragment", get(b"/x#y"), &[]),
        ("bytes above 127", get(b"/\xff\xfe"), &[]),
        ("CONNECT", bytes("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"), &[]),
        ("TRACE", bytes("TRACE /x HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n"), &[]),
    ];
    refused(world, table).await;
}

async fn ambiguous_framing_is_refused(world: World) {
    let post = |fields: &str, body: &str| bytes(&format!("POST /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}"));
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("both lengths", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), &[400]),
        ("both, the other way", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), &[400]),
        ("two lengths", post("Content-Length: 3\r\nContent-Length: 5\r\n", "abcde"), &[400]),
        ("a list of lengths", post("Content-Length: 3, 5\r\n", "abcde"), &[400]),
        ("a signed length", post("Content-Length: +3\r\n", "abc"), &[400]),
        ("a negative length", post("Content-Length: -3\r\n", "abc"), &[400]),
        ("a hexadecimal length", post("Content-Length: 0x3\r\n", "abc"), &[400]),
        ("a length with letters", post("Content-Length: 3a\r\n", "abc"), &[400]),
        ("an empty length", post("Content-Length: \r\n", "abc"), &[400]),
        ("an unknown coding", post("Transfer-Encoding: gzip\r\n", "abc"), &[400, 501]),
        ("chunked is not last", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), &[400, 501]),
        ("almost chunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), &[400, 501]),
        ("chunked of vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), &[400, 501]),
        (
            "content of a GET without a length",
            bytes("GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            &[411],
        ),
        ("chunked in HTTP/1.0", bytes("POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), &[400]),
    ];
    refused(world, table).await;
}

async fn malformed_fields_are_refused(world: World) {
    let get = |fields: &str| bytes(&format!("GET /x HTTP/1.1\r\n{fields}\r\n"));
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("no Host", get(""), &[400]),
        ("two Hosts", get("Host: a\r\nHost: b\r\n"), &[400]),
        ("the same Host twice", get("Host: a\r\nHost: a\r\n"), &[400]),
        ("a Host with a path", get("Host: a/b\r\n"), &[400]),
        ("a Host with a comma", get("Host: a, b\r\n"), &[400]),
        ("a Host with credentials", get("Host: a@b\r\n"), &[400]),
        ("an empty Host", get("Host: \r\n"), &[400]),
        ("a space before the colon", get("Host: a\r\nX-A : b\r\n"), &[400]),
        ("no colon", get("Host: a\r\nX-A\r\n"), &[400]),
        ("no name", get("Host: a\r\n: b\r\n"), &[400]),
        ("a folded line", get("Host: a\r\nX-A: b\r\n c\r\n"), &[400]),
        ("a folded first line", get(" Host: a\r\n"), &[400]),
        ("NUL in a value", get("Host: a\r\nX-A: b\0c\r\n"), &[400]),
        ("a bare CR in a value", get("Host: a\r\nX-A: b\rX-B: c\r\n"), &[400]),
        ("a parenthesis in a name", get("Host: a\r\nX(A): b\r\n"), &[400]),
    ];
    refused(world, table).await;
}

async fn a_body_larger_than_declared_is_no_second_request(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.otherwise(|_| Reply::ok("reached"));
    let request = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdefghi / HTTP/1.1\r\n\r\n";
    let mut connection = terrace.connect().await;
    connection.write(request.as_bytes()).await.expect("it is taken");
    let head = connection.head("POST").await.expect("a head");
    let first = connection.rest(head).await;
    // Either the surplus is seen at once, or it is a second request, and malformed.
    if first.status == 200 {
        let second = connection.head("GET").await;
        assert!(second.as_ref().map_or(true, |second| (400..500).contains(&second.status)), "{second:?}");
    } else {
        assert!((400..500).contains(&first.status), "{first:?}");
    }
    for seen in origin.seen() {
        assert_eq!((seen.method.as_str(), &seen.body[..]), ("POST", &b"abc"[..]), "{seen:?}");
    }
    assert!(origin.seen().len() <= 1);
    is_well(&origin, &mut terrace).await;
}

async fn a_request_body_that_is_cut_does_not_pass_for_whole(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.otherwise(|_| Reply::ok("reached"));
    // A chunk that is wrong shows only after the head, so that the origin may have been reached: not with a whole body.
    let bodies = [
        "Content-Length: 100\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    ];
    for body in bodies {
        let mut connection = terrace.connect().await;
        let request = format!("POST /cut HTTP/1.1\r\nHost: a\r\n{body}");
        connection.write(request.as_bytes()).await.expect("it is taken");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        drop(connection);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for seen in origin.seen() {
        assert!(!seen.whole, "half a body passed for a whole one: {seen:?}");
    }
    is_well(&origin, &mut terrace).await;
}

async fn garbage_and_silence_harm_nobody(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.otherwise(|seen| Reply::fresh(seen.target.clone()));
    let mut idle = Vec::new();
    for number in 0..50u64 {
        let mut connection = terrace.connect().await;
        match number % 3 {
            0 => {}
            1 => connection.write(b"GET /half HTTP/1.1\r\nHost: a\r\nX-").await.expect("it is taken"),
            _ => {
                let _ = connection.write(&super::noise(number, 500)).await;
            }
        }
        idle.push(connection);
    }
    let sane = |response: &Response| response.status == 200;
    for number in 0..20 {
        let path = format!("/{number}");
        terrace.until(&Request::get(&path), "served", sane).await.has_body(&path);
    }
    drop(idle);
    is_well(&origin, &mut terrace).await;
}

async fn a_head_that_never_ends_is_given_up(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.otherwise(|_| Reply::ok("reached"));
    let half = b"GET /half HTTP/1.1\r\nHost: a\r\nX-Half: ";
    let silent = async {
        let mut connection = terrace.connect().await;
        if let Some(response) = connection.raw(half).await {
            response.has_status(408);
        }
        assert!(connection.closed().await, "more came after the 408");
    };
    // A byte now and then is no progress.
    let drip = async {
        let started = std::time::Instant::now();
        let mut connection = terrace.connect().await;
        let mut taken = connection.write(half).await;
        while taken.is_ok() {
            assert!(started.elapsed() < crate::PATIENCE, "it waits for ever");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            taken = connection.write(b"x").await;
        }
    };
    tokio::join!(silent, drip);
    assert_eq!(origin.seen().len(), 0);
    is_well(&origin, &mut terrace).await;
}
