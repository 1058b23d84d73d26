//! RFC 9111 4.2 and 5.1, 5.3: lifetime and age, a row per sentence.
#![allow(clippy::unwrap_used)]

mod rules_support;

use http::Method;
use rules_support::{NOW, date, dated, exchange, fields, fresh, rfc, safe};
use std::time::Duration;
use terrace_core::config::Policy;
use terrace_core::fields::Fields;
use terrace_core::rules::Exchange;
use terrace_core::rules::freshness::{Freshness, Source};
use terrace_core::time::Timestamp;

const DAY: u64 = 86_400;

#[test]
fn where_the_lifetime_comes_from() {
    use Source::{Expires, Heuristic, MaxAge, None, SMaxage, Targeted};
    type Row = (&'static [(&'static str, &'static str)], Source, u64, &'static str);
    let rows: &[Row] = &[
        (&[("cache-control", "max-age=60")], MaxAge, 60, "4.2.1"),
        (&[("cache-control", "max-age=60, s-maxage=30")], SMaxage, 30, "4.2.1 shared: s-maxage"),
        (&[("cache-control", "s-maxage=3600, max-age=1")], SMaxage, 3600, "4.2.1"),
        (&[("cache-control", "max-age=0, s-maxage=3600"), ("expires", "@-10")], SMaxage, 3600, "4.2.1"),
        (
            &[("cache-control", "max-age=60"), ("expires", "@-7200"), ("date", "@0")],
            MaxAge,
            60,
            "5.3 max-age goes first",
        ),
        (&[("cache-control", "max-age=60"), ("expires", "0"), ("date", "@0")], MaxAge, 60, "5.3"),
        (&[("cache-control", "max-age=0"), ("expires", "@3600"), ("date", "@0")], MaxAge, 0, "5.3"),
        (&[("cache-control", "foo"), ("expires", "@3600"), ("date", "@0")], Expires, 3600, "4.2.1"),
        (&[("expires", "@3600"), ("date", "@0")], Expires, 3600, "4.2.1 Expires less Date"),
        (&[("expires", "@0"), ("date", "@0")], Expires, 0, "5.3 equal is stale"),
        (&[("expires", "@-5"), ("date", "@0")], Expires, 0, "5.3 past"),
        (&[("expires", "@300"), ("date", "@400")], Expires, 0, "4.2.1 before Date"),
        (&[("expires", "@20"), ("date", "@10")], Expires, 10, "4.2.1 a fast clock"),
        (&[("expires", "@10"), ("date", "@-10")], Expires, 20, "4.2.1 a slow clock"),
        (&[("expires", "@10"), ("date", "foo")], Expires, 10, "4.2.1 invalid Date: time of arrival"),
        (&[("expires", "@10")], Expires, 10, "4.2.1 no Date: time of arrival"),
        (&[("expires", "0"), ("date", "@0")], Expires, 0, "5.3 invalid is past"),
        (&[("expires", "foo"), ("last-modified", "@-99999")], Expires, 0, "5.3 invalid is explicit: no heuristic"),
        (&[("expires", "@5"), ("expires", "@9"), ("date", "@0")], Expires, 5, "4.2.1 the first of two"),
        (&[("last-modified", "@-1000"), ("date", "@0")], Heuristic, 100, "4.2.2 a tenth"),
        (&[("last-modified", "@-1000")], Heuristic, 100, "4.2.2 no Date"),
        (&[("last-modified", "@-8640000"), ("date", "@0")], Heuristic, DAY, "4.2.2 at most a day"),
        (&[("last-modified", "@0"), ("date", "@0")], None, 0, "4.2.2 modified just now"),
        (&[("last-modified", "@50"), ("date", "@0")], None, 0, "4.2.2 modified in the future"),
        (&[("last-modified", "foo")], None, 0, "4.2.2 invalid"),
        (&[("etag", "\"a\"")], None, 0, "4.2.2 nothing to go by"),
        (&[("cdn-cache-control", "max-age=60"), ("expires", "@-5"), ("date", "@0")], Targeted, 60, "RFC 9213 2.2"),
        (&[("cdn-cache-control", "max-age=0"), ("expires", "@60"), ("date", "@0")], Targeted, 0, "RFC 9213 2.2"),
        (&[("cdn-cache-control", "foo"), ("expires", "@60"), ("date", "@0")], None, 0, "RFC 9213 2.2"),
        (&[("surrogate-control", "max-age=60"), ("cache-control", "max-age=1")], Targeted, 60, "Surrogate-Control"),
        (&[("expires", "@9999999999"), ("date", "@0")], Expires, 1 << 31, "1.2.2"),
    ];
    for (lines, source, seconds, section) in rows {
        let f = fresh(&dated(lines), &rfc());
        assert_eq!((f.source, f.lifetime_ms), (*source, seconds * 1000), "{section}: {lines:?}");
    }
}

