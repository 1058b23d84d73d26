//! What one hit costs, part by part, and the decision beside the crate http-cache-semantics on the same inputs.
//!
//! `before_request` of theirs also makes the response's head, and there is no way to have the decision alone, so terrace is
//! measured twice: the decision, and the decision with the fields that it would answer with.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/rules_support/mod.rs"]
mod rules_support;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::Method;
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use rules_support::{NOW, URL, dated, exchange, fields, rfc};
use std::hint::black_box;
use std::time::{Duration, SystemTime};
use terrace_core::config::Policy;
use terrace_core::decision::{Outcome, Tier};
use terrace_core::entry::codec::{decode, decode_head, encode};
use terrace_core::entry::{Entry, Head};
use terrace_core::fields::Fields;
use terrace_core::key::{self, Parts};
use terrace_core::report;
use terrace_core::rules::directives::RequestControl;
use terrace_core::rules::reuse::{Reuse, reuse};
use terrace_core::rules::storable::storable;
use terrace_core::rules::vary;
use terrace_core::time::Timestamp;

type Lines = &'static [(&'static str, &'static str)];

/// A name, the fields of the request that was answered, of its response, and of the request that is.
type Exchanged = (&'static str, Lines, Lines, Lines);

const BROWSER: Lines = &[
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "de-AT,de;q=0.9,en;q=0.5"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("cookie", "theme=dark; consent=1"),
];

const API: Lines = &[
    ("date", "@-2"),
    ("content-type", "application/json; charset=utf-8"),
    ("content-length", "2048"),
    ("cache-control", "public, max-age=3600, stale-while-revalidate=60"),
    ("etag", "\"5f2b6c1e\""),
    ("last-modified", "@-86400"),
    ("x-request-id", "01J8Z3K7Q4"),
    ("strict-transport-security", "max-age=31536000"),
];

const API_VARIES: Lines = &[
    ("date", "@-2"),
    ("content-type", "application/json; charset=utf-8"),
    ("content-length", "2048"),
    ("cache-control", "public, max-age=3600, stale-while-revalidate=60"),
    ("etag", "\"5f2b6c1e\""),
    ("last-modified", "@-86400"),
    ("vary", "accept-encoding, accept-language"),
    ("x-request-id", "01J8Z3K7Q4"),
];

const ASKS: Lines = &[
    ("accept", "application/json"),
    ("accept-encoding", "gzip"),
    ("cache-control", "max-age=600, min-fresh=10"),
    ("user-agent", "curl/8.14.1"),
];

const INPUTS: [Exchanged; 3] =
    [("plain", BROWSER, API, BROWSER), ("vary", BROWSER, API_VARIES, BROWSER), ("directives", ASKS, API, ASKS)];

fn entry((_, first, response, _): &Exchanged) -> Entry {
    let (request, response) = (fields(first), dated(response));
    let plan = storable(&exchange(&Method::GET, &request, 200, &response), &rfc()).unwrap();
    Entry::new(200, plan.fields, plan.freshness, plan.selecting, Bytes::from(vec![b'x'; 2048]))
}

fn decide(head: &Head, request: &Fields, now: Timestamp) -> bool {
    let control = RequestControl::of(request, true);
    vary::selects(head, request) && reuse(&head.freshness, &control, now) == Reuse::Fresh
}

fn policy((_, first, response, _): &Exchanged) -> CachePolicy {
    let mut made = http::Response::builder().status(200).body(()).unwrap();
    *made.headers_mut() = headers(&dated(response));
    CachePolicy::new_options(&request(&fields(first)), &made, system_time(NOW), CacheOptions::default())
}

fn request(fields: &Fields) -> http::Request<()> {
    let mut made = http::Request::builder().uri(URL).body(()).unwrap();
    *made.headers_mut() = headers(fields);
    made
}

fn headers(fields: &Fields) -> http::HeaderMap {
    let line = |(name, value): &(String, Vec<u8>)| {
        (http::HeaderName::from_bytes(name.as_bytes()).unwrap(), http::HeaderValue::from_bytes(value).unwrap())
    };
    fields.as_list().iter().map(line).collect()
}

fn system_time(t: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(t.0).unwrap())
}

fn fresh_hit(c: &mut Criterion) {
    let now = NOW.plus_millis(5_000);
    let mut group = c.benchmark_group("fresh hit");
    for input in &INPUTS {
        let (name, .., second) = input;
        let (head, asked) = (entry(input).head, fields(second));
        assert!(decide(&head, &asked, now));
        group.bench_function(BenchmarkId::new("terrace", name), |b| {
            b.iter(|| decide(black_box(&head), black_box(&asked), black_box(now)));
        });
        group.bench_function(BenchmarkId::new("terrace with fields", name), |b| {
            b.iter(|| {
                let fresh = decide(black_box(&head), black_box(&asked), black_box(now));
                let mut fields = head.fields.clone();
                fields.append("age", head.freshness.age_secs(now).to_string());
                (fresh, fields)
            });
        });
        let (policy, asked, now) = (policy(input), request(&asked), system_time(now));
        assert!(matches!(policy.before_request(&asked, now), BeforeRequest::Fresh(_)));
        group.bench_function(BenchmarkId::new("http-cache-semantics", name), |b| {
            b.iter(|| policy.before_request(black_box(&asked), black_box(now)));
        });
    }
    group.finish();
}

fn record(c: &mut Criterion) {
    let record = Bytes::from(encode(&entry(&INPUTS[1]), NOW.plus_millis(60_000)));
    let mut group = c.benchmark_group("L1 record of 2 KiB");
    group.bench_function("decode", |b| b.iter(|| decode(black_box(&record).clone())));
    group.bench_function("decode the head", |b| b.iter(|| decode_head(black_box(&record))));
    group.finish();
}

fn key_and_report(c: &mut Criterion) {
    let (asked, plain) = (fields(BROWSER), rfc());
    let by_language = Policy { vary: vec!["accept-language".to_string()], ..rfc() };
    let parts = Parts {
        origin: "https://origin.example",
        scheme: "https",
        authority: "api.example",
        target: "/v1/things/17?expand=owner&page=2",
        fields: &asked,
    };
    c.bench_function("key", |b| b.iter(|| key::primary(black_box(parts), black_box(&plain))));
    c.bench_function("key with a field", |b| b.iter(|| key::primary(black_box(parts), black_box(&by_language))));
    let outcome = Outcome::Hit { tier: Tier::L1, ttl: 3595, stale: None };
    c.bench_function("report", |b| {
        b.iter(|| {
            let mut fields = Fields::with_capacity(4);
            report::describe(black_box(&outcome), &mut fields);
            fields
        });
    });
}

criterion_group!(benches, fresh_hit, record, key_and_report);
criterion_main!(benches);
