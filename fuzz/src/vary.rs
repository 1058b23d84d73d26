//! Vary and the fields that it names (RFC 9111 4.1).
//!
//! Input: the fields of a response, those of the request that it answered, and those of another request, parted by empty lines.

use super::block::{MOST, blocks};
use terrace_core::entry::{Selecting, Variant};
use terrace_core::fields::Fields;
use terrace_core::key::{self, Key};
use terrace_core::rules::{connection, vary};

pub fn holds(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let [response, first, second] = blocks(data);
    let Ok(names) = vary::names(&response) else {
        return;
    };
    assert!(names.is_sorted_by(|a, b| a < b), "sorted, each once: {names:?}");
    assert!(names.iter().all(|name| *name == name.to_ascii_lowercase() && !connection::never_forwarded(name)));
    for name in &names {
        for request in [&first, &second] {
            if let Some(value) = request.combined(name) {
                normal(name, &value);
            }
        }
    }
    let (a, b) = (vary::selecting(&names, &first), vary::selecting(&names, &second));
    assert!(vary::matches(&a, &first), "a request selects what it was answered with: {a:?}");
    assert_eq!(vary::matches(&a, &second), a == b, "compared on the way as when written out: {a:?} {b:?}");
    assert_eq!(vary::matches(&b, &first), a == b);
    let of = |selecting: &Selecting| key::variant(&Key([7; 32]), 1, selecting.values());
    assert_eq!(of(&a) == of(&b), a == b, "a variant's key is its values");
    language(&response, &a, &first, &second);
}

/// The normal form is normal. A quote that does not close may come to close when members are sorted: then it is not.
fn normal(name: &str, value: &[u8]) {
    let once = vary::normalise(name, value);
    if !value.contains(&b'"') {
        assert_eq!(once, vary::normalise(name, &once), "{name}: {}", value.escape_ascii());
    }
    let wider = [b" ".as_slice(), value, b"\t"].concat();
    assert_eq!(vary::normalise(name, &wider), once, "white space at the ends: {name}: {}", value.escape_ascii());
}

fn language(response: &Fields, a: &Selecting, first: &Fields, second: &Fields) {
    let language = vary::language(response);
    let variants = [
        Variant { key: Key([1; 32]), selecting: a.clone(), language: None },
        Variant { key: Key([2; 32]), selecting: a.clone(), language: language.clone() },
    ];
    assert_eq!(vary::choose(&variants, first).map(|v| v.key), Some(Key([2; 32])), "the newest that matches");
    let by_language = vary::language_matches(a, language.as_deref(), second);
    assert_eq!(vary::choose(&variants, second).is_some(), vary::matches(a, second) || by_language);
    assert!(!by_language || language.is_some() && second.contains("accept-language"));
}
