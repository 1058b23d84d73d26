//! RFC 9111 3.2, 4.3.4, 4.3.5: what a 304 and a HEAD change.

mod rules_support;

use http::Method;
use rules_support::{NOW, date, dated, exchange, fields, rfc, stored, text};
use terrace_core::config::{Policy, SetCookie};
use terrace_core::decision::NotStored;
use terrace_core::entry::{Head, Selected, Selecting, Variant};
use terrace_core::key::Key;
use terrace_core::rules::Exchange;
use terrace_core::rules::update::{HeadUpdate, by_304, by_head, forbids_keeping, matches_304};

fn held(lines: &[(&str, &str)]) -> Head {
    stored(&dated(lines), "12345")
}

fn after(held: &Head, request: &[(&str, &str)], response: &[(&str, &str)], policy: &Policy) -> Head {
    let later = NOW.plus_millis(3_600_000);
    let (request, response) = (fields(request), dated(response));
    let x = exchange(&Method::GET, &request, 304, &response);
    by_304(held, &Exchange { request_time: later, response_time: later, ..x }, policy)
}

#[test]
fn every_field_but_those_of_the_content() {
    let names = [
        "test-header",
        "content-foo",
        "content-location",
        "content-type",
        "content-security-policy",
        "content-language",
        "set-cookie",
        "vary",
        "x-frame-options",
    ];
    for name in names {
        let held = held(&[("etag", "\"a\""), (name, "old"), (name, "older")]);
        let new = after(&held, &[], &[(name, "new")], &rfc());
        assert_eq!(text(&new.fields, name).as_deref(), Some("new"), "3.2 replaces: {name}");
        let new = after(&held, &[], &[("other", "x")], &rfc());
        assert_eq!(text(&new.fields, name).as_deref(), Some("old, older"), "3.2 keeps: {name}");
    }
    for name in ["content-length", "content-encoding", "content-range", "content-md5", "content-digest"] {
        let held = held(&[("etag", "\"a\""), (name, "old")]);
        let new = after(&held, &[], &[(name, "new")], &rfc());
        assert_eq!(text(&new.fields, name).as_deref(), Some("old"), "3.2 of the content: {name}");
        let bare = after(&stored(&fields(&[("etag", "\"a\"")]), ""), &[], &[(name, "new")], &rfc());
        assert_eq!(text(&bare.fields, name), None, "3.2 of the content: {name}");
    }
    let held = held(&[("etag", "\"a\""), ("a", "1")]);
    let new = after(&held, &[], &[("b", "2"), ("b", "3"), ("connection", "c"), ("c", "x"), ("upgrade", "x")], &rfc());
    assert_eq!(text(&new.fields, "b").as_deref(), Some("2, 3"), "3.2 adds");
    assert_eq!(text(&new.fields, "a").as_deref(), Some("1"));
    assert!(!new.fields.contains("c") && !new.fields.contains("upgrade") && !new.fields.contains("connection"), "3.1");
    let new = after(&held, &[], &[("cache-control", "max-age=5, private=\"p\""), ("p", "x")], &rfc());
    assert!(!new.fields.contains("p"), "5.2.2.7");
}

#[test]
fn content_and_variants_stay() {
    let variant = Variant { key: Key([7; 32]), selecting: Selecting::default(), language: None };
    let selecting = Selecting(vec![Selected::new("foo", None)]);
    let held = Head { variants: vec![variant], selecting, ..held(&[("etag", "\"a\"")]) };
    let new = after(&held, &[], &[("cache-control", "max-age=5")], &rfc());
    assert_eq!((new.body_len, new.body_sum, new.status), (held.body_len, held.body_sum, 200));
    assert_eq!((&new.variants, &new.selecting), (&held.variants, &held.selecting));
}

#[test]
fn freshness_begins_anew() {
    let later = NOW.plus_millis(3_600_000);
    let held = held(&[("cache-control", "max-age=2"), ("date", "@0"), ("age", "1"), ("etag", "\"a\"")]);
    let new = after(&held, &[], &[("date", "@3600")], &rfc());
    assert!(new.freshness.is_fresh(later), "4.3.4 the stored lifetime from now");
    assert_eq!(new.freshness.age_secs(later), 0, "4.2.3 neither the old Age nor the old Date counts");
    let new = after(&held, &[], &[], &rfc());
    assert_eq!(new.freshness.age_secs(later), 0, "RFC 9110 6.6.1 no Date: now");
    assert_eq!(text(&new.fields, "date"), Some(date(3600)));
    let new = after(&held, &[], &[("date", "@3600"), ("age", "1"), ("cache-control", "max-age=100")], &rfc());
    assert_eq!((new.freshness.age_secs(later), new.freshness.lifetime_ms), (1, 100_000), "4.3.4");
    assert!(!new.fields.contains("age") && new.freshness.has_validator);
}

