//! Which variant of a resource a request selects (RFC 9111 4.1).
//!
//! Values are compared in a normal form, so that differences which mean nothing do not part variants: white space around
//! commas for every field, case and order for Accept, Accept-Charset, Accept-Encoding and Accept-Language. Of credentials only a
//! digest is kept.

use super::connection;
use super::directives::{is_token, members, quoted_end};
use crate::entry::{Head, Selecting, Variant};
use crate::fields::Fields;
use std::borrow::Cow;

/// `*` among the members of Vary: no request matches (RFC 9111 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Star;

/// The field names in Vary, lower-case, sorted, each once. A member that is no field name can never be matched, so it counts as
/// [`Star`]. Fields that never reach the origin are left out: it saw none of them in any request.
pub fn names(response: &Fields) -> Result<Vec<String>, Star> {
    let mut names = Vec::new();
    for member in response.get_all("vary").flat_map(members) {
        let name = std::str::from_utf8(member).ok().filter(|n| *n != "*" && n.bytes().all(is_token)).ok_or(Star)?;
        names.push(name.to_ascii_lowercase());
    }
    names.retain(|name| !connection::never_forwarded(name));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The values of these fields in a request, in normal form.
pub fn selecting(names: &[String], request: &Fields) -> Selecting {
    Selecting(names.iter().map(|name| (name.clone(), value(name, request).map(Cow::into_owned))).collect())
}

/// Whether a request selects a stored response: by its fields, or by the language that it asks for most (RFC 9111 4.1).
pub fn selects(head: &Head, request: &Fields) -> bool {
    matches(&head.selecting, request)
        || language_matches(&head.selecting, head.fields.get_str("content-language"), request)
}

/// Whether a request selects the response that was stored with `selecting` (RFC 9111 4.1).
pub fn matches(selecting: &Selecting, request: &Fields) -> bool {
    matches_but(selecting, request, None)
}

/// The variant that a request selects: the newest that matches, else the newest whose language is the one that
/// Accept-Language asks for most, where all other fields match (RFC 9110 12.5.4).
pub fn choose<'a>(variants: &'a [Variant], request: &Fields) -> Option<&'a Variant> {
    let newest = || variants.iter().rev();
    newest()
        .find(|variant| matches(&variant.selecting, request))
        .or_else(|| newest().find(|v| language_matches(&v.selecting, v.language.as_deref(), request)))
}

/// Whether a stored response is in the language that a request's Accept-Language asks for most, and all its other selecting
/// fields match.
pub fn language_matches(selecting: &Selecting, language: Option<&str>, request: &Fields) -> bool {
    const FIELD: &str = "accept-language";
    let Some(language) = language else {
        return false;
    };
    selecting.0.iter().any(|(name, _)| name == FIELD)
        && request
            .combined(FIELD)
            .and_then(|value| top_language(&value).map(|range| in_range(&range, language)))
            .unwrap_or(false)
        && matches_but(selecting, request, Some(FIELD))
}

/// The one language of a response, lower-case: what [`Variant::language`] holds. `None` where it has none or several.
pub fn language(response: &Fields) -> Option<String> {
    let mut tags = response.get_all("content-language").flat_map(members);
    let tag = std::str::from_utf8(tags.next()?).ok()?;
    tags.next().is_none().then(|| tag.to_ascii_lowercase())
}

/// The normal form of a field's value; `name` is lower-case, repeated lines are joined already (RFC 9110 5.3).
pub fn normalise<'a>(name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    if is_preference(name) { preferences(name, value) } else { spaces(value) }
}

fn matches_but(selecting: &Selecting, request: &Fields, but: Option<&str>) -> bool {
    selecting
        .0
        .iter()
        .filter(|(name, _)| but != Some(name.as_str()))
        .all(|(name, stored)| same(name, stored.as_deref(), request))
}

/// Whether a request's field has the stored normal form. On the way of every hit: lists of preferences are compared member by
/// member, not written out first.
fn same(name: &str, stored: Option<&[u8]>, request: &Fields) -> bool {
    match (is_preference(name), stored) {
        (true, Some(stored)) => request.combined(name).is_some_and(|value| same_preferences(name, stored, &value)),
        _ => value(name, request).as_deref() == stored,
    }
}

fn same_preferences(name: &str, stored: &[u8], value: &[u8]) -> bool {
    if stored == value {
        return true;
    }
    let count = members(stored).count();
    // Quotes may hide commas, and a bit stands for a member: what has quotes or very many members is written out after all.
    if count >= 64 || stored.contains(&b'"') || value.contains(&b'"') {
        return normalise(name, value) == stored;
    }
    let mut found = 0_u64;
    let mut form = Vec::with_capacity(64);
    for member in members(value) {
        form.clear();
        preference(name, member, &mut form);
        match members(stored).position(|known| known == form) {
            Some(at) => found |= 1 << at,
            None if form.is_empty() => {}
            None => return false,
        }
    }
    found == (1 << count) - 1
}

