//! RFC 9111 4.1, RFC 9110 12.5: which variant.
#![allow(clippy::indexing_slicing, clippy::type_complexity)]

mod rules_support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rules_support::fields;
use terrace_core::entry::{MAX_SENT, Selected, Selecting, Variant};
use terrace_core::fields::Fields;
use terrace_core::key::Key;
use terrace_core::rules::vary::{Star, choose, language, language_matches, matches, names, normalise, selecting};

fn of(vary: &[&str]) -> Result<Vec<String>, Star> {
    names(&vary.iter().map(|v| ("vary".to_string(), v.as_bytes().to_vec())).collect())
}

#[test]
fn what_vary_names() {
    let rows: &[(&[&str], Option<&[&str]>, &str)] = &[
        (&[], Some(&[]), "no Vary"),
        (&[""], Some(&[]), "an empty Vary"),
        (&["Foo"], Some(&["foo"]), "RFC 9110 5.1 names are case-insensitive"),
        (&["Foo, Bar,foo"], Some(&["bar", "foo"]), "each once"),
        (&["Foo", "Bar"], Some(&["bar", "foo"]), "RFC 9110 5.3 several lines"),
        (&["*"], None, "4.1"),
        (&["*, *"], None, "4.1"),
        (&["*", "*"], None, "4.1"),
        (&[", *"], None, "4.1"),
        (&["", "*"], None, "4.1"),
        (&["*, Foo"], None, "4.1"),
        (&["Foo, *"], None, "4.1"),
        (&["Foo", "Bar, *"], None, "4.1"),
        (&["Foo Bar"], None, "no field name: nothing can match it"),
        (&["Foo\u{fc}"], None, "no field name: nothing can match it"),
        (&["X-Forwarded-Proto, Host, Foo"], Some(&["foo"]), "the origin never sees these"),
        (&["Foo, X-Forwarded-For"], None, "4.1 the origin sees more than the client sent"),
        (&["Via"], None, "4.1 the origin sees more than the client sent"),
    ];
    for (vary, expected, section) in rows {
        let expected = expected.map(|names| names.iter().map(|n| (*n).to_string()).collect()).ok_or(Star);
        assert_eq!(of(vary), expected, "{section}: {vary:?}");
    }
}

/// Whether a request with the second lines selects what was stored for the first ones.
fn same(vary: &str, first: &[(&str, &str)], second: &[(&str, &str)]) -> bool {
    let names = of(&[vary]).unwrap_or_default();
    matches(&selecting(&names, &fields(first)), &fields(second))
}

