//! Which variant of a resource a request selects (RFC 9111 4.1).
//!
//! Values are compared in a normal form, so that differences which mean nothing do not part variants: white space around
//! commas for every field, case and order for Accept, Accept-Charset, Accept-Encoding and Accept-Language. Of credentials, and of
//! what is long, only a digest is kept.

use super::connection;
use super::directives::{is_token, members, quoted_end};
use crate::entry::{Head, MAX_SENT, Selected, Selecting, Variant};
use crate::fields::Fields;
use std::borrow::Cow;

/// The longest normal form that is kept as it is, in bytes: the list of variants is read at every hit.
const MAX_VALUE: usize = 256;

/// What the digest of a longer one begins with, and no value does (RFC 9110 5.5).
const DIGEST: u8 = 0;

/// `*` among the members of Vary, or a field that the origin sees otherwise than we do: no request matches (RFC 9111 4.1).
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
    if names.iter().any(|name| connection::is_rewritten(name)) {
        return Err(Star);
    }
    names.retain(|name| !connection::never_forwarded(name));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The values of these fields in a request, in normal form.
pub fn selecting(names: &[String], request: &Fields) -> Selecting {
    let field = |name: &String| {
        let value = value(name, request).map(Cow::into_owned);
        let sent = only(name, request).filter(|sent| value.as_deref() != Some(*sent) && sent.len() <= MAX_SENT);
        let sent = sent.filter(|_| !is_credential(name)).unwrap_or_default().to_vec();
        Selected { name: name.clone(), value, sent }
    };
    Selecting(names.iter().map(field).collect())
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
    selecting.0.iter().any(|field| field.name == FIELD)
        && request.combined(FIELD).is_some_and(|value| is_wanted(&value, language))
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
        .filter(|field| but != Some(field.name.as_str()))
        .all(|field| is_as_sent(field, request) || same(&field.name, field.value.as_deref(), request))
}

/// Whether a request has a field in the very bytes that were sent before: the same bytes have the same normal form.
fn is_as_sent(Selected { name, sent, .. }: &Selected, request: &Fields) -> bool {
    !sent.is_empty() && only(name, request) == Some(sent)
}

/// The value of a field that is in one line.
fn only<'a>(name: &'a str, request: &'a Fields) -> Option<&'a [u8]> {
    let mut lines = request.get_all(name);
    lines.next().filter(|_| lines.next().is_none())
}

/// Whether a request's field has the stored normal form. On the way of every hit, so nothing is written out first where that
/// can be spared: for lists of preferences in any form, and for other fields of one line without white space around commas.
fn same(name: &str, stored: Option<&[u8]>, request: &Fields) -> bool {
    match stored {
        Some(stored) if is_preference(name) && stored.first() != Some(&DIGEST) => {
            same_preferences(name, stored, request)
        }
        _ if is_credential(name) => match (request.combined(name), stored) {
            (Some(value), Some(stored)) => blake3::hash(&normalise(name, &value)).as_bytes() == stored,
            (value, stored) => value.is_none() && stored.is_none(),
        },
        _ => value(name, request).as_deref() == stored,
    }
}

fn same_preferences(name: &str, stored: &[u8], request: &Fields) -> bool {
    let comma = |b: &u8| *b == b',';
    let mut known = [&[][..]; 16];
    let mut count = 0;
    let mut members = stored.split(comma).filter(|member| !member.is_empty());
    for (slot, member) in known.iter_mut().zip(&mut members) {
        (*slot, count) = (member, count + 1);
    }
    // Quotes may hide commas: what has any, or very many members, is written out after all.
    if stored.contains(&b'"') || members.next().is_some() {
        return value(name, request).as_deref() == Some(stored);
    }
    let (known, exact) = (known.get(..count).unwrap_or_default(), name == "accept");
    let (mut seen, mut found) = (false, 0_u16);
    for line in request.get_all(name) {
        seen = true;
        for member in line.split(comma).map(<[u8]>::trim_ascii) {
            let parameters = member.contains(&b';');
            let as_it_stands =
                |known: &&[u8]| *known == member || (!(exact && parameters) && known.eq_ignore_ascii_case(member));
            let in_normal_form = |known: &&[u8]| parameters && known.iter().copied().eq(preference(name, member));
            let at = known.iter().position(as_it_stands);
            match at.or_else(|| known.iter().position(in_normal_form)) {
                Some(at) => found |= 1 << at,
                None if preference(name, member).next().is_none() => {}
                None => return false,
            }
        }
    }
    seen && found.count_ones() as usize == count
}

fn is_preference(name: &str) -> bool {
    matches!(name, "accept" | "accept-charset" | "accept-encoding" | "accept-language")
}

fn is_credential(name: &str) -> bool {
    matches!(name, "authorization" | "cookie")
}

