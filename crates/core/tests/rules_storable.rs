//! RFC 9111 3: what may be stored, a row per sentence.
#![allow(clippy::unwrap_used)]

mod rules_support;

use http::Method;
use rules_support::{NOW, URL, dated, exchange, fields, rfc, safe, text};
use std::time::Duration;
use terrace_core::config::{CacheMode, Policy, SetCookie};
use terrace_core::decision::NotStored;
use terrace_core::entry::Selected;
use terrace_core::fields::Fields;
use terrace_core::rules::Exchange;
use terrace_core::rules::storable::{Plan, storable};

fn get(request: &[(&str, &str)], status: u16, response: &[(&str, &str)], policy: &Policy) -> Result<Plan, NotStored> {
    with(&Method::GET, request, status, response, policy)
}

fn with(
    method: &Method,
    request: &[(&str, &str)],
    status: u16,
    response: &[(&str, &str)],
    policy: &Policy,
) -> Result<Plan, NotStored> {
    storable(&exchange(method, &fields(request), status, &dated(response)), policy)
}

#[test]
fn sentence_by_sentence() {
    use NotStored::{Authorization, NoFreshness, NoStore, NotUnderstood, Private, RequestNoStore, VaryStar};
    type Row =
        (&'static [(&'static str, &'static str)], u16, &'static [(&'static str, &'static str)], Option<NotStored>);
    let rows: &[(Row, &str)] = &[
        ((&[], 200, &[("cache-control", "max-age=60")], None), "3"),
        ((&[], 200, &[("cache-control", "no-store, max-age=60")], Some(NoStore)), "5.2.2.5"),
        ((&[], 200, &[("cache-control", "No-StOrE"), ("expires", "@60")], Some(NoStore)), "5.2.2.5"),
        ((&[], 200, &[("cache-control", "private, max-age=60")], Some(Private)), "5.2.2.7"),
        ((&[], 200, &[("cache-control", "private=\"a\", max-age=60")], None), "5.2.2.7 the qualified form"),
        ((&[("cache-control", "no-store")], 200, &[("cache-control", "max-age=60")], Some(RequestNoStore)), "5.2.1.5"),
        ((&[("authorization", "x")], 200, &[("cache-control", "max-age=60")], Some(Authorization)), "3.5"),
        ((&[("authorization", "x")], 200, &[("cache-control", "max-age=60, public")], None), "3.5"),
        ((&[("authorization", "x")], 200, &[("cache-control", "max-age=60, must-revalidate")], None), "3.5"),
        ((&[("authorization", "x")], 200, &[("cache-control", "s-maxage=60")], None), "3.5"),
        (
            (&[("authorization", "x")], 200, &[("cache-control", "max-age=60, proxy-revalidate")], Some(Authorization)),
            "3.5 proxy-revalidate is not among them",
        ),
        ((&[("cookie", "a=b")], 200, &[("cache-control", "max-age=60")], None), "a cookie alone says nothing"),
        ((&[], 200, &[("cache-control", "max-age=60"), ("vary", "*")], Some(VaryStar)), "4.1"),
        ((&[], 200, &[("cache-control", "max-age=60"), ("vary", "a, *")], Some(VaryStar)), "4.1"),
        ((&[], 200, &[("cache-control", "max-age=60"), ("vary", ""), ("vary", "*")], Some(VaryStar)), "4.1"),
        ((&[], 200, &[], Some(NoFreshness)), "3 nothing to reuse"),
        ((&[], 200, &[("cache-control", "public")], Some(NoFreshness)), "3 nothing to reuse"),
        ((&[], 200, &[("cache-control", "max-age=0")], Some(NoFreshness)), "3 nothing to reuse"),
        ((&[], 200, &[("cache-control", "no-cache, max-age=60")], Some(NoFreshness)), "3 nothing to reuse"),
        ((&[], 200, &[("cache-control", "max-age=0"), ("etag", "\"a\"")], None), "4.3 its validator"),
        ((&[], 200, &[("cache-control", "no-cache"), ("etag", "\"a\"")], None), "5.2.2.4 stored and validated"),
        ((&[], 200, &[("etag", "\"a\"")], None), "4.3 its validator"),
        ((&[], 200, &[("last-modified", "@-1000")], None), "4.2.2"),
        ((&[], 200, &[("last-modified", "foo")], Some(NoFreshness)), "RFC 9110 8.8.2 no validator"),
        ((&[], 200, &[("cache-control", "max-age=60"), ("age", "90")], None), "max-stale may use it"),
        ((&[], 200, &[("cache-control", "max-age=0, stale-while-revalidate=9")], None), "RFC 5861 3"),
        ((&[], 200, &[("cache-control", "s-maxage=0, stale-while-revalidate=9")], Some(NoFreshness)), "5.2.2.10"),
        ((&[], 403, &[("etag", "\"a\"")], Some(NoFreshness)), "a validator alone does not store such a status"),
        ((&[], 403, &[("last-modified", "@-1000")], Some(NoFreshness)), "4.2.2"),
        ((&[], 201, &[("last-modified", "@-1000")], Some(NoFreshness)), "4.2.2"),
        ((&[], 202, &[("last-modified", "@-1000")], Some(NoFreshness)), "4.2.2"),
        ((&[], 502, &[("last-modified", "@-1000")], Some(NoFreshness)), "4.2.2"),
        ((&[], 599, &[("last-modified", "@-1000")], Some(NoFreshness)), "4.2.2"),
        ((&[], 599, &[("last-modified", "@-1000"), ("cache-control", "public")], None), "4.2.2 public"),
        ((&[], 200, &[("cache-control", "no-store, must-understand, max-age=60")], None), "5.2.2.3"),
        ((&[], 599, &[("cache-control", "max-age=60, must-understand")], Some(NotUnderstood)), "5.2.2.3"),
        ((&[], 200, &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")], None), "RFC 9213 2.2"),
        (
            (&[], 200, &[("cache-control", "max-age=60"), ("cdn-cache-control", "no-store")], Some(NoStore)),
            "RFC 9213 2.2",
        ),
        (
            (&[], 200, &[("cache-control", "max-age=60"), ("cdn-cache-control", "private")], Some(Private)),
            "RFC 9213 2.2",
        ),
        ((&[], 200, &[("cache-control", "max-age=60"), ("surrogate-control", "no-store")], Some(NoStore)), "Edge note"),
    ];
    for ((request, status, response, expected), section) in rows {
        let got = get(request, *status, response, &rfc()).err();
        assert_eq!(got, *expected, "{section}: {request:?} -> {status} {response:?}");
    }
    let ignored = get(&[("cache-control", "no-store")], 200, &[("cache-control", "max-age=60")], &safe());
    assert!(ignored.is_ok(), "5.2.1 strangers are not listened to");
}

#[test]
fn statuses() {
    let explicit = &[("cache-control", "max-age=60")];
    for status in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599] {
        assert!(get(&[], status, explicit, &rfc()).is_ok(), "3 any final status with explicit freshness: {status}");
    }
    for status in [100, 101, 103, 199, 304, 412, 416, 417, 428, 429, 431, 511, 600, 999] {
        assert_eq!(get(&[], status, explicit, &rfc()).err(), Some(NotStored::Status), "3, RFC 6585: {status}");
    }
    assert_eq!(get(&[], 206, explicit, &rfc()).err(), Some(NotStored::Partial), "3.3: see rules_partial.rs");
    for status in [400, 408, 413, 421, 425] {
        assert_eq!(get(&[], status, explicit, &safe()).err(), Some(NotStored::Status), "one client's fault: {status}");
        let listed = Policy { negative_ttl: vec![(status, Duration::from_secs(1))], ..safe() };
        assert!(get(&[], status, &[], &listed).is_ok(), "unless it is listed: {status}");
    }
    for status in [401, 403, 404, 405, 410, 414, 500, 501, 503] {
        let policy = Policy { negative_ttl: Vec::new(), default_ttl: Duration::from_secs(60), ..safe() };
        let guess = &[("last-modified", "@-1000"), ("etag", "\"a\"")];
        assert_eq!(get(&[], status, guess, &policy).err(), Some(NotStored::NoFreshness), "safe: {status}");
        assert!(get(&[], status, explicit, &policy).is_ok(), "safe, explicit: {status}");
    }
}

#[test]
fn methods() {
    let explicit = &[("cache-control", "max-age=60"), ("content-location", "/things?a=1")];
    for method in [Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        assert_eq!(with(&method, &[], 200, explicit, &rfc()).err(), Some(NotStored::Method), "3: {method}");
    }
    let post = |status, response: &[(&str, &str)]| with(&Method::POST, &[], status, response, &rfc()).is_ok();
    assert!(post(200, explicit), "RFC 9110 9.3.3");
    assert!(post(200, &[("expires", "@60"), ("content-location", URL)]), "RFC 9110 9.3.3 absolute");
    assert!(!post(200, &[("cache-control", "max-age=60")]), "RFC 9110 9.3.3 no Content-Location");
    assert!(!post(200, &[("cache-control", "max-age=60"), ("content-location", "/things")]), "another URL");
    assert!(!post(200, &[("cache-control", "max-age=60"), ("content-location", "https://x.example/things?a=1")]));
    assert!(!post(200, &[("content-location", "/things?a=1"), ("last-modified", "@-1000")]), "no explicit freshness");
    assert!(!post(201, explicit), "only what a GET would bring");
    assert!(!post(200, &[("cache-control", "private, max-age=60"), ("content-location", URL)]));
    let ttl = Policy { ttl: Some(Duration::from_secs(60)), ..safe() };
    assert!(
        with(&Method::POST, &[], 200, &[("content-location", URL)], &ttl).is_err(),
        "a ttl is not the origin's word"
    );
}

#[test]
fn no_configuration_opens_what_is_closed() {
    let ttl = Policy { ttl: Some(Duration::from_secs(60)), default_ttl: Duration::from_secs(60), ..rfc() };
    assert_eq!(get(&[], 200, &[("cache-control", "no-store")], &ttl).err(), Some(NotStored::NoStore));
    assert_eq!(get(&[], 200, &[("cache-control", "private")], &ttl).err(), Some(NotStored::Private));
    assert_eq!(get(&[("authorization", "x")], 200, &[], &ttl).err(), Some(NotStored::Authorization));
    assert_eq!(get(&[], 200, &[("vary", "*")], &ttl).err(), Some(NotStored::VaryStar));
    assert_eq!(get(&[], 500, &[], &ttl).err(), Some(NotStored::NoFreshness));
    assert!(get(&[], 200, &[("cache-control", "no-cache"), ("etag", "\"a\"")], &ttl).unwrap().freshness.no_cache);
    let off = Policy { cache: CacheMode::Off, ..ttl };
    assert_eq!(get(&[], 200, &[("cache-control", "max-age=60")], &off).err(), Some(NotStored::RouteOff));
}

#[test]
fn set_cookie_is_the_routes_to_decide() {
    let response = &[("cache-control", "max-age=60"), ("set-cookie", "a=b"), ("set-cookie", "c=d")];
    let of = |set_cookie| get(&[], 200, response, &Policy { set_cookie, ..rfc() });
    assert_eq!(of(SetCookie::Never).err(), Some(NotStored::SetCookie));
    assert_eq!(text(&of(SetCookie::Strip).unwrap().fields, "set-cookie"), None);
    assert_eq!(text(&of(SetCookie::Store).unwrap().fields, "set-cookie").as_deref(), Some("a=b, c=d"));
    let without = &[("cache-control", "max-age=60, no-cache=\"set-cookie\""), ("set-cookie", "a=b")];
    let plan = get(&[], 200, without, &Policy { set_cookie: SetCookie::Never, ..rfc() }).unwrap();
    assert_eq!(text(&plan.fields, "set-cookie"), None, "5.2.2.4 the origin took it out itself");
}

#[test]
fn which_fields_are_kept() {
    let plan = get(
        &[],
        200,
        &[
            ("cache-control", "max-age=60, private=\"secret\", no-cache=\"Once, other\""),
            ("connection", "a, B, close"),
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("c", "4"),
            ("secret", "s"),
            ("once", "o"),
            ("keep-alive", "x"),
            ("proxy-authenticate", "x"),
            ("proxy-authentication-info", "x"),
            ("proxy-authorization", "x"),
            ("proxy-connection", "x"),
            ("te", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "x"),
            ("age", "5"),
            ("content-range", "x"),
            ("x-unknown", "u"),
        ],
        &rfc(),
    )
    .unwrap();
    let names: Vec<&str> = plan.fields.as_list().iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["cache-control", "c", "c", "content-range", "x-unknown", "date"], "3.1");
    assert_eq!(text(&plan.fields, "date").as_deref(), Some("Sat, 21 Nov 2026 12:00:00 GMT"), "RFC 9110 6.6.1");
    assert_eq!(plan.freshness.age_secs(NOW), 5, "the freshness holds the age");
    let dated = get(&[], 200, &[("cache-control", "max-age=60"), ("date", "@-9")], &rfc()).unwrap();
    assert_eq!(text(&dated.fields, "date"), Some(rules_support::date(-9)), "RFC 9110 6.6.1");
}

#[test]
fn a_variant_is_what_the_origin_saw() {
    let of = |request: &[(&str, &str)]| {
        get(request, 200, &[("cache-control", "max-age=60"), ("vary", "Foo, Bar")], &rfc()).unwrap().selecting.0
    };
    let foo = |value: Option<&str>| {
        vec![Selected::new("bar", None), Selected::new("foo", value.map(|v| v.as_bytes().to_vec()))]
    };
    assert_eq!(of(&[("foo", "1")]), foo(Some("1")), "4.1");
    assert_eq!(of(&[("foo", "1"), ("connection", "Foo")]), foo(None), "what Connection names did not reach it");
    let none: Fields = Fields::new();
    let response = fields(&[("cache-control", "max-age=60")]);
    let x = Exchange { url: "not a url", ..exchange(&Method::GET, &none, 200, &response) };
    assert!(storable(&x, &rfc()).is_ok());
}
