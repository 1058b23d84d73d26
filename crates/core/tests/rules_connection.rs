//! RFC 9110 7.6.1, RFC 9111 3.1, and inputs that are no part of the key.

mod rules_support;

use rules_support::fields;
use terrace_core::fields::Fields;
use terrace_core::rules::connection::{
    has_twin, never_forwarded, remove_twins, seen_by_origin, strip_request, strip_response, take_forward,
};

const OF_THE_CONNECTION: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "http2-settings",
    "host",
];

fn names(fields: &Fields) -> Vec<&str> {
    fields.as_list().iter().map(|(n, _)| n.as_str()).collect()
}

#[test]
fn fields_of_the_connection_end_here() {
    for name in OF_THE_CONNECTION {
        for strip in [strip_request as fn(&mut Fields), strip_response] {
            let mut all = fields(&[("a", "1"), (name, "close"), ("b", "2")]);
            strip(&mut all);
            assert_eq!(names(&all), ["a", "b"], "7.6.1: {name}");
        }
        assert!(never_forwarded(name));
    }
}

#[test]
fn what_connection_names_ends_here() {
    for strip in [strip_request as fn(&mut Fields), strip_response] {
        let mut all =
            fields(&[("connection", "A, b"), ("a", "1"), ("b", "2"), ("c", "3"), ("connection", " ,D"), ("d", "4")]);
        strip(&mut all);
        assert_eq!(names(&all), ["c"], "7.6.1");
    }
}

#[test]
fn what_everybody_needs_cannot_be_named() {
    let mut response = fields(&[
        ("connection", "cache-control, Set-Cookie, vary, content-encoding, x"),
        ("cache-control", "no-store"),
        ("set-cookie", "a=b"),
        ("vary", "*"),
        ("content-encoding", "gzip"),
        ("x", "1"),
    ]);
    strip_response(&mut response);
    assert_eq!(names(&response), ["cache-control", "set-cookie", "vary", "content-encoding"], "7.6.1");
    let mut request = fields(&[
        ("connection", "authorization, cookie, accept-language, range, x"),
        ("authorization", "a"),
        ("cookie", "a"),
        ("accept-language", "de"),
        ("range", "bytes=0-1"),
        ("x", "1"),
    ]);
    strip_request(&mut request);
    assert_eq!(names(&request), ["authorization", "cookie", "accept-language", "range"], "7.6.1");
}

#[test]
fn unkeyed_inputs_do_not_reach_the_origin() {
    let unkeyed = [
        "forwarded",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-scheme",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-server",
        "x-host",
        "x-original-url",
        "x-original-host",
        "x-rewrite-url",
        "x-http-method-override",
        "x-forwarded-method",
        "x-original-method",
        "x-invoke-path",
        "cf-visitor",
        "proxy",
    ];
    for name in unkeyed {
        let mut request = fields(&[("accept", "a"), (name, "evil.example")]);
        strip_request(&mut request);
        assert_eq!(names(&request), ["accept"], "{name}");
        assert!(never_forwarded(name));
        let mut response = fields(&[(name, "x")]);
        strip_response(&mut response);
        assert_eq!(names(&response), [name], "a response may have any of them");
    }
    for name in ["accept", "authorization", "x-api-key", "x-request-id", "x-forwarded-for", "user-agent"] {
        let mut request = fields(&[(name, "x")]);
        strip_request(&mut request);
        assert_eq!(names(&request), [name]);
        assert!(!never_forwarded(name));
    }
}

#[test]
fn the_request_that_the_origin_saw() {
    let plain = fields(&[("connection", "keep-alive"), ("foo", "1")]);
    assert!(matches!(seen_by_origin(&plain), std::borrow::Cow::Borrowed(_)), "no copy where nothing is named");
    let named = fields(&[("connection", "Foo"), ("foo", "1"), ("bar", "2")]);
    assert_eq!(names(&seen_by_origin(&named)), ["connection", "bar"]);
}

#[test]
fn an_underscore_does_not_carry_an_unkeyed_input_past() {
    let twins =
        ["x_forwarded_host", "x-original_url", "transfer_encoding", "content_length", "accept_language", "x_real_host"];
    for name in twins {
        let mut request = fields(&[("api_key", "1"), (name, "evil")]);
        strip_request(&mut request);
        assert_eq!(names(&request), ["api_key"], "{name}: CGI reads `_` as `-`");
    }
}

#[test]
fn a_twin_of_a_chosen_field_is_known_by_it() {
    let keyed = ["x-tenant".to_string(), "x".to_string()];
    let mut request = fields(&[("x-tenant", "a"), ("x_tenant", "b"), ("x_tenants", "c"), ("x", "d"), ("api_key", "e")]);
    assert!(has_twin(&request, &keyed));
    remove_twins(&mut request, keyed.iter().map(String::as_str));
    assert_eq!(names(&request), ["x-tenant", "x_tenants", "x", "api_key"]);
    assert!(!has_twin(&request, &keyed));
    assert!(
        has_twin(&request, &["api-key".to_string()]) && has_twin(&request, &["x_tenant".to_string()]),
        "either way"
    );
}

#[test]
fn max_forwards_counts_down_and_ends_here_at_zero() {
    let table: [(&str, bool, &str); 7] = [
        ("0", false, "0"),
        ("1", true, "0"),
        (" 10 ", true, "9"),
        ("-1", true, "-1"),
        ("", true, ""),
        ("1.5", true, "1.5"),
        ("99999999999999999999", true, "99999999999999999999"),
    ];
    for (value, goes_on, left) in table {
        let mut request = fields(&[("max-forwards", value)]);
        assert_eq!(take_forward(&mut request), goes_on, "RFC 9110 7.6.2: {value:?}");
        assert_eq!(request.get_str("max-forwards"), Some(left), "RFC 9110 7.6.2: {value:?}");
    }
}
