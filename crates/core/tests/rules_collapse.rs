//! RFC 9111 4: which requests may share one fetch.
#![allow(clippy::unwrap_used)]

mod rules_support;

use bytes::Bytes;
use http::Method;
use rules_support::{NOW, exchange, fields, fresh, rfc};
use terrace_core::decision::{Failure, NotCollapsed};
use terrace_core::entry::Entry;
use terrace_core::rules::collapse::{Fit, Part, fit, may_be_its_own, part, shared};
use terrace_core::rules::directives::RequestControl;
use terrace_core::rules::storable::storable;

#[test]
fn which_failures_are_for_others() {
    use Failure::*;
    for (failure, own) in [
        (ConnectionTerminated, true),
        (HttpProtocolError, true),
        (ConnectionRefused, false),
        (ConnectionTimeout, false),
        (DnsError, false),
        (HttpResponseTimeout, false),
        (TlsError, false),
    ] {
        assert_eq!(may_be_its_own(failure), own, "{failure:?}");
    }
}

#[test]
fn what_a_request_may_do() {
    use NotCollapsed::{Authorization, Head, Range, Reload};
    let (get, head) = (Method::GET, Method::HEAD);
    // Method, request fields, whether something is stored for the URL, what it may do, section.
    type Row = (Method, &'static [(&'static str, &'static str)], bool, Part, &'static str);
    let rows: &[Row] = &[
        (
            get.clone(),
            &[],
            false,
            Part::Either,
            "4 a cache can use a response that is storable to satisfy multiple requests",
        ),
        (get.clone(), &[("cookie", "a=b")], false, Part::Either, "3 Cookie alone forbids nothing"),
        (get.clone(), &[("if-none-match", "\"a\"")], false, Part::Either, "4.3.2 is answered from what comes"),
        (get.clone(), &[("cache-control", "max-age=5")], false, Part::Either, "5.2.1.1 what comes is younger"),
        (get.clone(), &[("cache-control", "no-cache")], true, Part::Lead(Reload), "5.2.1.4"),
        (get.clone(), &[("pragma", "no-cache")], true, Part::Lead(Reload), "5.4"),
        (get.clone(), &[("cache-control", "max-age=0")], true, Part::Lead(Reload), "5.2.1.1"),
        (get.clone(), &[("range", "bytes=0-1")], true, Part::Alone(Range), "RFC 9110 14.2"),
        (get.clone(), &[("authorization", "x")], false, Part::Alone(Authorization), "3.5"),
        (get.clone(), &[("authorization", "x")], true, Part::Either, "3.5 what is stored was shared before"),
        (head.clone(), &[], true, Part::Follow(Head), "RFC 9110 9.3.2 a HEAD brings no content"),
        (head, &[("cache-control", "no-cache")], true, Part::Alone(Reload), "5.2.1.4"),
    ];
    for (method, request, held, expected, section) in rows {
        let request = fields(request);
        let control = RequestControl::of(&request, true);
        assert_eq!(part(method, &request, &control, *held), *expected, "{section}: {request:?}");
    }
}

#[test]
fn what_comes_may_be_shared_if_it_need_not_be_validated() {
    // Cache-Control, whether it is a part, whether it may be shared, section.
    for (control, is_part, expected, section) in [
        ("max-age=10", false, Ok(()), "4.2"),
        ("max-age=10", true, Err(NotCollapsed::Partial), "3.3"),
        ("max-age=0", false, Err(NotCollapsed::NotFresh), "4.2"),
        ("max-age=10, no-cache", false, Err(NotCollapsed::NotFresh), "5.2.2.4"),
        ("max-age=10, must-revalidate", false, Ok(()), "5.2.2.2"),
        ("s-maxage=10, proxy-revalidate", false, Ok(()), "5.2.2.8"),
    ] {
        assert_eq!(
            shared(&fresh(&fields(&[("cache-control", control)]), &rfc()), is_part, NOW),
            expected,
            "{section}: {control}"
        );
    }
}

#[test]
fn what_came_answers_whom_it_could_answer_from_the_store() {
    type Lines = &'static [(&'static str, &'static str)];
    // Response fields, the request that waited, milliseconds later, whether it is answered, section.
    let rows: &[(Lines, Lines, u64, Fit, &str)] = &[
        (&[("cache-control", "max-age=10")], &[], 0, Fit::Good, "4"),
        (&[("cache-control", "max-age=10"), ("vary", "x")], &[("x", "1")], 0, Fit::Good, "4.1"),
        (&[("cache-control", "max-age=10"), ("vary", "x")], &[("x", "2")], 0, Fit::OtherVariant, "4.1"),
        (&[("cache-control", "max-age=10"), ("vary", "x")], &[], 0, Fit::OtherVariant, "4.1 absent is no value"),
        (&[("cache-control", "max-age=1, must-revalidate")], &[("x", "1")], 2_000, Fit::NotFresh, "5.2.2.2"),
        (&[("cache-control", "max-age=1, stale-while-revalidate=9")], &[], 2_000, Fit::Good, "RFC 5861 3"),
        (
            &[("cache-control", "max-age=10"), ("age", "5")],
            &[("x", "1"), ("cache-control", "max-age=3")],
            0,
            Fit::NotFresh,
            "5.2.1.1",
        ),
    ];
    for (response, request, later, expected, section) in rows {
        let (first, response) = (fields(&[("x", "1")]), fields(response));
        let plan = storable(&exchange(&Method::GET, &first, 200, &response), &rfc()).unwrap();
        let entry = Entry::new(200, plan.fields, plan.freshness, plan.selecting, Bytes::new());
        let request = fields(request);
        let control = RequestControl::of(&request, true);
        assert_eq!(fit(&entry.head, &request, &control, NOW.plus_millis(*later)), *expected, "{section}: {response:?}");
    }
}
