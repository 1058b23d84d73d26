//! Errors of the TOML itself.

use super::error::Wrong;
use super::reader::{Report, join};
use toml::de::{DeTable, DeValue};

/// After so many errors, the path of a further one is not looked for: each look walks the whole document.
const MAX_LOOKS: usize = 200;

/// Adds the error that the TOML parser found after `n` others. Whether the document can still be read: a duplicate key leaves it whole.
pub(super) fn add(report: &Report<'_>, error: &toml::de::Error, n: usize, document: &DeTable<'_>) -> bool {
    let span = error.span().unwrap_or(0..0);
    if error.message() != "duplicate key" {
        report.add(span, "", Wrong::new(format!("TOML syntax: {}", error.message())));
        return false;
    }
    // The parser does not say which key it is, but it keeps the first of the two: that is the nearest before of this name.
    let name = report.text_at(&span);
    let mut nearest = None;
    if n < MAX_LOOKS {
        find(document, "", name.trim_matches(['"', '\'']), span.start, &mut nearest);
    }
    let (path, first) = match nearest {
        Some((start, path)) if start < span.start => (path, format!(", first on line {}", report.line(start))),
        Some((_, path)) => (path, String::new()),
        None => (name.to_string(), String::new()),
    };
    report.add(span, &path, Wrong::new(format!("duplicate key{first}; keep one of the two")));
    true
}

/// The nearest key called `name` that starts at or before `end`: where, and its path.
fn find(table: &DeTable<'_>, path: &str, name: &str, end: usize, nearest: &mut Option<(usize, String)>) {
    for (key, value) in table {
        let start = key.span().start;
        let path = join(path, key.get_ref());
        if key.get_ref() == name && start <= end && nearest.as_ref().is_none_or(|(best, _)| *best < start) {
            *nearest = Some((start, path.clone()));
        }
        match value.get_ref() {
            DeValue::Table(inner) => find(inner, &path, name, end, nearest),
            DeValue::Array(elements) => {
                for (n, element) in elements.iter().enumerate() {
                    if let DeValue::Table(inner) = element.get_ref() {
                        find(inner, &format!("{path}[{n}]"), name, end, nearest);
                    }
                }
            }
            _ => {}
        }
    }
}
