//! What an operator may ask for: who may, and what a request for a purge says. Pure; `proxy/admin.rs` does it.

mod document;

use crate::config::{Config, Policy};
use crate::fields::Fields;
use crate::key::{self, Key, Parts};
use crate::purge::fields::{is_group, is_tag};
use crate::purge::{Target, path};
use crate::rules::{dates, reduce};
use crate::tiers::purges::Matching;
use crate::time::{Timestamp, millis};
use document::Document;
use std::time::Duration;

/// The largest document that is read, in bytes.
pub const MAX_DOCUMENT: u64 = 64 << 10;

/// The most targets of one purge.
pub const MAX_TARGETS: usize = 256;

/// The longest URL or prefix that can be purged by, in bytes.
pub const MAX_URL: usize = 4096;

/// What is said of a prefix that ends with a `*`.
pub const NO_PATTERN: &str =
    "this is no pattern: a prefix without the `*` is all that begins so; a `*` in a URL is %2A";

/// What is said of a URL that nobody asks terrace for.
const OF_THE_API: &str = "this is the API's own host, and what is stored has the one that clients ask terrace for: write that, or the path \
                          alone, from \"/\" on";

/// What is to be purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What for.
    pub targets: Vec<Target>,
    /// Whether it makes stale, and does not remove.
    pub soft: bool,
    /// Under which keys what it names by URL is stored, as far as that hangs on the URL alone.
    pub keys: Vec<Key>,
    /// What in it can hardly be meant.
    pub warnings: Vec<String>,
}

/// Whether a request carries the token (RFC 6750 2.1). How long the comparison takes says nothing of it.
pub fn is_authorized(fields: &Fields, token: &str) -> bool {
    let mut lines = fields.get_all("authorization");
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Some((scheme, given)) = line.split_at_checked("Bearer ".len()) else { return false };
    // Hashes are compared in constant time.
    scheme.eq_ignore_ascii_case(b"Bearer ") && blake3::hash(given.trim_ascii()) == blake3::hash(token.trim().as_bytes())
}

/// Reads the document of a purge. `asked_at` is the host and port that it was sent to, which are the cache's for sure.
///
/// # Errors
/// What is wrong with it, and where.
pub fn order(document: &[u8], config: &Config, asked_at: &str) -> Result<Order, String> {
    let Document { urls, prefixes, tags, groups, everything, soft } =
        document::read(document).map_err(|why| format!("not the document of a purge: {why}"))?;
    type Check = fn(&str) -> Result<(), &'static str>;
    type Name<'a> = &'a dyn Fn(&str, &mut Vec<Target>);
    let kinds: [(&str, &[String], Check, Name<'_>); 4] = [
        ("urls", &urls, is_url, &|url, to| to.extend(of_url(url, config))),
        ("prefixes", &prefixes, is_prefix, &|prefix, to| to.extend(of_prefix(prefix))),
        ("tags", &tags, tag, &|tag, to| to.push(Target::tag(tag))),
        ("groups", &groups, group, &|group, to| to.push(Target::group(group))),
    ];
    let (mut targets, mut warnings) = (Vec::new(), Vec::new());
    let api = config.origin.url.as_ref().and_then(|url| key::authority(url.as_str()));
    let api = api.filter(|api| key::authority(&format!("http://{asked_at}")).as_ref() != Some(api));
    for (kind, names, check, target) in kinds {
        for (n, name) in names.iter().enumerate() {
            check(name).map_err(|why| format!("{kind}[{n}]: {why}"))?;
            target(name, &mut targets);
            if api.is_some() && matches!(kind, "urls" | "prefixes") && key::authority(name) == api {
                warnings.push(format!("{kind}[{n}]: {OF_THE_API}"));
            }
        }
    }
    let keys = urls.iter().flat_map(|url| keys_of_url(url, config, asked_at)).collect();
    if everything {
        targets.push(Target::everything());
    }
    let named = urls.len() + prefixes.len() + tags.len() + groups.len();
    match named {
        0 if !everything => {
            Err("it names nothing; add urls, prefixes, tags, groups, or \"everything\": true".to_string())
        }
        n if n > MAX_TARGETS => Err(format!("it names {n} things; send at most {MAX_TARGETS} at once")),
        _ => Ok(Order { targets, soft, keys, warnings }),
    }
}

/// The targets of one URL: itself, and what may stand for it, by either scheme.
pub fn of_url(url: &str, config: &Config) -> Vec<Target> {
    let url = key::url(url, policy_of(url, config));
    by_either_scheme(url).flat_map(|url| [Target::url(&url), Target::many(&url)]).collect()
}

/// The keys of one URL, by either scheme, for a request without fields. A path is one of the host that the purge was sent to.
pub fn keys_of_url(url: &str, config: &Config, asked_at: &str) -> Vec<Key> {
    let policy = policy_of(url, config);
    let whole = if url.starts_with('/') { format!("http://{asked_at}{url}") } else { url.to_string() };
    let mut fields = Fields::new();
    reduce::fields(&mut fields, policy);
    let origin = config.origin.url.as_ref().map_or("", |url| url.as_str());
    let keys = by_either_scheme(key::url(&whole, policy)).filter_map(|url| {
        let target = path(&url);
        let (scheme, authority) = url.strip_suffix(target)?.split_once("://")?;
        Some(key::primary(Parts { origin, scheme, authority, target, fields: &fields }, policy))
    });
    keys.collect()
}

fn policy_of<'a>(url: &str, config: &'a Config) -> &'a Policy {
    let path = Some(path(url)).filter(|path| !path.is_empty()).unwrap_or("/");
    config.policy(path.split_once('?').map_or(path, |(path, _)| path))
}