#[test]
fn when_a_request_matches() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], bool, &'a str);
    let rows: &[Row<'_>] = &[
        ("", &[("foo", "1")], &[("foo", "2")], true, "no Vary matches all"),
        ("Foo", &[("foo", "1")], &[("foo", "1")], true, "4.1"),
        ("Foo", &[("foo", "1")], &[("foo", "2")], false, "4.1"),
        ("Foo", &[], &[("foo", "1")], false, "4.1 absent matches only absent"),
        ("Foo", &[("foo", "1")], &[], false, "4.1 absent matches only absent"),
        ("Foo", &[], &[], true, "4.1 absent in both"),
        ("Foo", &[("foo", "")], &[], false, "4.1 empty is not absent"),
        ("Foo", &[("foo", "1"), ("x", "1")], &[("foo", "1"), ("x", "2")], true, "4.1 only what Vary names"),
        ("Foo, Bar", &[("foo", "1"), ("bar", "a")], &[("bar", "a"), ("foo", "1")], true, "4.1 all of them"),
        ("Foo, Bar", &[("foo", "1"), ("bar", "a")], &[("foo", "2"), ("bar", "a")], false, "4.1 all of them"),
        ("Foo, Bar", &[("foo", "1")], &[("foo", "1"), ("bar", "a")], false, "4.1 all of them"),
        ("Foo", &[("foo", "1, 2")], &[("foo", "1"), ("foo", "2")], true, "4.1 repeated lines are joined"),
        ("Foo", &[("foo", "1,2")], &[("foo", " 1, 2 ")], true, "4.1 white space"),
        ("Foo", &[("foo", "1,2")], &[("foo", "2,1")], false, "4.1 an unknown field keeps its order"),
        ("Foo", &[("foo", "a")], &[("foo", "A")], false, "4.1 an unknown field keeps its case"),
        ("Foo", &[("foo", "\"a, b\"")], &[("foo", "\"a,b\"")], false, "a quoted string keeps its spaces"),
        ("Accept-Language", &[("accept-language", "en, de")], &[("accept-language", "de, en")], true, "order"),
        ("Accept-Language", &[("accept-language", "en, de")], &[("accept-language", "eN, De")], true, "case"),
        ("Accept-Language", &[("accept-language", "en, de")], &[("accept-language", " en ,   de")], true, "space"),
        ("Accept-Language", &[("accept-language", "en;q=1.0")], &[("accept-language", "en")], true, "RFC 9110 12.4.2"),
        ("Accept-Language", &[("accept-language", "en;q=0.50")], &[("accept-language", "en; Q=0.5")], true, "12.4.2"),
        ("Accept-Language", &[("accept-language", "en;q=0.5")], &[("accept-language", "en")], false, "12.4.2"),
        ("Accept-Encoding", &[("accept-encoding", "gzip, br")], &[("accept-encoding", "BR,gzip")], true, "order"),
        ("Accept-Encoding", &[("accept-encoding", "gzip, br")], &[("accept-encoding", "gzip")], false, "4.1"),
        ("Accept-Encoding", &[("accept-encoding", "gzip")], &[("accept-encoding", "gzip, br")], false, "4.1"),
        ("Accept-Encoding", &[("accept-encoding", "gzip, br")], &[("accept-encoding", "gzip, gzip")], false, "4.1"),
        (
            "Accept-Encoding",
            &[("accept-encoding", "gzip,br")],
            &[("accept-encoding", "br, gzip , br,,")],
            true,
            "each once",
        ),
        ("Accept-Encoding", &[("accept-encoding", "")], &[("accept-encoding", " ,")], true, "5.6.1 empty members"),
        ("Accept-Encoding", &[("accept-encoding", "")], &[("accept-encoding", "br")], false, "4.1"),
        ("Accept-Encoding", &[("accept-encoding", "br")], &[("accept-encoding", "")], false, "4.1"),
        ("Accept-Encoding", &[("accept-encoding", "br;q=0.000")], &[("accept-encoding", "br;q=0")], true, "12.4.2"),
        ("Accept-Encoding", &[("accept-encoding", "br;q=0.05")], &[("accept-encoding", "br;q=0.050")], true, "12.4.2"),
        ("Accept-Encoding", &[("accept-encoding", "br;q=0.05")], &[("accept-encoding", "br;q=0.5")], false, "12.4.2"),
        ("Accept", &[("accept", "a/b;p=\"x,y\", c/d")], &[("accept", "c/d,a/b;p=\"x,y\"")], true, "a comma in quotes"),
        ("Accept", &[("accept", "text/html, a/b")], &[("accept", "A/B, Text/HTML")], true, "order, case of the type"),
        ("Accept", &[("accept", "a/b;p=X")], &[("accept", "a/b;p=x")], false, "the case of a parameter may matter"),
        ("Authorization", &[("authorization", "a")], &[("authorization", "a")], true, "4.1"),
        ("Authorization", &[("authorization", "a")], &[("authorization", "b")], false, "4.1"),
        ("Cookie", &[("cookie", "a=1")], &[("cookie", "a=2")], false, "4.1"),
    ];
    for (vary, first, second, expected, section) in rows {
        assert_eq!(same(vary, first, second), *expected, "{section}: {vary}: {first:?} / {second:?}");
    }
    let kept = selecting(&["authorization".to_string()], &fields(&[("authorization", "Bearer secret")]));
    assert!(
        !format!("{kept:?}").contains("secret")
            && kept.0.iter().all(|field| field.sent.is_empty() && field.value.as_ref().is_some_and(|v| v.len() == 32))
    );
}

#[test]
fn the_normal_form_is_stable() {
    for name in ["accept", "accept-language", "accept-encoding", "accept-charset", "foo"] {
        for value in [
            "",
            " ",
            ",",
            "b , a",
            "a;q=0.001, *;q=0",
            "a;q=2;x",
            "\"a , b\" , c",
            "\"a , b",
            "a;;b",
            ";q=1",
            ";q=1,a",
            "a;q=1.5",
            "a;q=0.1234",
            "a;p=\"x,y\",b",
            "\u{fc},a",
        ] {
            let once = normalise(name, value.as_bytes()).into_owned();
            assert_eq!(normalise(name, &once), once.as_slice(), "{name}: {value:?}");
            assert!(same(name, &[(name, value)], &[(name, value)]), "{name}: {value:?}");
        }
    }
    assert!(matches!(normalise("foo", b"Mozilla/5.0 (X11; Linux)"), std::borrow::Cow::Borrowed(_)), "no allocation");
    assert!(matches!(normalise("accept-encoding", b"br,gzip"), std::borrow::Cow::Borrowed(_)), "no change");
}

