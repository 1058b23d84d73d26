//! RFC 9111 3.3, 3.4 and RFC 9110 14.4, 15.3.7: parts that are stored, joined and completed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod rules_support;

use bytes::Bytes;
use http::Method;
use rules_support::{dated, exchange, fields, fresh, rfc, stored, text};
use terrace_core::decision::NotStored;
use terrace_core::entry::{Entry, Head, Part, Selecting};
use terrace_core::fields::Fields;
use terrace_core::rules::partial::{self, Union};
use terrace_core::rules::range::Selection::{self, Parts};
use terrace_core::rules::storable::{Plan, storable};
use terrace_core::rules::update::{self, HeadUpdate};
use terrace_core::rules::validate::{self, Precondition};
use terrace_core::rules::{freshness, range};

const fn part(start: u64, end: u64, complete: u64) -> Part {
    Part { start, end, complete }
}

/// Bytes 4 to 8 of ten are held.
fn held(lines: &[(&str, &str)]) -> Head {
    let response = dated(lines);
    let freshness = fresh(&response, &rfc());
    let body = Bytes::from_static(b"45678");
    Entry::new(206, response, freshness, Selecting::default(), body).with_part(part(4, 9, 10)).head
}

fn received(request: &[(&str, &str)], response: &[(&str, &str)]) -> Result<Plan, NotStored> {
    storable(&exchange(&Method::GET, &fields(request), 206, &dated(response)), &rfc())
}

#[test]
fn which_206_is_a_part_that_may_be_stored() {
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<Part>, &'a str);
    let ranged: [(&str, &str); 1] = [("range", "bytes=0-4")];
    let rows: &[Row<'_>] = &[
        (&[("content-range", "bytes 0-4/10")], Some(part(0, 5, 10)), "15.3.7.1"),
        (&[("content-range", "bytes 9-9/10")], Some(part(9, 10, 10)), "15.3.7.1"),
        (&[("content-range", "bytes 0-9/10")], Some(part(0, 10, 10)), "15.3.7.1 all of it"),
        (&[("content-range", "Bytes 0-4/10")], Some(part(0, 5, 10)), "14.1 units in any case"),
        (&[("content-range", "bytes 2-4/10")], Some(part(2, 5, 10)), "15.3.7 another part than the one asked for"),
        (&[("content-range", "bytes 0-4/10"), ("content-length", "5")], Some(part(0, 5, 10)), "8.6"),
        (&[("content-range", "bytes 0-4/10"), ("content-length", "6")], None, "14.4 which six bytes?"),
        (&[("content-range", "bytes 4-9/10"), ("content-length", "5")], None, "14.4 which five bytes?"),
        (&[], None, "15.3.7 no Content-Range"),
        (&[("content-range", "bytes 0-4/*")], None, "14.4 of an unknown length"),
        (&[("content-range", "bytes */10")], None, "14.4 unsatisfied"),
        (&[("content-range", "bytes 4-0/10")], None, "14.4 invalid"),
        (&[("content-range", "bytes 0-10/10")], None, "14.4 invalid"),
        (&[("content-range", "bytes 0-4/0")], None, "14.4 invalid"),
        (&[("content-range", "bytes=0-4/10")], None, "14.4 syntax"),
        (&[("content-range", "bytes 0-4")], None, "14.4 syntax"),
        (&[("content-range", "bytes +0-4/10")], None, "14.4 syntax"),
        (&[("content-range", "bytes -4/10")], None, "14.4 syntax"),
        (&[("content-range", "bytes 0-4/99999999999999999999999999")], None, "14.4 more than can be counted"),
        (&[("content-range", "items 0-4/10")], None, "14.4 another unit"),
        (&[("content-range", "bytes 0-4/10"), ("content-range", "bytes 0-4/10")], None, "5.3 one line"),
        (&[("content-type", "multipart/byteranges; boundary=x")], None, "15.3.7.2 several parts"),
        (
            &[("content-range", "bytes 0-4/10"), ("content-type", "Multipart/Byteranges; boundary=x")],
            None,
            "15.3.7.2 several parts",
        ),
    ];
    for (response, expected, section) in rows {
        let mut lines = vec![("cache-control", "max-age=60")];
        lines.extend_from_slice(response);
        let plan = received(&ranged, &lines);
        match expected {
            Some(part) => assert_eq!(plan.unwrap().part, Some(*part), "RFC 9110 {section}: {response:?}"),
            None => assert_eq!(plan.err(), Some(NotStored::Partial), "RFC 9110 {section}: {response:?}"),
        }
    }
    let good = [("cache-control", "max-age=60"), ("content-range", "bytes 0-4/10")];
    assert_eq!(received(&[], &good).err(), Some(NotStored::Partial), "14.2 nobody asked for a range");
    let (request, response) = (fields(&ranged), dated(&good));
    assert!(storable(&exchange(&Method::POST, &request, 206, &response), &rfc()).is_err(), "14.2 GET alone");
}

