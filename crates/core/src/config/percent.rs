//! The one form of percent-encoding in which patterns and what clients send are compared.

use std::borrow::Cow;

/// RFC 3986 6.2.2.1 and 6.2.2.2: `%7e` and `%7E` of an unreserved character become the character, all other codes get
/// capitals. Reserved characters stay as they were sent: `%2F` is not `/`.
pub fn normal_percent(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default();
    if first.len() == text.len() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    out.push_str(first);
    for part in parts {
        let code = part.split_at_checked(2).filter(|(code, _)| code.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = code.and_then(|(code, rest)| Some((u8::from_str_radix(code, 16).ok()?, rest)));
        match byte {
            Some((byte, rest)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
                out.push_str(rest);
            }
            Some((byte, rest)) => {
                out.push_str(&format!("%{byte:02X}"));
                out.push_str(rest);
            }
            None => {
                out.push('%');
                out.push_str(part);
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        for (sent, normal) in [
            ("/a", "/a"),
            ("/%61%7e%7E%2d", "/a~~-"),
            ("/%2f%2F%c3%A4", "/%2F%2F%C3%A4"),
            ("/100%", "/100%"),
            ("/%%61", "/%a"),
            ("/%6", "/%6"),
            ("/%zz%+1%ä", "/%zz%+1%ä"),
            // Once only: what comes out is no code of its own.
            ("/%2561", "/%2561"),
        ] {
            assert_eq!(normal_percent(sent), normal, "{sent}");
        }
    }
}
