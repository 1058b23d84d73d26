//! RFC 9111 4.4: what an unsafe method invalidates.
#![allow(clippy::unwrap_used)]

mod rules_support;

use http::Method;
use rules_support::{URL, exchange, fields};
use terrace_core::fields::Fields;
use terrace_core::rules::Exchange;
use terrace_core::rules::invalidate::targets;

fn of(method: &str, status: u16, response: &[(&str, &str)]) -> Vec<String> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    targets(&exchange(&method, &Fields::new(), status, &fields(response)))
}

#[test]
fn by_method_and_status() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "UNKNOWN", "get"] {
        for status in [200, 201, 204, 299, 301, 303, 304, 399] {
            assert_eq!(of(method, status, &[]), [URL], "4.4 a non-error status: {method} {status}");
        }
        for status in [100, 400, 404, 500, 503] {
            assert!(of(method, status, &[]).is_empty(), "4.4 an error changes nothing: {method} {status}");
        }
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"] {
        assert!(of(method, 200, &[("location", "/x")]).is_empty(), "RFC 9110 9.2.1 safe: {method}");
    }
}

#[test]
fn what_location_and_content_location_name() {
    let rows: &[(&str, Option<&str>, &str)] = &[
        ("/other", Some("https://api.example/other"), "absolute path"),
        ("other?b=2", Some("https://api.example/other?b=2"), "relative"),
        ("https://api.example/x#frag", Some("https://api.example/x"), "without its fragment"),
        ("https://API.example:443/x", Some("https://api.example/x"), "the same origin in other letters"),
        ("//api.example/x", Some("https://api.example/x"), "without the scheme"),
        ("https://evil.example/x", Option::None, "another host"),
        ("http://api.example/x", Option::None, "another scheme"),
        ("https://api.example:8443/x", Option::None, "another port"),
        ("//evil.example/x", Option::None, "another host"),
        ("https://\u{ff41}pi.example/x", Option::None, "no URI: a host in other letters than ASCII (RFC 3986 3.2.2)"),
        ("/\u{fc}", Some("https://api.example/%C3%BC"), "a path in other letters"),
        ("javascript:alert(1)", Option::None, "no origin at all"),
        ("http://[", Option::None, "no URL"),
        ("http://A\u{ae}", Option::None, "no host name"),
        ("/things?a=1", Option::None, "itself, once"),
    ];
    for (reference, expected, why) in rows {
        for name in ["location", "content-location"] {
            let mut all = vec![URL.to_string()];
            all.extend(expected.map(str::to_string));
            assert_eq!(of("POST", 201, &[(name, reference)]), all, "4.4 {why}: {name}: {reference}");
        }
    }
    let both = of("PUT", 200, &[("location", "/a"), ("content-location", "/b"), ("content-location", "/a")]);
    assert_eq!(both, [URL, "https://api.example/a", "https://api.example/b"], "4.4");
    let response = fields(&[("location", "/a")]);
    let none = Fields::new();
    let odd = Exchange { url: "not a url", ..exchange(&Method::POST, &none, 200, &response) };
    assert_eq!(targets(&odd), ["not a url"]);
    // 4.4 names URIs, which are ASCII (RFC 3986 2): what is not names nothing, also where it means the same host.
    let host = "https://xn--bcher-kva.example/x";
    let punycode =
        fields(&[("location", "https://XN--bcher-kva.example/y"), ("content-location", "https://bücher.example/z")]);
    let x = Exchange { url: host, ..exchange(&Method::POST, &none, 201, &punycode) };
    assert_eq!(targets(&x), [host, "https://xn--bcher-kva.example/y"], "4.4");
}
