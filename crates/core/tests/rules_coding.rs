//! RFC 9110 8.4, 8.8.1, 12.5.3, 12.5.5; RFC 9111 5.2.1.6, 5.2.2.6: what is compressed, and which form a client is sent.
#![allow(clippy::unwrap_used)]

mod rules_support;

use bytes::Bytes;
use http::Method;
use rules_support::{fields, fresh, rfc, safe, text};
use terrace_core::config::Policy;
use terrace_core::decision::NotCompressed::{self, *};
use terrace_core::entry::coded::{Coding, Codings, Form, MAX_SIZE};
use terrace_core::entry::{Entry, Selecting};
use terrace_core::fields::Fields;
use terrace_core::rules::coding::{compressible, form, is_worth_it, preferred, show, vary_on_encoding};
use terrace_core::rules::directives::RequestControl;

const BR: Option<Coding> = Some(Coding::Br);
const ZSTD: Option<Coding> = Some(Coding::Zstd);
const GZIP: Option<Coding> = Some(Coding::Gzip);
const IDENTITY: Option<Coding> = None;

#[test]
fn accept_encoding() {
    // What is at hand, the lines of the field, what is sent.
    type Row<'a> = (&'a [Coding], &'a [&'a str], Option<Coding>, &'a str);
    let rows: &[Row<'_>] = &[
        (&Coding::ALL, &[], IDENTITY, "12.5.3 no field: any coding would do, and none is safest"),
        (&Coding::ALL, &[""], IDENTITY, "12.5.3 an empty field: no coding is wanted"),
        (&Coding::ALL, &["gzip"], GZIP, "12.5.3 a coding that is listed is acceptable"),
        (&Coding::ALL, &["GZip"], GZIP, "8.4.1 names are case-insensitive"),
        (&Coding::ALL, &["x-gzip"], GZIP, "8.4.1.3 x-gzip is gzip"),
        (&Coding::ALL, &["compress, deflate"], IDENTITY, "12.5.3 neither is at hand: no coding"),
        (&[Coding::Gzip], &["br, zstd"], IDENTITY, "12.5.3 neither is at hand: no coding"),
        (&Coding::ALL, &["gzip, deflate, br, zstd"], BR, "12.4.2 all of one weight: ours to choose"),
        (&[Coding::Gzip, Coding::Zstd], &["gzip, deflate, br, zstd"], ZSTD, "12.4.2 all of one weight"),
        (&[Coding::Gzip], &["gzip, deflate, br, zstd"], GZIP, "12.4.2 the one at hand"),
        (&Coding::ALL, &["br;q=0.5, gzip;q=0.8"], GZIP, "12.5.3 the highest weight"),
        (&Coding::ALL, &["br; q=0.999 , gzip"], GZIP, "12.4.2 no weight is 1"),
        (&[Coding::Br], &["br;q=0.001, gzip"], BR, "12.4.2 the least acceptable is acceptable"),
        (&Coding::ALL, &["br;q=0, gzip"], GZIP, "12.4.2 a weight of 0 is not acceptable"),
        (&Coding::ALL, &["gzip;q=0"], IDENTITY, "12.4.2 a weight of 0 is not acceptable"),
        (&Coding::ALL, &["gzip;q=0.000"], IDENTITY, "12.4.2"),
        (&Coding::ALL, &["*"], BR, "12.5.3 * is any coding that is not listed"),
        (&Coding::ALL, &["br;q=0, *"], ZSTD, "12.5.3 * is any coding that is not listed"),
        (&Coding::ALL, &["gzip, *;q=0"], GZIP, "12.5.3 *;q=0 leaves what is listed"),
        (&Coding::ALL, &["*;q=0"], IDENTITY, "12.5.3 nothing is acceptable: better no coding than nothing"),
        (&Coding::ALL, &["identity;q=0"], IDENTITY, "12.5.3 nothing is acceptable: better no coding than nothing"),
        (&Coding::ALL, &["identity;q=0, gzip;q=0.1"], GZIP, "12.5.3 identity;q=0 excludes no coding"),
        (&Coding::ALL, &["identity;q=0, *"], BR, "12.5.3"),
        (&Coding::ALL, &["identity"], IDENTITY, "12.5.3"),
        (&Coding::ALL, &["identity, gzip;q=0.5"], IDENTITY, "12.5.3 identity with the highest weight"),
        (&Coding::ALL, &["identity;q=0.5, gzip"], GZIP, "12.5.3"),
        (&Coding::ALL, &["identity, gzip"], GZIP, "12.4.2 of one weight: ours to choose"),
        (&Coding::ALL, &["gzip;q=0.5", "br"], BR, "5.3 lines of one field are one list"),
        (&Coding::ALL, &["gzip;q=2"], IDENTITY, "12.4.2 no weight: the member says nothing"),
        (&Coding::ALL, &["gzip;q=x, br;q=0.1"], BR, "12.4.2 no weight: the member says nothing"),
        (&Coding::ALL, &["gzip;q=0.1234"], IDENTITY, "12.4.2 at most three decimals"),
        (&Coding::ALL, &[", ,gzip,,"], GZIP, "5.6.1 empty members count for nothing"),
        (&Coding::ALL, &["gzip;q=0, gzip"], IDENTITY, "the first of two counts"),
    ];
    for (at_hand, lines, sent, section) in rows {
        let request: Fields = lines.iter().map(|v| ("accept-encoding".to_string(), v.as_bytes().to_vec())).collect();
        assert_eq!(
            preferred(&request, at_hand.iter().copied().fold(Codings::NONE, Codings::with)),
            *sent,
            "{section}: {lines:?}"
        );
    }
}

