//! The document of a purge, JSON (RFC 8259): one object of lists of strings and of booleans.

use serde::Deserialize;
use serde::de::Error;

/// What a document may name, and what it is set to.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Document {
    pub urls: Vec<String>,
    pub prefixes: Vec<String>,
    pub tags: Vec<String>,
    pub groups: Vec<String>,
    pub everything: bool,
    pub soft: bool,
}

/// Reads one.
///
/// # Errors
/// What was expected, and where.
pub(super) fn read(text: &[u8]) -> Result<Document, serde_json::Error> {
    // serde would take an array of the values in their order for one, too.
    match text.trim_ascii_start().first() {
        Some(b'[') => Err(serde_json::Error::custom("expected an object")),
        _ => serde_json::from_slice(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_it_may_say_and_what_not() {
        let all =
            br#" {"urls":["/u"],"prefixes":["/p"],"tags":["t"],"groups":["g"],"everything":true,"so\u0066t":true} "#;
        let list = |name: &str| vec![name.to_string()];
        let whole = Document {
            urls: list("/u"),
            prefixes: list("/p"),
            tags: list("t"),
            groups: list("g"),
            everything: true,
            soft: true,
        };
        assert_eq!(read(all).unwrap(), whole);
        assert_eq!(read(b"{}").unwrap(), Document::default());
        for (text, why) in [
            ("", "EOF"),
            ("[]", "expected an object"),
            (r#" [["/u"]]"#, "expected an object"),
            (r#""t""#, "expected struct Document"),
            (r#"{"soft":true,"soft":false}"#, "duplicate field `soft` at line 1 column 19"),
            (r#"{"soft":1}"#, "expected a boolean"),
            (r#"{"tags":null}"#, "expected a sequence"),
            (r#"{"tags":[1]}"#, "expected a string"),
            (r#"{"tags":["a"]}}"#, "trailing characters"),
            (r#"{"tags":["\ud83d"]}"#, "hex escape"),
        ] {
            let said = read(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
        assert!(read(b"{\"tags\":[\"\xff\"]}").is_err());
    }
}
