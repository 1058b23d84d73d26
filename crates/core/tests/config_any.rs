//! Whatever the text, reading it ends with a configuration or with errors that can be shown.

#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

use fuzz::config::{origin, reads};
use proptest::prelude::*;
use terrace_core::config::glob;

/// Words of the schema and of TOML, in any order: it gets further than arbitrary text does.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "\n",
        "\n",
        " ",
        "\"",
        "'",
        "\"\"\"",
        "#",
        "origin",
        "cache",
        "tiers",
        "l1",
        "l2",
        "writes",
        "min_size",
        "route",
        "purge",
        "gateway",
        "admin",
        "url",
        "timeout",
        "headers",
        "secret",
        "default_ttl",
        "negative_ttl",
        "404",
        "profile",
        "collapse",
        "match",
        "ttl",
        "vary",
        "query",
        "ignore",
        "allow",
        "sort",
        "cookies",
        "language",
        "tenant",
        "content",
        "methods",
        "tags",
        "rate",
        "key",
        "limit",
        "\"1s\"",
        "\"0s\"",
        "\"1MiB\"",
        "\"/a*\"",
        "\"*\"",
        "\"off\"",
        "\"http://a\"",
        "1",
        "-1",
        "1.5",
        "true",
        "1979-01-01",
        "\"ä\"",
        "\u{feff}",
        "\r\n",
        "\\u0000",
        "0x1f",
        "nan",
        "1_000",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// Lines of the schema with any value, under any section.
fn lines() -> impl Strategy<Value = String> {
    let section =
        prop::sample::select(vec!["[origin]", "[cache]", "[tiers.l1]", "[tiers.l2]", "[[route]]", "[gateway]"]);
    let key = prop::sample::select(vec![
        "url",
        "timeout",
        "connect_timeout",
        "headers",
        "default_ttl",
        "negative_ttl",
        "profile",
        "max_size",
        "max_ttl",
        "admit",
        "match",
        "vary",
        "query",
        "cache",
        "tags",
        "rate",
        "cors",
        "pace",
        "collapse",
        "early_refresh",
    ]);
    let value = prop_oneof![
        "\"[ -~]{0,12}\"",
        "'\\PC{0,8}'",
        "[0-9]{1,25}",
        "-?[0-9]{1,3}\\.[0-9]{1,3}",
        "\\[\"[a-z*/%]{0,6}\", [0-9]\\]",
        "\\{ [a-z0-9]{1,4} = \"[0-9a-zA-Z]{0,6}\" \\}",
        "\"[0-9]{0,22}(ms|s|m|h|d|B|KiB|MiB|GiB|w)\"",
        "\"https?://\\PC{0,12}\"",
    ];
    let line = (prop::option::weighted(0.3, section), key, value).prop_map(|(section, key, value)| match section {
        Some(section) => format!("{section}\n{key} = {value}\n"),
        None => format!("{key} = {value}\n"),
    });
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text(text in "\\PC{0,200}") { reads(&text); }

    #[test]
    fn arbitrary_characters(text in any::<String>()) { reads(&text); }

    #[test]
    fn arbitrary_words(text in words()) { reads(&text); }

    #[test]
    fn arbitrary_lines(text in lines()) { reads(&text); }

    #[test]
    fn any_url(text in "https?://\\PC{0,30}") { origin(&text); }

    /// A pattern agrees with its plain definition.
    #[test]
    fn any_glob(pattern in "[ab*]{0,7}", text in "[ab]{0,8}") {
        prop_assert_eq!(glob(&pattern, &text), fuzz::key::plain_glob(pattern.as_bytes(), text.as_bytes()));
    }
}
