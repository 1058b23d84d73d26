//! RFC 9111 5.2 and 5.4, Surrogate-Control: a row per sentence. RFC 9213 has rules_targeted.rs.

mod rules_support;

use rules_support::fields;
use terrace_core::fields::Fields;
use terrace_core::rules::directives::{ControlSource, RequestControl, ResponseControl, Scope, response_control};

fn cc(line: &str) -> ResponseControl {
    ResponseControl::parse(std::iter::once(line.as_bytes()))
}

#[test]
fn max_age_as_it_is_written() {
    const TWO_31: u64 = 1 << 31;
    let rows: &[(&str, Option<u64>, &str)] = &[
        ("max-age=3600", Some(3600), "5.2.2.1"),
        ("max-age=0", Some(0), "5.2.2.1"),
        ("MaX-aGe=3600", Some(3600), "5.2 names are case-insensitive"),
        ("foobar, max-age=3600", Some(3600), "5.2.3 unknown directives are ignored"),
        ("nothing-to-see-here", None, "5.2.3"),
        ("max-age=\"3600\"", Some(3600), "5.2 the quoted form is accepted"),
        ("max-age='3600'", Some(0), "5.2 single quotes do not quote"),
        ("max-age=003600", Some(3600), "1.2.2 leading zeros"),
        ("max-age=2147483647", Some(TWO_31 - 1), "1.2.2"),
        ("max-age=2147483648", Some(TWO_31), "1.2.2"),
        ("max-age=99999999999", Some(TWO_31), "1.2.2 too large counts as 2^31"),
        ("max-age=99999999999999999999999999999999", Some(TWO_31), "1.2.2 too large for any integer"),
        ("max-age=-3600", Some(0), "4.2.1 negative: stale"),
        ("max-age=3600.0", Some(0), "4.2.1 invalid: stale"),
        ("max-age=a3600", Some(0), "4.2.1 invalid: stale"),
        ("max-age=3600a", Some(0), "4.2.1 invalid: stale"),
        ("max-age =3600", Some(0), "4.2.1 invalid: stale"),
        ("max-age= 3600", Some(0), "4.2.1 invalid: stale"),
        ("max-age", Some(0), "4.2.1 no argument: stale"),
        ("max-age=", Some(0), "4.2.1 empty argument: stale"),
        ("max-age=\"\"", Some(0), "4.2.1 empty argument: stale"),
        ("max-age=3600, max-age=1800", Some(3600), "4.2.1 the first of two"),
        ("max-age=1, max-age=1800", Some(1), "4.2.1 the first of two"),
        ("max-age=a, max-age=1800", Some(0), "4.2.1 the first of two"),
        ("extension=\"max-age=3600\", max-age=1", Some(1), "5.2 quoted strings are opaque"),
        ("max-age=1, extension=\"max-age=3600\"", Some(1), "5.2 quoted strings are opaque"),
        ("extension=\"a, \\\", max-age=3600\", max-age=\"1\"", Some(1), "5.2 escaped quotes"),
        ("extension=\"a, max-age=5", Some(5), "an unclosed quote hides nothing"),
        (
            "extension=\"a, max-age=5, b=\"c\"",
            Some(5),
            "RFC 9110 5.6.4 nor one that the next opening quote would close",
        ),
        ("extension=\"a, max-age=6\" , max-age=5", Some(5), "RFC 9110 5.6.1.2 white space before the comma"),
        (" , ,max-age=3600 , ", Some(3600), "RFC 9110 5.6.1.2 empty members"),
        ("\t max-age=3600\t", Some(3600), "RFC 9110 5.6.3 white space"),
        ("s-maxage=10", None, "5.2.2.10 is another directive"),
    ];
    for (line, expected, section) in rows {
        assert_eq!(cc(line).max_age, *expected, "{section}: {line}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let two = fields(&[("cache-control", "max-age=3600"), ("x", "1"), ("cache-control", "s-maxage=1, No-Store")]);
    let (control, source) = response_control(&two);
    assert_eq!((control.max_age, control.s_maxage, control.no_store), (Some(3600), Some(1), true), "RFC 9110 5.3");
    assert_eq!(source, ControlSource::CacheControl);
}

#[test]
fn flags_in_any_case() {
    let all = cc("No-StOrE, PUBLIC, must-revalidate, proxy-revalidate, must-understand, no-transform, immutable, \
                  stale-while-revalidate=5, stale-if-error=6, s-maxage=7");
    assert!(all.no_store && all.public && all.must_revalidate && all.proxy_revalidate && all.must_understand);
    assert!(all.no_transform && all.immutable && all.forbids_stale() && all.allows_authorized());
    assert_eq!((all.stale_while_revalidate, all.stale_if_error, all.s_maxage), (Some(5), Some(6), Some(7)));
    assert!(cc("no-store=\"x\"").no_store, "5.2.3 an argument that is not defined does not undo it");
}

#[test]
fn what_private_and_no_cache_cover() {
    let list = |names: &[&str]| Scope::Fields(names.iter().map(|n| (*n).to_string()).collect());
    let rows: &[(&str, Scope, &str)] = &[
        ("max-age=5", Scope::Absent, "-"),
        ("private", Scope::Whole, "5.2.2.7"),
        ("PRIVATE", Scope::Whole, "5.2.2.7"),
        ("private=\"a\"", list(&["a"]), "5.2.2.7 the qualified form"),
        ("private=\"A, b ,, c\"", list(&["a", "b", "c"]), "5.2.2.7 names are case-insensitive"),
        ("private=a", list(&["a"]), "5.2.2.7 the token form is accepted"),
        ("private=\"a\", private=\"b\"", list(&["a", "b"]), "4.2.1 the most restrictive"),
        ("private=\"a\", private", Scope::Whole, "4.2.1 the most restrictive"),
        ("private, private=\"a\"", Scope::Whole, "4.2.1 the most restrictive"),
        ("private=\"\"", Scope::Whole, "an empty list covers everything"),
        ("private=\"a b\"", Scope::Whole, "a broken list covers everything"),
        ("private = \"a, b\"", Scope::Whole, "a broken argument covers everything"),
        ("private=\"a", Scope::Whole, "an unclosed quote covers everything"),
        ("private=\"content-encoding\"", Scope::Whole, "the content would be unreadable without it"),
    ];
    for (line, expected, section) in rows {
        assert_eq!(cc(line).private, *expected, "{section}: {line}");
        let line = line.to_lowercase().replace("private", "no-cache");
        assert_eq!(cc(&line).no_cache, *expected, "5.2.2.4: {line}");
    }
}

#[test]
fn surrogate_control() {
    let of = |value: &str| {
        response_control(&fields(&[("surrogate-control", value), ("cache-control", "max-age=5, no-store")]))
    };
    let rows: &[(&str, bool, Option<u64>)] = &[
        ("max-age=3600", true, Some(3600)),
        ("MaX-aGe=3600", true, Some(3600)),
        ("max-age=99999999999", true, Some(1 << 31)),
        ("max-age=3600;terrace", true, Some(3600)),
        ("max-age=3600; Terrace", true, Some(3600)),
        ("max-age=3600;other", false, Some(5)),
        ("max-age=3600;other, max-age=60", true, Some(60)),
        ("max-age=3600;other;terrace", true, Some(3600)),
        ("max-age =100", true, Some(0)),
        ("max-age= 100", true, Some(0)),
        ("foobar, max-age=3600", true, Some(3600)),
        ("foo", false, Some(5)),
        ("content=\"ESI/1.0\"", false, Some(5)),
        ("", false, Some(5)),
        ("no-store", true, None),
        ("no-store-remote", true, None),
    ];
    for (value, ours, max_age) in rows {
        let (control, source) = of(value);
        assert_eq!((source == ControlSource::Surrogate, control.max_age), (*ours, *max_age), "{value}");
        assert_eq!(control.no_store, !ours || value.starts_with("no-store"), "{value}");
    }
    let (control, _) = of("max-age=600+30");
    assert_eq!(
        (control.max_age, control.stale_while_revalidate, control.stale_if_error),
        (Some(600), Some(30), Some(30))
    );
}

#[test]
fn what_a_client_asks_for() {
    let of = |line: &str| RequestControl::of(&fields(&[("cache-control", line)]), true);
    assert_eq!(of("nothing-to-see-here"), RequestControl::default(), "5.2.3");
    assert!(of("No-Cache").no_cache && of("no-store").no_store && of("only-if-cached").only_if_cached);
    assert_eq!(of("max-age=5, min-fresh=6").max_age, Some(5), "5.2.1.1");
    assert_eq!(of("max-age=5, min-fresh=6").min_fresh, Some(6), "5.2.1.3");
    assert_eq!(of("max-age=x").max_age, Some(0), "a broken age asks for validation");
    assert_eq!(of("max-stale").max_stale, Some(None), "5.2.1.2 any staleness");
    assert_eq!(of("max-stale=7").max_stale, Some(Some(7)), "5.2.1.2");
    assert_eq!(of("max-stale=x").max_stale, Some(Some(0)), "5.2.1.2 broken: none");
    assert_eq!(of("stale-if-error=9").stale_if_error, Some(9), "RFC 5861 4");
    let pragma = fields(&[("pragma", "foo, No-Cache")]);
    assert!(RequestControl::of(&pragma, true).no_cache, "5.4");
    assert!(!RequestControl::of(&fields(&[("pragma", "foo")]), true).no_cache, "5.4");
    let both = fields(&[("pragma", "no-cache"), ("cache-control", "x")]);
    assert!(!RequestControl::of(&both, true).no_cache, "5.4 only without Cache-Control");
    assert_eq!(RequestControl::of(&pragma, false), RequestControl::default(), "strangers are not listened to");
    assert_eq!(RequestControl::of(&Fields::new(), true), RequestControl::default());
}

#[test]
fn nothing_makes_it_panic() {
    let alphabet = [b'"', b'\\', b',', b'=', b' ', b'a', b';', 0xff, b'1', b'+'];
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let line: Vec<u8> = (0..12)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                alphabet.get(usize::try_from(state >> 33).unwrap_or(0) % alphabet.len()).copied().unwrap_or(0)
            })
            .collect();
        for head in ["private=", "max-age=", "", "no-cache=\""] {
            let value = [head.as_bytes(), &line].concat();
            let names = ["cache-control", "cdn-cache-control", "surrogate-control"];
            let all: Fields = names.iter().map(|n| ((*n).to_string(), value.clone())).collect();
            response_control(&all);
            ResponseControl::parse(std::iter::once(value.as_slice()));
            RequestControl::of(&all, true);
        }
    }
}

/// A client may send 64 KiB of it: each byte is looked at a few times, not once per quote.
#[test]
fn quotes_that_never_close_cost_no_more_than_others() {
    for piece in ["\"\\\",", "\"\\\"", "\"x", "\" ,", "\\\""] {
        let begun = std::time::Instant::now();
        let line = format!("\"{}", piece.repeat(150_000));
        let of = ResponseControl::parse([line.as_bytes(), b"max-age=5"].into_iter());
        assert_eq!(of.max_age, Some(5));
        let _ = terrace_core::rules::vary::normalise("x", line.as_bytes());
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{piece}: {:?}", begun.elapsed());
    }
}
