//! What a watched document says has changed, and JSON Pointer (RFC 6901).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::json;
use std::time::Duration;
use terrace_core::config::Watch;
use terrace_core::decision::Unread;
use terrace_core::watch::{MAX_VALUES, Seen, news, pause, pointer};

fn watch(tags: &[(&str, &str)]) -> Watch {
    let tags = tags.iter().map(|(tag, pointer)| (tag.to_string(), pointer.to_string())).collect();
    Watch { url: "/updated".into(), every: Duration::from_secs(60), tags, soft: false }
}

/// What each of some documents, one after the other, says has changed since the one before. What is remembered goes through its text.
fn changes(watch: &Watch, documents: &[&str]) -> Vec<Vec<String>> {
    let mut seen = Seen::default();
    let each = documents.iter().map(|document| {
        let news = news(watch, document.as_bytes(), None, &seen).unwrap();
        seen = Seen::from_text(&news.seen.to_text());
        assert_eq!(seen, news.seen, "{document}");
        let mut changed = news.changed;
        changed.sort();
        changed
    });
    each.collect()
}

#[test]
fn a_pointer_finds_what_the_rfc_says() {
    let document = json!({
        "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8,
        "~1": 9, "each": { "x": { "v": 10 }, "y": { "v": 11 }, "z": {} }, "none": {},
    });
    let one = |value| Some(vec![("", value)]);
    // Pointer, what it finds, section.
    for (pointer, found, section) in [
        ("", one(document.clone()), "5 the whole document"),
        ("/foo", one(json!(["bar", "baz"])), "5"),
        ("/foo/0", one(json!("bar")), "4 an array index"),
        ("/foo/1", one(json!("baz")), "4"),
        ("/foo/01", None, "4 no leading zeros"),
        ("/foo/2", None, "4 beyond the end"),
        ("/foo/-", None, "4 the nonexistent element behind the last"),
        ("/foo/x", None, "4"),
        ("/", one(json!(0)), "5 the empty name"),
        ("/a~1b", one(json!(1)), "5 ~1 is /"),
        ("/c%d", one(json!(2)), "5"),
        ("/e^f", one(json!(3)), "5"),
        ("/g|h", one(json!(4)), "5"),
        ("/i\\j", one(json!(5)), "5"),
        ("/k\"l", one(json!(6)), "5"),
        ("/ ", one(json!(7)), "5"),
        ("/m~0n", one(json!(8)), "5 ~0 is ~"),
        ("/~01", one(json!(9)), "4 first ~1, then ~0: never / of ~01"),
        ("/bar", None, "4 no such member"),
        ("/each/*/v", Some(vec![("x", json!(10)), ("y", json!(11))]), "* of our own: each member that has it"),
        ("/each/x/*", Some(vec![("v", json!(10))]), "* as the last step"),
        ("/none/*", Some(vec![]), "* of an object without members"),
        ("/each/*/vv", None, "* of members of which none has the rest"),
        ("/foo/*", None, "* of no object"),
        ("/bar/*/v", None, "* of nothing"),
    ] {
        assert_eq!(pointer::check(pointer), Ok(()), "{section}: {pointer}");
        let values = pointer::find(&document, pointer);
        let values = values.map(|all| all.into_iter().map(|(name, value)| (name, value.clone())).collect());
        assert_eq!(values, found, "{section}: {pointer}");
    }
    for (no_pointer, section) in [
        ("a", "3 each reference token is prefixed by /"),
        ("a/b", "3"),
        ("/~", "3 ~ is escaped"),
        ("/~2", "3"),
        ("/a~/b", "3"),
        ("/*/a/*", "* of our own: once"),
    ] {
        assert!(pointer::check(no_pointer).is_err(), "{section}: {no_pointer}");
    }
}

