//! RFC 9110 13 and 15.4.5, RFC 9111 4.3: conditions, the client's and ours.

mod rules_support;

use http::Method;
use rules_support::{date, dated, fields, stored, text};
use terrace_core::entry::Head;
use terrace_core::fields::Fields;
use terrace_core::rules::validate::Precondition::{Failed, None, NotModified};
use terrace_core::rules::validate::{
    Precondition, conditional, has_validator, not_modified_fields, precondition, unconditional,
};

fn held(lines: &[(&str, &str)]) -> Head {
    let mut all = vec![("cache-control", "max-age=60"), ("date", "@0")];
    all.extend_from_slice(lines);
    stored(&dated(&all), "body")
}

#[test]
fn etags() {
    // Stored ETag, If-None-Match, expected, section.
    let rows: &[(&str, &str, Precondition, &str)] = &[
        ("\"abcdef\"", "\"abcdef\"", NotModified, "13.1.2"),
        ("\"abcdef\"", "\"other\"", None, "13.1.2"),
        ("\"abcdef\"", "*", NotModified, "13.1.2 any"),
        ("\"abcdef\"", " * ", NotModified, "13.1.2 any"),
        ("\"abcdef\"", "\"x\", *", None, "13.1.2 `*` stands alone"),
        ("W/\"abcdef\"", "W/\"abcdef\"", NotModified, "13.1.2 weak comparison"),
        ("\"abcdef\"", "W/\"abcdef\"", NotModified, "13.1.2 weak comparison"),
        ("W/\"abcdef\"", "\"abcdef\"", NotModified, "13.1.2 weak comparison"),
        ("\"abcdef\"", "\"abcdef\", \"1234\", \"5678\"", NotModified, "13.1.2 a list"),
        ("\"abcdef\"", "\"1234\", W/\"abcdef\", \"5678\"", NotModified, "13.1.2 a list"),
        ("\"abcdef\"", "\"1234\",\"5678\" ,\"abcdef\"", NotModified, "13.1.2 a list"),
        ("\"a,b\"", "\"1\", \"a,b\"", NotModified, "8.8.3 a comma in a tag"),
        ("\"b\"", "\"a,b\"", None, "8.8.3 a comma in a tag"),
        ("\"a\\\"", "\"a\\\"", NotModified, "8.8.3 a backslash escapes nothing"),
        ("\"abcdef\u{fc}\"", "\"abcdef\u{fc}\"", NotModified, "8.8.3 obs-text"),
        ("\"ABC\"", "\"abc\"", None, "8.8.3 tags are opaque"),
        ("abcdef", "abcdef", NotModified, "malformed alike"),
        ("\"abcdef\"", "abcdef", None, "malformed: not the same bytes"),
        ("abcdef", "\"abcdef\"", None, "malformed: not the same bytes"),
        ("w/\"abcdef\"", "w/\"abcdef\"", NotModified, "malformed alike"),
        ("W\"abcdef\"", "W\"abcdef\"", NotModified, "malformed alike"),
        ("W\\\"abcdef\"", "W\\\"abcdef\"", NotModified, "malformed alike"),
        ("\"abcdef\"", "\"abcdef", None, "never closed"),
        ("\"abcdef\"", "", None, "an empty list"),
    ];
    for (etag, condition, expected, section) in rows {
        let head = held(&[("etag", etag)]);
        let got = precondition(&Method::GET, &fields(&[("if-none-match", condition)]), &head);
        assert_eq!(got, *expected, "RFC 9110 {section}: {etag} / {condition}");
    }
}