fn of_prefix(prefix: &str) -> impl Iterator<Item = Target> {
    by_either_scheme(key::prefix(prefix)).map(|prefix| Target::prefix(&prefix))
}

/// A URL is another one by another scheme (RFC 9110 4.2.3), and so it is in the key. Whoever purges it cannot know by which one
/// terrace is asked, where somebody else ends TLS, and means both.
fn by_either_scheme(url: String) -> impl Iterator<Item = String> {
    let other = key::with_other_scheme(&url);
    std::iter::once(url).chain(other)
}

fn tag(text: &str) -> Result<(), &'static str> {
    if is_tag(text) { Ok(()) } else { Err("no tag; it is visible ASCII without commas, of at most 256 bytes") }
}

fn group(text: &str) -> Result<(), &'static str> {
    if is_group(text) { Ok(()) } else { Err("no cache group; it is ASCII, of at most 256 bytes") }
}

fn is_prefix(text: &str) -> Result<(), &'static str> {
    if is_pattern(text) { Err(NO_PATTERN) } else { is_url(text) }
}

/// Whether a prefix is written as the pattern that it is not.
pub fn is_pattern(text: &str) -> bool {
    text.ends_with('*')
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

/// The document that answers a purge, which L2 has had since `now` at the latest; `matching` is what it hits there, if that is known.
pub fn answer(
    (number, Order { soft, warnings, .. }): (i64, &Order),
    matching: Option<Matching>,
    poll: Duration,
    now: Timestamp,
) -> String {
    let poll = millis(poll);
    // To the second, and not before it holds.
    let at = dates::format(now.plus_millis(poll.saturating_add(999)));
    let mut answer =
        format!(r#"{{"id":"{number}","soft":{soft},"holds_everywhere_at":"{at}","holds_everywhere_in_ms":{poll}"#);
    if let Some(Matching { matched, looked_at, all }) = matching {
        answer += &format!(r#","matched":{matched},"looked_at":{looked_at},"all_looked_at":{all}"#);
    }
    if let (false, Ok(warnings)) = (warnings.is_empty(), serde_json::to_string(warnings)) {
        answer.extend([",\"warnings\":", warnings.as_str()]);
    }
    answer + "}"
}