#[test]
fn which_statuses_have_a_heuristic() {
    let response = dated(&[("last-modified", "@-1000"), ("date", "@0")]);
    let public = dated(&[("last-modified", "@-1000"), ("date", "@0"), ("cache-control", "public")]);
    let get = Fields::new();
    for status in 200..600 {
        let of =
            |response, policy: &Policy| Freshness::of(&exchange(&Method::GET, &get, status, response), policy).source;
        let expected = matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501);
        assert_eq!(of(&response, &rfc()) == Source::Heuristic, expected, "RFC 9110 15.1: {status}");
        let prudent = expected && status < 400;
        assert_eq!(of(&response, &safe()) == Source::Heuristic, prudent, "errors only from the allow-list: {status}");
        assert_eq!(of(&public, &rfc()), Source::Heuristic, "4.2.2 public: {status}");
    }
}

#[test]
fn what_the_operator_configures() {
    let get = Fields::new();
    let of = |status, lines: &[(&str, &str)], policy: &Policy| {
        let response = dated(lines);
        let f = Freshness::of(&exchange(&Method::GET, &get, status, &response), policy);
        (f.source, f.lifetime_ms / 1000)
    };
    let ttl = Policy { ttl: Some(Duration::from_secs(3600)), ..safe() };
    assert_eq!(of(200, &[("cache-control", "max-age=5")], &ttl), (Source::Route, 3600));
    assert_eq!(of(200, &[("cache-control", "max-age=0"), ("expires", "0")], &ttl), (Source::Route, 3600));
    assert_eq!(of(200, &[("cdn-cache-control", "max-age=1")], &ttl), (Source::Route, 3600));
    assert_eq!(of(404, &[], &ttl), (Source::None, 0), "an error is not stored for an hour");
    assert_eq!(of(500, &[], &ttl), (Source::None, 0));
    assert_eq!(of(302, &[("cache-control", "max-age=5")], &ttl), (Source::MaxAge, 5));
    assert_eq!(of(200, &[("age", "100")], &ttl), (Source::Route, 3700), "it counts from the arrival");
    let zero = Policy { ttl: Some(Duration::ZERO), ..safe() };
    assert_eq!(of(200, &[("cache-control", "max-age=5"), ("age", "1")], &zero), (Source::Route, 0));

    let negative =
        Policy { negative_ttl: vec![(404, Duration::from_secs(10)), (503, Duration::from_secs(1))], ..safe() };
    assert_eq!(of(404, &[], &negative), (Source::Negative, 10));
    assert_eq!(of(503, &[], &negative), (Source::Negative, 1));
    assert_eq!(of(410, &[], &negative), (Source::None, 0));
    assert_eq!(of(404, &[("cache-control", "max-age=60")], &negative), (Source::MaxAge, 60), "explicit goes first");
    assert_eq!(of(404, &[("last-modified", "@-1000")], &negative), (Source::Negative, 10));
    assert_eq!(of(200, &[], &negative), (Source::None, 0));

    let default = Policy { default_ttl: Duration::from_secs(30), ..safe() };
    assert_eq!(of(200, &[], &default), (Source::Default, 30));
    assert_eq!(of(200, &[("last-modified", "@-1000")], &default), (Source::Heuristic, 100));
    assert_eq!(of(200, &[("cache-control", "max-age=0")], &default), (Source::MaxAge, 0));
    assert_eq!(of(302, &[], &default), (Source::None, 0));
    assert_eq!(of(404, &[], &default), (Source::None, 0));
    assert_eq!(of(404, &[], &Policy { default_ttl: Duration::from_secs(30), ..rfc() }), (Source::None, 0));
    assert_eq!(
        of(200, &[("pragma", "no-cache")], &default),
        (Source::None, 0),
        "whoever says it does not want a guess"
    );
    assert_eq!(
        of(200, &[("pragma", "no-cache"), ("last-modified", "@-1000")], &rfc()),
        (Source::Heuristic, 100),
        "5.4"
    );
}

