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

/// Puts a text together. JavaScript's strings are no bytes: what is not UTF-8 goes out as U+FFFD, as it comes in.
pub fn write(fields: &Fields) -> String {
    let mut text = String::with_capacity(fields.bytes() + 2 * fields.len());
    for (name, value) in fields.as_list() {
        text.push_str(name);
        text.push('\n');
        match std::str::from_utf8(value) {
            Ok(value) => text.push_str(value),
            Err(_) => text.push_str(&String::from_utf8_lossy(value)),
        }
        text.push('\n');
    }
    text
}
