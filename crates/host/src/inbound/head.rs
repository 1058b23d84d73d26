//! Is this the head of an HTTP/1 request, and one that can be read in only one way?
//!
//! hyper answers a malformed head with an empty 400, and forgives some that a proxy must not forgive (a
//! `Content-Length` beside a `Transfer-Encoding`). So every head is judged here before hyper sees it.
use super::framing::Framing;
use super::problem::Problem;
use crate::options::Limits;
use http::StatusCode;
use http::uri::PathAndQuery;
use std::mem::MaybeUninit;

/// Most fields that can be asked for in [`Limits::header_count`].
pub const MAX_FIELDS: usize = 1024;
/// Fields that are parsed on the stack.
const FEW_FIELDS: usize = 128;

const fn bad(detail: &'static str) -> Problem {
    Problem::closing(StatusCode::BAD_REQUEST, detail)
}

const TOO_LARGE: Problem = Problem::closing(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "the request's header is too large; send fewer or shorter fields",
);
const TOO_MANY: Problem =
    Problem::closing(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has too many header fields; send fewer");
const URI_TOO_LONG: Problem =
    Problem::closing(StatusCode::URI_TOO_LONG, "the request target is too long; shorten the path or the query");
/// A content above the limit.
pub const CONTENT_TOO_LARGE: Problem =
    Problem::closing(StatusCode::PAYLOAD_TOO_LARGE, "the request's content is too large; send less");

/// Judges a whole head, up to and with its empty line.
pub fn check(head: &[u8], limits: &Limits) -> Result<Framing, Problem> {
    if head.len() > limits.header_bytes {
        return Err(oversized(head, limits));
    }
    if limits.header_count <= FEW_FIELDS {
        let mut fields = [const { MaybeUninit::uninit() }; FEW_FIELDS];
        parse(head, &mut fields[..limits.header_count], limits)
    } else {
        let count = limits.header_count.min(MAX_FIELDS);
        let mut fields = vec![MaybeUninit::uninit(); count];
        parse(head, &mut fields, limits)
    }
}

/// Judges the beginning of a head whose end has not come: must more be waited for?
pub fn check_partial(head: &[u8], limits: &Limits) -> Result<(), Problem> {
    if head.len() > limits.header_bytes {
        return Err(oversized(head, limits));
    }
    match head {
        [0x16, 0x03, ..] => Err(bad("this port speaks HTTP without TLS; use http://")),
        [first, ..] if !first.is_ascii_alphabetic() && !is_token(*first) => Err(bad("this is not an HTTP request")),
        _ => {
            // Method and version take little beside the target.
            let longest = limits.uri_bytes + 64;
            if head.len() > longest && memchr::memchr(b'\n', &head[..longest]).is_none() {
                return Err(URI_TOO_LONG);
            }
            Ok(())
        }
    }
}

fn oversized(head: &[u8], limits: &Limits) -> Problem {
    let line = memchr::memchr(b'\n', head).unwrap_or(head.len());
    if line > limits.uri_bytes + 64 { URI_TOO_LONG } else { TOO_LARGE }
}

fn parse<'h>(
    head: &'h [u8],
    fields: &mut [MaybeUninit<httparse::Header<'h>>],
    limits: &Limits,
) -> Result<Framing, Problem> {
    use httparse::{Error, Status};
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, fields) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(bad("the request's header ends too early")),
        Err(Error::TooManyHeaders) => return Err(TOO_MANY),
        Err(Error::Version) => return Err(version(head)),
        Err(Error::HeaderName) => return Err(bad("a header field's name is malformed")),
        Err(Error::HeaderValue) => return Err(bad("a header field's value is malformed")),
        Err(Error::NewLine) => return Err(bad("a line of the request ends in a lone CR")),
        Err(Error::Token | Error::Status) => return Err(bad("the request line is malformed")),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(bad("the request line is malformed"));
    };
    if method == super::guard::REFUSED || method == "PRI" {
        return Err(bad("this method cannot be used"));
    }
    check_target(method, target.as_bytes(), limits)?;
    framing(request.headers, minor, limits)
}