#[test]
fn how_old_it_is_when_it_arrives() {
    type Row = (&'static [(&'static str, &'static str)], u64, &'static str);
    let rows: &[Row] = &[
        (&[], 0, "4.2.3"),
        (&[("age", "30")], 30, "4.2.3 age_value"),
        (&[("age", "030")], 30, "1.2.2"),
        (&[("date", "@-30")], 30, "4.2.3 apparent_age"),
        (&[("date", "@30")], 0, "4.2.3 a fast clock is no negative age"),
        (&[("date", "foo")], 0, "4.2.3"),
        (&[("date", "@-30"), ("age", "10")], 30, "4.2.3 the larger"),
        (&[("date", "@-30"), ("age", "50")], 50, "4.2.3 the larger"),
        (&[("age", "abc")], 0, "5.1 invalid is ignored"),
        (&[("age", "-7200")], 0, "5.1 invalid is ignored"),
        (&[("age", "7200.0")], 0, "5.1 invalid is ignored"),
        (&[("age", "7200;foo=bar")], 0, "5.1 invalid is ignored"),
        (&[("age", "")], 0, "5.1 invalid is ignored"),
        (&[("age", "7200, 0")], 7200, "5.1 the first member"),
        (&[("age", "0,7200")], 0, "5.1 the first member"),
        (&[("age", "7200"), ("age", "0")], 7200, "5.1 the first line"),
        (&[("age", "0"), ("age", "7200")], 0, "5.1 the first line"),
        (&[("age", "2147483647")], (1 << 31) - 1, "1.2.2"),
        (&[("age", "2147483648")], 1 << 31, "1.2.2"),
        (&[("age", "99999999999999999999999")], 1 << 31, "1.2.2"),
    ];
    for (lines, seconds, section) in rows {
        let f = fresh(&dated(lines), &rfc());
        assert_eq!(f.age_secs(NOW), *seconds, "{section}: {lines:?}");
        assert_eq!(f.received, NOW);
    }
}

#[test]
fn the_time_on_the_way_counts() {
    let response = dated(&[("cache-control", "max-age=60"), ("age", "10"), ("date", "@0")]);
    let (get, request) = (Method::GET, Fields::new());
    let x = exchange(&get, &request, 200, &response);
    let f = Freshness::of(&Exchange { request_time: NOW.minus_millis(2500), ..x }, &rfc());
    assert_eq!(f.age_ms(NOW), 12_500, "4.2.3 corrected_age_value = age_value + response_delay");
    let f = Freshness::of(&Exchange { request_time: NOW.plus_millis(99), ..x }, &rfc());
    assert_eq!(f.age_ms(NOW), 10_000, "a clock that was set back");
    let f = Freshness::of(
        &Exchange { response_time: NOW.plus_millis(900), request_time: NOW.plus_millis(900), ..x },
        &rfc(),
    );
    assert_eq!(f.age_ms(NOW.plus_millis(900)), 10_000, "Date has whole seconds");
}

#[test]
fn an_age_of_2_to_31_is_stale_whatever_the_lifetime() {
    let huge = fields(&[("cache-control", "max-age=99999999999"), ("age", "2147483648")]);
    assert!(!fresh(&huge, &rfc()).is_fresh(NOW), "1.2.2");
    assert!(fresh(&fields(&[("cache-control", "max-age=99999999999")]), &rfc()).is_fresh(NOW), "1.2.2");
}

