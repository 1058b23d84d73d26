//! The fields that tags and groups come in: Cache-Tag (commas), Surrogate-Key and xkey (spaces), Cache-Groups and
//! Cache-Group-Invalidation (RFC 9875).

use super::{MAX_MARK, MAX_MARKS, Marks, Target};
use crate::fields::Fields;
use crate::rules::invalidate::is_safe;
use crate::rules::no_vary_search;
use http::Method;

/// The fields of tags: for caches in front of the origin, and for nobody else.
const TAGS: [&str; 3] = ["cache-tag", "surrogate-key", "xkey"];

/// Takes the fields of tags out of what a client sees. Cache-Groups stays: every cache on the way to the reader goes by it
/// (RFC 9875 2).
pub fn hide(fields: &mut Fields) {
    fields.retain(|name, _| !TAGS.contains(&name));
}

/// Whether a text may be a tag: visible ASCII without commas, not too long.
pub fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_MARK && text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// Whether a text may be a group: what a String has (RFC 9651 3.3.3), not too long.
pub fn is_group(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_MARK && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// The marks of a response: the URL's, the route's tags, and what the fields name. The number is how many tags and groups are
/// left out, since they are invalid or too many.
pub fn marks(url: &str, route: &[String], response: &Fields) -> (Marks, usize) {
    let mut marks = Marks::of_url(url, no_vary_search::variance(response).is_some());
    let invalid = add_tags(&mut marks, route, response) + add_groups(&mut marks, response);
    (marks, invalid)
}

/// The marks of a stored response after another one of the same content: what it names takes the place of what the old one named,
/// tags and groups each (RFC 9111 3.2).
pub fn updated(stored: &Marks, route: &[String], response: &Fields) -> (Marks, usize) {
    let brings_tags = TAGS.iter().any(|name| response.contains(name));
    let brings_groups = response.contains("cache-groups");
    if !brings_tags && !brings_groups {
        return (stored.clone(), 0);
    }
    let mut marks = Marks::of_url(stored.url(), stored.is_many());
    let mut invalid = 0;
    match brings_tags {
        true => invalid += add_tags(&mut marks, route, response),
        false => stored.tags().for_each(|tag| marks.add_tag(tag)),
    }
    match brings_groups {
        true => invalid += add_groups(&mut marks, response),
        false => stored.groups().for_each(|group| marks.add_group(group)),
    }
    (marks, invalid)
}

/// What an exchange says is invalid now: the groups of its URL's origin that Cache-Group-Invalidation names. Ignored on a response
/// to a safe method (RFC 9875 3), and, as with every invalidation (RFC 9111 4.4), on one that is no 2xx or 3xx. The number is how
/// many are left out.
pub fn invalidated(method: &Method, url: &str, status: u16, response: &Fields) -> (Vec<Target>, usize) {
    if is_safe(method) || !matches!(status, 200..=399) {
        return (Vec::new(), 0);
    }
    let (groups, invalid) = groups(response, "cache-group-invalidation");
    (groups.iter().map(|group| Target::group_of(url, group)).collect(), invalid)
}

fn add_tags(marks: &mut Marks, route: &[String], response: &Fields) -> usize {
    let split = |name: &'static str| {
        let by_comma = name == "cache-tag";
        let ends = move |b: &u8| if by_comma { *b == b',' } else { b.is_ascii_whitespace() };
        response.get_all(name).flat_map(move |line| line.split(ends)).map(<[u8]>::trim_ascii)
    };
    let named = TAGS.into_iter().flat_map(split).filter(|tag| !tag.is_empty());
    let (mut kept, mut invalid) = (0, 0);
    for tag in route.iter().map(|tag| tag.as_bytes()).chain(named) {
        match std::str::from_utf8(tag) {
            Ok(tag) if kept < MAX_MARKS && is_tag(tag) => {
                marks.add_tag(tag);
                kept += 1;
            }
            _ => invalid += 1,
        }
    }
    invalid
}

fn add_groups(marks: &mut Marks, response: &Fields) -> usize {
    let (groups, invalid) = groups(response, "cache-groups");
    groups.iter().for_each(|group| marks.add_group(group));
    invalid
}

/// A List of Strings, whose parameters mean nothing (RFC 9875 2, 3). A field that does not parse is ignored as a whole
/// (RFC 9651 4.2), and counts as one.
fn groups(response: &Fields, name: &str) -> (Vec<String>, usize) {
    let Some(value) = response.combined(name) else { return (Vec::new(), 0) };
    let Ok(list) = sfv::Parser::new(&*value).parse::<sfv::List>() else { return (Vec::new(), 1) };
    let (mut kept, mut invalid) = (Vec::new(), 0);
    for member in &list {
        let group = match member {
            sfv::ListEntry::Item(item) => item.bare_item.as_string().map(|text| text.as_str()),
            sfv::ListEntry::InnerList(_) => None,
        };
        match group {
            Some(group) if kept.len() < MAX_MARKS && is_group(group) => kept.push(group.to_string()),
            _ => invalid += 1,
        }
    }
    (kept, invalid)
}
