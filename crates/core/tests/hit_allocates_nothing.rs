//! Deciding a fresh hit takes no memory: what a request selects, and whether it may be used (RFC 9111 4). In a binary of its own,
//! because it counts what the allocator is asked for.
#![allow(clippy::unwrap_used)]

mod rules_support;

use bytes::Bytes;
use http::Method;
use rules_support::{NOW, exchange, fields, rfc};
use std::hint::black_box;
use terrace_core::entry::coded::{Coding, Codings};
use terrace_core::entry::{Entry, Head};
use terrace_core::purge::{Fate, Index, Target, Times};
use terrace_core::rules::coding;
use terrace_core::rules::directives::RequestControl;
use terrace_core::rules::reuse::{Reuse, reuse};
use terrace_core::rules::storable::storable;
use terrace_core::rules::vary;

type Lines = &'static [(&'static str, &'static str)];

fn stored(request: Lines, response: Lines) -> Head {
    let (request, response) = (fields(request), fields(response));
    let plan = storable(&exchange(&Method::GET, &request, 200, &response), &rfc()).unwrap();
    Entry::new(200, plan.fields, plan.freshness, plan.selecting, Bytes::from_static(b"{}")).with_marks(plan.marks).head
}

#[test]
fn deciding_a_fresh_hit() {
    const FRESH: (&str, &str) = ("cache-control", "max-age=60");
    const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    // The request that was answered, the response, the request that is.
    let rows: &[(Lines, Lines, Lines)] = &[
        (&[], &[FRESH], &[]),
        (&[], &[FRESH], &[("cache-control", "max-age=30, min-fresh=\"5\""), ("cookie", "a=b")]),
        (&[], &[FRESH], &[("pragma", "x")]),
        (&[("x", "1")], &[FRESH, ("vary", "X, Y")], &[("x", "1")]),
        (&[("accept", CHROME)], &[FRESH, ("vary", "accept")], &[("accept", CHROME)]),
        (
            &[("accept-encoding", "gzip, deflate, br;q=1.0, zstd;q=0.55")],
            &[FRESH, ("vary", "accept-encoding")],
            &[("accept-encoding", "zstd;q=0.55,br , GZIP"), ("accept-encoding", "deflate")],
        ),
        (
            &[("accept-language", "de-AT, de;q=0.9")],
            &[FRESH, ("vary", "accept-language")],
            &[("accept-language", "de;q=0.90,de-at")],
        ),
        (
            &[("accept-language", "fr")],
            &[FRESH, ("vary", "accept-language"), ("content-language", "DE-at")],
            &[("accept-language", "en;q=0.5, de")],
        ),
        (&[("cookie", "a=b")], &[FRESH, ("vary", "cookie")], &[("cookie", "a=b")]),
    ];
    for (first, response, second) in rows {
        let (head, request, now) = (stored(first, response), fields(second), NOW.plus_millis(5_000));
        let mut decided = None;
        let taken = allocation_counter::measure(|| {
            let (head, request) = (black_box(&head), black_box(&request));
            let control = RequestControl::of(request, true);
            let form = coding::form(&Method::GET, request, &control, Codings::from([Coding::Gzip]));
            decided = Some((vary::selects(head, request), reuse(&head.freshness, &control, now)));
            black_box(form);
        });
        assert_eq!(decided, Some((true, Reuse::Fresh)), "{response:?} for {second:?}");
        assert_eq!(taken.count_total, 0, "{response:?} for {second:?}: {taken:?}");
    }
}

#[test]
fn whether_a_purge_hits_it() {
    let head = stored(&[], &[("cache-control", "max-age=60"), ("cache-tag", "a, b"), ("cache-groups", "\"g\"")]);
    let mut index = Index::default();
    for n in 0..1000 {
        for target in [Target::tag(&n.to_string()), Target::prefix(&format!("/{n}")), Target::url(&format!("/{n}"))] {
            index.add(target, Times::of(NOW.plus_millis(5_000), false));
        }
    }
    let mut fate = None;
    let taken = allocation_counter::measure(|| fate = Some(index.fate(black_box(&head.marks), NOW)));
    assert_eq!((fate, taken.count_total), (Some(Fate::Lives), 0));
}

#[test]
fn what_allocates_is_counted() {
    let taken = allocation_counter::measure(|| drop(black_box(Vec::<u8>::with_capacity(5))));
    assert_eq!((taken.count_total, taken.bytes_total), (1, 5));
}
