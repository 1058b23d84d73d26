//! The document of a purge, JSON (RFC 8259): one object of lists of strings and of booleans.

use crate::json::Reader;

/// What a document may name, and what it is set to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub urls: Vec<String>,
    pub prefixes: Vec<String>,
    pub tags: Vec<String>,
    pub groups: Vec<String>,
    pub everything: bool,
    pub soft: bool,
}

/// The names of a document's members.
const MEMBERS: [&str; 6] = ["urls", "prefixes", "tags", "groups", "everything", "soft"];

/// Reads one.
///
/// # Errors
/// What was expected, and where.
pub(super) fn read(text: &[u8]) -> Result<Document, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_string())?;
    let mut reader = Reader::new(text);
    let mut document = Document::default();
    let mut seen: Vec<String> = Vec::new();
    reader.list('{', '}', &mut |reader| {
        let name = reader.string()?;
        let known = MEMBERS.contains(&name.as_str());
        if !known || seen.contains(&name) {
            let what = if known { "is there twice" } else { "is none of" };
            let members = if known { String::new() } else { format!(" {}", MEMBERS.join(", ")) };
            return reader.wrong(format!("\"{name}\" {what}{members}"));
        }
        reader.take(':')?;
        match name.as_str() {
            "urls" => document.urls = reader.strings()?,
            "prefixes" => document.prefixes = reader.strings()?,
            "tags" => document.tags = reader.strings()?,
            "groups" => document.groups = reader.strings()?,
            "soft" => document.soft = reader.boolean()?,
            _ => document.everything = reader.boolean()?,
        }
        seen.push(name);
        Ok(())
    })?;
    reader.end()?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// What serde_json reads of the same text.
    fn reference(text: &str) -> Option<Document> {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        let mut document = Document::default();
        for (name, value) in object {
            let strings = || serde_json::from_value(value.clone()).ok();
            match name.as_str() {
                "urls" => document.urls = strings()?,
                "prefixes" => document.prefixes = strings()?,
                "tags" => document.tags = strings()?,
                "groups" => document.groups = strings()?,
                "everything" => document.everything = value.as_bool()?,
                "soft" => document.soft = value.as_bool()?,
                _ => return None,
            }
        }
        Some(document)
    }

    #[test]
    fn what_json_is_and_what_it_is_not() {
        for (text, is) in [
            ("{}", true),
            (" {\t\"tags\" : [ \"a\" ,\"b\"]\r\n, \"soft\":true } ", true),
            (r#"{"tags":["\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00"]}"#, true),
            (r#"{"tags":["\ud83d"]}"#, false),
            (r#"{"tags":["\ude00\ud83d"]}"#, false),
            (r#"{"tags":["\u12"]}"#, false),
            (r#"{"tags":["\u+123"]}"#, false),
            (r#"{"tags":["\x"]}"#, false),
            ("{\"tags\":[\"a\nb\"]}", false),
            (r#"{"tags":["a",]}"#, false),
            (r#"{"tags":["a" "b"]}"#, false),
            (r#"{"tags":[}"#, false),
            (r#"{"tags":["a"]"#, false),
            (r#"{"tags":["a]}"#, false),
            (r#"{"tags":["a"]}}"#, false),
            (r#"{"soft":truefalse}"#, false),
            (r#"{"soft":1}"#, false),
            (r#"{"soft" true}"#, false),
            (r#"{soft:true}"#, false),
            (r#"{"so\u0066t":true}"#, true),
            ("[]", false),
            ("", false),
            ("\u{feff}{}", false),
        ] {
            let read = read(text.as_bytes());
            assert_eq!(read.is_ok(), is, "{text}: {read:?}");
            assert_eq!(read.ok(), reference(text), "{text}");
        }
        // What serde_json lets pass, in which the last would win.
        assert_eq!(read(br#"{"soft":true,"soft":false}"#).unwrap_err(), "at byte 19: \"soft\" is there twice");
        assert_eq!(read(b"{\"tags\":[\xff]}").unwrap_err(), "not UTF-8");
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(text in r#"\{("(tags|soft|x)" ?: ?(\["(\\[nu"0-9a-fDd]{1,6}|[a-c ])*"?\]|true|[0-9]),?){0,3}\}"#) {
            if let Ok(read) = read(text.as_bytes()) {
                prop_assert_eq!(Some(read), reference(&text));
            } else if let Some(reference) = reference(&text) {
                // But for names that are there twice.
                prop_assert!(text.matches("\"tags\"").count() > 1 || text.matches("\"soft\"").count() > 1, "{:?}", reference);
            }
        }

        #[test]
        fn what_serde_json_writes_is_read(tags in proptest::collection::vec(any::<String>(), 0..5), soft in any::<bool>()) {
            let text = serde_json::json!({ "tags": tags, "soft": soft }).to_string();
            prop_assert_eq!(read(text.as_bytes()), Ok(Document { tags, soft, ..Document::default() }));
        }

        #[test]
        fn nothing_is_too_much_for_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
