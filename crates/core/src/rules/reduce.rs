//! A request reduced to what its route lets into the key: the origin is asked for that, and for nothing else. What it saw and the
//! key does not have would be answered to everybody (DESIGN.md, decision 3).
//!
//! Reduced are the query (`query`), Cookie (`key.cookies`) and Accept-Language (`key.language`). What is reduced already stays as it
//! is.

use super::connection;
use super::directives::members;
use super::vary::weighted;
use crate::config::{KeyParts, Policy, Query, glob, normal_percent};
use crate::fields::Fields;
use std::borrow::Cow;

/// How many ranges of an Accept-Language are looked at; what follows counts as not sent.
const MAX_RANGES: usize = 64;

/// The target, path and query, without the parameters that are not part of the key, and sorted by name where the route says so. The
/// path, and what is left of the query, stay as they were sent; where nothing is left, the `?` goes, too.
pub fn target<'a>(target: &'a str, rule: &Query) -> Cow<'a, str> {
    if rule.allow.is_none() && rule.ignore.is_empty() && !rule.sort {
        return Cow::Borrowed(target);
    }
    let Some((path, query)) = target.split_once('?') else { return Cow::Borrowed(target) };
    let name = |pair: &'a str| normal_percent(pair.split_once('=').map_or(pair, |(name, _)| name));
    let mut pairs: Vec<_> = query
        .split('&')
        .map(|pair| (name(pair), Cow::Borrowed(pair)))
        .filter(|(name, _)| is_keyed(name, rule))
        .collect();
    if rule.sort {
        sort(&mut pairs);
    }
    if pairs.iter().map(|(_, pair)| &**pair).eq(query.split('&')) {
        return Cow::Borrowed(target);
    }
    let mut reduced = String::with_capacity(target.len());
    reduced.push_str(path);
    for (n, (_, pair)) in pairs.iter().enumerate() {
        reduced.push(if n == 0 { '?' } else { '&' });
        reduced.push_str(pair);
    }
    Cow::Owned(reduced)
}

/// Sorts parameters by name; the order of equal names is kept.
pub(super) fn sort(parameters: &mut [(Cow<'_, str>, Cow<'_, str>)]) {
    parameters.sort_by(|(one, _), (other, _)| one.cmp(other));
}

/// Whether a parameter of this name is part of the key: let in, and not left out.
fn is_keyed(name: &str, rule: &Query) -> bool {
    let among = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, name));
    rule.allow.as_deref().is_none_or(among) && !among(&rule.ignore)
}

/// Reduces Cookie and Accept-Language, and removes what the origin may take for another value of a field that is in the key.
pub fn fields(fields: &mut Fields, policy: &Policy) {
    let KeyParts { cookies, language, tenant, .. } = &policy.key;
    connection::remove_twins(fields, policy.vary.iter().chain(tenant).map(String::as_str));
    if let Some(names) = cookies {
        let kept = self::cookies(fields, names);
        leave(fields, "cookie", kept.as_deref());
    }
    if let Some(default) = language.first() {
        let asked = fields.combined("accept-language");
        let bucket = asked.as_deref().and_then(|asked| lookup(asked, language)).unwrap_or(default);
        leave(fields, "accept-language", Some(bucket.as_bytes()));
    }
}

/// Leaves of a field one line with this value, or none.
fn leave(fields: &mut Fields, name: &str, value: Option<&[u8]>) {
    match value {
        _ if fields.get_all(name).eq(value) => {}
        Some(value) => fields.set(name, value),
        None => {
            fields.remove(name);
        }
    }
}

/// Whether the origin, asked like this, saw nothing that the key does not have.
pub fn is_reduced(sent: &str, seen: &Fields, policy: &Policy) -> bool {
    let mut reduced = seen.clone();
    fields(&mut reduced, policy);
    matches!(target(sent, &policy.query), Cow::Borrowed(_)) && reduced == *seen && has_tenant(seen, policy)
}

/// Whether a request says whose object it asks for, where the route wants to know. What nobody owns is not to be given to all.
pub fn has_tenant(fields: &Fields, policy: &Policy) -> bool {
    let named = |tenant: &String| connection::seen_by_origin(fields).get_all(tenant).any(|line| !line.is_empty());
    policy.key.tenant.as_ref().is_none_or(named)
}

/// The cookies of these names, in this order; of several of one name, all in theirs (RFC 6265 5.4).
fn cookies(fields: &Fields, names: &[String]) -> Option<Vec<u8>> {
    let mut kept: Vec<u8> = Vec::new();
    for name in names {
        for line in fields.get_all("cookie") {
            for pair in line.split(|b| *b == b';').map(<[u8]>::trim_ascii) {
                let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
                let (own, value) = pair.split_at_checked(at).unwrap_or((pair, b""));
                if own.trim_ascii_end() != name.as_bytes() {
                    continue;
                }
                if !kept.is_empty() {
                    kept.extend_from_slice(b"; ");
                }
                kept.extend_from_slice(name.as_bytes());
                kept.push(b'=');
                kept.extend_from_slice(value.strip_prefix(b"=").unwrap_or(value).trim_ascii());
            }
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// The tag that is asked for most: the ranges by falling weight, each shortened from its end until a tag is equal (RFC 4647 3.4). `*`
/// asks for none in particular; what has the weight 0 is not wanted (RFC 9110 12.4.2).
fn lookup<'a>(asked: &[u8], tags: &'a [String]) -> Option<&'a String> {
    let ranges: Vec<(u32, &[u8])> = members(asked).take(MAX_RANGES).filter_map(weighted).collect();
    let refused = |tag: &str| ranges.iter().any(|(q, range)| *q == 0 && range.eq_ignore_ascii_case(tag.as_bytes()));
    let found = |range: &[u8]| {
        let mut range = range;
        loop {
            let found = tags.iter().find(|tag| range.eq_ignore_ascii_case(tag.as_bytes()) && !refused(tag));
            if found.is_some() {
                return found;
            }
            range = shorter(range)?;
        }
    };
    // The best so far and the tag that it leads to.
    let mut best: Option<(u32, &String)> = None;
    for (q, range) in &ranges {
        if *q > best.map_or(0, |(q, _)| q)
            && let Some(tag) = found(range)
        {
            best = Some((*q, tag));
        }
    }
    best.map(|(_, tag)| tag)
}

/// A range without its last subtag, and without what is then a last one of a single letter (RFC 4647 3.4).
fn shorter(range: &[u8]) -> Option<&[u8]> {
    let front = range.get(..range.iter().rposition(|b| *b == b'-')?)?;
    match front {
        [.., b'-', _] => front.get(..front.len().saturating_sub(2)),
        _ => Some(front),
    }
}
