//! Fields as one text, a name and its value on two lines: a crossing for all of them instead of one for each.

use terrace_core::fields::Fields;

/// Takes a text apart.
pub fn read(text: &str) -> Fields {
    of(&mut text.split('\n'))
}

/// Takes what is left of a text's lines apart.
pub fn of<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Fields {
    let mut fields = Fields::with_capacity(16);
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        fields.append(name, value);
    }
    fields
}

/// A text, and what of it makes it cheap to read for JavaScript.
pub struct Lines {
    text: String,
    once: bool,
}

impl Lines {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether all of it is ASCII.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// Whether every name stands there once, and may be the name of an object's property.
    pub fn has_each_once(&self) -> bool {
        self.once
    }
}

/// Puts a text together. JavaScript's strings are no bytes: what is not UTF-8 goes out as U+FFFD, as it comes in.
pub fn write(fields: &Fields) -> Lines {
    write_only(fields, |_| true)
}

/// The same of the fields with these names.
pub fn write_only(fields: &Fields, wanted: impl Fn(&str) -> bool) -> Lines {
    let list = fields.as_list();
    let mut text = String::with_capacity(fields.bytes() + 2 * list.len());
    let mut once = true;
    for (n, (name, value)) in list.iter().enumerate().filter(|(_, (name, _))| wanted(name)) {
        text.push_str(name);
        text.push('\n');
        match std::str::from_utf8(value) {
            Ok(value) => text.push_str(value),
            Err(_) => text.push_str(&String::from_utf8_lossy(value)),
        }
        text.push('\n');
        once = once && name != "__proto__" && !list.iter().take(n).any(|(earlier, _)| earlier == name);
    }
    Lines { text, once }
}

/// Whether a text is what [`write_only`] makes of these fields. What is not UTF-8 never is.
pub fn are(text: &[u8], fields: &Fields, wanted: impl Fn(&str) -> bool) -> bool {
    let mut rest = Some(text);
    for (name, value) in fields.as_list().iter().filter(|(name, _)| wanted(name)) {
        rest = rest.and_then(|rest| line(line(rest, name.as_bytes())?, value));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

/// What follows a line.
fn line<'a>(text: &'a [u8], line: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(line)?.strip_prefix(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_their_order() {
        let fields = Fields::from([("set-cookie", "a=1"), ("x", ""), ("set-cookie", "b=\u{e9}")]);
        let lines = write(&fields);
        assert_eq!(lines.bytes(), "set-cookie\na=1\nx\n\nset-cookie\nb=\u{e9}\n".as_bytes());
        assert_eq!(read(&String::from_utf8_lossy(lines.bytes())), fields);
        assert!(!lines.is_ascii() && !lines.has_each_once());
    }

    #[test]
    fn a_name_that_stands_once_may_be_a_property_unless_objects_have_it() {
        let once = |fields: Fields| write(&fields).has_each_once();
        assert!(once(Fields::from([("a", "1"), ("b", "1"), ("constructor", "1")])));
        assert!(!once(Fields::from([("a", "1"), ("b", "1"), ("a", "1")])));
        assert!(!once(Fields::from([("__proto__", "1")])));
    }

    #[test]
    fn a_text_is_compared_with_fields_as_if_they_were_written() {
        let fields = Fields::from([("a", "1"), ("age", "2"), ("b", "3")]);
        let lasting = |name: &str| name != "age";
        let text = write_only(&fields, lasting);
        assert!(are(text.bytes(), &fields, lasting));
        assert!(are(text.bytes(), &Fields::from([("a", "1"), ("b", "3")]), lasting));
        for other in [
            Fields::from([("a", "1")]),
            Fields::from([("a", "1"), ("b", "4")]),
            Fields::from([("a", "1"), ("c", "3")]),
            Fields::from([("b", "3"), ("a", "1")]),
            Fields::from([("a", "1"), ("b", "3"), ("c", "")]),
            Fields::from([("a", "1"), ("b", "33")]),
        ] {
            assert!(!are(text.bytes(), &other, lasting), "{other:?}");
        }
        let latin = Fields::from_list(vec![("x".to_string(), b"a\xe9b".to_vec())]);
        assert!(!are(write(&latin).bytes(), &latin, |_| true));
    }

    #[test]
    fn what_is_not_utf_8_is_replaced() {
        let fields = Fields::from_list(vec![("x".to_string(), b"a\xe9b".to_vec())]);
        assert_eq!(write(&fields).bytes(), "x\na\u{fffd}b\n".as_bytes());
    }
}
