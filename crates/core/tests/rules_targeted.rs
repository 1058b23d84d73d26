//! RFC 9213, Targeted HTTP Cache Control, a row per sentence: from the fields to what is stored, for how long, and how it is used.
#![allow(clippy::unwrap_used)]

mod rules_support;

use http::Method;
use rules_support::{NOW, dated, exchange, fields, rfc, text};
use std::time::Duration;
use terrace_core::config::Policy;
use terrace_core::decision::{MustValidate, NotStored, ServedStale};
use terrace_core::fields::Fields;
use terrace_core::rules::directives::{ControlSource, RequestControl, response_control};
use terrace_core::rules::freshness::Source;
use terrace_core::rules::reuse::{Reuse, may_serve_on_error, reuse};
use terrace_core::rules::storable::{Plan, storable};

type Lines = &'static [(&'static str, &'static str)];

fn plan(lines: &[(&str, &str)]) -> Result<Plan, NotStored> {
    let response = dated(lines);
    storable(&exchange(&Method::GET, &Fields::new(), 200, &response), &rfc())
}

/// Where the lifetime comes from, and how long it is in seconds.
type Lifetime = Result<(Source, u64), NotStored>;

fn lifetime(lines: &[(&str, &str)]) -> Lifetime {
    plan(lines).map(|plan| (plan.freshness.source, plan.freshness.lifetime_ms / 1000))
}

const CDN: &str = "cdn-cache-control";
const OWN: &str = "terrace-cache-control";
const CC: &str = "cache-control";

#[test]
fn which_field_counts() {
    use Source::{Expires, MaxAge, SMaxage, Targeted};
    let rows: &[(Lines, Lifetime, &str)] = &[
        (&[(CDN, "max-age=3600")], Ok((Targeted, 3600)), "3 alone"),
        (&[(CC, "max-age=1"), (CDN, "max-age=3600")], Ok((Targeted, 3600)), "2.2 before Cache-Control"),
        (&[(CDN, "max-age=3600"), (CC, "max-age=1")], Ok((Targeted, 3600)), "2.2 wherever it stands"),
        (&[(CC, "max-age=60, s-maxage=120"), (CDN, "max-age=600")], Ok((Targeted, 600)), "3.1 before s-maxage"),
        (&[(CC, "no-store"), (CDN, "max-age=60")], Ok((Targeted, 60)), "2.2 no-store in Cache-Control does not count"),
        (&[(CC, "private"), (CDN, "max-age=60")], Ok((Targeted, 60)), "2.2 nor does private"),
        (&[(CC, "max-age=60"), (CDN, "no-store")], Err(NotStored::NoStore), "2.2 and the other way round"),
        (&[(CDN, "max-age=60"), ("expires", "@-5"), ("date", "@0")], Ok((Targeted, 60)), "2.2 before Expires"),
        (&[(CDN, "public"), ("expires", "@60"), ("date", "@0")], Err(NotStored::NoFreshness), "2.2 Expires is ignored"),
        (&[(CDN, "x"), (CC, "max-age=60")], Err(NotStored::NoFreshness), "2.2 unknown alone: valid, so it counts"),
        (&[(CDN, "none"), (CC, "max-age=60")], Err(NotStored::NoFreshness), "2.2 the same"),
        (&[(OWN, "max-age=2"), (CDN, "max-age=1")], Ok((Targeted, 2)), "2.2 the first of the target list"),
        (&[(OWN, "max-age=2"), (CDN, "no-store")], Ok((Targeted, 2)), "2.2 and it alone"),
        (&[(OWN, "no-store"), (CDN, "max-age=1")], Err(NotStored::NoStore), "2.2 and it alone"),
        (&[(OWN, "&"), (CDN, "max-age=6")], Ok((Targeted, 6)), "2.2 the first that is valid"),
        (&[(OWN, ""), (CDN, "max-age=6")], Ok((Targeted, 6)), "2.2 the first that is not empty"),
        (&[(CDN, "&"), ("surrogate-control", "max-age=7")], Ok((Targeted, 7)), "Surrogate-Control is next"),
        (&[("surrogate-control", "max-age=1"), (CDN, "max-age=2")], Ok((Targeted, 2)), "and never before it"),
        (&[("other-cdn-cache-control", "no-store"), (CC, "max-age=5")], Ok((MaxAge, 5)), "2.2 not on our list"),
        (&[("example-cache-control", "max-age=9"), (CC, "s-maxage=5")], Ok((SMaxage, 5)), "2.2 not on our list"),
        (&[(CDN, "&"), ("expires", "@60"), ("date", "@0")], Ok((Expires, 60)), "2.2 none is valid: as without it"),
    ];
    for (lines, expected, section) in rows {
        assert_eq!(lifetime(lines), *expected, "RFC 9213 {section}: {lines:?}");
    }
}