fn value<'a>(name: &str, request: &'a Fields) -> Option<Cow<'a, [u8]>> {
    let value = match request.combined(name)? {
        Cow::Borrowed(value) => normalise(name, value),
        Cow::Owned(value) => Cow::Owned(normalise(name, &value).into_owned()),
    };
    Some(match is_credential(name) {
        true => Cow::Owned(blake3::hash(&value).as_bytes().to_vec()),
        false if value.len() > MAX_VALUE => {
            Cow::Owned([&[DIGEST], blake3::hash(&value).as_bytes().as_slice()].concat())
        }
        false => value,
    })
}

/// No white space at the ends and around commas; quoted strings stay as they are.
fn spaces(value: &[u8]) -> Cow<'_, [u8]> {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    let pair = |w: &[u8]| matches!(w, [b',', b' ' | b'\t'] | [b' ' | b'\t', b',']);
    if !blank(value.first()) && !blank(value.last()) && !value.windows(2).any(pair) {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let (mut at, mut unclosed) = (0, false);
    while let Some(b) = value.get(at) {
        if *b == b'"' && !unclosed {
            // Where one quote does not close, none behind it does.
            let Some(end) = quoted_end(value, at) else {
                unclosed = true;
                continue;
            };
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
    let form = |member| preference(name, member).collect::<Vec<u8>>();
    let mut list: Vec<Vec<u8>> = members(value).map(form).filter(|form| !form.is_empty()).collect();
    list.sort_unstable();
    list.dedup();
    let normal = list.join(&b',');
    if normal == value { Cow::Borrowed(value) } else { Cow::Owned(normal) }
}

/// The normal form of one member.
fn preference<'a>(field: &str, member: &'a [u8]) -> impl Iterator<Item = u8> + use<'a> {
    let exact = field == "accept";
    let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let parameters = parts.filter(|part| !part.is_empty()).flat_map(move |part| parameter(part, exact));
    name.iter().map(u8::to_ascii_lowercase).chain(parameters)
}

/// A parameter behind its semicolon; a weight of 1 is left out. `exact` keeps the case.
fn parameter(part: &[u8], exact: bool) -> impl Iterator<Item = u8> {
    const NONE: [u8; 3] = *b"000";
    let digits = |n: u32| [n / 100, n / 10 % 10, n % 10].map(|digit| b'0' + digit as u8);
    let (before, decimals, text): (&[u8], [u8; 3], &[u8]) = match weight(part) {
        Some(1000) => (b"", NONE, b""),
        Some(0) => (b";q=0", NONE, b""),
        Some(thousandths) => (b";q=0.", digits(thousandths), b""),
        None => (b";", NONE, part),
    };
    let count = decimals.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    let decimals = decimals.into_iter().take(count);
    let text = text.iter().map(move |b| if exact { *b } else { b.to_ascii_lowercase() });
    before.iter().copied().chain(decimals).chain(text)
}

/// `q=0.5` as thousandths (RFC 9110 12.4.2).
pub(super) fn weight(part: &[u8]) -> Option<u32> {
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

/// A member of a list of preferences, in thousandths, and without its parameters (RFC 9110 12.4.2).
pub(super) fn weighted(member: &[u8]) -> Option<(u32, &[u8])> {
    let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let range = parts.next()?;
    Some((parts.find_map(weight).unwrap_or(1000), range))
}

/// Whether a language is the one that is asked for most, and no narrower range refuses it with the weight 0 (RFC 9110 12.4.2).
fn is_wanted(value: &[u8], language: &str) -> bool {
    let Some(top) = top_language(value).filter(|range| in_range(range, language)) else { return false };
    let refuses = |(q, range): (u32, &[u8])| q == 0 && range.len() >= top.len() && in_range(range, language);
    !members(value).filter_map(weighted).any(refuses)
}

/// The language range with the highest weight; of several the first. `*` names no language.
fn top_language(value: &[u8]) -> Option<&[u8]> {
    let mut top: Option<(u32, &[u8])> = None;
    for (q, range) in members(value).filter_map(weighted) {
        if q > top.map_or(0, |(best, _)| best) {
            top = Some((q, range));
        }
    }
    top.map(|(_, range)| range).filter(|range| *range != b"*")
}

/// Basic filtering (RFC 4647 3.3.1): the tag is the range, or begins with it and a hyphen. A list of tags is in no range.
fn in_range(range: &[u8], tag: &str) -> bool {
    let tag = tag.trim().as_bytes();
    let Some((front, rest)) = tag.split_at_checked(range.len()) else {
        return false;
    };
    !tag.contains(&b',') && front.eq_ignore_ascii_case(range) && matches!(rest, [] | [b'-', ..])
}