#[test]
fn what_a_request_is_sent() {
    const GZIP_TOO: (&str, &str) = ("accept-encoding", "gzip");
    let (plain, spared) = (RequestControl::default(), RequestControl { no_transform: true, ..Default::default() });
    type Row<'a> = (Method, &'a [(&'a str, &'a str)], &'a RequestControl, Option<Coding>, &'a str);
    let rows: &[Row<'_>] = &[
        (Method::GET, &[GZIP_TOO], &plain, GZIP, "12.5.3"),
        (Method::HEAD, &[GZIP_TOO], &plain, GZIP, "9.3.2 the fields of a GET"),
        (Method::GET, &[GZIP_TOO, ("range", "bytes=0-1")], &plain, IDENTITY, "14.2 ranges are the origin's bytes"),
        (Method::GET, &[GZIP_TOO, ("range", "x")], &plain, IDENTITY, "14.2"),
        (Method::HEAD, &[GZIP_TOO, ("range", "bytes=0-1")], &plain, GZIP, "14.2 Range is for GET alone"),
        (Method::GET, &[GZIP_TOO], &spared, IDENTITY, "RFC 9111 5.2.1.6"),
    ];
    for (method, lines, control, sent, section) in rows {
        assert_eq!(form(method, &fields(lines), control, Codings::from([Coding::Gzip])), *sent, "{section}: {lines:?}");
    }
    let control = |honour| RequestControl::of(&fields(&[("cache-control", "No-Transform")]), honour);
    assert!(control(true).no_transform && !control(false).no_transform, "RFC 9111 5.2.1.6");
}

#[test]
fn what_is_compressed() {
    const JSON: (&str, &str) = ("content-type", "application/json");
    let off = Policy { compress: Codings::NONE, ..safe() };
    let safe = safe();
    type Row<'a> = (u16, &'a [(&'a str, &'a str)], Option<u64>, &'a Policy, Result<(), NotCompressed>, &'a str);
    let rows: &[Row<'_>] = &[
        (200, &[JSON], Some(5000), &safe, Ok(()), ""),
        (200, &[JSON], None, &safe, Ok(()), "the length is not known yet"),
        (200, &[JSON], Some(5000), &off, Err(Off), ""),
        (404, &[JSON], Some(5000), &safe, Err(Status), ""),
        (206, &[JSON], Some(5000), &safe, Err(Status), "14.4 a part is one of these very bytes"),
        (200, &[JSON, ("content-encoding", "gzip")], Some(5000), &safe, Err(Encoded), "8.4"),
        (200, &[JSON, ("content-encoding", "aes128gcm")], Some(5000), &safe, Err(Encoded), "8.4"),
        (200, &[JSON, ("vary", "Accept, Accept-Encoding")], None, &safe, Err(Negotiated), "12.5.5"),
        (200, &[JSON, ("vary", "Accept"), ("vary", "accept-encoding")], None, &safe, Err(Negotiated), "12.5.5"),
        (200, &[JSON, ("vary", "Accept-Language")], None, &safe, Ok(()), "12.5.5"),
        (200, &[JSON, ("cache-control", "max-age=9, No-Transform")], None, &safe, Err(NoTransform), "7.7"),
        (200, &[JSON, ("cache-control", "a=\"no-transform\"")], None, &safe, Ok(()), "RFC 9111 5.2"),
        (
            200,
            &[JSON, ("cache-control", "no-transform"), ("cdn-cache-control", "max-age=9")],
            None,
            &safe,
            Err(NoTransform),
            "7.7 the message has it, whoever it is for",
        ),
        (200, &[JSON, ("cdn-cache-control", "max-age=9, no-transform")], None, &safe, Err(NoTransform), "RFC 9213 2"),
        (200, &[JSON, ("content-digest", "sha-256=:x:")], None, &safe, Err(Digest), "RFC 9530 2"),
        (200, &[JSON, ("repr-digest", "sha-256=:x:")], None, &safe, Err(Digest), "RFC 9530 3"),
        (200, &[JSON, ("content-md5", "x")], None, &safe, Err(Digest), "RFC 1864"),
        (200, &[JSON], Some(1023), &safe, Err(TooSmall), ""),
        (200, &[JSON], Some(1024), &safe, Ok(()), ""),
        (200, &[JSON], Some(MAX_SIZE), &safe, Ok(()), ""),
        (200, &[JSON], Some(MAX_SIZE + 1), &safe, Err(TooLarge), ""),
        (200, &[], Some(5000), &safe, Err(MediaType), "nobody says what it is"),
    ];
    for (status, lines, length, policy, expected, why) in rows {
        assert_eq!(compressible(*status, &fields(lines), *length, policy), *expected, "{why}: {lines:?} {length:?}");
    }
    for reason in NotCompressed::ALL {
        assert!(rows.iter().any(|row| row.4 == Err(*reason)), "no row for {reason:?}");
    }
}

