//! RFC 9111 4, 4.2.4, 5.2.1 and RFC 5861: may it be used?

mod rules_support;

use rules_support::{NOW, fields, fresh, rfc};
use std::time::Duration;
use terrace_core::config::Policy;
use terrace_core::decision::MustValidate::{NoCache, RequestMaxAge, RequestMinFresh, RequestNoCache, Stale as IsStale};
use terrace_core::decision::ServedStale::{RequestMaxStale, WhileRevalidate};
use terrace_core::rules::directives::RequestControl;
use terrace_core::rules::reuse::Reuse::{Fresh, Stale, Validate};
use terrace_core::rules::reuse::{Reuse, is_error, may_serve_on_error, reuse};

#[test]
fn sentence_by_sentence() {
    // Stored Cache-Control, request Cache-Control, age in milliseconds, decision, section.
    let rows: &[(&str, &str, u64, Reuse, &str)] = &[
        ("max-age=10", "", 0, Fresh, "4.2"),
        ("max-age=10", "", 9_999, Fresh, "4.2"),
        ("max-age=10", "", 10_000, Validate(IsStale), "4.2"),
        ("max-age=10, no-cache", "", 0, Validate(NoCache), "5.2.2.4"),
        ("max-age=10, no-cache=\"a\"", "", 0, Fresh, "5.2.2.4 the qualified form"),
        ("max-age=10, no-cache", "max-stale", 0, Validate(NoCache), "5.2.2.4 outranks the request"),
        ("max-age=10", "no-cache", 0, Validate(RequestNoCache), "5.2.1.4"),
        ("max-age=10", "max-age=0", 0, Validate(RequestMaxAge), "5.2.1.1"),
        ("max-age=10", "max-age=3", 3_000, Fresh, "5.2.1.1 not greater"),
        ("max-age=10", "max-age=3", 3_001, Validate(RequestMaxAge), "5.2.1.1"),
        ("max-age=10", "max-age=30, max-stale", 20_000, Stale(RequestMaxStale), "5.2.1.1 with max-stale"),
        ("max-age=10, stale-while-revalidate=99", "max-age=30", 20_000, Validate(IsStale), "5.2.1.1 no stale response"),
        ("max-age=10", "min-fresh=5", 5_000, Fresh, "5.2.1.3"),
        ("max-age=10", "min-fresh=5", 5_001, Validate(RequestMinFresh), "5.2.1.3"),
        ("max-age=10", "min-fresh=20", 0, Validate(RequestMinFresh), "5.2.1.3"),
        ("max-age=10", "min-fresh=1, max-stale", 11_000, Validate(IsStale), "5.2.1.3 max-stale does not undo it"),
        ("max-age=10", "min-fresh=0, max-stale", 10_001, Validate(IsStale), "5.2.1.3 no less than the age"),
        ("max-age=10", "min-fresh=0, max-stale", 10_000, Stale(RequestMaxStale), "5.2.1.3 no less than the age"),
        ("max-age=10", "max-age=3", 11_000, Validate(IsStale), "RFC 9211 2.2 stale is stale, whatever was asked"),
        ("max-age=10", "no-cache", 11_000, Validate(IsStale), "RFC 9211 2.2"),
        ("max-age=10", "max-stale", 99_000_000, Stale(RequestMaxStale), "5.2.1.2 any staleness"),
        ("max-age=10", "max-stale=5", 15_000, Stale(RequestMaxStale), "5.2.1.2 no more than"),
        ("max-age=10", "max-stale=5", 15_001, Validate(IsStale), "5.2.1.2"),
        ("max-age=10, must-revalidate", "max-stale", 11_000, Validate(IsStale), "5.2.2.2 outranks the request"),
        ("max-age=10, proxy-revalidate", "max-stale", 11_000, Validate(IsStale), "5.2.2.8"),
        ("s-maxage=10", "max-stale", 11_000, Validate(IsStale), "5.2.2.10"),
        ("max-age=10, must-revalidate", "", 9_000, Fresh, "5.2.2.2 fresh is fresh"),
        ("max-age=10, stale-while-revalidate=5", "", 10_000, Stale(WhileRevalidate), "RFC 5861 3"),
        ("max-age=10, stale-while-revalidate=5", "", 14_999, Stale(WhileRevalidate), "RFC 5861 3"),
        ("max-age=10, stale-while-revalidate=5", "", 15_000, Validate(IsStale), "RFC 5861 3 strictly inside"),
        (
            "max-age=10, stale-while-revalidate=5",
            "max-stale=9",
            16_000,
            Stale(RequestMaxStale),
            "5.2.1.2 past the window",
        ),
        ("s-maxage=10, stale-while-revalidate=5", "", 11_000, Validate(IsStale), "5.2.2.10"),
        ("max-age=10, must-revalidate, stale-while-revalidate=5", "", 11_000, Validate(IsStale), "5.2.2.2"),
        ("max-age=10", "no-store", 0, Fresh, "5.2.1.5 does not forbid to answer from the store"),
    ];
    for (stored, request, age, expected, section) in rows {
        let f = fresh(&fields(&[("cache-control", stored)]), &rfc());
        let asked = if request.is_empty() { fields(&[]) } else { fields(&[("cache-control", request)]) };
        let got = reuse(&f, &RequestControl::of(&asked, true), NOW.plus_millis(*age));
        assert_eq!(got, *expected, "{section}: {stored} / {request} at {age}");
    }
}

#[test]
fn when_the_origin_fails() {
    let rows: &[(&str, &str, u64, bool, &str)] = &[
        ("max-age=10, stale-if-error=5", "", 14_999, true, "RFC 5861 4"),
        ("max-age=10, stale-if-error=5", "", 15_000, false, "RFC 5861 4 strictly inside"),
        ("max-age=10, stale-if-error=0", "", 10_000, false, "RFC 5861 4"),
        ("max-age=10", "", 109_999, true, "the policy's window"),
        ("max-age=10", "", 110_000, false, "the policy's window"),
        ("max-age=10", "stale-if-error=500", 300_000, true, "RFC 5861 4 in a request"),
        ("max-age=10, must-revalidate", "stale-if-error=500", 10_000, false, "5.2.2.2"),
        ("max-age=10, proxy-revalidate", "", 10_000, false, "5.2.2.8"),
        ("s-maxage=10", "", 10_000, false, "5.2.2.10"),
        ("max-age=10, must-revalidate", "", 9_000, true, "it is fresh still"),
        ("max-age=10, no-cache", "", 0, false, "5.2.2.4"),
    ];
    let policy = Policy { stale_if_error: Duration::from_secs(100), ..rfc() };
    for (stored, request, age, expected, section) in rows {
        let f = fresh(&fields(&[("cache-control", stored)]), &policy);
        let asked = if request.is_empty() { fields(&[]) } else { fields(&[("cache-control", request)]) };
        let got = may_serve_on_error(&f, &RequestControl::of(&asked, true), NOW.plus_millis(*age));
        assert_eq!(got, *expected, "{section}: {stored} / {request} at {age}");
    }
    let errors: Vec<u16> = (100..600).filter(|status| is_error(*status)).collect();
    assert_eq!(errors, [429, 500, 502, 503, 504], "RFC 5861 4, and RFC 6585 4");
}