fn version(head: &[u8]) -> Problem {
    let line = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
    let mut parts = line.unwrap_or_default().split(|b| *b == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(_), Some([b'H', b'T', b'T', b'P', b'/', major, rest @ ..]), None)
            if major.is_ascii_digit() && matches!(rest, [] | [b'.', _]) =>
        {
            Problem::closing(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "this version of HTTP is not spoken here; use HTTP/1.1, or HTTP/2 with prior knowledge",
            )
        }
        _ => bad("the request line is malformed"),
    }
}

fn check_target(method: &str, target: &[u8], limits: &Limits) -> Result<(), Problem> {
    if method == "CONNECT" {
        return Err(Problem::closing(StatusCode::METHOD_NOT_ALLOWED, "this is no tunnel; CONNECT is not allowed"));
    }
    if target.len() > limits.uri_bytes {
        return Err(URI_TOO_LONG);
    }
    match target {
        b"*" if method == "OPTIONS" => Ok(()),
        [b'/', ..] => check_path_and_query(target),
        _ => {
            let uri =
                http::Uri::try_from(target).map_err(|_| bad("the request target is malformed; it begins with a /"))?;
            let known = matches!(uri.scheme_str(), Some("http" | "https"));
            match uri.path_and_query() {
                Some(path) if known && uri.authority().is_some() => check_path_and_query(path.as_str().as_bytes()),
                _ => Err(bad("the request target is malformed; it begins with a /")),
            }
        }
    }
}

/// Judges a path with its query, as HTTP/1 and HTTP/2 both carry it.
pub fn check_path_and_query(target: &[u8]) -> Result<(), Problem> {
    if let [b'/', b'/' | b'\\', ..] = target {
        return Err(bad("the path begins with two slashes, which can be taken for a host; write one"));
    }
    let mut unusual = false;
    for (i, byte) in target.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {}
            b'/' | b'-' | b'.' | b'_' | b'~' | b'%' | b'?' | b'&' | b'=' | b'+' | b',' | b':' => {}
            b'\\' if !target[..i].contains(&b'?') => {
                return Err(bad("the path holds a backslash; write %5C"));
            }
            0..=b' ' | 0x7f => {
                return Err(bad("the request target holds a control character"));
            }
            0x80.. => {
                return Err(bad("the request target holds bytes beyond ASCII; percent-encode them"));
            }
            b'#' => return Err(bad("the request target holds a fragment; leave it out")),
            _ => unusual = true,
        }
    }
    if unusual && PathAndQuery::try_from(target).is_err() {
        return Err(bad("the request target holds a character that must be percent-encoded"));
    }
    Ok(())
}

fn framing(fields: &[httparse::Header<'_>], minor: u8, limits: &Limits) -> Result<Framing, Problem> {
    let mut length = None;
    let mut chunked = false;
    let mut hosts = 0;
    for field in fields {
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("host") => hosts += 1,
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                if length.is_some() {
                    return Err(bad("Content-Length is given more than once"));
                }
                length = Some(content_length(field.value)?);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                if chunked {
                    return Err(bad("Transfer-Encoding is given more than once"));
                }
                if minor == 0 {
                    return Err(bad("HTTP/1.0 has no Transfer-Encoding"));
                }
                if !field.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Problem::closing(
                        StatusCode::NOT_IMPLEMENTED,
                        "no transfer coding but chunked is understood here",
                    ));
                }
                chunked = true;
            }
            _ => {}
        }
    }
    match hosts {
        1 => {}
        0 if minor == 0 => {}
        0 => return Err(bad("the Host field is missing")),
        _ => return Err(bad("the Host field is given more than once")),
    }
    match (length, chunked) {
        (Some(_), true) => Err(bad("both Content-Length and Transfer-Encoding are given; send one of them")),
        (None, true) => Ok(Framing::Chunked),
        (Some(n), false) if n > limits.body_bytes => Err(CONTENT_TOO_LARGE),
        (Some(0) | None, false) => Ok(Framing::Empty),
        (Some(n), false) => Ok(Framing::Length(n)),
    }
}

