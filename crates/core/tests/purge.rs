//! What a purge hits: a row for each sentence of RFC 9875 and of the contract, and an index that agrees with the plain reading.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use terrace_core::admin::{self, MAX_TARGETS};
use terrace_core::config::Config;
use terrace_core::fields::Fields;
use terrace_core::key;
use terrace_core::purge::fields::{hide, invalidated, marks, updated};
use terrace_core::purge::{Fate, Index, MAX_MARK, MAX_MARKS, Marks, Target, Times, softened};
use terrace_core::time::Timestamp;

const URL: &str = "http://a.test/x?q=1";

fn config(text: &str) -> Config {
    Config::parse(text, "terrace.toml").unwrap_or_else(|why| panic!("{why}"))
}

fn named(fields: &[(&str, &str)]) -> (String, String, usize) {
    let fields: Fields = fields.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
    let (marks, invalid) = marks(URL, &["route".to_string()], &fields);
    (marks.tags().collect::<Vec<_>>().join("|"), marks.groups().collect::<Vec<_>>().join("|"), invalid)
}

#[test]
fn tags_and_groups_are_taken_from_the_fields_and_the_route() {
    let long = "l".repeat(MAX_MARK + 1);
    let (long_tag, long_group) = (format!("a, {long}, b"), format!("\"a\", \"{long}\""));
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, usize);
    let rows: &[Row<'_>] = &[
        (&[], "route", "", 0),
        (&[("cache-tag", "a, b ,,c"), ("cache-tag", "d,a")], "route|a|b|c|d", "", 0),
        (&[("surrogate-key", "a  b"), ("xkey", "c\td")], "route|a|b|c|d", "", 0),
        // A tag of Cache-Tag has no space: it could not be named in the other fields.
        (&[("cache-tag", "a b,c")], "route|c", "", 1),
        (&[("surrogate-key", "a,b c")], "route|c", "", 1),
        (&[("cache-tag", &long_tag)], "route|a|b", "", 1),
        // RFC 9875 2: a List of Strings; order and parameters mean nothing.
        (&[("cache-groups", "\"scripts\", \"a b\";x=1")], "route", "scripts|a b", 0),
        (&[("cache-groups", "\"a\""), ("cache-groups", "\"b\", \"a\"")], "route", "a|b", 0),
        // RFC 9875 2.1: character by character.
        (&[("cache-groups", "\"A\", \"a\"")], "route", "A|a", 0),
        // RFC 9651 3.3.3: what is escaped is compared as what it stands for.
        (&[("cache-groups", r#""a\"b", "c\\d""#)], "route", r#"a"b|c\d"#, 0),
        (&[("cache-groups", "\"a\", token, 1, (\"b\")")], "route", "a", 3),
        (&[("cache-groups", &long_group)], "route", "a", 1),
        // RFC 9651 4.2: a field that does not parse is ignored as a whole.
        (&[("cache-groups", "\"a\", \"b")], "route", "", 1),
    ];
    for (fields, tags, groups, invalid) in rows {
        assert_eq!(named(fields), (tags.to_string(), groups.to_string(), *invalid), "{fields:?}");
    }
    // RFC 9875 2: at least 32 of 32 characters are taken; and there is an end.
    let many = |n: usize| (0..n).map(|n| format!("\"{n:032}\"")).collect::<Vec<_>>().join(", ");
    let (_, groups, invalid) = named(&[("cache-groups", &many(MAX_MARKS))]);
    assert_eq!((groups.split('|').count(), invalid), (MAX_MARKS, 0));
    assert_eq!(named(&[("cache-groups", &many(MAX_MARKS + 3))]).2, 3);
    let tags = (0..MAX_MARKS + 2).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    // One of them is the route's.
    assert_eq!(named(&[("xkey", &tags)]).2, 3);
}

#[test]
fn what_another_response_names_takes_the_place_of_what_was_named() {
    let fields = |lines: &[(&str, &str)]| -> Fields {
        lines.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect()
    };
    let (old, _) = marks(URL, &[], &fields(&[("cache-tag", "a"), ("cache-groups", "\"g\"")]));
    let after = |lines: &[(&str, &str)]| {
        let (marks, _) = updated(&old, &["route".to_string()], &fields(lines));
        assert_eq!(marks.url(), URL);
        (marks.tags().collect::<Vec<_>>().join("|"), marks.groups().collect::<Vec<_>>().join("|"))
    };
    let is = |tags: &str, groups: &str| (tags.to_string(), groups.to_string());
    assert_eq!(after(&[("etag", "\"e\"")]), is("a", "g"));
    assert_eq!(after(&[("xkey", "b")]), is("route|b", "g"));
    assert_eq!(after(&[("cache-groups", "\"h\"")]), is("a", "h"));
}

#[test]
fn tags_are_hidden_and_groups_are_for_every_cache_on_the_way() {
    let mut fields =
        Fields::from([("cache-tag", "a"), ("surrogate-key", "b"), ("xkey", "c"), ("cache-groups", "\"g\"")]);
    hide(&mut fields);
    assert_eq!(fields, Fields::from([("cache-groups", "\"g\"")]));
}

#[test]
fn cache_group_invalidation() {
    let of = |method: &Method, status, lines: &[&str]| {
        let fields = lines.iter().map(|line| ("cache-group-invalidation".to_string(), line.as_bytes().to_vec()));
        let (targets, invalid) = invalidated(method, "http://a.test/x", status, &fields.collect());
        (targets.iter().map(|t| t.as_text().to_string()).collect::<Vec<_>>().join("|"), invalid)
    };
    let at = |method: &Method, status, value: &str| of(method, status, &[value]);
    let is = |targets: &str, invalid| (targets.to_string(), invalid);
    // RFC 9875 3: on a response to an unsafe request, the groups of the same origin.
    assert_eq!(at(&Method::POST, 200, "\"a\", \"b\";x"), is("ohttp://a.test a|ohttp://a.test b", 0));
    assert_eq!(at(&Method::from_bytes(b"UNKNOWN").unwrap(), 303, "\"a\""), is("ohttp://a.test a", 0));
    // RFC 9875 3: ignored on responses to safe methods.
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::from_bytes(b"QUERY").unwrap()] {
        assert_eq!(at(&method, 200, "\"a\""), is("", 0), "{method}");
    }
    // RFC 9651 3.1: the lines of a List are one.
    let two = of(&Method::DELETE, 204, &["\"b\"", "\"a\""]);
    assert_eq!(two, is("ohttp://a.test b|ohttp://a.test a", 0));
    // RFC 9875 3: at least 32 of 32 characters are taken; and there is an end.
    let many = |n: usize| (0..n).map(|n| format!("\"{n:032}\"")).collect::<Vec<_>>().join(", ");
    let (targets, invalid) = at(&Method::PUT, 200, &many(MAX_MARKS));
    assert_eq!((targets.split('|').count(), invalid), (MAX_MARKS, 0));
    let (targets, invalid) = at(&Method::PUT, 200, &many(MAX_MARKS + 3));
    assert_eq!((targets.split('|').count(), invalid), (MAX_MARKS, 3));
    // RFC 9651 4.2: a field that does not parse is ignored as a whole.
    assert_eq!(at(&Method::POST, 200, "\"a\", \"b"), is("", 1));
    // RFC 9111 4.4: nothing is invalid because of an error.
    assert_eq!(at(&Method::POST, 404, "\"a\""), is("", 0));
    assert_eq!(at(&Method::POST, 200, "\"a\", b"), is("ohttp://a.test a", 1));
}

#[test]
fn a_target_is_for_the_entries_that_have_it() {
    let entry = |url, many| {
        let mut fields = Fields::from([("cache-tag", "t,u"), ("cache-groups", "\"g\"")]);
        if many {
            fields.append("no-vary-search", "params");
        }
        marks(url, &[], &fields).0
    };
    let (one, many) = (entry(URL, false), entry(URL, true));
    for (target, of_one, of_many) in [
        (Target::url(URL), true, true),
        (Target::url("/x?q=1"), true, true),
        (Target::url("http://a.test/x"), false, false),
        (Target::url("https://a.test/x?q=1"), false, false),
        (Target::url("http://b.test/x?q=1"), false, false),
        // What stands for other URLs of its path is hit by any of them.
        (Target::many("http://a.test/x?q=2"), false, true),
        (Target::many("/x"), false, true),
        (Target::many("/y"), false, false),
        (Target::prefix("http://a.test/"), true, true),
        (Target::prefix("http://a.test/x?q"), true, true),
        (Target::prefix("/x"), true, true),
        (Target::prefix("/"), true, true),
        // What stands for other URLs of its path is hit by the beginning of any of them.
        (Target::prefix("/x?q=11"), false, true),
        (Target::prefix("http://a.test/x?r=5"), false, true),
        (Target::prefix("/x?"), true, true),
        (Target::prefix("http://b.test/x?r=5"), false, false),
        (Target::prefix("/xy?r=5"), false, false),
        (Target::prefix("/x/?r=5"), false, false),
        (Target::prefix("/x!"), false, false),
        (Target::prefix("http://a.test/y"), false, false),
        // No pattern.
        (Target::prefix("/_?q%"), false, false),
        (Target::tag("t"), true, true),
        (Target::tag("g"), false, false),
        (Target::tag("T"), false, false),
        (Target::group("g"), true, true),
        (Target::group("t"), false, false),
        (Target::group_of("http://a.test/other", "g"), true, true),
        // RFC 9875 2.1: a group is one of its origin.
        (Target::group_of("http://b.test/x", "g"), false, false),
        (Target::group_of("https://a.test/x", "g"), false, false),
        (Target::group_of("http://a.test:81/x", "g"), false, false),
        (Target::everything(), true, true),
    ] {
        assert_eq!((target.is_for(&one), target.is_for(&many)), (of_one, of_many), "{target:?}");
        let mut index = Index::default();
        index.add(target.clone(), Times::of(Timestamp(5), false));
        assert_eq!(index.fate(&one, Timestamp(5)) == Fate::Dead, of_one, "{target:?}");
        assert_eq!(index.fate(&many, Timestamp(5)) == Fate::Dead, of_many, "{target:?}");
    }
}

#[test]
fn what_was_asked_for_no_later_than_the_purge_is_hit() {
    let all = [(20, true), (10, false), (30, true), (5, true)];
    let both = all.into_iter().fold(Times::NONE, |all, (at, soft)| all.and(Times::of(Timestamp(at), soft)));
    for (asked, fate) in [
        (4, Fate::Dead),
        (10, Fate::Dead),
        (11, Fate::StaleSince(Timestamp(20))),
        (20, Fate::StaleSince(Timestamp(20))),
        // The first one since it was asked for.
        (21, Fate::StaleSince(Timestamp(30))),
        (30, Fate::StaleSince(Timestamp(30))),
        (31, Fate::Lives),
    ] {
        assert_eq!(both.fate(Timestamp(asked)), fate, "{asked}");
    }
}

#[test]
fn of_many_soft_purges_those_are_remembered_that_tell_since_when() {
    // Every so often, so many times, and how much later than it is something may seem stale, in seconds.
    for (every, times, most, slack) in
        [(1, 3600, 60, 600), (60, 2800, 84, 7200), (3600, 1000, 84, 172_800), (7, 8, 9, 5)]
    {
        let (mut index, target) = (Index::default(), Target::tag("t"));
        let mut marks = Fields::new();
        marks.append("xkey", "t");
        let (marks, _) = self::marks(URL, &[], &marks);
        let mut forgotten = 0;
        for n in 1..=times {
            forgotten += index.add(target.clone(), Times::of(Timestamp(n * every * 1000), true)).len() as i64;
        }
        assert!(times - forgotten <= most, "{every}: {} of {times}", times - forgotten);
        for n in 1..=times {
            let at = n * every * 1000;
            let Fate::StaleSince(since) = index.fate(&marks, Timestamp(at)) else { panic!("{every} {n}") };
            assert!((at..=at + slack * 1000).contains(&since.0), "{every} {n}: {since:?}");
        }
        assert_eq!(index.fate(&marks, Timestamp(times * every * 1000 + 1)), Fate::Lives);
    }
}

#[test]
fn urls_are_compared_as_the_key_has_them() {
    let config = config("[[route]]\nmatch = '/q*'\nquery = { ignore = ['utm_*'], sort = true }\nvary = ['x']");
    for (url, normal) in [
        ("HTTP://A.test:80", "http://a.test/"),
        ("https://a.test:443/%7eb?x", "https://a.test/~b?x"),
        ("http://a.test?x", "http://a.test/?x"),
        ("http://a.test/q?b=2&utm_x=1&a=1", "http://a.test/q?a=1&b=2"),
        ("http://a.test/p?b=2&utm_x=1&a=1", "http://a.test/p?b=2&utm_x=1&a=1"),
        ("/q?utm_x=1", "/q"),
        ("/p?u=http://x", "/p?u=http://x"),
    ] {
        assert_eq!(admin::of_url(url, &config)[0].as_text(), format!("u{normal}"), "{url}");
    }
    for (prefix, normal) in
        [("HTTP://A.test:80/%7eb", "http://a.test/~b"), ("/a%2f", "/a%2F"), ("http://a", "http://a")]
    {
        assert_eq!(key::prefix(prefix), normal);
    }
}

#[test]
fn a_document_says_what_is_to_be_purged_or_what_is_wrong_with_it() {
    let config = config("[origin]\nurl = 'https://api.test/v1'");
    let order = |text: &str| admin::order(text.as_bytes(), &config, "cache.test");
    let targets = |text: &str| -> Vec<String> {
        order(text).unwrap().targets.iter().map(|target| target.as_text().to_string()).collect()
    };
    assert_eq!(
        targets(r#"{"urls":["/a?b"],"prefixes":["http://H/"],"tags":["t"],"groups":["g h"],"everything":true}"#),
        ["u/a?b", "m/a", "phttp://h/", "phttps://h/", "tt", "gg h", "e"]
    );
    assert!(order(r#"{"tags":["t"],"soft":true}"#).unwrap().soft && !order(r#"{"tags":["t"]}"#).unwrap().soft);
    let long = format!(r#"{{"urls":["/{}"]}}"#, "a".repeat(4096));
    let many = format!(r#"{{"tags":[{}]}}"#, vec!["\"t\""; MAX_TARGETS + 1].join(","));
    for (text, why) in [
        ("", "not the document of a purge: EOF while parsing a value at line 1 column 0"),
        (
            r#"{"tag":["t"]}"#,
            "unknown field `tag`, expected one of `urls`, `prefixes`, `tags`, `groups`, `everything`, `soft` at line 1 column 6",
        ),
        (r#"{"tags":"t"}"#, "invalid type: string \"t\", expected a sequence at line 1 column 11"),
        ("{}", "it names nothing; add urls, prefixes, tags, groups, or \"everything\": true"),
        (r#"{"soft":true,"everything":false}"#, "it names nothing"),
        (r#"{"tags":["t","a b"]}"#, "tags[1]: no tag"),
        (r#"{"groups":[""]}"#, "groups[0]: no cache group"),
        (r#"{"urls":["a.test/x"]}"#, "urls[0]: write a URL from http:// or https:// on, or a path"),
        (r#"{"urls":["ftp://a/x"]}"#, "urls[0]: write a URL"),
        (r#"{"urls":["http:///x"]}"#, "urls[0]: the URL has no host"),
        (r#"{"urls":["/a b"]}"#, "urls[0]: a URL has visible ASCII alone"),
        (r#"{"prefixes":["/a#b"]}"#, "prefixes[0]: a URL that is asked for has no fragment"),
        (r#"{"prefixes":["/a","/a/*"]}"#, "prefixes[1]: this is no pattern: a prefix without the `*`"),
        (&long, "urls[0]: longer than 4096 bytes; purge it by a prefix"),
        (r#"{"prefixes":[""]}"#, "prefixes[0]: write a URL"),
        (&many, "it names 257 things; send at most 256 at once"),
    ] {
        let said = order(text).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
}

/// RFC 9110 4.2.3: http and https are different URLs, and are in the key. By which terrace is asked is for those before it to know.
#[test]
fn a_url_is_purged_by_either_scheme() {
    let config = config("");
    for (document, targets) in [
        (
            r#"{"urls":["https://A.test/x?q"]}"#,
            &["uhttps://a.test/x?q", "mhttps://a.test/x", "uhttp://a.test/x?q", "mhttp://a.test/x"][..],
        ),
        (
            r#"{"urls":["http://a.test:8080/x"]}"#,
            &["uhttp://a.test:8080/x", "mhttp://a.test:8080/x", "uhttps://a.test:8080/x", "mhttps://a.test:8080/x"],
        ),
        // The port of the scheme is none, by either.
        (r#"{"prefixes":["https://a.test:443/x"]}"#, &["phttps://a.test/x", "phttp://a.test/x"]),
        (r#"{"prefixes":["http://a.test:443/x"]}"#, &["phttp://a.test:443/x", "phttps://a.test/x"]),
        (r#"{"prefixes":["https://a.te"]}"#, &["phttps://a.te", "phttp://a.te"]),
        (r#"{"prefixes":["/x"]}"#, &["p/x"]),
    ] {
        let order = admin::order(document.as_bytes(), &config, "cache.test").unwrap();
        let said: Vec<&str> = order.targets.iter().map(Target::as_text).collect();
        assert_eq!(said, targets, "{document}");
    }
}

#[test]
fn a_url_of_the_api_is_told_to_be_one() {
    let config = config("[origin]\nurl = 'https://api.test/v1'");
    for (name, asked_at, told) in [
        ("https://api.test/v1/x", "cache.test", true),
        ("http://API.test/x", "cache.test:8080", true),
        ("https://api.test:8443/x", "cache.test", false),
        ("https://cache.test/x", "cache.test", false),
        ("/v1/x", "cache.test", false),
        // Where the cache has the API's own name, before it.
        ("https://api.test/x", "api.test", false),
    ] {
        for kind in ["urls", "prefixes"] {
            let document = format!(r#"{{"tags":["t"],"{kind}":["/", "{name}"]}}"#);
            let order = admin::order(document.as_bytes(), &config, asked_at).unwrap();
            let said = order.warnings.join("\n");
            assert_eq!(said.starts_with(&format!("{kind}[1]: this is the API's own host")), told, "{document} {said}");
            assert_eq!(order.warnings.len(), usize::from(told), "{document}");
        }
    }
}

#[test]
fn only_the_token_opens() {
    for (value, opens) in [
        ("Bearer t0ken", true),
        ("bearer  t0ken ", true),
        ("Bearer t0ken2", false),
        ("Bearer t0ke", false),
        ("Bearer ", false),
        ("Bearer", false),
        ("Basic t0ken", false),
        ("t0ken", false),
        ("", false),
    ] {
        assert_eq!(admin::is_authorized(&Fields::from([("authorization", value)]), "t0ken"), opens, "{value:?}");
    }
    assert!(!admin::is_authorized(&Fields::new(), "t0ken"));
    let given = Fields::from([("authorization", "Bearer t0ken")]);
    assert!(admin::is_authorized(&given, "t0ken\n"), "files end with a newline");
    let twice = Fields::from([("authorization", "Bearer t0ken"), ("authorization", "Bearer t0ken")]);
    assert!(!admin::is_authorized(&twice, "t0ken"));
}

#[test]
fn the_oldest_is_forgotten_and_when_it_was_is_told() {
    let mut index = Index::default();
    for n in [3, 1, 2] {
        index.add(Target::tag(&n.to_string()), Times::of(Timestamp(100 + n), n % 2 == 0));
        index.add(Target::prefix(&format!("/{n}")), Times::of(Timestamp(200 + n), false));
    }
    index.add(Target::tag("1"), Times::of(Timestamp(300), true));
    assert_eq!(index.len(), 6);
    let forgotten: Vec<_> = std::iter::from_fn(|| index.forget_oldest()).map(|at| at.0).collect();
    assert_eq!((forgotten, index.is_empty()), (vec![102, 103, 201, 202, 203, 300], true));
}

proptest! {
    #[test]
    fn the_index_is_the_plain_reading(
        purges in vec((0usize..6, "[ab/?]{0,4}", 0i64..40, any::<bool>()), 0..30),
        (path, tags, groups, many) in ("/[ab/?]{0,6}", vec("[ab]{1,2}", 0..4), vec("[ab]{1,2}", 0..3), any::<bool>()),
        requested in 0i64..40,
    ) {
        let url = format!("http://h{path}");
        let mut fields = Fields::new();
        fields.append("xkey", tags.join(" "));
        fields.append("cache-groups", groups.iter().map(|g| format!("\"{g}\"")).collect::<Vec<_>>().join(", "));
        if many {
            fields.append("no-vary-search", "params");
        }
        let (marks, _) = marks(&url, &[], &fields);
        let (mut index, mut plain) = (Index::default(), Times::NONE);
        for (kind, name, at, soft) in purges {
            let full = format!("http://h/{name}");
            let target = match kind {
                0 => Target::url(&full),
                1 => Target::url(&format!("/{name}")),
                2 => Target::prefix(&full),
                3 => Target::prefix(&format!("/{name}")),
                4 => Target::tag(&name),
                5 => Target::group_of(&full, &name),
                _ => Target::many(&full),
            };
            let times = Times::of(Timestamp(at), soft);
            index.add(target.clone(), times.clone());
            if target.is_for(&marks) {
                plain = plain.and(times);
            }
        }
        prop_assert_eq!(index.times(&marks).newest(), plain.newest());
        match (index.fate(&marks, Timestamp(requested)), plain.fate(Timestamp(requested))) {
            // It need not remember all of them.
            (Fate::StaleSince(since), Fate::StaleSince(first)) => prop_assert!(since >= first, "{:?} {:?}", since, first),
            (fate, plain) => prop_assert_eq!(fate, plain),
        }
        prop_assert_eq!(index.is_for(&marks), plain != Times::NONE);
    }

    #[test]
    fn marks_and_targets_are_read_back(name in "\\PC{0,30}") {
        for target in [Target::url(&name), Target::tag(&name), Target::group(&name), Target::prefix(&name)] {
            prop_assert_eq!(Target::from_text(target.as_text().to_string()), target);
        }
        let marks = Marks::of_url(&name, true);
        prop_assert_eq!(Marks::from_text(marks.as_text().to_string()), marks);
    }
}

#[test]
fn a_soft_purge_makes_stale_from_then_on_and_changes_nothing_else() {
    use terrace_core::rules::freshness::{Freshness, Source};
    let fresh = Freshness {
        born: Timestamp(1_000),
        requested: Timestamp(1_500),
        received: Timestamp(2_000),
        lifetime_ms: 60_000,
        source: Source::MaxAge,
        stale_while_revalidate_ms: 30_000,
        stale_if_error_ms: 90_000,
        must_revalidate: false,
        no_cache: false,
        has_validator: true,
    };
    let soft = softened(&fresh, Timestamp(11_000));
    assert_eq!(soft, Freshness { lifetime_ms: 10_000, ..fresh.clone() });
    // One that was stale before stays so since then.
    assert_eq!(softened(&fresh, Timestamp(100_000)), fresh);
    assert_eq!(softened(&fresh, Timestamp(0)).lifetime_ms, 0);
}
