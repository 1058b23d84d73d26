//! What a watched document says, and what is remembered of it.
//!
//! Input: a tag, a JSON pointer and an ETag, a line each; then a document, a zero byte, and the document after it.

use std::time::Duration;
use terrace_core::config::Watch;
use terrace_core::purge::fields::is_tag;
use terrace_core::watch::{Seen, news, pointer};

/// Larger documents are only more of the same.
const MOST: usize = 8192;

/// A document with white space wherever JSON lets it be.
fn spaced(document: &str) -> String {
    let (mut spaced, mut in_text, mut escaped) = (String::new(), false, false);
    for c in document.chars() {
        let structural = !in_text && "{}[]:,".contains(c);
        spaced.extend(structural.then_some(" "));
        spaced.push(c);
        spaced.extend(structural.then_some("\n\t"));
        in_text ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    spaced
}

pub fn holds(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let mut parts = data.splitn(4, |b| *b == b'\n').map(|part| std::str::from_utf8(part).ok());
    let (Some(Some(tag)), Some(Some(pointer)), Some(Some(etag)), Some(Some(documents))) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let stars = if pointer::is_many(pointer) { 1 } else { 0 };
    // What `check` would refuse.
    if pointer::check(pointer).is_err() || tag.matches('*').count() != stars || !is_tag(&tag.replace('*', "x")) {
        return;
    }
    let tags = vec![(tag.to_string(), pointer.to_string())];
    let watch = Watch { url: "/updated".into(), every: Duration::from_secs(60), tags, soft: false };
    let (before, after) = documents.split_once('\0').unwrap_or((documents, ""));
    let Ok(first) = news(&watch, before.as_bytes(), Some(etag), &Seen::default()) else { return };
    assert!(first.changed.is_empty(), "what is seen first has not changed");
    let seen = Seen::from_text(&first.seen.to_text());
    assert_eq!(seen, first.seen, "what is stored is what is read");
    let words = spaced(before);
    let again = news(&watch, words.as_bytes(), Some(etag), &seen).unwrap();
    assert!(again.changed.is_empty(), "{:?} changed from {before} to {words}", again.changed);
    assert_eq!((again.seen, &again.missing, again.invalid), (seen.clone(), &first.missing, first.invalid));
    if let Ok(next) = news(&watch, after.as_bytes(), None, &seen) {
        assert!(next.changed.iter().all(|tag| is_tag(tag)), "{:?}", next.changed);
        assert!(next.missing.is_empty() || next.changed.is_empty(), "what is not found has not changed");
        let settled = news(&watch, after.as_bytes(), None, &Seen::from_text(&next.seen.to_text())).unwrap();
        assert!(settled.changed.is_empty(), "{:?} changed back", settled.changed);
    }
}
