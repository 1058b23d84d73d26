//! Whatever the text, reading it ends with a configuration or with errors that can be shown.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use terrace_core::config::{Config, glob};

/// Reads a text, and looks at every place an error names.
fn read(text: &str) -> Result<(), TestCaseError> {
    match Config::parse(text, "t.toml") {
        Ok(config) => {
            config.policy("/a");
            config.secrets().for_each(drop);
        }
        Err(errors) => {
            prop_assert!(errors.iter().next().is_some());
            let lines = text.split('\n').count();
            for error in &errors {
                prop_assert!((1..=lines).contains(&error.line), "{error:?}");
                let line = text.split('\n').nth(error.line - 1).unwrap_or_default();
                prop_assert!((1..=line.chars().count() + 2).contains(&error.column), "{error:?}");
            }
            prop_assert!(!errors.to_string().is_empty());
        }
    }
    Ok(())
}

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
    fn arbitrary_text(text in "\\PC{0,200}") { read(&text)?; }

    #[test]
    fn arbitrary_characters(text in any::<String>()) { read(&text)?; }

    #[test]
    fn arbitrary_words(text in words()) { read(&text)?; }

    #[test]
    fn arbitrary_lines(text in lines()) { read(&text)?; }

    #[test]
    fn any_url(text in "https?://\\PC{0,30}") {
        let mut config = Config::default();
        if config.set_origin(&text).is_ok() {
            let url = config.origin.url.unwrap();
            prop_assert!(matches!(url.scheme(), "http" | "https") && url.has_host());
            prop_assert!(url.username().is_empty() && url.password().is_none());
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }
    }

    /// A pattern agrees with its plain definition.
    #[test]
    fn any_glob(pattern in "[ab*]{0,7}", text in "[ab]{0,8}") {
        fn plain(pattern: &[u8], text: &[u8]) -> bool {
            match pattern {
                [] => text.is_empty(),
                [b'*', rest @ ..] => (0..=text.len()).any(|n| plain(rest, &text[n..])),
                [c, rest @ ..] => text.first() == Some(c) && plain(rest, &text[1..]),
            }
        }
        prop_assert_eq!(glob(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
    }
}
