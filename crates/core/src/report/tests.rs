#![allow(clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::decision::{Failure, NotStored, ServedStale, Tier};

fn line(outcome: Outcome) -> (String, String, String) {
    let mut fields = Fields::new();
    describe(&outcome, &mut fields);
    let text = |name| fields.get_str(name).unwrap_or_default().to_string();
    (text("cache-status"), text("x-cache-tier"), text("x-cache"))
}

fn row(outcome: Outcome, status: &str, tier: &str, cache: &str) {
    assert_eq!(line(outcome), (status.to_string(), tier.to_string(), cache.to_string()));
}

#[test]
fn every_outcome_is_printed_as_the_contract_says() {
    row(Outcome::Hit { tier: Tier::L1, ttl: 376, stale: None }, "terrace; hit; ttl=376; detail=L1", "L1-HIT", "HIT");
    row(
        Outcome::Hit { tier: Tier::L2, ttl: -3, stale: Some(ServedStale::WhileRevalidate) },
        "terrace; hit; ttl=-3; detail=\"L2, stale-while-revalidate\"",
        "STALE-L2",
        "HIT",
    );
    let forwarded = |why, status, stored, from| Outcome::Forwarded { why, detail: None, status, stored, from };
    row(forwarded(Forward::UriMiss, Some(200), Some(Ok(())), None), "terrace; fwd=uri-miss; stored", "MISS", "MISS");
    row(
        forwarded(Forward::UriMiss, Some(200), Some(Err(NotStored::NoStore)), None),
        "terrace; fwd=uri-miss; detail=no-store",
        "MISS",
        "MISS",
    );
    row(
        forwarded(Forward::Stale, Some(304), None, Some((Tier::L2, None))),
        "terrace; fwd=stale; fwd-status=304; detail=L2",
        "REVALIDATED",
        "HIT",
    );
    row(
        forwarded(Forward::Stale, Some(503), None, Some((Tier::L1, Some(ServedStale::IfError)))),
        "terrace; fwd=stale; fwd-status=503; detail=\"L1, stale-if-error\"",
        "STALE-L1",
        "HIT",
    );
    row(forwarded(Forward::Method, Some(200), None, None), "terrace; fwd=method", "BYPASS", "MISS");
    row(
        Outcome::Failed { failure: Failure::ConnectionTimeout, why: Some(Forward::UriMiss) },
        "terrace; fwd=uri-miss; detail=connection_timeout",
        "MISS",
        "MISS",
    );
    let collapsed = |why, status, from| Outcome::Collapsed { why, status, from };
    row(collapsed(Forward::UriMiss, Some(200), None), "terrace; fwd=uri-miss; collapsed", "MISS", "MISS");
    row(
        collapsed(Forward::Stale, Some(304), Some((Tier::L2, None))),
        "terrace; fwd=stale; fwd-status=304; collapsed; detail=L2",
        "REVALIDATED",
        "HIT",
    );
    row(
        collapsed(Forward::Stale, None, Some((Tier::L1, Some(ServedStale::IfError)))),
        "terrace; fwd=stale; collapsed; detail=\"L1, stale-if-error\"",
        "STALE-L1",
        "HIT",
    );
    row(
        Outcome::CollapsedFailure { failure: Failure::ConnectionTimeout, why: Forward::UriMiss },
        "terrace; fwd=uri-miss; collapsed; detail=connection_timeout",
        "MISS",
        "MISS",
    );
}

#[test]
fn cache_status_is_a_structured_field_list() {
    for stale in ServedStale::ALL {
        let (status, ..) = line(Outcome::Hit { tier: Tier::L1, ttl: 1, stale: Some(*stale) });
        assert!(sfv::Parser::new(status.as_str()).parse::<sfv::List>().is_ok(), "{status}");
    }
    for reason in NotStored::ALL {
        let stored = Some(Err(*reason));
        let (status, ..) =
            line(Outcome::Forwarded { why: Forward::UriMiss, detail: None, status: None, stored, from: None });
        assert!(sfv::Parser::new(status.as_str()).parse::<sfv::List>().is_ok(), "{status}");
    }
}

#[test]
fn an_error_names_what_failed_and_never_where() {
    for failure in Failure::ALL {
        let response: crate::message::Response<()> = problem::response(*failure, "id-1");
        let crate::message::Body::Full(body) = response.body else { panic!("a problem document has content") };
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(document["status"], response.status.as_u16());
        assert_eq!(document["instance"], "id-1");
        assert_eq!(response.fields.get_str("cache-control"), Some("no-store"));
        let status = response.fields.get_str("proxy-status").unwrap_or_default();
        assert!(sfv::Parser::new(status).parse::<sfv::List>().is_ok(), "{status}");
    }
}
