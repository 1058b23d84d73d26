//! Which object is meant: a key nobody can forge (DESIGN.md, decision 3; RFC 9111 2).
//!
//! A key is BLAKE3 over length-prefixed parts, so no content of one part can pass for another. The path is taken as sent:
//! percent-encoding is normalised (RFC 3986 6.2.2), never decoded and joined.

use crate::config::{Policy, normal_percent};
use crate::fields::Fields;
use crate::hex;
use crate::rules::{connection, reduce, vary};
use std::borrow::Cow;
use std::fmt;

/// The key of an object or of a variant: 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The key as stores take it: 64 lower-case hexadecimal digits.
    pub fn text(&self) -> String {
        hex::encode(&self.0)
    }

    /// The key that has this text.
    pub fn from_text(text: &str) -> Option<Self> {
        hex::decode(text)?.try_into().ok().map(Key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.text())
    }
}

/// What of a request names the object: target and fields as [`reduce`](crate::rules::reduce) leaves them.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The configured origin: another one is another object, though stores may be shared or left over.
    pub origin: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port, as the client sent them.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Its fields, for the key parts that a route adds.
    pub fields: &'a Fields,
}

/// The primary key (RFC 9111 2). GET and HEAD share it.
pub fn primary(parts: Parts<'_>, policy: &Policy) -> Key {
    let mut hash = Parted::new("terrace primary key v1");
    hash.part(parts.origin.as_bytes());
    hash.part(parts.scheme.as_bytes());
    hash.part(normal_authority(parts.scheme, parts.authority).as_bytes());
    hash.part(b"GET");
    let (path, query) = match parts.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (parts.target, None),
    };
    hash.part(normal_percent(path).as_bytes());
    match query {
        None => hash.part(b""),
        Some(query) => {
            hash.part(b"?");
            hash.part(normal_percent(query).as_bytes());
        }
    }
    // What the origin does not see must not part objects, and what it does see must not be hidden from the key.
    let seen = if policy.vary.is_empty() && policy.key.tenant.is_none() {
        Cow::Borrowed(parts.fields)
    } else {
        connection::seen_by_origin(parts.fields)
    };
    for name in &policy.vary {
        hash.field(name, name, &seen);
    }
    // No field's name has a colon.
    if policy.key.cookies.as_ref().is_some_and(|names| !names.is_empty()) {
        hash.field("key:cookies", "cookie", &seen);
    }
    if !policy.key.language.is_empty() {
        hash.field("key:language", "accept-language", &seen);
    }
    if let Some(tenant) = &policy.key.tenant {
        hash.field("key:tenant", tenant, &seen);
    }
    hash.finish()
}

/// A URL in the form that purges go by: host and percent-encoding normalised, and of the query what is part of the key. What else
/// a route adds to the key is not in it, so that one URL is one object to a purge. A path alone stays one.
pub fn url(url: &str, policy: &Policy) -> String {
    let (origin, target) = origin_and_target(url);
    let target = reduce::target(target, &policy.query);
    let slash = if target.starts_with('/') { "" } else { "/" };
    format!("{origin}{slash}{}", normal_percent(&target))
}

/// The beginning of URLs, in the same form. What is part of the key is nothing to a beginning.
pub fn prefix(prefix: &str) -> String {
    let (origin, target) = origin_and_target(prefix);
    format!("{origin}{}", normal_percent(target))
}

/// The same URL, or beginning of URLs, with the other one of `http` and `https`; `None` for a path alone. `url` is in the form that
/// [`url`] and [`prefix`] give it.
pub fn with_other_scheme(url: &str) -> Option<String> {
    let http = url.strip_prefix("http://").map(|rest| ("https", rest));
    let (scheme, rest) = http.or_else(|| url.strip_prefix("https://").map(|rest| ("http", rest)))?;
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(at)?;
    Some(format!("{scheme}://{}{target}", normal_authority(scheme, authority)))
}

/// Host and port of a URL in their normal form, whatever its scheme; `None` for a path alone.
pub fn authority(url: &str) -> Option<String> {
    let (origin, _) = origin_and_target(url);
    origin.split_once("://").map(|(_, authority)| authority.to_string())
}

/// Scheme and authority in their normal form, and the rest.
fn origin_and_target(url: &str) -> (String, &str) {
    let Some((scheme, rest)) = url.split_once("://").filter(|_| !url.starts_with('/')) else {
        return (String::new(), url);
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(at).unwrap_or((rest, ""));
    let scheme = scheme.to_ascii_lowercase();
    (format!("{scheme}://{}", normal_authority(&scheme, authority)), target)
}

/// The key of a further variant of the object under `primary` (RFC 9111 4.1): its selecting fields and their normalised values.
pub fn variant<'a>(
    primary: &Key,
    generation: u64,
    selecting: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> Key {
    let mut hash = Parted::new("terrace variant key v1");
    hash.part(&primary.0);
    hash.part(&generation.to_le_bytes());
    for (name, value) in selecting {
        hash.part(name.as_bytes());
        match value {
            None => hash.part(b"-"),
            Some(value) => {
                hash.part(b"+");
                hash.part(value);
            }
        }
    }
    hash.finish()
}

/// The key under which is remembered in which life of the URL the objects are that are keyed by content; `primary` is the URL's.
pub fn contents(primary: &Key) -> Key {
    let mut hash = Parted::new("terrace contents key v1");
    hash.part(&primary.0);
    hash.finish()
}

/// The key under which the last No-Vary-Search of a path is remembered; `path` is the primary key of the path alone.
pub fn variances(path: &Key) -> Key {
    let mut hash = Parted::new("terrace variances key v1");
    hash.part(&path.0);
    hash.finish()
}

/// The key of what was answered to this content, sent with this method, in this life of the URL; `contents` is that of [`contents`].
/// The fields that say what the content is are part of it (RFC 10008 2.7).
pub fn content(contents: &Key, life: u64, method: &str, fields: &Fields, content: &[u8]) -> Key {
    let of = |name: &'static str| (name, fields.combined(name));
    let described = ["content-type", "content-encoding", "content-language", "content-location"].map(of);
    let described = described.iter().map(|(name, value)| (*name, value.as_deref()));
    // No field's name has a colon.
    variant(contents, life, described.chain([("key:method", Some(method.as_bytes())), ("key:content", Some(content))]))
}

/// BLAKE3 over parts, each behind its length.
struct Parted(blake3::Hasher);

impl Parted {
    fn new(purpose: &str) -> Self {
        let mut hash = Parted(blake3::Hasher::new());
        hash.part(purpose.as_bytes());
        hash
    }

    /// A field's value in normal form, or that there is none, behind what it is in the key.
    fn field(&mut self, part: &str, name: &str, fields: &Fields) {
        self.part(part.as_bytes());
        match fields.combined(name) {
            None => self.part(b"-"),
            Some(value) => {
                self.part(b"+");
                self.part(&vary::normalise(name, &value));
            }
        }
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> Key {
        Key(*self.0.finalize().as_bytes())
    }
}

/// Lower-case, without the scheme's own port (RFC 9110 4.2.3).
fn normal_authority(scheme: &str, authority: &str) -> String {
    let lower = authority.to_ascii_lowercase();
    let own = if scheme == "https" { ":443" } else { ":80" };
    match lower.strip_suffix(own) {
        Some(host) => host.to_string(),
        None => lower.strip_suffix(':').map(str::to_string).unwrap_or(lower),
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