#[test]
fn a_part_goes_by_the_rules_of_every_response() {
    let with = |request: &[(&str, &str)], response: &[(&str, &str)]| {
        let mut asked = vec![("range", "bytes=0-4")];
        asked.extend_from_slice(request);
        let mut lines = vec![("content-range", "bytes 0-4/10")];
        lines.extend_from_slice(response);
        received(&asked, &lines)
    };
    assert_eq!(with(&[], &[("cache-control", "no-store, max-age=60")]).err(), Some(NotStored::NoStore), "3");
    assert_eq!(with(&[], &[("cache-control", "private, max-age=60")]).err(), Some(NotStored::Private), "3");
    assert_eq!(with(&[], &[]).err(), Some(NotStored::NoFreshness), "3");
    assert_eq!(
        with(&[("authorization", "x")], &[("cache-control", "max-age=60")]).err(),
        Some(NotStored::Authorization),
        "3.5"
    );
    assert!(with(&[], &[("cache-control", "must-understand, no-store, max-age=60")]).is_ok(), "5.2.2.3, 3.3");
    let guessed = with(&[], &[("last-modified", "@-1000")]).unwrap();
    assert_eq!(guessed.freshness.source, freshness::Source::Heuristic, "4.2.2, RFC 9110 15.1");
    assert_eq!(guessed.freshness.lifetime_ms, 100_000, "4.2.2");
    let plain =
        storable(&exchange(&Method::GET, &Fields::new(), 200, &dated(&[("cache-control", "max-age=1")])), &rfc());
    assert_eq!(plain.unwrap().part, None);
}

