//! The document of a purge, JSON (RFC 8259): one object of lists of strings and of booleans. Read by hand, since a whole reader of JSON
//! weighs more in a Worker than all the rest of a purge.

use std::fmt::Display;

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
    let mut reader = Reader { rest: text, whole: text };
    let mut document = Document::default();
    let mut seen: Vec<String> = Vec::new();
    reader.list('{', '}', &mut |reader| {
        let name = reader.string()?;
        reader.skip();
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
    reader.skip();
    if reader.rest.is_empty() { Ok(document) } else { reader.wrong("expected its end") }
}

struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl Reader<'_> {
    fn wrong<T>(&self, what: impl Display) -> Result<T, String> {
        let at = self.whole.len() - self.rest.len();
        Err(format!("at byte {at}: {what}"))
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Whether this comes next; if so, it is passed.
    fn has(&mut self, what: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take(&mut self, c: char) -> Result<(), String> {
        if self.has(c.encode_utf8(&mut [0; 4])) { Ok(()) } else { self.wrong(format_args!("expected {c}")) }
    }

    /// Anything between brackets, parted by commas.
    fn list(
        &mut self,
        open: char,
        close: char,
        element: &mut dyn FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.take(open)?;
        if self.has(close.encode_utf8(&mut [0; 4])) {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.has(",") {
                return self.take(close);
            }
        }
    }

    fn strings(&mut self) -> Result<Vec<String>, String> {
        let mut strings = Vec::new();
        self.list('[', ']', &mut |reader| {
            strings.push(reader.string()?);
            Ok(())
        })?;
        Ok(strings)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match (self.has("true"), self.has("false")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => self.wrong("expected true or false"),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.has("\"") {
            return self.wrong("expected a string");
        }
        let mut text = String::new();
        loop {
            let mut chars = self.rest.chars();
            let next = chars.next();
            let after = chars.as_str();
            match next {
                Some('"') => {
                    self.rest = after;
                    return Ok(text);
                }
                Some('\\') => {
                    self.rest = after;
                    let c = self.escaped()?;
                    text.push(c);
                }
                Some(c) if c >= ' ' => {
                    self.rest = after;
                    text.push(c);
                }
                _ => return self.wrong("a string does not end, or holds what must be escaped"),
            }
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char, String> {
        for (written, meant) in [
            ("\"", '"'),
            ("\\", '\\'),
            ("/", '/'),
            ("b", '\u{8}'),
            ("f", '\u{c}'),
            ("n", '\n'),
            ("r", '\r'),
            ("t", '\t'),
        ] {
            if let Some(rest) = self.rest.strip_prefix(written) {
                self.rest = rest;
                return Ok(meant);
            }
        }
        let first = self.unit();
        let code = match first {
            // The two halves of what has no place in 16 bits.
            Some(high @ 0xd800..=0xdbff) => match self.rest.strip_prefix('\\') {
                Some(rest) => {
                    self.rest = rest;
                    let low = self.unit().filter(|low| (0xdc00..=0xdfff).contains(low));
                    low.map(|low| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                }
                None => None,
            },
            other => other,
        };
        match code.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => self.wrong("no escape of JSON"),
        }
    }

    /// `u` and four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest.strip_prefix('u')?;
        let (digits, rest) = digits.split_at_checked(4)?;
        let unit = digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())??;
        self.rest = rest;
        Some(unit)
    }
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