fn content_length(value: &[u8]) -> Result<u64, Problem> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(bad("Content-Length is not a number"));
    }
    let text = std::str::from_utf8(digits).unwrap_or_default();
    text.parse().map_err(|_| CONTENT_TOO_LARGE)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~\r\n".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(head: &str) -> Result<Framing, u16> {
        check(head.as_bytes(), &Limits::default()).map_err(|p| p.status.as_u16())
    }

    fn get(target: &str) -> Result<Framing, u16> {
        judge(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
    }

    fn with(fields: &str) -> Result<Framing, u16> {
        judge(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    }

    #[test]
    fn ordinary_heads_pass() {
        assert_eq!(get("/"), Ok(Framing::Empty));
        assert_eq!(get("/a/b?c=d&e[]=f|g"), Ok(Framing::Empty));
        assert_eq!(get("/%00%0a"), Ok(Framing::Empty));
        assert_eq!(get("http://b:80/x?y"), Ok(Framing::Empty));
        assert_eq!(with("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(with("content-length:0\r\n"), Ok(Framing::Empty));
        assert_eq!(with("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(judge("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::Empty));
        assert_eq!(judge("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Framing::Empty));
        assert_eq!(judge("PURGE /a HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Framing::Empty));
    }

    #[test]
    fn targets_that_can_be_misread_are_refused() {
        for target in [
            "//evil",
            "/\\evil",
            "/a\\b",
            "/a\0b",
            "/a\x01b",
            "/a\x7fb",
            "/é",
            "/a#b",
            "*",
            "a",
            "a:80",
            "ftp://a/",
            "http:///a",
            "/a b",
            "http://a//b",
            "/<a>",
            "",
        ] {
            assert_eq!(get(target), Err(400), "{target:?}");
        }
        assert_eq!(get(&format!("/{}", "a".repeat(20_000))), Err(414));
        assert_eq!(judge("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), Err(405));
    }

    #[test]
    fn what_passes_here_hyper_can_read() {
        for byte in 0..=255u8 {
            for target in [[b'/', byte, b'a', b'a'], [b'/', b'?', byte, b'a']] {
                if check_path_and_query(&target).is_ok() {
                    assert!(http::Uri::try_from(&target[..]).is_ok(), "{byte:#x}");
                }
            }
        }
    }

    #[test]
    fn framing_that_can_be_read_in_two_ways_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: \r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length : 5\r\n",
            " Content-Length: 5\r\n",
            "X: a\r\n b\r\n",
            "X: a\0b\r\n",
            "X\0: a\r\n",
            "Host: b\r\n",
            "no colon\r\n",
        ] {
            assert_eq!(with(fields), Err(400), "{fields:?}");
        }
        for coding in ["gzip, chunked", "chunked, gzip", "identity", "xchunked", "\"chunked\""] {
            assert_eq!(with(&format!("Transfer-Encoding: {coding}\r\n")), Err(501));
        }
        assert_eq!(judge("GET / HTTP/1.1\r\n\r\n"), Err(400), "no Host");
        assert_eq!(judge("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert_eq!(with("Content-Length: 16777217\r\n"), Err(413));
        assert_eq!(with("Content-Length: 99999999999999999999999\r\n"), Err(413));
        assert_eq!(with(&"a: b\r\n".repeat(128)), Err(431));
        assert_eq!(with(&format!("a: {}\r\n", "b".repeat(70_000))), Err(431));
        let partial = |head: &str| check_partial(head.as_bytes(), &Limits::default()).map_err(|p| p.status.as_u16());
        assert_eq!(partial("GET / HTTP/1.1\r\nHost"), Ok(()));
        assert_eq!(partial(&format!("GET /{}", "a".repeat(20_000))), Err(414));
        let long = "a: b\r\n".repeat(20_000);
        assert_eq!(partial(&format!("GET / HTTP/1.1\r\n{long}")), Err(431));
        assert_eq!(partial("\x16\x03\x01"), Err(400));
        assert_eq!(partial("\0"), Err(400));
    }

    #[test]
    fn other_versions_and_other_protocols_are_refused() {
        assert_eq!(judge("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), Err(505));
        assert_eq!(judge("GET / HTTP/2\r\nHost: a\r\n\r\n"), Err(505));
        for line in ["GET /", "GET  / HTTP/1.1", "GET / http/1.1", "GET / HTTP/1.1 x", "G\tT / HTTP/1.1", "hello"] {
            assert_eq!(judge(&format!("{line}\r\nHost: a\r\n\r\n")), Err(400), "{line:?}");
        }
    }
}