#[test]
fn what_a_part_answers() {
    let from = |range: &str, more: &[(&str, &str)], head: &Head| {
        let mut request = vec![("range", range)];
        request.extend_from_slice(more);
        range::select_from(part(4, 9, 10), &Method::GET, &dated(&request), head)
    };
    let plain = held(&[]);
    let one = |start, end| Some(Selection::Part { start, end });
    let rows = [
        ("bytes=4-8", one(4, 9), "the exact range"),
        ("bytes=6-8", one(6, 9), "within"),
        ("bytes=5-5", one(5, 6), "within"),
        ("bytes=4-5,7-8", Some(Parts(vec![(4, 6), (7, 9)])), "both within"),
        ("bytes=4-6,5-8", one(4, 9), "joined, within"),
        ("bytes=4-5,20-30", one(4, 6), "RFC 9110 14.1.2 what is beyond the whole is not asked for"),
        ("bytes=3-8", None, "begins before"),
        ("bytes=4-9", None, "ends after"),
        ("bytes=4-", None, "to the end of the whole"),
        ("bytes=-1", None, "the whole's last byte"),
        ("bytes=0-0,5-5", None, "one is not within"),
        ("bytes=20-", None, "a 416 is the origin's to say"),
        ("bytes=8-4", None, "invalid: the whole is asked for"),
        ("items=4-8", None, "another unit: the whole is asked for"),
    ];
    for (range, expected, what) in rows {
        assert_eq!(from(range, &[], &plain), expected, "3.3: {what}: {range}");
    }
    let tail = |range| range::select_from(part(5, 10, 10), &Method::GET, &fields(&[("range", range)]), &plain);
    assert_eq!(tail("bytes=7-"), one(7, 10), "3.3 an open range");
    assert_eq!(tail("bytes=-5"), one(5, 10), "3.3 a suffix");
    assert_eq!(tail("bytes=-6"), None, "3.3 a suffix");
    let request = fields(&[("range", "bytes=4-8")]);
    assert!(range::answers(&Method::GET, &request, &plain));
    assert!(!range::answers(&Method::HEAD, &request, &plain), "3.3: a HEAD is about the whole");
    assert!(!range::answers(&Method::GET, &Fields::new(), &plain), "3.3: no Range, no part");
    assert!(range::answers(&Method::GET, &Fields::new(), &stored(&Fields::new(), "x")), "the whole answers");
    let strong = held(&[("etag", "\"a\"")]);
    assert_eq!(from("bytes=4-8", &[("if-range", "\"a\"")], &strong), one(4, 9), "RFC 9110 13.1.5");
    assert_eq!(from("bytes=4-8", &[("if-range", "\"b\"")], &strong), None, "RFC 9110 13.1.5: the whole is asked for");
    let weak = held(&[("etag", "W/\"a\"")]);
    assert_eq!(from("bytes=4-8", &[("if-range", "W/\"a\"")], &weak), None, "RFC 9110 13.1.5");
}

