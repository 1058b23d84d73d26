//! What of a request is part of the key, and so what the origin sees: a row per rule.
#![allow(clippy::unwrap_used)]

mod rules_support;

use proptest::prelude::*;
use rules_support::fields;
use terrace_core::config::{Config, Policy};
use terrace_core::rules::{no_vary_search, reduce};

fn policy(route: &str) -> Policy {
    let text = format!("[origin]\nurl = \"http://o\"\n[[route]]\nmatch = \"*\"\n{route}");
    Config::parse(&text, "t").unwrap().routes.remove(0).policy
}

#[test]
fn targets() {
    const ALL: &str = "{}";
    const IGNORE: &str = "{ ignore = [\"utm_*\", \"ref\"] }";
    const ALLOW: &str = "{ allow = [\"page\", \"filter_*\"] }";
    const BOTH: &str = "{ allow = [\"filter_*\"], ignore = [\"filter_debug\"] }";
    const NONE: &str = "{ allow = [] }";
    const SORT: &str = "{ sort = true }";
    for (rule, sent, reduced) in [
        (ALL, "/x?b=2&a=1&", "/x?b=2&a=1&"),
        (IGNORE, "/x", "/x"),
        (IGNORE, "/x?", "/x?"),
        (IGNORE, "/x?a=1&utm_source=q&ref&b=%2f", "/x?a=1&b=%2f"),
        (IGNORE, "/x?utm_=1", "/x"),
        // An unreserved character is itself, however it is sent (RFC 3986 6.2.2.2), and its spelling is left alone.
        (IGNORE, "/x?utm%5Fsource=1&%61=1", "/x?%61=1"),
        (IGNORE, "/x?UTM_source=1&reference=1", "/x?UTM_source=1&reference=1"),
        // What stands behind the first = is a value, and so is what only some origins take for a separator.
        (IGNORE, "/x?a=utm_x=1&b=1;utm_x=2", "/x?a=utm_x=1&b=1;utm_x=2"),
        (IGNORE, "/utm_x?ref=1?a=1&b=?&a=1", "/utm_x?b=?&a=1"),
        (ALLOW, "/x?page=2&sort=up&filter_a=1&filter=1&Page=1", "/x?page=2&filter_a=1"),
        (ALLOW, "/x?", "/x"),
        (BOTH, "/x?filter_a=1&filter_debug=1&page=1", "/x?filter_a=1"),
        (NONE, "/x?page=2", "/x"),
        (SORT, "/x?b=2&a=1&a=0&%61=2", "/x?a=1&a=0&%61=2&b=2"),
        (SORT, "/x?a=1&b=2", "/x?a=1&b=2"),
    ] {
        let policy = policy(&format!("query = {rule}"));
        assert_eq!(reduce::target(sent, &policy.query), reduced, "{rule}: {sent}");
        assert_eq!(reduce::target(reduced, &policy.query), reduced, "{rule}: {reduced} again");
    }
}

#[test]
fn cookies() {
    for (kept, sent, reduced) in [
        ("[\"plan\"]", &["plan=pro; session=1"][..], &["plan=pro"][..]),
        ("[\"plan\"]", &["session=1;plan = pro ;theme=dark"], &["plan=pro"]),
        ("[\"plan\", \"ab\"]", &["ab=1; x=2; plan=3"], &["plan=3; ab=1"]),
        ("[\"plan\"]", &["plan=1; plan=2"], &["plan=1; plan=2"]),
        ("[\"plan\"]", &["a=plan=1; xplan=1; Plan=1; planx=1"], &[]),
        ("[\"plan\"]", &["plan=\"a=b\"", "plan=c"], &["plan=\"a=b\"; plan=c"]),
        ("[\"plan\"]", &["plan"], &["plan="]),
        ("[\"plan\"]", &[], &[]),
        ("[]", &["plan=pro"], &[]),
    ] {
        let policy = policy(&format!("key = {{ cookies = {kept} }}"));
        let mut request = fields(&sent.iter().map(|line| ("cookie", *line)).collect::<Vec<_>>());
        reduce::fields(&mut request, &policy);
        let lines: Vec<&[u8]> = request.get_all("cookie").collect();
        assert_eq!(lines, reduced.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(), "{kept}: {sent:?}");
    }
}