/// What stands in CDN-Cache-Control beside `Cache-Control: max-age=5`: `None` where it is as if it were not there.
#[test]
fn how_it_is_written() {
    let rows: &[(&str, Option<u64>, &str)] = &[
        ("max-age=60", Some(60), "2.1"),
        ("max-age=0060", Some(60), "RFC 9651 4.2.4 leading zeros"),
        ("  max-age=60  ", Some(60), "RFC 9651 4.2 spaces at the ends"),
        ("foo, max-age=60 ,\tbar=(a b);x", Some(60), "2.2 extensions of any type are ignored"),
        ("max-age=60;x=1;y", Some(60), "2.1 parameters are ignored"),
        ("max-age=1, max-age=60", Some(60), "RFC 9651 4.2.2 the last of two"),
        ("s-maxage=60, max-age=9", Some(60), "2.2 the precedence is that of Cache-Control"),
        ("max-age=9, s-maxage=60", Some(60), "2.2 the precedence is that of Cache-Control"),
        ("max-age=2147483647", Some((1 << 31) - 1), "RFC 9111 1.2.2"),
        ("max-age=2147483648", Some(1 << 31), "RFC 9111 1.2.2"),
        ("max-age=999999999999999", Some(1 << 31), "RFC 9111 1.2.2, the largest Integer"),
        ("max-age=9999999999999999", None, "RFC 9651 4.2.4 no Integer: a parsing error"),
        ("max-age=99999999999999999999999", None, "RFC 9651 4.2.4 no Integer: a parsing error"),
        ("", None, "2.1 empty"),
        ("   ", None, "2.1 empty"),
        ("max-age=60,", None, "RFC 9651 4.2.2 a trailing comma"),
        (",max-age=60", None, "RFC 9651 4.2.2 an empty member"),
        ("max-age=60,,x", None, "RFC 9651 4.2.2 an empty member"),
        ("max-age=60 x", None, "RFC 9651 4.2.2 no comma"),
        ("max-age=60; ;x", None, "RFC 9651 4.2.3.2 an empty parameter"),
        ("max-age =60", None, "RFC 9651 4.2.2 a space before the equals sign"),
        ("max-age= 60", None, "RFC 9651 4.2.2 a space behind it"),
        ("MaX-aGe=60", None, "RFC 9651 4.2.3.3 keys are lower-case"),
        ("max-age=60, No-Store", None, "RFC 9651 4.2.3.3 keys are lower-case"),
        ("max-age='60'", None, "RFC 9651 4.2.3.1 single quotes begin nothing"),
        ("max-age=60, x=\"a", None, "RFC 9651 4.2.5 an unclosed quote"),
        ("max-age=60, x=\"\u{fc}\"", None, "RFC 9651 4.2.5 not ASCII"),
        ("max-age=60, no-store=?2", None, "RFC 9651 4.2.8 no Boolean"),
        ("no-store, max-age=60, &", None, "2.1 an error anywhere: the whole field is ignored, no-store too"),
        ("max-age=\"60\"", None, "2.1 a String is no number of seconds"),
        ("max-age=60.5", None, "2.1 nor is a Decimal"),
        ("max-age=sixty", None, "2.1 nor is a Token"),
        ("max-age=:NjA=:", None, "2.1 nor is a Byte Sequence"),
        ("max-age=(60)", None, "2.1 nor is an Inner List"),
        ("max-age", None, "2.1 nor is true"),
        ("max-age=?0", None, "2.1 nor is false"),
        ("max-age=60, stale-if-error=\"5\"", None, "2.1 in any directive that has one"),
    ];
    for (value, expected, section) in rows {
        let expected = expected.map_or((Source::MaxAge, 5), |seconds| (Source::Targeted, seconds));
        assert_eq!(lifetime(&[(CDN, value), (CC, "max-age=5")]), Ok(expected), "{section}: {value:?}");
    }
    // Lines are one list (RFC 9651 4.2): an error in one is an error in all.
    let two = |a, b| lifetime(&[(CDN, a), ("x", "1"), (CDN, b), (CC, "max-age=5")]);
    assert_eq!(two("x", "max-age=60"), Ok((Source::Targeted, 60)));
    assert_eq!(two("max-age=1", "max-age=60"), Ok((Source::Targeted, 60)));
    assert_eq!(two("max-age=60", "&"), Ok((Source::MaxAge, 5)));
    assert_eq!(two("max-age=60", "x=\"y"), Ok((Source::MaxAge, 5)));
    assert_eq!(two("x=\"a", "b\", max-age=60"), Ok((Source::Targeted, 60)), "joined before it is read");
}

