//! `vary`, `query` and `key` of a route: what of a request is part of the key, and what could never be.

use super::error::Wrong;
use super::limits::{MAX_LANGUAGES, MAX_NAME, MAX_PARTS, MAX_PATTERNS};
use super::reader::Item;
use super::{ContentKey, KeyParts, Query, glob, limits, value};

/// `vary`.
pub(super) fn vary(item: &Item<'_>) -> Option<Vec<String>> {
    few(item, "[\"accept-language\"]", MAX_PARTS, value::key_field_name)
}

/// `query`.
pub(super) fn query(item: &Item<'_>) -> Option<Query> {
    item.table("a table such as { ignore = [\"utm_*\"], sort = true }", |table| {
        let allow = table.get("allow");
        let allowed = allow.as_ref().and_then(|item| few(item, "[\"page\"]", MAX_PATTERNS, value::query_pattern));
        let ignore = table.get("ignore");
        let ignored = ignore.as_ref().and_then(|item| few(item, "[\"utm_*\"]", MAX_PATTERNS, value::query_pattern));
        let sort = table.get("sort").and_then(|item| item.boolean());
        if let (Some(allow), Some(allowed), Some(ignore), Some(ignored)) = (&allow, &allowed, &ignore, &ignored) {
            reachable((allow, allowed), (ignore, ignored));
        }
        Query { allow: allowed, ignore: ignored.unwrap_or_default(), sort: sort.unwrap_or_default() }
    })
}

/// `allow` lets in, and `ignore` leaves out of that: what the one lets in whole must not be what the other leaves out whole, and
/// what is left out must be something that could come in.
fn reachable((allow, allowed): (&Item<'_>, &[String]), (ignore, ignored): (&Item<'_>, &[String])) {
    for pattern in allowed {
        if let Some(wider) = ignored.iter().find(|wider| covers(wider, pattern)) {
            allow.wrong(Wrong::new(format!(
                "\"{}\" is never let in, because \"{}\" of ignore leaves all of it out; remove one of the two",
                value::short(pattern),
                value::short(wider)
            )));
        }
    }
    for pattern in ignored {
        if !allowed.iter().any(|let_in| overlaps(let_in.as_bytes(), pattern.as_bytes())) {
            ignore.wrong(Wrong::new(format!(
                "\"{}\" has no effect, because allow lets none of it in; remove it",
                value::short(pattern)
            )));
        }
    }
}

/// Whether every name that `narrow` matches is matched by `wide` too: a star of `narrow` stands for characters that `wide` does not
/// name.
fn covers(wide: &str, narrow: &str) -> bool {
    glob(wide, &narrow.replace('*', "\u{0}"))
}

/// Whether there is a name that both patterns match.
fn overlaps(one: &[u8], other: &[u8]) -> bool {
    // For each beginning of `one`, whether it and what was seen of `other` so far have a name in common.
    let mut common = vec![false; one.len() + 1];
    for (seen, b) in std::iter::once(None).chain(other.iter().map(Some)).enumerate() {
        let mut next = Vec::with_capacity(common.len());
        for at in 0..=one.len() {
            let a = at.checked_sub(1).and_then(|at| one.get(at));
            let beside = |list: &[bool], at: Option<usize>| at.and_then(|at| list.get(at).copied()).unwrap_or(false);
            let (left, up) = (beside(&next, at.checked_sub(1)), beside(&common, Some(at)));
            let both = beside(&common, at.checked_sub(1));
            next.push(match (a, b) {
                (None, None) => seen == 0,
                (Some(b'*'), Some(b'*')) => left || up || both,
                (Some(b'*'), _) => left || up,
                (_, Some(b'*')) => up || left,
                (Some(a), Some(b)) => a == b && both,
                _ => false,
            });
        }
        common = next;
    }
    common.last().copied().unwrap_or(false)
}