#[test]
fn languages() {
    for (sent, bucket, section) in [
        (&[][..], "en", "nothing is asked for: the first"),
        (&["fr"], "en", "4647 3.4 none is equal: the default"),
        (&["de"], "de", "4647 3.4"),
        (&["DE"], "de", "4647 2 case does not count"),
        (&["de-CH-1996"], "de", "4647 3.4 shortened from the end"),
        (&["pt-br"], "pt-BR", "4647 3.4 as the route spells it"),
        (&["pt"], "en", "4647 3.4 a range is never made longer"),
        (&["zh-Hant-x-a"], "zh-Hant", "4647 3.4 a single letter goes with what stood behind it"),
        (&["zh-Hans"], "en", "4647 3.4"),
        (&["fr, de;q=0.5, en;q=0.4"], "de", "9110 12.4.2 by falling weight"),
        (&["en;q=0.4, de;q=0.5"], "de", "9110 12.4.2"),
        (&["en;q=0.4", "de;q=0.5"], "de", "9110 5.3 lines are one list"),
        (&["de;q=0, fr"], "en", "9110 12.4.2 not wanted"),
        (&["de-CH, de;q=0"], "en", "9110 12.4.2 what it is shortened to is not wanted"),
        (&["*"], "en", "4647 3.4 any: the default"),
        (&["*, de;q=0.5"], "de", "4647 3.4 any is skipped"),
        (&["de, pt-BR"], "de", "the first of equal weight"),
        (&[";;,-,"], "en", "no ranges"),
    ] {
        let policy = policy("key = { language = [\"en\", \"de\", \"pt-BR\", \"zh-Hant\"] }");
        let mut request = fields(&sent.iter().map(|line| ("accept-language", *line)).collect::<Vec<_>>());
        reduce::fields(&mut request, &policy);
        assert_eq!(request.get_all("accept-language").collect::<Vec<_>>(), [bucket.as_bytes()], "{section}: {sent:?}");
    }
}

#[test]
fn what_the_key_does_not_have_is_noticed() {
    let policy = policy(
        "query = { ignore = [\"ref\"] }\nkey = { cookies = [\"plan\"], language = [\"en\"], tenant = \"header:X-T\" }",
    );
    const WHOLE: [(&str, &str); 3] = [("cookie", "plan=a"), ("accept-language", "en"), ("x-t", "1")];
    for (target, other, reduced) in [
        ("/x?a=1", None, true),
        ("/x?ref=1", None, false),
        ("/x", Some(("cookie", "plan=a; session=1")), false),
        ("/x", Some(("accept-language", "en, de;q=0.1")), false),
        ("/x", Some(("x-t", "")), false),
        ("/x", Some(("connection", "x-t")), false),
    ] {
        let mut request = fields(&WHOLE);
        if let Some((name, value)) = other {
            request.set(name, value);
        }
        assert_eq!(reduce::is_reduced(target, &request, &policy), reduced, "{target} {other:?}");
    }
    assert!(!reduce::has_tenant(&fields(&WHOLE[..2]), &policy) && reduce::has_tenant(&fields(&WHOLE), &policy));
}

proptest! {
    /// Whatever is sent: reduced once is reduced, and the canonical form is its own.
    #[test]
    fn once_is_enough(
        target in "/[a-c%4_=&?+;]{0,30}",
        cookie in "[a-c=; \"]{0,30}",
        language in "[a-dD,;q=0.1* -]{0,30}",
        field in "((params|except|key-order)(=\\?[01]|=\\((\"[a-c%4+]{0,3}\" ?){0,3}\\)|)[, ]{1,2}){0,3}",
    ) {
        let policy = policy(
            "query = { allow = [\"a*\", \"*b*\"], ignore = [\"ab\"], sort = true }\n\
             key = { cookies = [\"a\", \"b\"], language = [\"d\", \"a\", \"b-c\"] }",
        );
        let reduced = reduce::target(&target, &policy.query).into_owned();
        prop_assert_eq!(&*reduce::target(&reduced, &policy.query), &*reduced);
        let mut once = fields(&[("cookie", &cookie), ("accept-language", &language)]);
        reduce::fields(&mut once, &policy);
        let mut twice = once.clone();
        reduce::fields(&mut twice, &policy);
        prop_assert_eq!(once, twice);
        if let Some(variance) = no_vary_search::variance(&fields(&[("no-vary-search", field.trim_end_matches([',', ' ']))])) {
            let canonical = variance.canonical(&target);
            prop_assert_eq!(&variance.canonical(&canonical), &canonical);
        }
    }
}
