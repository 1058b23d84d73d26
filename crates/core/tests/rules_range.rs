//! RFC 9110 14, 13.1.5 and 15.3.7: ranges.

mod rules_support;

use bytes::Bytes;
use http::Method;
use rules_support::{dated, fields, stored};
use terrace_core::entry::Head;
use terrace_core::rules::range::Selection::{self, Part, Parts, Unsatisfiable, Whole};
use terrace_core::rules::range::{content_range, multipart, select, unsatisfied_range};

fn held(lines: &[(&str, &str)]) -> Head {
    stored(&dated(lines), "0123456789")
}

fn of(range: &str, len: u64) -> Selection {
    select(&Method::GET, &fields(&[("range", range)]), &held(&[]), len)
}

const fn part(start: u64, end: u64) -> Selection {
    Part { start, end }
}

#[test]
fn the_three_forms_and_what_is_not_one() {
    let rows: &[(&str, Selection, &str)] = &[
        ("bytes=0-1", part(0, 2), "14.1.2"),
        ("bytes=1-", part(1, 10), "14.1.2"),
        ("bytes=-1", part(9, 10), "14.1.2 suffix"),
        ("bytes=-5", part(5, 10), "14.1.2 suffix"),
        ("bytes=-99", part(0, 10), "14.1.2 a suffix longer than the content"),
        ("bytes=9-9", part(9, 10), "14.1.2"),
        ("bytes=5-99", part(5, 10), "14.1.2 the last position is cut"),
        ("bytes=5-99999999999999999999999999", part(5, 10), "14.1.2 the last position is cut"),
        ("BYTES=0-1", part(0, 2), "14.1 units are case-insensitive"),
        ("bytes= 0-1 , ", part(0, 2), "5.6.1 list syntax"),
        ("bytes=10-", Unsatisfiable, "14.1.2"),
        ("bytes=10-20", Unsatisfiable, "14.1.2"),
        ("bytes=99999999999999999999999999-", Unsatisfiable, "14.1.2"),
        ("bytes=-0", Unsatisfiable, "14.1.2 an empty suffix"),
        ("bytes=10-20,0-1", part(0, 2), "14.2 one of them is there"),
        ("bytes=2-1", Whole, "14.1.1 invalid: ignored"),
        ("bytes=0-1,2-1", Whole, "14.1.1 one is invalid: all ignored"),
        ("bytes=-", Whole, "14.1.1"),
        ("bytes=", Whole, "14.1.1"),
        ("bytes", Whole, "14.1.1"),
        ("bytes=a-b", Whole, "14.1.1"),
        ("bytes=+1-2", Whole, "14.1.1"),
        ("bytes=0-1-2", Whole, "14.1.1"),
        ("bytes=0 - 1", Whole, "14.1.1"),
        ("bytes =0-1", Whole, "14.1.1"),
        ("items=0-1", Whole, "14.2 another unit: ignored"),
        ("", Whole, "14.1.1"),
        ("bytes=0-1,5-6", Parts(vec![(0, 2), (5, 7)]), "14.1.2"),
        ("bytes=5-6,0-1", Parts(vec![(5, 7), (0, 2)]), "15.3.7.2 in the order they were asked for"),
        ("bytes=0-4,2-6", part(0, 7), "15.3.7.2 overlapping"),
        ("bytes=0-1,2-3", part(0, 4), "15.3.7.2 touching"),
        ("bytes=0-1,4-5,2-3", part(0, 6), "15.3.7.2 joined by a third"),
        ("bytes=8-8,0-1,4-5,2-3", Parts(vec![(8, 9), (0, 6)]), "15.3.7.2"),
        ("bytes=0-,0-,0-", part(0, 10), "15.3.7.2"),
        ("bytes=0-0,-1", Parts(vec![(0, 1), (9, 10)]), "14.1.2 first and last"),
    ];
    for (range, expected, section) in rows {
        assert_eq!(of(range, 10), *expected, "RFC 9110 {section}: {range}");
    }
    assert_eq!(of("bytes=0-", 0), Unsatisfiable, "14.1.2 nothing there");
    assert_eq!(of("bytes=-5", 0), Whole, "14.1.2 a suffix of nothing is nothing");
}