fn is_preference(name: &str) -> bool {
    matches!(name, "accept" | "accept-charset" | "accept-encoding" | "accept-language")
}

fn value<'a>(name: &str, request: &'a Fields) -> Option<Cow<'a, [u8]>> {
    let value = match request.combined(name)? {
        Cow::Borrowed(value) => normalise(name, value),
        Cow::Owned(value) => Cow::Owned(normalise(name, &value).into_owned()),
    };
    match name {
        "authorization" | "cookie" => Some(Cow::Owned(blake3::hash(&value).as_bytes().to_vec())),
        _ => Some(value),
    }
}

/// No white space at the ends and around commas; quoted strings stay as they are.
fn spaces(value: &[u8]) -> Cow<'_, [u8]> {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    let pair = |w: &[u8]| matches!(w, [b',', b' ' | b'\t'] | [b' ' | b'\t', b',']);
    if !blank(value.first()) && !blank(value.last()) && !value.windows(2).any(pair) {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(b) = value.get(at) {
        if *b == b'"'
            && let Some(end) = quoted_end(value, at)
        {
            out.extend_from_slice(value.get(at..=end).unwrap_or_default());
            at = end + 1;
            continue;
        }
        let after_comma = matches!(out.last(), None | Some(b','));
        if *b == b',' {
            while blank(out.last()) {
                out.pop();
            }
        }
        if !(blank(Some(b)) && after_comma) {
            out.push(*b);
        }
        at += 1;
    }
    while blank(out.last()) {
        out.pop();
    }
    Cow::Owned(out)
}

/// A list of preferences: sorted, in lower case, without white space, weights in their shortest form (RFC 9110 12.4.2). What
/// Accept's parameters say may depend on case, so there only the media type is lowered.
fn preferences<'a>(name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    let plain = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'/' | b'*' | b'+' | b'.');
    if value.iter().all(plain) {
        return Cow::Borrowed(value);
    }
    let mut list: Vec<Vec<u8>> = members(value)
        .map(|member| {
            let mut form = Vec::with_capacity(member.len());
            preference(name, member, &mut form);
            form
        })
        .filter(|form| !form.is_empty())
        .collect();
    list.sort_unstable();
    list.dedup();
    let normal = list.join(&b',');
    if normal == value { Cow::Borrowed(value) } else { Cow::Owned(normal) }
}

/// Writes the normal form of one member.
fn preference(field: &str, member: &[u8], out: &mut Vec<u8>) {
    let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    out.extend(parts.next().unwrap_or_default().iter().map(u8::to_ascii_lowercase));
    for part in parts.filter(|part| !part.is_empty()) {
        match weight(part) {
            Some(1000) => {}
            Some(0) => out.extend_from_slice(b";q=0"),
            Some(mut thousandths) => {
                out.extend_from_slice(b";q=0.");
                while thousandths > 0 {
                    out.push(b'0' + u8::try_from(thousandths / 100).unwrap_or(9));
                    thousandths = thousandths % 100 * 10;
                }
            }
            None => {
                out.push(b';');
                if field == "accept" {
                    out.extend_from_slice(part);
                } else {
                    out.extend(part.iter().map(u8::to_ascii_lowercase));
                }
            }
        }
    }
}

/// `q=0.5` as thousandths (RFC 9110 12.4.2).
fn weight(part: &[u8]) -> Option<u32> {
    let (name, value) = part.split_at_checked(part.iter().position(|b| *b == b'=')?)?;
    if !name.trim_ascii().eq_ignore_ascii_case(b"q") {
        return None;
    }
    let (whole, decimals) = match value.get(1..)?.trim_ascii() {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| decimals.get(at).map_or(0, |b| u32::from(b - b'0'));
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// The language range with the highest weight, lower-case; of several the first. `*` names no language.
fn top_language(value: &[u8]) -> Option<String> {
    let mut top: Option<(u32, &[u8])> = None;
    for member in members(value) {
        let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let range = parts.next()?;
        let q = parts.find_map(weight).unwrap_or(1000);
        if q > top.map_or(0, |(best, _)| best) {
            top = Some((q, range));
        }
    }
    let (_, range) = top.filter(|(_, range)| *range != b"*")?;
    std::str::from_utf8(range).ok().map(str::to_ascii_lowercase)
}

/// Basic filtering (RFC 4647 3.3.1): the tag is the range, or begins with it and a hyphen. A list of tags is in no range.
fn in_range(range: &str, tag: &str) -> bool {
    let tag = tag.trim().to_ascii_lowercase();
    !tag.contains(',') && tag.strip_prefix(range).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