#[test]
fn comparing_is_normalising() {
    let pieces = ["gzip", " br ", "GZIP", "a;q=0.5", "a;q=0.50", "", ";q=1", "*;q=0", "x;p=\"1,2\"", "x;p=\"1"];
    let mut state = 11_usize;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (0..(state >> 33) % 5).map(|i| pieces[(state >> (35 + i * 5)) % pieces.len()]).collect::<Vec<_>>().join(",")
    };
    for _ in 0..20_000 {
        let (first, second) = (next(), next());
        for name in ["accept", "accept-encoding"] {
            let equal = normalise(name, first.as_bytes()) == normalise(name, second.as_bytes());
            assert_eq!(same(name, &[(name, &first)], &[(name, &second)]), equal, "{name}: {first:?} / {second:?}");
        }
    }
    let many = (0..100).map(|i| format!("l{i}")).collect::<Vec<_>>().join(", ");
    let reversed = (0..100).rev().map(|i| format!("L{i}")).collect::<Vec<_>>().join(",");
    assert!(same("accept-language", &[("accept-language", &many)], &[("accept-language", &reversed)]));
}

#[test]
fn a_language_may_choose() {
    let stored =
        selecting(&["accept-language".to_string(), "foo".to_string()], &fields(&[("accept-language", "en, de")]));
    let rows: &[(Option<&str>, &str, bool, &str)] = &[
        (Some("de"), "fr;q=0.5, de;q=1.0", true, "RFC 9110 12.5.4 the top of the list"),
        (Some("DE"), "de", true, "tags are case-insensitive"),
        (Some("de-CH"), "de", true, "RFC 4647 3.3.1"),
        (Some("de"), "de-CH", false, "RFC 4647 3.3.1"),
        (Some("den"), "de", false, "RFC 4647 3.3.1"),
        (Some("de"), "fr, de", false, "the first of equals is asked for"),
        (Some("de"), "de;q=0.4, fr;q=0.5", false, "another is asked for"),
        (Some("de"), "de;q=0", false, "not acceptable"),
        (Some("de-AT"), "de, de-AT;q=0", false, "RFC 9110 12.4.2 a narrower range refuses it"),
        (Some("de-AT"), "de, de-CH;q=0, *;q=0", true, "others are refused"),
        (Some("de"), "*", false, "any language names none"),
        (Some("de"), "", false, "none"),
        (Some("de-CH, en"), "de", false, "several languages"),
        (None, "de", false, "it has no language"),
    ];
    for (language, asked, expected, section) in rows {
        let got = language_matches(&stored, *language, &fields(&[("accept-language", asked)]));
        assert_eq!(got, *expected, "{section}: {language:?} / {asked}");
    }
    let foo = fields(&[("accept-language", "de"), ("foo", "1")]);
    assert!(!language_matches(&stored, Some("de"), &foo), "4.1 the other fields must match");
    assert!(!language_matches(&stored, Some("de"), &Fields::new()), "nothing is asked for");
    let other = selecting(&["foo".to_string()], &Fields::new());
    assert!(!language_matches(&other, Some("de"), &fields(&[("accept-language", "de")])), "only where it selects");
    assert_eq!(language(&fields(&[("content-language", "De")])).as_deref(), Some("de"));
    assert_eq!(language(&fields(&[("content-language", "de, en")])), None);
    assert_eq!(language(&fields(&[])), None);
}

#[test]
fn the_newest_that_matches_is_chosen() {
    let names = ["accept-language".to_string()];
    let variant = |n: u8, asked: &str, language: Option<&str>| Variant {
        key: Key([n; 32]),
        selecting: selecting(&names, &fields(&[("accept-language", asked)])),
        language: language.map(str::to_string),
    };
    let variants = [
        variant(1, "en", Some("en")),
        variant(2, "de", Some("de")),
        variant(3, "de", Some("de")),
        variant(4, "fr", Some("de")),
        variant(5, "it", None),
    ];
    let chosen =
        |asked: &str| choose(&variants, &fields(&[("accept-language", asked)])).map(|v| v.key.0.map(u32::from)[0]);
    assert_eq!(chosen("de"), Some(3), "4.1 an exact match, the most recent");
    assert_eq!(chosen("de, en;q=0.5"), Some(4), "RFC 9110 12.5.4 the most recent in that language");
    assert_eq!(chosen("en, x;q=0.1"), Some(1));
    assert_eq!(chosen("es"), None);
    assert_eq!(choose(&[], &Fields::new()), None);
    assert!(matches(&Selecting::default(), &Fields::new()));
}

