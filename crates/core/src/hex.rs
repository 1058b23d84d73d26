//! Bytes as hexadecimal digits, for keys and for hosts whose SQL carries only text.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Two lower-case digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().map_or('0', char::from);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(*byte));
    }
    text
}

/// The bytes that the digits, of either case, stand for; `None` where it is anything but pairs of digits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(pairs.len());
    // What is no digit is above 15: one look at the end, instead of two for each byte.
    let mut seen = 0;
    for [high, low] in pairs {
        let (high, low) = (value(*high), value(*low));
        seen |= high | low;
        bytes.push(high << 4 | low & 15);
    }
    (seen <= 15).then_some(bytes)
}

const fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all.clone()));
        assert_eq!(decode(&encode(&all).to_uppercase()), Some(all));
        assert_eq!((encode(b"\x00\x9f"), decode("")), ("009f".to_string(), Some(vec![])));
    }

    #[test]
    fn what_is_no_pair_of_digits_is_refused() {
        for text in ["0", "0g", "g0", "000", "0x", " 0", "\u{e9}", "00:0", "//", "@@", "``"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
