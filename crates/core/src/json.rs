//! JSON (RFC 8259), read by hand, since a whole reader of JSON weighs more in a Worker than what is asked of it here, and takes numbers
//! for doubles. A number is kept as it is written (RFC 8259 6), and a text may hold half of a surrogate pair (RFC 8259 8.2).

use std::collections::BTreeMap;
use std::fmt::Display;

/// How deep values may lie in one another.
pub const MAX_DEPTH: u32 = 128;

/// Any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// As it is written.
    Number(&'a str),
    /// In UTF-8, but for halves of surrogate pairs, which are in three bytes like any other character of 16 bits.
    Text(Vec<u8>),
    /// In its order.
    Array(Vec<Value<'a>>),
    /// By their names; of several of one name the last counts.
    Object(BTreeMap<Vec<u8>, Value<'a>>),
}

/// Reads a document, which may begin with a byte order mark (RFC 8259 8.1).
///
/// # Errors
/// What was expected, and where.
pub fn read(document: &[u8]) -> Result<Value<'_>, String> {
    let text = std::str::from_utf8(document).map_err(|_| "not UTF-8".to_string())?;
    let mut reader = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let value = reader.value(MAX_DEPTH)?;
    reader.end()?;
    Ok(value)
}

/// Reads a text from its beginning on. What goes wrong is told with the byte where it does.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl<'a> Reader<'a> {
    /// At the beginning of a text.
    pub fn new(text: &'a str) -> Self {
        Reader { rest: text, whole: text }
    }

    /// What is wrong here.
    ///
    /// # Errors
    /// Always.
    pub fn wrong<T>(&self, what: impl Display) -> Result<T, String> {
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

    /// Passes what must come next.
    ///
    /// # Errors
    /// Something else comes.
    pub fn take(&mut self, c: char) -> Result<(), String> {
        if self.has(c.encode_utf8(&mut [0; 4])) { Ok(()) } else { self.wrong(format_args!("expected {c}")) }
    }

    /// Passes the end.
    ///
    /// # Errors
    /// Something comes before it.
    pub fn end(&mut self) -> Result<(), String> {
        self.skip();
        if self.rest.is_empty() { Ok(()) } else { self.wrong("expected its end") }
    }

    /// Anything between brackets, parted by commas.
    ///
    /// # Errors
    /// There are no such brackets, or what is between them is wrong.
    pub fn list(
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

    /// An array of strings.
    ///
    /// # Errors
    /// Something else comes.
    pub fn strings(&mut self) -> Result<Vec<String>, String> {
        let mut strings = Vec::new();
        self.list('[', ']', &mut |reader| {
            strings.push(reader.string()?);
            Ok(())
        })?;
        Ok(strings)
    }

    /// A boolean.
    ///
    /// # Errors
    /// Something else comes.
    pub fn boolean(&mut self) -> Result<bool, String> {
        match (self.has("true"), self.has("false")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => self.wrong("expected true or false"),
        }
    }

    /// A string of whole characters.
    ///
    /// # Errors
    /// Something else comes.
    pub fn string(&mut self) -> Result<String, String> {
        match String::from_utf8(self.text()?) {
            Ok(text) => Ok(text),
            Err(_) => self.wrong("no escape of JSON: it is half of a character"),
        }
    }

    /// Any value that lies no deeper than so.
    fn value(&mut self, depth: u32) -> Result<Value<'a>, String> {
        let Some(deeper) = depth.checked_sub(1) else { return self.wrong("it is too deep") };
        self.skip();
        match self.rest.as_bytes().first() {
            Some(b'{') => {
                let mut members = BTreeMap::new();
                self.list('{', '}', &mut |reader| {
                    let name = reader.text()?;
                    reader.take(':')?;
                    members.insert(name, reader.value(deeper)?);
                    Ok(())
                })?;
                Ok(Value::Object(members))
            }
            Some(b'[') => {
                let mut values = Vec::new();
                self.list('[', ']', &mut |reader| {
                    values.push(reader.value(deeper)?);
                    Ok(())
                })?;
                Ok(Value::Array(values))
            }
            Some(b'"') => Ok(Value::Text(self.text()?)),
            Some(b't' | b'f') => Ok(Value::Boolean(self.boolean()?)),
            Some(b'n') if self.has("null") => Ok(Value::Null),
            _ => self.number(),
        }
    }

    /// A number (RFC 8259 6): a minus, digits without leading zeros, a fraction, an exponent.
    fn number(&mut self) -> Result<Value<'a>, String> {
        let digits = |text: &'a str| {
            let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
            (rest.len() < text.len()).then_some(rest)
        };
        let end = || {
            let unsigned = self.rest.strip_prefix('-').unwrap_or(self.rest);
            let mut rest = unsigned.strip_prefix('0').or_else(|| digits(unsigned))?;
            if let Some(fraction) = rest.strip_prefix('.') {
                rest = digits(fraction)?;
            }
            if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
                rest = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))?;
            }
            Some(rest)
        };
        let number = end().and_then(|rest| Some((self.rest.strip_suffix(rest)?, rest)));
        let Some((number, rest)) = number else { return self.wrong("expected a value") };
        self.rest = rest;
        Ok(Value::Number(number))
    }

    /// A string, whatever it holds.
    fn text(&mut self) -> Result<Vec<u8>, String> {
        if !self.has("\"") {
            return self.wrong("expected a string");
        }
        let mut text = Vec::new();
        loop {
            let end = self.rest.find(|c| matches!(c, '"' | '\\' | '\0'..' ')).unwrap_or(self.rest.len());
            let (plain, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
            text.extend_from_slice(plain.as_bytes());
            self.rest = rest;
            if let Some(rest) = rest.strip_prefix('"') {
                self.rest = rest;
                return Ok(text);
            }
            let Some(rest) = rest.strip_prefix('\\') else {
                return self.wrong("a string does not end, or holds what must be escaped");
            };
            self.rest = rest;
            self.escaped(&mut text)?;
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self, text: &mut Vec<u8>) -> Result<(), String> {
        for (written, meant) in
            [('"', b'"'), ('\\', b'\\'), ('/', b'/'), ('b', 8), ('f', 12), ('n', b'\n'), ('r', b'\r'), ('t', b'\t')]
        {
            if let Some(rest) = self.rest.strip_prefix(written) {
                self.rest = rest;
                text.push(meant);
                return Ok(());
            }
        }
        let Some((first, rest)) = unit(self.rest) else { return self.wrong("no escape of JSON") };
        self.rest = rest;
        // The two halves of what has no place in 16 bits.
        let second = rest.strip_prefix('\\').and_then(unit).filter(|(low, _)| (0xdc00..=0xdfff).contains(low));
        let code = match (first, second) {
            (0xd800..=0xdbff, Some((low, rest))) => {
                self.rest = rest;
                0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)
            }
            _ => first,
        };
        match char::from_u32(code) {
            Some(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {
                text.extend([0xe0 | code >> 12, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f].map(|byte| byte as u8))
            }
        }
        Ok(())
    }
}

/// `u` and four hexadecimal digits, and the rest.
fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.strip_prefix('u')?.split_at_checked(4)?;
    let unit = digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())??;
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The same in serde_json's words, where a double holds it.
    fn plain(value: &Value<'_>) -> serde_json::Value {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Boolean(is) => (*is).into(),
            Value::Number(number) => serde_json::from_str(number).unwrap(),
            Value::Text(bytes) => text(bytes).into(),
            Value::Array(values) => values.iter().map(plain).collect(),
            Value::Object(members) => members.iter().map(|(name, value)| (text(name), plain(value))).collect(),
        }
    }

    #[test]
    fn what_json_is_and_what_it_is_not() {
        // Text, whether it is JSON, section.
        for (text, is, section) in [
            (r#"{"a":[1,-0,0.5,1e5,1E+5,1.5e-5,null,true,false,"x",{}]}"#, true, "3"),
            (" \t\r\n[ 1 , 2 ] \n", true, "2"),
            (r#"{"a":1,"a":2}"#, true, "4 names should be unique"),
            (r#""\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00ä""#, true, "7"),
            ("123456789012345678901234567890", true, "6 of any length"),
            ("01", false, "6 leading zeros"),
            ("-", false, "6"),
            ("+1", false, "6"),
            (".5", false, "6"),
            ("1.", false, "6"),
            ("1e", false, "6"),
            ("1e+", false, "6"),
            ("NaN", false, "6"),
            ("0x1", false, "6"),
            ("", false, "2"),
            ("nul", false, "3"),
            ("truefalse", false, "3"),
            ("True", false, "3"),
            ("[1,]", false, "5"),
            ("[1 2]", false, "5"),
            ("{\"a\":1,}", false, "4"),
            ("{a:1}", false, "4"),
            ("{\"a\" 1}", false, "4"),
            ("\"a\nb\"", false, "7"),
            ("\"\\x\"", false, "7"),
            ("\"\\u12\"", false, "7"),
            ("\"\\u+123\"", false, "7"),
            ("\"a", false, "7"),
            ("1 2", false, "2"),
            ("'a'", false, "7"),
        ] {
            let read = read(text.as_bytes());
            assert_eq!(read.is_ok(), is, "{section}: {text}: {read:?}");
            assert_eq!(read.as_ref().ok().map(plain), serde_json::from_str(text).ok(), "{section}: {text}");
        }
        let depth = MAX_DEPTH as usize;
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(read(deep(depth - 1).as_bytes()).is_ok() && read(deep(depth).as_bytes()).is_err());
        assert!(read(b"\"\xff\"").is_err());
    }

    #[test]
    fn what_serde_json_refuses_and_the_rfc_lets_be() {
        // 8.1: a parser may ignore a byte order mark.
        assert_eq!(read("\u{feff}1".as_bytes()), Ok(Value::Number("1")));
        // 6: numbers that no double holds.
        assert_eq!(read(b"1e400"), Ok(Value::Number("1e400")));
        // 8.2: halves of surrogate pairs, which are told apart.
        let half = |text: &'static str| read(text.as_bytes());
        assert_eq!(half(r#""\ud800a""#), Ok(Value::Text(b"\xed\xa0\x80a".to_vec())));
        assert_ne!(half(r#""\ud800""#), half(r#""\udfff""#));
        assert_eq!(half(r#""\ude00\ud83d""#), Ok(Value::Text(b"\xed\xb8\x80\xed\xa0\xbd".to_vec())));
        assert!(Reader::new(r#""\ud800""#).string().is_err());
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(text in r#"[\[{]("(\\[nu"0-9a-fDd]{1,6}|[a-c ])*"?[:,]? ?|[-+0-9.eE]{1,4},?|[\[\]{}]|true|null|,){0,8}[\]}]{0,3}"#) {
            let reference = serde_json::from_str::<serde_json::Value>(&text);
            match (read(text.as_bytes()), reference) {
                (Ok(value), Ok(reference)) => prop_assert_eq!(plain(&value), reference),
                (Err(why), Ok(_)) => prop_assert!(false, "{}: {}", text, why),
                // What it cannot hold.
                (Ok(_), Err(why)) => prop_assert!(
                    ["surrogate", "out of range", "end of hex"].iter().any(|what| why.to_string().contains(what)),
                    "{}: {}", text, why
                ),
                (Err(_), Err(_)) => {}
            }
        }

        #[test]
        fn nothing_is_too_much_for_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