#[test]
fn a_tag_is_purged_when_its_value_changes_and_only_then() {
    let watched = watch(&[("products", "/products/updated"), ("docs", "/docs/updated")]);
    let none: &[&str] = &[];
    // Two documents, one after the other, and what the second says has changed.
    for (before, after, changed) in [
        (
            r#"{"products":{"updated":1},"docs":{"updated":1}}"#,
            r#"{"products":{"updated":2},"docs":{"updated":1}}"#,
            &["products"][..],
        ),
        (
            r#"{"products":{"updated":1},"docs":{"updated":1}}"#,
            r#"{"products":{"updated":2},"docs":{"updated":2}}"#,
            &["docs", "products"],
        ),
        (r#"{"products":{"updated":1}}"#, r#" { "products" : { "updated" : 1 }, "more": true } "#, none),
        // What is an array or an object counts as a whole; the order of members and white space count for nothing.
        (r#"{"docs":{"updated":{"a":1,"b":[1,2]}}}"#, r#"{"docs":{"updated":{"b":[1, 2],"a":1}}}"#, none),
        (r#"{"docs":{"updated":{"a":1,"b":[1,2]}}}"#, r#"{"docs":{"updated":{"a":1,"b":[2,1]}}}"#, &["docs"]),
        (r#"{"docs":{"updated":{"a":1}}}"#, r#"{"docs":{"updated":{"a":1,"b":null}}}"#, &["docs"]),
        (r#"{"docs":{"updated":["ab","c"]}}"#, r#"{"docs":{"updated":["a","bc"]}}"#, &["docs"]),
        (r#"{"docs":{"updated":[[],1]}}"#, r#"{"docs":{"updated":[[1]]}}"#, &["docs"]),
        // The type counts.
        (r#"{"docs":{"updated":1}}"#, r#"{"docs":{"updated":"1"}}"#, &["docs"]),
        (r#"{"docs":{"updated":null}}"#, r#"{"docs":{"updated":false}}"#, &["docs"]),
        (r#"{"docs":{"updated":1.5}}"#, r#"{"docs":{"updated":1.50}}"#, none),
        (r#"{"docs":{"updated":18446744073709551615}}"#, r#"{"docs":{"updated":18446744073709551614}}"#, &["docs"]),
        // RFC 8259 6: as long as they may be. They need not fit into a double to be told apart.
        (r#"{"docs":{"updated":123456789012345678901}}"#, r#"{"docs":{"updated":123456789012345678902}}"#, &["docs"]),
        (r#"{"docs":{"updated":0.12345678901234567890}}"#, r#"{"docs":{"updated":0.12345678901234567891}}"#, &["docs"]),
        (r#"{"docs":{"updated":1e400}}"#, r#"{"docs":{"updated":1e401}}"#, &["docs"]),
        (r#"{"docs":{"updated":-1e400}}"#, r#"{"docs":{"updated":1e400}}"#, &["docs"]),
        (r#"{"docs":{"updated":1e99999999999999999999}}"#, r#"{"docs":{"updated":1e99999999999999999998}}"#, &["docs"]),
        (r#"{"docs":{"updated":12.50e3}}"#, r#"{"docs":{"updated":0.125E+5}}"#, none),
        (r#"{"docs":{"updated":0.0}}"#, r#"{"docs":{"updated":0e5}}"#, none),
        (r#"{"docs":{"updated":"\u00e4"}}"#, r#"{"docs":{"updated":"ä"}}"#, none),
    ] {
        let said = changes(&watched, &[before, after]);
        assert_eq!(said, [none, changed], "{before} {after}");
        // Nor has anything when it is seen again.
        assert_eq!(changes(&watched, &[before, after, after])[2], none, "{after}");
    }
}

#[test]
fn what_is_not_found_has_not_changed_until_it_is_found_with_another_value() {
    let watched = watch(&[("a", "/a"), ("b", "/b")]);
    let seen = news(&watched, br#"{"a":1,"b":1}"#, None, &Seen::default()).unwrap().seen;
    let without = news(&watched, br#"{"a":2}"#, None, &seen).unwrap();
    assert_eq!((without.changed, without.missing), (vec!["a".to_string()], vec!["/b"]));
    let none: Vec<String> = Vec::new();
    assert_eq!(changes(&watched, &[r#"{"a":1,"b":1}"#, r#"{"a":1}"#, r#"{"a":1,"b":1}"#])[2], none);
    assert_eq!(changes(&watched, &[r#"{"a":1,"b":1}"#, "[]", r#"{"a":1,"b":2}"#])[2], ["b"]);
    // What is watched from now on is seen for the first time; what was so before goes on.
    let more = watch(&[("a", "/a"), ("b", "/b"), ("c", "/c")]);
    let news = news(&more, br#"{"a":2,"b":1,"c":1}"#, None, &seen).unwrap();
    assert_eq!(news.changed, ["a"]);
}

#[test]
fn each_member_has_a_tag_of_its_own() {
    let watched = watch(&[("product-*", "/products/*/updated"), ("list", "/list")]);
    let one = r#"{"products":{"7":{"updated":1},"8":{"updated":1},"9":{}},"list":1}"#;
    let none: &[&str] = &[];
    for (after, changed) in [
        (one, none),
        (r#"{"products":{"8":{"updated":1},"7":{"updated":2}},"list":1}"#, &["product-7"]),
        // What is gone, or new, has changed.
        (r#"{"products":{"8":{"updated":1}},"list":2}"#, &["list", "product-7"]),
        (r#"{"products":{"7":{"updated":1},"8":{"updated":1},"9":{"updated":1}},"list":1}"#, &["product-9"]),
        (r#"{"products":{},"list":1}"#, &["product-7", "product-8"]),
        // No object at all is the API's fault.
        (r#"{"products":[],"list":1}"#, none),
        (r#"{"list":1}"#, none),
    ] {
        assert_eq!(changes(&watched, &[one, after])[1], *changed, "{after}");
    }
    // The first member of an object that had none is new.
    assert_eq!(changes(&watched, &[r#"{"products":{}}"#, one])[1], ["product-7", "product-8"]);
    assert_eq!(changes(&watched, &["{}", one])[1], none);
}

#[test]
fn a_member_whose_name_makes_no_tag_is_counted() {
    let watched = watch(&[("*", "/*")]);
    let long = "x".repeat(257);
    let document = json!({ "good": 1, "a b": 1, "a,b": 1, "": 1, "é": 1, "a\nb": 1, long: 1 }).to_string();
    let first = news(&watched, document.as_bytes(), None, &Seen::default()).unwrap();
    assert_eq!(first.invalid, 6);
    assert_eq!(changes(&watched, &[&document, r#"{"good":2,"a b":2}"#])[1], ["good"]);
}

#[test]
fn a_document_is_asked_for_by_its_etag_once_all_that_is_watched_was_found() {
    let (one, two) = (watch(&[("a", "/a")]), watch(&[("a", "/a"), ("b-*", "/b/*")]));
    let after = |watch, document: &str, etag| {
        let text = news(watch, document.as_bytes(), etag, &Seen::default()).unwrap().seen.to_text();
        Seen::from_text(&text)
    };
    let long = format!("\"{}\"", "x".repeat(300));
    for (document, etag, by) in [
        (r#"{"a":1}"#, Some("\"v1\""), Some("\"v1\"")),
        (r#"{"a":1}"#, Some("W/\"v1\""), Some("W/\"v1\"")),
        (r#"{"a":1}"#, None, None),
        (r#"{"a":1}"#, Some("\"v\n1\""), None),
        (r#"{"a":1}"#, Some(""), None),
        (r#"{"a":1}"#, Some(long.as_str()), None),
        ("{}", Some("\"v1\""), None),
    ] {
        assert_eq!(after(&one, document, etag).etag(&one), by, "{document} {etag:?}");
    }
    let seen = after(&one, r#"{"a":1,"b":{}}"#, Some("\"v1\""));
    assert_eq!(seen.etag(&two), None, "a tag more is watched");
    assert_eq!(after(&two, r#"{"a":1,"b":{}}"#, Some("\"v1\"")).etag(&two), Some("\"v1\""));
    assert_eq!(Seen::default().etag(&one), None);
    for rubbish in ["", "\n", "\n\n\n", "x\ny", "x\n y z\n"] {
        assert_eq!(Seen::from_text(rubbish).etag(&one), None, "{rubbish:?}");
    }
}

#[test]
fn a_document_that_says_nothing_is_told_why() {
    let watched = watch(&[("a-*", "/*")]);
    let many = |n: usize| {
        let members: serde_json::Map<String, serde_json::Value> = (0..n).map(|n| (n.to_string(), json!(n))).collect();
        serde_json::Value::Object(members).to_string()
    };
    let deep = "[".repeat(100_000);
    for (document, why) in [
        ("", Some(Unread::NotJson)),
        ("<html>", Some(Unread::NotJson)),
        ("{\"a\":1} x", Some(Unread::NotJson)),
        (deep.as_str(), Some(Unread::NotJson)),
        // RFC 8259 8.1 and 6: what some parsers do not take.
        ("\u{feff}{\"a\":1}", None),
        ("{\"a\":1e400}", None),
        // 8.2: half of a character is none.
        (r#"{"a":"\ud800"}"#, Some(Unread::NotJson)),
        ("null", None),
        // With the `*` itself.
        (many(MAX_VALUES - 1).as_str(), None),
        (many(MAX_VALUES).as_str(), Some(Unread::TooMany)),
    ] {
        let read = news(&watched, document.as_bytes(), None, &Seen::default());
        assert_eq!(read.err(), why, "{:.20}", document);
    }
    assert_eq!(news(&watched, b"\xff", None, &Seen::default()).err(), Some(Unread::NotJson));
}

#[test]
fn a_failure_is_tried_again_soon_and_then_less_often() {
    // `every`, failures on end, Retry-After, the pause; in seconds.
    for (every, failures, retry_after, wait) in [
        (60, 0, None, 54.0),
        (1, 0, None, 0.9),
        (60, 0, Some(500), 54.0),
        (60, 1, None, 10.0),
        (60, 2, None, 20.0),
        (60, 6, None, 300.0),
        (60, u32::MAX, None, 300.0),
        (1, 1, None, 1.0),
        (1, 3, None, 4.0),
        (3600, 1, None, 10.0),
        (3600, 9, None, 2560.0),
        (3600, 10, None, 3600.0),
        (86_400, 40, None, 86_400.0),
        (60, 1, Some(120), 120.0),
        (60, 1, Some(u64::MAX), 600.0),
        (3600, 12, Some(5), 3600.0),
    ] {
        let pause = pause(Duration::from_secs(every), failures, retry_after).as_secs_f64();
        assert!((pause - wait).abs() < 1e-9, "{every} {failures} {retry_after:?}: {pause}");
    }
}