#[test]
fn what_the_directives_do() {
    let rows: &[(&str, Result<(), NotStored>, &str)] = &[
        ("max-age=60", Ok(()), "2.2"),
        ("no-store", Err(NotStored::NoStore), "2.2"),
        ("max-age=60, no-store", Err(NotStored::NoStore), "2.2 no-store makes max-age inoperative"),
        ("max-age=60, no-store=1", Err(NotStored::NoStore), "a value of another type does not undo it"),
        ("max-age=60, no-store=?0", Ok(()), "2.1 a Boolean that is false"),
        ("max-age=60, private", Err(NotStored::Private), "2.2"),
        ("max-age=60, private=?0", Ok(()), "2.1 a Boolean that is false"),
        ("max-age=60, private=\"\"", Err(NotStored::Private), "RFC 9111 5.2.2.7 an empty list covers everything"),
        ("max-age=60, private=(a b)", Err(NotStored::Private), "2.1 an unknown form covers everything"),
        ("max-age=60, private=\"x-a, x-b\"", Ok(()), "RFC 9111 5.2.2.7 the qualified form"),
        ("max-age=0", Err(NotStored::NoFreshness), "2.2"),
        ("max-age=-1", Err(NotStored::NoFreshness), "RFC 9111 4.2.1 negative: stale"),
        ("no-store, must-understand, max-age=60", Ok(()), "RFC 9111 5.2.2.3"),
    ];
    for (value, expected, section) in rows {
        let stored = plan(&[(CDN, value), (CC, "max-age=5, public")]).map(|_| ());
        assert_eq!(stored, *expected, "RFC 9213 {section}: {value}");
    }
    let strips = |value| plan(&[(CDN, value), ("x-a", "1"), ("x-b", "2"), ("x-c", "3")]).unwrap().fields;
    for value in ["max-age=60, private=\"X-A, x-b\"", "max-age=60, no-cache=\"x-a, x-b\""] {
        let kept = strips(value);
        assert!(!kept.contains("x-a") && !kept.contains("x-b") && kept.contains("x-c"), "RFC 9111 5.2.2.7: {value}");
    }

    // Authorization (RFC 9111 3.5): the same directives open it, in the field that counts.
    let with = |lines: &[(&str, &str)]| {
        let (request, response) = (fields(&[("authorization", "Basic x")]), dated(lines));
        storable(&exchange(&Method::GET, &request, 200, &response), &rfc()).map(|_| ())
    };
    assert_eq!(with(&[(CDN, "max-age=60")]), Err(NotStored::Authorization));
    assert_eq!(with(&[(CDN, "max-age=60"), (CC, "public")]), Err(NotStored::Authorization), "2.2 it does not count");
    for opens in ["max-age=60, public", "max-age=60, must-revalidate", "s-maxage=60"] {
        assert_eq!(with(&[(CDN, opens)]), Ok(()), "{opens}");
    }
}