#[test]
fn too_many_are_refused() {
    let spaced = |n: u64| (0..n).map(|i| format!("{}-{}", i * 4, i * 4)).collect::<Vec<_>>().join(",");
    assert!(matches!(of(&format!("bytes={}", spaced(16)), 1000), Parts(parts) if parts.len() == 16), "17.15");
    assert_eq!(of(&format!("bytes={}", spaced(17)), 1000), Whole, "17.15");
    assert_eq!(of(&format!("bytes={}", vec!["0-0"; 128].join(",")), 1000), part(0, 1), "17.15");
    assert_eq!(of(&format!("bytes={}", vec!["0-0"; 129].join(",")), 1000), Whole, "17.15");
}

#[test]
fn when_range_counts() {
    let range = [("range", "bytes=0-1")];
    let get = |head: &Head, more: &[(&str, &str)]| {
        let mut request = range.to_vec();
        request.extend_from_slice(more);
        select(&Method::GET, &dated(&request), head, 10)
    };
    let plain = held(&[]);
    assert_eq!(select(&Method::HEAD, &fields(&range), &plain, 10), Whole, "14.2 GET only");
    assert_eq!(get(&Head { status: 404, ..plain.clone() }, &[]), Whole, "14.2 a 200 only");
    assert_eq!(get(&plain, &range), Whole, "14.2 two Range lines are not one");
    assert_eq!(select(&Method::GET, &fields(&[]), &plain, 10), Whole);
    let yes = part(0, 2);
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, bool, &'a str);
    let rows: &[Row<'_>] = &[
        (&[("etag", "\"a\"")], "\"a\"", true, "the same strong tag"),
        (&[("etag", "\"a\"")], "\"b\"", false, "another tag"),
        (&[("etag", "W/\"a\"")], "W/\"a\"", false, "weak tags never match"),
        (&[("etag", "\"a\"")], "W/\"a\"", false, "weak tags never match"),
        (&[("etag", "W/\"a\"")], "\"a\"", false, "weak tags never match"),
        (&[], "\"a\"", false, "no tag"),
        (&[("date", "@0"), ("last-modified", "@-9")], "@-9", true, "exactly the date"),
        (&[("date", "@0"), ("last-modified", "@-9")], "@-8", false, "a later date"),
        (&[("date", "@0"), ("last-modified", "@-1")], "@-1", true, "8.8.2.2 a second old: strong"),
        (&[("date", "@0"), ("last-modified", "@0")], "@0", false, "8.8.2.2 weak"),
        (&[("last-modified", "@-9")], "@-9", false, "8.8.2.2 without a Date it is weak"),
        (&[("date", "@0")], "@0", false, "no Last-Modified"),
        (&[("etag", "\"a\""), ("date", "@0"), ("last-modified", "@-9")], "foo", false, "neither"),
        (
            &[("date", "@0"), ("last-modified", "@-9"), ("vary", "Foo, Accept-Encoding")],
            "@-9",
            false,
            "8.8.1 the coded content has the same date",
        ),
    ];
    for (response, condition, holds, section) in rows {
        let got = get(&held(response), &[("if-range", condition)]);
        assert_eq!(got, if *holds { yes.clone() } else { Whole }, "13.1.5 {section}: {response:?} / {condition}");
    }
    let twice = [("if-range", "\"a\""), ("if-range", "\"a\"")];
    assert_eq!(get(&held(&[("etag", "\"a\"")]), &twice), Whole, "13.1.5 one only");
}

#[test]
fn how_parts_are_sent() {
    assert_eq!(content_range(0, 2, 10), "bytes 0-1/10", "14.4");
    assert_eq!(unsatisfied_range(10), "bytes */10", "14.4");
    let body = Bytes::from_static(b"0123456789");
    let sent = multipart(0, &body, &[(5, 7), (0, 1)], Some(b"text/plain"), 10, "B");
    assert_eq!(
        sent,
        "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-6/10\r\n\r\n56\r\n\
         --B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--B--\r\n",
        "14.6"
    );
    let sent = multipart(4, &Bytes::from_static(b"4567"), &[(4, 5), (6, 8), (2, 5)], None, 10, "B");
    assert_eq!(
        sent,
        "--B\r\nContent-Range: bytes 4-4/10\r\n\r\n4\r\n--B\r\nContent-Range: bytes 6-7/10\r\n\r\n67\r\n\
         --B\r\nContent-Range: bytes 2-4/10\r\n\r\n\r\n--B--\r\n",
        "14.6 from a part"
    );
    let sent = multipart(0, &body, &[(0, 1), (99, 100), (3, 2)], None, 10, "B");
    assert!(
        sent.starts_with(b"--B\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--B\r\n"),
        "a part that is not there is empty"
    );
}