#[test]
fn what_a_304_cannot_open() {
    let held = held(&[("cache-control", "max-age=2"), ("etag", "\"a\"")]);
    let closed = after(&held, &[], &[("cache-control", "no-store, max-age=60")], &rfc());
    assert!(closed.freshness.no_cache && closed.freshness.lifetime_ms == 0, "5.2.2.5");
    assert_eq!(forbids_keeping(&closed), Some(NotStored::NoStore));
    let closed = after(&held, &[], &[("cache-control", "private, max-age=60")], &rfc());
    assert!(closed.freshness.no_cache, "5.2.2.7");
    assert_eq!(forbids_keeping(&closed), Some(NotStored::Private));
    assert_eq!(forbids_keeping(&held), None);
    let same = after(&held, &[("authorization", "x")], &[("cache-control", "max-age=60"), ("user", "x")], &rfc());
    assert_eq!(same, held, "3.5 what is for one user is not stored for all");
    let public = after(&held, &[("authorization", "x")], &[("cache-control", "public, max-age=60")], &rfc());
    assert_eq!(public.freshness.lifetime_ms, 60_000, "3.5");
    let never = Policy { set_cookie: SetCookie::Never, ..rfc() };
    let new = after(&held, &[], &[("set-cookie", "a=b"), ("x", "1")], &never);
    assert!(!new.fields.contains("set-cookie") && new.fields.contains("x"), "the cookie alone is left out");
}

#[test]
fn which_304_answers_for_which_response() {
    type Row = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], bool, &'static str);
    let rows: &[Row] = &[
        (&[("etag", "\"a\"")], &[("etag", "\"a\"")], true, "the same strong validator"),
        (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false, "another strong validator"),
        (
            &[("etag", "\"a\""), ("last-modified", "@0")],
            &[("etag", "\"b\""), ("last-modified", "@0")],
            false,
            "another",
        ),
        (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], true, "the same weak validator"),
        (&[("etag", "W/\"a\"")], &[("etag", "W/\"b\"")], false, "another weak validator"),
        (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], true, "the strong form of the same tag"),
        (&[("etag", "\"a\"")], &[], true, "no validator: it answers our condition"),
        (&[("last-modified", "@-9")], &[], true, "no validator: it answers our condition"),
        (&[("last-modified", "@-9")], &[("last-modified", "@-9")], true, "the same date"),
        (&[("last-modified", "@-9")], &[("last-modified", "@-8")], false, "another date"),
        (&[("etag", "\"a\""), ("last-modified", "@-9")], &[("last-modified", "@-9")], true, "the same date"),
        (&[("etag", "\"a\"")], &[("last-modified", "@-9")], false, "a validator that is not stored"),
        (&[("last-modified", "@-9")], &[("etag", "\"a\"")], false, "a validator that is not stored"),
        (&[("last-modified", "@-9")], &[("etag", "\"a\""), ("last-modified", "@-9")], true, "one is the same"),
    ];
    for (old, new, expected, section) in rows {
        assert_eq!(matches_304(&held(old), &dated(new)), *expected, "4.3.4 {section}: {old:?} / {new:?}");
    }
}

#[test]
fn what_a_head_says() {
    let held = held(&[("cache-control", "max-age=2"), ("etag", "\"a\""), ("last-modified", "@-9"), ("t", "1")]);
    let head = |held: &Head, status, request: &[(&str, &str)], response: &[(&str, &str)]| {
        by_head(held, &exchange(&Method::HEAD, &fields(request), status, &dated(response)), &rfc())
    };
    for differs in [("etag", "\"b\""), ("last-modified", "@-8"), ("content-length", "6"), ("content-length", "x")] {
        assert_eq!(head(&held, 200, &[], &[differs]), HeadUpdate::Invalid, "4.3.5 {differs:?}");
    }
    let HeadUpdate::Refresh(new) = head(&held, 200, &[], &[("content-length", "5"), ("cache-control", "max-age=1000")])
    else {
        unreachable!("4.3.5 it agrees");
    };
    assert_eq!(new.freshness.lifetime_ms, 1_000_000, "4.3.5 updated");
    assert_eq!(text(&new.fields, "t").as_deref(), Some("1"), "4.3.5 what it does not have is kept");
    assert_eq!(new.body_len, 5);
    assert_eq!(head(&held, 410, &[], &[("t", "2")]), HeadUpdate::Nothing, "4.3.5 a 200 only");
    assert_eq!(head(&held, 405, &[], &[]), HeadUpdate::Nothing, "an origin that does not know HEAD");
    assert_eq!(head(&Head { status: 404, ..held.clone() }, 200, &[], &[]), HeadUpdate::Nothing);
    assert_eq!(head(&held, 200, &[], &[("cache-control", "no-store")]), HeadUpdate::Nothing, "5.2.2.5");
    assert_eq!(head(&held, 200, &[("authorization", "x")], &[]), HeadUpdate::Nothing, "3.5");
}