#[test]
fn how_it_is_used_once_it_is_stored() {
    let none = RequestControl::default();
    let at = |value: &str, seconds: u64| {
        let lines = [(CDN, value), (CC, "max-age=9999, stale-while-revalidate=9999"), ("etag", "\"e\"")];
        reuse(&plan(&lines).unwrap().freshness, &none, NOW.plus_millis(seconds * 1000))
    };
    let rows: &[(&str, u64, Reuse, &str)] = &[
        ("max-age=60", 59, Reuse::Fresh, "2.2"),
        ("max-age=60", 60, Reuse::Validate(MustValidate::Stale), "2.2 the windows of Cache-Control do not count"),
        ("max-age=60, no-cache", 0, Reuse::Validate(MustValidate::NoCache), "2.2 no-cache makes max-age inoperative"),
        ("max-age=60, no-cache=?0", 0, Reuse::Fresh, "2.1 a Boolean that is false"),
        ("max-age=60, no-cache=\"x\"", 0, Reuse::Fresh, "RFC 9111 5.2.2.4 the qualified form"),
        ("max-age=60, stale-while-revalidate=30", 89, Reuse::Stale(ServedStale::WhileRevalidate), "RFC 5861 3"),
        ("max-age=60, stale-while-revalidate=30", 90, Reuse::Validate(MustValidate::Stale), "RFC 5861 3 inside it"),
        ("max-age=60, stale-while-revalidate=-30", 60, Reuse::Validate(MustValidate::Stale), "a negative span is over"),
        (
            "max-age=60, stale-while-revalidate=30, must-revalidate",
            60,
            Reuse::Validate(MustValidate::Stale),
            "RFC 9111 5.2.2.2",
        ),
        ("s-maxage=60, stale-while-revalidate=30", 60, Reuse::Validate(MustValidate::Stale), "RFC 9111 5.2.2.10"),
        ("max-age=60, immutable", 60, Reuse::Validate(MustValidate::Stale), "RFC 8246 2 while it is fresh, no longer"),
    ];
    for (value, seconds, expected, section) in rows {
        assert_eq!(at(value, *seconds), *expected, "RFC 9213 {section}: {value} after {seconds} s");
    }

    // stale-if-error (RFC 5861 4), where the configuration says another.
    let policy = Policy { stale_if_error: Duration::from_secs(100), ..rfc() };
    let window = |value: &str, seconds: u64| {
        let response = dated(&[(CDN, value), (CC, "max-age=60, stale-if-error=5000"), ("etag", "\"e\"")]);
        let plan = storable(&exchange(&Method::GET, &Fields::new(), 200, &response), &policy).unwrap();
        may_serve_on_error(&plan.freshness, &none, NOW.plus_millis(seconds * 1000))
    };
    assert!(window("max-age=60, stale-if-error=30", 89) && !window("max-age=60, stale-if-error=30", 90));
    assert!(window("max-age=60", 159) && !window("max-age=60", 160), "the configuration's, not Cache-Control's");
    assert!(!window("max-age=60, must-revalidate, stale-if-error=30", 61), "RFC 9111 4.2.4");
    assert!(!window("max-age=60, no-cache", 0), "RFC 9111 5.2.2.4");
}

/// RFC 9213 2.3: the freshness model is that of HTTP.
#[test]
fn age_and_date_count_as_ever() {
    let left = |lines: &[(&str, &str)]| plan(lines).map(|plan| plan.freshness.ttl_secs(NOW));
    assert_eq!(left(&[(CDN, "max-age=60"), ("age", "20")]), Ok(40));
    assert_eq!(left(&[(CDN, "max-age=60"), ("date", "@-20")]), Ok(40));
    assert_eq!(left(&[(CDN, "max-age=600"), (CC, "max-age=10"), ("age", "20")]), Ok(580), "past Cache-Control's");
    assert_eq!(left(&[(CDN, "max-age=60"), ("age", "60"), ("etag", "\"e\"")]), Ok(0));
    assert_eq!(left(&[(CDN, "max-age=60"), ("age", "x")]), Ok(60), "RFC 9111 5.1");
}

/// RFC 9213 2.2: what is not ours is passed through; 3: CDN caches will typically pass CDN-Cache-Control on, and so do we.
#[test]
fn every_targeted_field_is_kept_for_who_comes_next() {
    let lines =
        [(OWN, "max-age=60"), (CDN, "no-store"), ("other-cache-control", "&"), (CC, "private"), ("expires", "0")];
    let kept = plan(&lines).unwrap().fields;
    for (name, value) in lines {
        assert_eq!(text(&kept, name).as_deref(), Some(value), "{name}");
    }
    // Connection cannot take it away on the way to us.
    let named =
        plan(&[(CDN, "max-age=60"), (OWN, "max-age=9"), ("connection", "cdn-cache-control, terrace-cache-control")]);
    let kept = named.unwrap().fields;
    assert!(kept.contains(CDN) && kept.contains(OWN) && !kept.contains("connection"), "RFC 9110 7.6.1");
}

#[test]
fn who_was_listened_to_is_known() {
    let source = |lines: Lines| response_control(&fields(lines)).1;
    assert_eq!(source(&[(CDN, "x")]), ControlSource::Targeted);
    assert_eq!(source(&[(CDN, ""), ("surrogate-control", "max-age=1")]), ControlSource::Surrogate);
    assert_eq!(source(&[(CDN, "&"), (OWN, "&"), ("surrogate-control", "x")]), ControlSource::CacheControl);
    for (source, replaces) in
        [(ControlSource::Targeted, true), (ControlSource::Surrogate, true), (ControlSource::CacheControl, false)]
    {
        assert_eq!(source.replaces_expires(), replaces, "2.2");
    }
}