#[test]
fn in_their_order() {
    let lm = &[("last-modified", "@-3000")];
    let both = &[("etag", "\"a\""), ("last-modified", "@-3000")];
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], Precondition, &'a str);
    let rows: &[Row<'_>] = &[
        (lm, &[], None, "13.2.2 no condition"),
        (lm, &[("if-modified-since", "@-3000")], NotModified, "13.1.3 the same date"),
        (lm, &[("if-modified-since", "@-2000")], NotModified, "13.1.3 a later date"),
        (lm, &[("if-modified-since", "@-3001")], None, "13.1.3 an earlier date"),
        (lm, &[("if-modified-since", "foo")], None, "13.1.3 not a date: ignored"),
        (lm, &[("if-modified-since", "@0"), ("if-modified-since", "@0")], None, "13.1.3 more than one: ignored"),
        (&[], &[("if-modified-since", "@0")], NotModified, "RFC 9111 4.3.2 Date for Last-Modified"),
        (&[], &[("if-modified-since", "@-1")], None, "RFC 9111 4.3.2 Date for Last-Modified"),
        (both, &[("if-none-match", "\"a\""), ("if-modified-since", "@-9999")], NotModified, "13.2.2 ETag first"),
        (both, &[("if-none-match", "\"b\""), ("if-modified-since", "@0")], None, "13.1.3 ignored beside If-None-Match"),
        (lm, &[("if-none-match", "\"b\""), ("if-modified-since", "@0")], None, "13.1.3 ignored beside If-None-Match"),
        (both, &[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], NotModified, "5.3 lines are one list"),
        (both, &[("if-match", "\"a\"")], None, "13.1.1"),
        (both, &[("if-match", "*")], None, "13.1.1"),
        (both, &[("if-match", "\"b\"")], Failed, "13.1.1"),
        (both, &[("if-match", "W/\"a\"")], Failed, "13.1.1 strong comparison"),
        (&[("etag", "W/\"a\"")], &[("if-match", "W/\"a\"")], Failed, "13.1.1 strong comparison"),
        (both, &[("if-match", "\"a\""), ("if-none-match", "\"a\"")], NotModified, "13.2.2"),
        (lm, &[("if-unmodified-since", "@-3000")], None, "13.1.4"),
        (lm, &[("if-unmodified-since", "@-3001")], Failed, "13.1.4"),
        (lm, &[("if-unmodified-since", "foo")], None, "13.1.4 not a date: ignored"),
        (both, &[("if-match", "\"a\""), ("if-unmodified-since", "@-9999")], None, "13.1.4 ignored beside If-Match"),
        (both, &[("if-range", "\"a\"")], None, "13.1.5 only with Range"),
    ];
    for (response, request, expected, section) in rows {
        let got = precondition(&Method::GET, &dated(request), &held(response));
        assert_eq!(got, *expected, "RFC 9110 {section}: {response:?} / {request:?}");
    }
    let request = fields(&[("if-none-match", "\"a\"")]);
    assert_eq!(precondition(&Method::HEAD, &request, &held(both)), NotModified, "13.1.2 HEAD");
    assert_eq!(precondition(&Method::POST, &request, &held(both)), None, "13.2.1 other methods are the origin's");
    let gone = Head { status: 404, ..held(both) };
    assert_eq!(precondition(&Method::GET, &request, &gone), None, "13.2.1 only where the answer would be a 200");
    let past = fields(&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")]);
    let old = held(&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(precondition(&Method::GET, &past, &old), NotModified, "5.6.7 rfc850");
}

#[test]
fn what_a_304_carries() {
    let head = dated(&[
        ("cache-control", "max-age=60"),
        ("content-location", "/x"),
        ("date", "@0"),
        ("etag", "\"a\""),
        ("expires", "@60"),
        ("vary", "accept"),
        ("last-modified", "@-9"),
        ("content-type", "text/plain"),
        ("content-length", "4"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-range", "x"),
        ("content-md5", "x"),
        ("repr-digest", "x"),
        ("x-request-id", "7"),
        ("content-security-policy", "x"),
    ]);
    let names = |fields: &Fields| fields.as_list().iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(
        names(&not_modified_fields(&head)),
        [
            "cache-control",
            "content-location",
            "date",
            "etag",
            "expires",
            "vary",
            "x-request-id",
            "content-security-policy"
        ],
        "RFC 9110 15.4.5"
    );
    let no_etag = dated(&[("last-modified", "@-9"), ("content-type", "text/plain")]);
    assert_eq!(names(&not_modified_fields(&no_etag)), ["last-modified"], "15.4.5 useful where there is no ETag");
}

#[test]
fn our_own_conditions() {
    let client = || {
        dated(&[
            ("if-none-match", "\"client\""),
            ("if-modified-since", "@-1"),
            ("if-match", "*"),
            ("if-unmodified-since", "@-1"),
            ("if-range", "\"client\""),
            ("range", "bytes=0-1"),
            ("accept", "text/plain"),
        ])
    };
    let mut request = client();
    conditional(&held(&[("etag", "W/\"a\""), ("last-modified", "@-3000")]), &mut request);
    assert_eq!(text(&request, "if-none-match").as_deref(), Some("W/\"a\""), "RFC 9111 4.3.1");
    assert_eq!(text(&request, "if-modified-since"), Some(date(-3000)), "RFC 9111 4.3.1");
    for name in ["if-match", "if-unmodified-since", "if-range", "range"] {
        assert!(!request.contains(name), "RFC 9111 4.3.1: the answer must be whole: {name}");
    }
    assert!(request.contains("accept"), "the variant's fields go along");

    let mut request = client();
    conditional(&held(&[("last-modified", "foo")]), &mut request);
    assert_eq!(request.len(), 1, "without a validator there is no condition");
    let mut request = client();
    unconditional(&mut request);
    assert_eq!(request.len(), 1);

    for (lines, expected) in [
        (&[("etag", "\"a\"")][..], true),
        (&[("etag", "")], false),
        (&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")], true),
        (&[("last-modified", "0")], false),
        (&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], false),
    ] {
        assert_eq!(has_validator(&fields(lines)), expected, "RFC 9110 8.8: {lines:?}");
    }
}
