//! What an operator may ask for: who may, and what a request for a purge says. Pure; `proxy/admin.rs` does it.

mod document;

use crate::config::Config;
use crate::fields::Fields;
use crate::key;
use crate::purge::fields::{is_group, is_tag};
use crate::purge::{Target, path};
use crate::rules::dates;
use crate::time::{Timestamp, millis};
use document::Document;
use std::time::Duration;

/// The largest document that is read, in bytes.
pub const MAX_DOCUMENT: u64 = 64 << 10;

/// The most targets of one purge.
pub const MAX_TARGETS: usize = 256;

/// The longest URL or prefix that can be purged by, in bytes.
pub const MAX_URL: usize = 4096;

/// What is to be purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What for.
    pub targets: Vec<Target>,
    /// Whether it makes stale, and does not remove.
    pub soft: bool,
}

/// Whether a request carries the token (RFC 6750 2.1). How long the comparison takes says nothing of it.
pub fn is_authorized(fields: &Fields, token: &str) -> bool {
    let mut lines = fields.get_all("authorization");
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Some((scheme, given)) = line.split_at_checked("Bearer ".len()) else { return false };
    // Hashes are compared in constant time.
    scheme.eq_ignore_ascii_case(b"Bearer ") && blake3::hash(given.trim_ascii()) == blake3::hash(token.trim().as_bytes())
}

/// Reads the document of a purge.
///
/// # Errors
/// What is wrong with it, and where.
pub fn order(document: &[u8], config: &Config) -> Result<Order, String> {
    let Document { urls, prefixes, tags, groups, everything, soft } =
        document::read(document).map_err(|why| format!("not the document of a purge: {why}"))?;
    type Check = fn(&str) -> Result<(), &'static str>;
    type Name<'a> = &'a dyn Fn(&str, &mut Vec<Target>);
    let kinds: [(&str, &[String], Check, Name<'_>); 4] = [
        ("urls", &urls, is_url, &|url, to| to.extend(of_url(url, config))),
        ("prefixes", &prefixes, is_url, &|prefix, to| to.push(Target::prefix(&key::prefix(prefix)))),
        ("tags", &tags, tag, &|tag, to| to.push(Target::tag(tag))),
        ("groups", &groups, group, &|group, to| to.push(Target::group(group))),
    ];
    let mut targets = Vec::new();
    for (kind, names, check, target) in kinds {
        for (n, name) in names.iter().enumerate() {
            check(name).map_err(|why| format!("{kind}[{n}]: {why}"))?;
            target(name, &mut targets);
        }
    }
    if everything {
        targets.push(Target::everything());
    }
    let named = urls.len() + prefixes.len() + tags.len() + groups.len();
    match named {
        0 if !everything => {
            Err("it names nothing; add urls, prefixes, tags, groups, or \"everything\": true".to_string())
        }
        n if n > MAX_TARGETS => Err(format!("it names {n} things; send at most {MAX_TARGETS} at once")),
        _ => Ok(Order { targets, soft }),
    }
}

/// The targets of one URL: itself, and what may stand for it.
pub fn of_url(url: &str, config: &Config) -> [Target; 2] {
    let path = Some(path(url)).filter(|path| !path.is_empty()).unwrap_or("/");
    let url = key::url(url, config.policy(path.split_once('?').map_or(path, |(path, _)| path)));
    [Target::url(&url), Target::many(&url)]
}

fn tag(text: &str) -> Result<(), &'static str> {
    if is_tag(text) { Ok(()) } else { Err("no tag; it is visible ASCII without commas, of at most 256 bytes") }
}

fn group(text: &str) -> Result<(), &'static str> {
    if is_group(text) { Ok(()) } else { Err("no cache group; it is ASCII, of at most 256 bytes") }
}

fn is_url(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_URL {
        return Err("longer than 4096 bytes; purge it by a prefix");
    }
    if let Some(b) = text.bytes().find(|b| !b.is_ascii_graphic() || matches!(b, b'#' | b'\\')) {
        return Err(match b {
            b'#' => "a URL that is asked for has no fragment; remove what follows the \"#\"",
            _ => "a URL has visible ASCII alone; percent-encode the rest",
        });
    }
    let lower = text.to_ascii_lowercase();
    let host = ["http://", "https://"].iter().find_map(|scheme| lower.strip_prefix(scheme));
    match host {
        Some(rest) if rest.starts_with(['/', '?']) || rest.is_empty() => Err("the URL has no host"),
        None if !text.starts_with('/') => {
            Err("write a URL from http:// or https:// on, or a path from / on for any host")
        }
        _ => Ok(()),
    }
}

/// The document that answers a purge, which L2 has had since `now` at the latest.
pub fn answer(number: i64, soft: bool, poll: Duration, now: Timestamp) -> String {
    let poll = millis(poll);
    // To the second, and not before it holds.
    let at = dates::format(now.plus_millis(poll.saturating_add(999)));
    format!(r#"{{"id":"{number}","soft":{soft},"holds_everywhere_at":"{at}","holds_everywhere_in_ms":{poll}}}"#)
}