/// `key`; `vary` is that of the same route.
pub(super) fn parts(item: &Item<'_>, vary: &[String]) -> Option<KeyParts> {
    item.table("a table such as { cookies = [\"plan\"] }", |table| {
        let twice = |item: &Item<'_>, field: &str| {
            if vary.iter().any(|name| name == field) {
                item.wrong_key(Wrong::new(format!(
                    "vary has all of {field} in the key already; remove one of the two"
                )));
            }
        };
        let cookies = table.get("cookies").and_then(|item| {
            twice(&item, "cookie");
            few(&item, "[\"plan\"]", MAX_PARTS, value::cookie_name)
        });
        let language = table.get("language").and_then(|item| {
            twice(&item, "accept-language");
            languages(&item)
        });
        let tenant = table.get("tenant").and_then(|item| {
            let field = item.parse("\"header:NAME\"", value::tenant)?;
            twice(&item, &field);
            Some(field)
        });
        let content = table.get("content");
        let max_size = content.as_ref().and_then(|item| item.size(&limits::CONTENT));
        let methods = table.get("methods");
        if let (Some(methods), None) = (&methods, &content) {
            methods.wrong_key(Wrong::new("has no effect without content; add content = \"64KiB\""));
        }
        let methods = methods.map_or(Some(vec!["QUERY".to_string()]), |item| self::methods(&item));
        let content = max_size.zip(methods).map(|(max_size, methods)| ContentKey { max_size, methods });
        KeyParts { cookies, language: language.unwrap_or_default(), tenant, content }
    })
}

/// Methods whose content asks for something, as a safe one's does, or as a route says of its POST.
fn methods(item: &Item<'_>) -> Option<Vec<String>> {
    let read = item.strings("[\"QUERY\", \"POST\"]", |text| match text {
        "QUERY" | "POST" => Ok(text.to_string()),
        _ => Err(Wrong::new(format!(
            "the content of \"{}\" is no part of a key; write \"QUERY\" or \"POST\"",
            value::short(text)
        ))),
    })?;
    if read.is_empty() {
        item.wrong(Wrong::new("no method; write \"QUERY\", \"POST\" or both"));
    }
    Some(read)
}

fn languages(item: &Item<'_>) -> Option<Vec<String>> {
    let tags = few(item, "[\"en\", \"de\"]", MAX_LANGUAGES, value::language_tag)?;
    if tags.is_empty() {
        item.wrong(Wrong::new("no language; name those that the origin has, the one for everybody else first"));
    }
    for (at, tag) in tags.iter().enumerate() {
        if tags.iter().take(at).any(|before| before.eq_ignore_ascii_case(tag)) {
            item.wrong(Wrong::new(format!(
                "\"{tag}\" is named twice, because case does not count; remove one of the two"
            )));
        }
    }
    Some(tags)
}

/// An array of at most so many strings, none of them very long.
fn few(item: &Item<'_>, such_as: &str, most: usize, parse: fn(&str) -> Result<String, Wrong>) -> Option<Vec<String>> {
    let read = item.strings(such_as, parse)?;
    if read.len() > most {
        item.wrong(Wrong::new(format!(
            "{} are too many, because each request is held against them; write at most {most}",
            read.len()
        )));
    }
    if let Some(long) = read.iter().find(|text| text.len() > MAX_NAME) {
        item.wrong(Wrong::new(format!(
            "\"{}\" is longer than {MAX_NAME} bytes; write a shorter one",
            value::short(long)
        )));
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_patterns_have_in_common() {
        for (one, other, common) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("a*c", "ab*", true),
            ("a*c", "a", false),
            ("*", "x", true),
            ("*", "*", true),
            ("a*", "a", true),
            ("filter_*", "*_debug", true),
            ("filter_*", "utm_*", false),
            ("ab", "a", false),
            ("a**", "a", true),
        ] {
            let overlap = |a: &str, b: &str| overlaps(a.as_bytes(), b.as_bytes());
            assert_eq!((overlap(one, other), overlap(other, one)), (common, common), "{one} {other}");
        }
    }
}
