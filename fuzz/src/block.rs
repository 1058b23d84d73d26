//! Input as one would write it: `name: value` lines, and blocks of them parted by empty lines.

use terrace_core::fields::Fields;
use terrace_core::time::Timestamp;

/// Sat, 21 Nov 2026 12:00:00 GMT
pub const NOW: Timestamp = Timestamp(1_795_262_400_000);

/// More than this is no header of a request: hosts refuse it before the core sees it.
pub const MOST: usize = 4096;

/// The blocks of an input, `N` of them; what is not there is empty.
pub fn blocks<const N: usize>(data: &[u8]) -> [Fields; N] {
    let mut lists = [const { Vec::new() }; N];
    let mut at = 0;
    for line in data.split(|b| *b == b'\n') {
        if line.is_empty() {
            at += 1;
            continue;
        }
        let (Some(list), Some(colon)) = (lists.get_mut(at), line.iter().position(|b| *b == b':')) else { continue };
        let Ok(name) = std::str::from_utf8(&line[..colon]) else { continue };
        list.push((name.to_string(), line[colon + 1..].trim_ascii().to_vec()));
    }
    lists.map(Fields::from_list)
}

/// The values of a field in a list of their own.
pub fn only(fields: &Fields, name: &str) -> Fields {
    fields.get_all(name).map(|value| (name.to_string(), value.to_vec())).collect()
}