#[test]
fn parts_are_of_one_content_by_a_strong_etag_alone() {
    let same = |held: &[(&str, &str)], new: &[(&str, &str)]| partial::same_content(&dated(held), &dated(new));
    assert!(same(&[("etag", "\"a\"")], &[("etag", "\"a\"")]), "RFC 9110 15.3.7.3");
    assert!(!same(&[("etag", "\"a\"")], &[("etag", "\"b\"")]), "RFC 9110 15.3.7.3");
    assert!(!same(&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")]), "RFC 9110 15.3.7.3 weak");
    assert!(!same(&[("etag", "\"a\"")], &[("etag", "W/\"a\"")]), "RFC 9110 15.3.7.3 weak");
    assert!(!same(&[("etag", "a")], &[("etag", "a")]), "RFC 9110 8.8.3 not a tag");
    assert!(!same(&[("etag", "\"")], &[("etag", "\"")]), "RFC 9110 8.8.3 not a tag");
    assert!(!same(&[("etag", "\"a\"")], &[]), "RFC 9110 15.3.7.3 none");
    let modified = [("last-modified", "@-1000"), ("date", "@0")];
    assert!(!same(&modified, &modified), "a date alone does not put bytes together");
}

#[test]
fn two_parts() {
    let bytes = |start: u64, end: u64| Bytes::copy_from_slice(&b"0123456789"[start as usize..end as usize]);
    let join = |a: (u64, u64), b: (u64, u64)| {
        let (a_body, b_body) = (bytes(a.0, a.1), bytes(b.0, b.1));
        partial::join((part(a.0, a.1, 10), &a_body), (part(b.0, b.1, 10), &b_body), 10)
    };
    let joined = |start, end| Union::Joined(part(start, end, 10), bytes(start, end));
    let rows = [
        ((0, 5), (5, 10), joined(0, 10), "they touch"),
        ((5, 10), (0, 5), joined(0, 10), "they touch, the other way round"),
        ((0, 5), (3, 8), joined(0, 8), "they overlap"),
        ((3, 8), (0, 5), joined(0, 8), "they overlap, the other way round"),
        ((2, 8), (3, 5), joined(2, 8), "the held one has it all"),
        ((3, 5), (2, 8), joined(2, 8), "the new one has it all"),
        ((2, 5), (2, 8), joined(2, 8), "they begin together"),
        ((0, 10), (3, 5), joined(0, 10), "the whole has it all"),
        ((0, 4), (5, 10), Union::Apart, "a byte is missing"),
        ((6, 10), (0, 5), Union::Apart, "a byte is missing"),
    ];
    for (a, b, expected, what) in rows {
        assert_eq!(join(a, b), expected, "3.4: {what}");
    }
    let (a, b) = (Bytes::from_static(b"01234"), Bytes::from_static(b"4x"));
    let join = |b_at: Part, b: &Bytes, most| partial::join((part(0, 5, 10), &a), (b_at, b), most);
    assert_eq!(join(part(5, 7, 11), &b, 99), Union::Different, "RFC 9110 15.3.7.3: another length of the whole");
    assert_eq!(join(part(3, 5, 10), &b, 99), Union::Different, "the bytes that both have differ");
    assert!(matches!(join(part(5, 7, 10), &b, 7), Union::Joined(..)));
    assert_eq!(join(part(5, 7, 10), &b, 6), Union::Apart, "too large together");
}

#[test]
fn how_the_rest_is_asked_for() {
    let rest = |from: Part, etag: &str, request: &[(&str, &str)]| {
        let head = Head { part: Some(from), ..held(&[("etag", etag)]) };
        partial::for_the_rest(&head, &fields(request)).map(|fields| {
            assert_eq!(text(&fields, "if-range").as_deref(), Some(etag), "RFC 9110 13.1.5");
            text(&fields, "range").unwrap()
        })
    };
    assert_eq!(rest(part(0, 5, 10), "\"a\"", &[]).as_deref(), Some("bytes=5-"), "3.3");
    assert_eq!(rest(part(5, 10, 10), "\"a\"", &[]).as_deref(), Some("bytes=0-4"), "3.3");
    assert_eq!(rest(part(1, 9, 10), "\"a\"", &[]), None, "the rest is two parts");
    assert_eq!(rest(part(0, 4, 10), "\"a\"", &[]), None, "less than half: not worth the wait");
    assert_eq!(rest(part(0, 5, 10), "W/\"a\"", &[]), None, "RFC 9110 15.3.7.3: no strong validator");
    assert_eq!(rest(part(0, 5, 10), "\"a\"", &[("range", "bytes=0-7")]), None, "it is no request for all");
    let head = Head { part: Some(part(0, 5, 10)), ..held(&[("etag", "\"a\"")]) };
    let own =
        fields(&[("if-none-match", "\"b\""), ("if-modified-since", "x"), ("if-range", "\"b\""), ("accept", "*/*")]);
    let sent = partial::for_the_rest(&head, &own).unwrap();
    assert_eq!(text(&sent, "if-range").as_deref(), Some("\"a\""), "the client's conditions are answered here");
    assert!(!sent.contains("if-none-match") && !sent.contains("if-modified-since") && sent.contains("accept"));
    assert_eq!(partial::for_the_rest(&stored(&dated(&[("etag", "\"a\"")]), "all"), &Fields::new()), None);
    for (new, expected) in [
        (part(5, 10, 10), true),
        (part(0, 10, 10), true),
        (part(3, 10, 10), true),
        (part(6, 10, 10), false),
        (part(5, 9, 10), false),
        (part(5, 11, 11), false),
    ] {
        assert_eq!(partial::completes(&head, new), expected, "3.3: {new:?}");
    }
}

#[test]
fn a_stored_part_is_validated_as_the_part_it_is() {
    let head = held(&[("etag", "\"a\"")]);
    let mut request = fields(&[("range", "bytes=4-8"), ("if-range", "\"a\""), ("if-none-match", "\"x\"")]);
    validate::conditional(&head, &mut request);
    assert_eq!(text(&request, "if-none-match").as_deref(), Some("\"a\""), "4.3.1");
    assert_eq!(
        text(&request, "range").as_deref(),
        Some("bytes=4-8"),
        "4.3.1: no more than the part, if it has changed"
    );
    assert_eq!(text(&request, "if-range").as_deref(), Some("\"a\""), "RFC 9110 13.1.5 remains the client's");
    let mut request = fields(&[("range", "bytes=4-8"), ("if-range", "\"a\"")]);
    validate::conditional(&stored(&dated(&[("etag", "\"a\"")]), "all"), &mut request);
    assert!(!request.contains("range") && !request.contains("if-range"), "4.3.1: the whole");
    let has = fields(&[("range", "bytes=4-8"), ("if-none-match", "W/\"a\"")]);
    assert_eq!(
        validate::precondition(&Method::GET, &has, &head),
        Precondition::NotModified,
        "4.3.2: a stored 206, too"
    );
}

#[test]
fn the_fields_of_the_newer_response_replace_those_of_the_part() {
    let head = held(&[("etag", "\"a\""), ("x-a", "1"), ("x-b", "1"), ("cache-control", "max-age=5")]);
    let response = dated(&[
        ("etag", "\"a\""),
        ("x-a", "2"),
        ("cache-control", "max-age=60"),
        ("content-range", "bytes 0-3/10"),
        ("content-length", "4"),
    ]);
    let request = fields(&[("range", "bytes=0-3")]);
    let updated = update::by_part(&head, &exchange(&Method::GET, &request, 206, &response), &rfc());
    assert_eq!(text(&updated.fields, "x-a").as_deref(), Some("2"), "3.4");
    assert_eq!(text(&updated.fields, "x-b").as_deref(), Some("1"), "3.4 others stay");
    assert_eq!(text(&updated.fields, "content-range"), None, "3.4 aside from Content-Range");
    assert_eq!(updated.freshness.lifetime_ms, 60_000, "3.4, 4.2");
}

#[test]
fn a_head_is_compared_with_the_whole_length() {
    let head = held(&[("etag", "\"a\"")]);
    let after = |length: &str| {
        let response = dated(&[("etag", "\"a\""), ("cache-control", "max-age=60"), ("content-length", length)]);
        update::by_head(&head, &exchange(&Method::HEAD, &Fields::new(), 200, &response), &rfc())
    };
    assert!(
        matches!(after("10"), HeadUpdate::Refresh(updated) if updated.part == head.part && updated.status == 206),
        "4.3.5"
    );
    assert_eq!(after("5"), HeadUpdate::Invalid, "4.3.5");
}

#[test]
fn which_range_reaches_the_origin() {
    let sent = |lines: &[(&str, &str)]| range::may_be_sent(&fields(lines));
    assert!(sent(&[]));
    for good in ["bytes=0-4", "bytes=-5", "bytes=5-", "bytes=0-0,2-2", "items=1-2", "bytes=0-,0-,0-"] {
        assert!(sent(&[("range", good)]), "RFC 9110 14.2: {good}");
    }
    for bad in ["bytes=4-0", "bytes=a", "bytes", "bytes=", "bytes=0-1-2"] {
        assert!(!sent(&[("range", bad)]), "RFC 9110 14.2 invalid: {bad}");
    }
    assert!(!sent(&[("range", "bytes=0-1"), ("range", "bytes=0-1")]), "RFC 9110 14.2 one line");
    let spaced = |n: u64| (0..n).map(|i| format!("{}-{}", i * 4, i * 4)).collect::<Vec<_>>().join(",");
    assert!(sent(&[("range", &format!("bytes={}", spaced(16)))]), "RFC 9110 17.15");
    assert!(!sent(&[("range", &format!("bytes={}", spaced(17)))]), "RFC 9110 17.15");
    assert!(!sent(&[("range", &format!("bytes={}", vec!["0-"; 129].join(",")))]), "RFC 9110 17.15");
}