#[test]
fn media_types() {
    let compressed = |kind: &str| compressible(200, &fields(&[("content-type", kind)]), None, &safe()).is_ok();
    for kind in [
        "text/html; charset=utf-8",
        "TEXT/CSS",
        "text/plain",
        "application/json",
        "Application/JSON;charset=utf-8",
        "application/problem+json",
        "application/vnd.api+json; v=1",
        "application/atom+xml",
        "application/xml",
        "image/svg+xml",
        "application/javascript",
        "application/x-ndjson",
        "application/openapi+yaml",
    ] {
        assert!(compressed(kind), "{kind}");
    }
    for kind in [
        "image/png",
        "image/jpeg",
        "video/mp4",
        "application/zip",
        "application/gzip",
        "application/octet-stream",
        "application/pdf",
        "font/woff2",
        "text/event-stream",
        "multipart/byteranges; boundary=x",
        "application/jsonx",
        "json",
        "",
    ] {
        assert!(!compressed(kind), "{kind}");
    }
}

#[test]
fn a_form_is_kept_where_it_saves_an_eighth() {
    assert!(is_worth_it(700, 800) && !is_worth_it(701, 800) && !is_worth_it(800, 800) && !is_worth_it(0, 800));
}

fn coded(lines: &[(&str, &str)]) -> Entry {
    let response = fields(lines);
    let (freshness, content) = (fresh(&response, &rfc()), Bytes::from_static(b"as it came"));
    let forms = [(Coding::Gzip, b"zipped".to_vec()), (Coding::Br, b"brotli!".to_vec())];
    Entry::new(200, response, freshness, Selecting::default(), content).with_forms(true, &forms)
}

#[test]
fn the_fields_fit_the_form_that_is_sent() {
    let origin = [("content-length", "10"), ("etag", "\"x\""), ("vary", "Accept")];
    let mut entry = coded(&origin);
    show(&mut entry, Form::In(Coding::Gzip));
    let of = |name: &str| text(&entry.head.fields, name);
    assert_eq!(entry.body, "zipped");
    assert_eq!(of("content-encoding").as_deref(), Some("gzip"), "8.4");
    assert_eq!(of("content-length").as_deref(), Some("6"), "8.6");
    assert_eq!(
        of("etag").as_deref(),
        Some("W/\"x\""),
        "8.8.3.3 another representation has another strong tag, or a weak one"
    );
    assert_eq!(of("vary").as_deref(), Some("Accept, Accept-Encoding"), "12.5.5");

    let mut entry = coded(&origin);
    let content = entry.head.coded.unwrap().form(&entry.body, None).unwrap();
    show(&mut entry, Form::Identity(content));
    let of = |name: &str| text(&entry.head.fields, name);
    assert_eq!((entry.body.as_ref(), of("content-encoding")), (b"as it came".as_slice(), None));
    assert_eq!((of("content-length").as_deref(), of("etag").as_deref()), (Some("10"), Some("\"x\"")), "8.8.1");
    assert_eq!(of("vary").as_deref(), Some("Accept, Accept-Encoding"), "12.5.5");

    for (tag, sent) in [("W/\"x\"", "W/\"x\""), ("x", "W/x")] {
        let mut entry = coded(&[("etag", tag)]);
        show(&mut entry, Form::In(Coding::Br));
        assert_eq!(text(&entry.head.fields, "etag").as_deref(), Some(sent), "8.8.1 weak once");
    }
    let mut entry = coded(&[]);
    show(&mut entry, Form::In(Coding::Br));
    assert_eq!(text(&entry.head.fields, "etag"), None, "8.8.3 none is made up");
}

#[test]
fn vary_names_accept_encoding_once() {
    for (lines, expected) in [
        (&[][..], "Accept-Encoding"),
        (&[("vary", "")][..], "Accept-Encoding"),
        (&[("vary", "Accept")], "Accept, Accept-Encoding"),
        (&[("vary", "Accept"), ("vary", "Origin")], "Accept, Origin, Accept-Encoding"),
        (&[("vary", "accept-encoding, Accept")], "accept-encoding, Accept"),
        (&[("vary", "*")], "*"),
    ] {
        let mut fields = fields(lines);
        vary_on_encoding(&mut fields);
        assert_eq!(text(&fields, "vary").as_deref(), Some(expected), "{lines:?}");
    }
}