#[test]
fn fresh_until_the_lifetime_is_over() {
    let f = fresh(&fields(&[("cache-control", "max-age=60"), ("age", "10")]), &rfc());
    assert!(f.is_fresh(NOW.plus_millis(49_999)), "4.2");
    assert!(!f.is_fresh(NOW.plus_millis(50_000)), "4.2 lifetime > age");
    assert_eq!((f.ttl_ms(NOW), f.ttl_secs(NOW)), (50_000, 50));
    assert_eq!(f.ttl_secs(NOW.plus_millis(50_001)), -1, "RFC 9211 2.4 negative where stale");
    assert_eq!(f.ttl_secs(NOW.plus_millis(60_000)), -10);
    assert_eq!(f.staleness_ms(NOW.plus_millis(60_000)), 10_000);
    assert_eq!(f.fresh_until(), NOW.plus_millis(50_000));
    assert_eq!(f.age_secs(Timestamp(i64::MAX)), 1 << 31, "5.1");
    assert_eq!(f.age_ms(NOW.minus_millis(60_000)), 0, "a clock that was set back");
    let _ = (f.ttl_ms(Timestamp(i64::MIN)), f.ttl_ms(Timestamp(i64::MAX)));
}

#[test]
fn stale_windows() {
    let windows = |line: &str, policy: &Policy| {
        let f = fresh(&fields(&[("cache-control", line)]), policy);
        (f.stale_while_revalidate_ms / 1000, f.stale_if_error_ms / 1000, f.must_revalidate, f.no_cache)
    };
    let policy =
        Policy { stale_while_revalidate: Duration::from_secs(30), stale_if_error: Duration::from_secs(DAY), ..rfc() };
    assert_eq!(windows("max-age=5", &policy), (30, DAY, false, false), "the policy's");
    assert_eq!(
        windows("max-age=5, stale-while-revalidate=7, stale-if-error=8", &policy),
        (7, 8, false, false),
        "RFC 5861 3, 4"
    );
    assert_eq!(windows("max-age=5, stale-while-revalidate=0", &policy), (0, DAY, false, false));
    assert_eq!(windows("max-age=5, must-revalidate", &policy), (0, 0, true, false), "5.2.2.2");
    assert_eq!(windows("max-age=5, proxy-revalidate", &policy), (0, 0, true, false), "5.2.2.8");
    assert_eq!(windows("s-maxage=5, stale-while-revalidate=7", &policy), (0, 0, true, false), "5.2.2.10");
    assert!(windows("max-age=5, no-cache", &policy).3, "5.2.2.4");
    assert!(!windows("max-age=5, no-cache=\"a\"", &policy).3, "5.2.2.4 the qualified form");
    assert_eq!(windows("max-age=0", &policy), (0, DAY, false, false), "never fresh: not served unasked");
    assert_eq!(windows("max-age=0, stale-while-revalidate=9", &policy).0, 9, "unless the origin says so");
}

#[test]
fn how_long_it_is_kept() {
    let keep = |lines: &[(&str, &str)]| {
        let policy = Policy { stale_if_error: Duration::from_secs(100), ..rfc() };
        fresh(&dated(lines), &policy).keep_until().since(NOW) / 1000
    };
    assert_eq!(keep(&[("cache-control", "max-age=60")]), 160, "lifetime and the larger window");
    assert_eq!(keep(&[("cache-control", "max-age=60, stale-while-revalidate=500")]), 560);
    assert_eq!(keep(&[("cache-control", "max-age=60, must-revalidate")]), 60);
    assert_eq!(keep(&[("cache-control", "max-age=60, no-cache")]), 60);
    assert_eq!(keep(&[("cache-control", "max-age=60, must-revalidate"), ("etag", "\"a\"")]), 60 + DAY, "its validator");
    assert_eq!(keep(&[("cache-control", "max-age=864000"), ("etag", "\"a\"")]), 20 * DAY, "as long again");
    assert_eq!(keep(&[("cache-control", "max-age=60"), ("age", "7200"), ("last-modified", "@-9")]), DAY);
}

#[test]
fn sources_have_stable_codes() {
    for (code, source) in Source::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(source.code()), code);
        assert_eq!(Source::from_code(source.code()), Some(source));
        assert!(!source.as_str().is_empty());
    }
    assert_eq!(Source::from_code(9), None);
    assert_eq!(date(0), "Sat, 21 Nov 2026 12:00:00 GMT");
}