#[test]
fn what_was_sent_before_needs_no_normal_form() {
    let names = ["accept-encoding".to_string()];
    let of = |lines: &[&str]| fields(&lines.iter().map(|line| ("accept-encoding", *line)).collect::<Vec<_>>());
    let sent = |lines: &[&str]| selecting(&names, &of(lines)).0.swap_remove(0).sent;
    assert_eq!(sent(&["gzip, br"]), b"gzip, br");
    assert!(sent(&["br,gzip"]).is_empty(), "it is the normal form");
    assert!(sent(&["gzip", "br"]).is_empty(), "two lines are not one value");
    assert!(sent(&[]).is_empty());
    assert_eq!(sent(&[&"a ,".repeat(MAX_SENT / 3)]).len(), MAX_SENT / 3 * 3);
    assert!(sent(&[&"a ,".repeat(MAX_SENT / 3 + 1)]).is_empty(), "too long to be kept twice");

    // Only the bytes that were sent are believed, and only of one line.
    let odd =
        Selecting(vec![Selected { sent: b"X, y".to_vec(), ..Selected::new("accept-encoding", Some(b"z".to_vec())) }]);
    assert!(matches(&odd, &of(&["X, y"])) && matches(&odd, &of(&["z"])));
    assert!(!matches(&odd, &of(&["y, X"])) && !matches(&odd, &of(&["X", "y"])) && !matches(&odd, &of(&["X, y", ""])));
    let none = Selecting(vec![Selected::new("accept-encoding", None)]);
    assert!(matches(&none, &Fields::new()) && !matches(&none, &of(&[""])), "nothing sent is not an empty line");
}

#[test]
fn what_is_long_is_told_apart_by_a_digest() {
    for name in ["x", "accept", "accept-language"] {
        let names = [name.to_string()];
        let of = |value: &str| fields(&[(name, value)]);
        let (one, same, other) = (format!("{}, b", "a".repeat(300)), format!("{},b", "a".repeat(300)), "a".repeat(300));
        let stored = selecting(&names, &of(&one));
        let kept = stored.0[0].value.clone().unwrap_or_default();
        assert_eq!((kept.len(), kept.first()), (33, Some(&0)), "{name}");
        assert!(matches(&stored, &of(&one)) && matches(&stored, &of(&same)), "{name}");
        assert!(!matches(&stored, &of(&other)) && !matches(&stored, &of("b")) && !matches(&stored, &Fields::new()));
        let short = selecting(&names, &of(&"a".repeat(256)));
        assert_eq!(short.0[0].value.as_ref().map(Vec::len), Some(256));
        assert!(!matches(&short, &of(&other)), "{name}");
    }
}

#[test]
fn a_cookie_that_is_the_digest_of_another_is_another() {
    let names = ["cookie".to_string()];
    let stored = selecting(&names, &fields(&[("cookie", "a=1")]));
    let digest = stored.0[0].value.clone().unwrap_or_default();
    assert!(!matches(&stored, &Fields::from_list(vec![("cookie".to_string(), digest)])));
}

proptest! {
    /// A hit compares member by member, a store writes the normal form: both must mean the same.
    #[test]
    fn matching_is_equality_of_normal_forms(
        name in select(vec!["accept", "accept-encoding", "accept-language", "cookie", "x"]),
        first in vec(values(), 0..3),
        second in vec(values(), 0..3),
    ) {
        let lines = |values: &[String]| values.iter().map(|v| (name.to_string(), v.clone().into_bytes())).collect();
        let (first, second): (Fields, Fields) = (lines(&first), lines(&second));
        let names = [name.to_string()];
        let stored = selecting(&names, &first);
        prop_assert_eq!(matches(&stored, &second), stored == selecting(&names, &second));
    }
}

fn values() -> impl Strategy<Value = String> {
    let member = select(vec![
        "gzip",
        "GZIP",
        " br",
        "br;q=1.0",
        "br;q=0.5",
        "br; q=0.50",
        "br;q=0",
        "br;q=0.055",
        "a/b;C=d",
        "a/b;c=d",
        "",
        ";",
        "\"q, r\"",
        "\"",
    ]);
    vec(member, 0..4).prop_map(|members| members.join(","))
}
