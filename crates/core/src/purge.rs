//! What a purge names, and which stored responses it hits. Pure: times are passed in.
//!
//! An entry carries its [`Marks`]: its URL, its tags and its cache groups (RFC 9875). A purge is a [`Target`] and a time; it hits
//! the entries with such a mark that were asked for no later than that: what was on its way when the purge came is hit as well.

pub mod fields;
mod index;
mod times;

pub use index::Index;
pub use times::Times;

use crate::rules::freshness::Freshness;
use crate::time::Timestamp;

/// The most tags, and the most groups, of one entry. RFC 9875 2 and 3 ask for 32 groups of 32 characters.
pub const MAX_MARKS: usize = 128;

/// The longest tag or group, in bytes.
pub const MAX_MARK: usize = 256;

/// The kinds of targets and marks: the byte that their texts begin with.
mod kind {
    pub const URL: u8 = b'u';
    pub const MANY: u8 = b'm';
    pub const PREFIX: u8 = b'p';
    pub const TAG: u8 = b't';
    pub const GROUP: u8 = b'g';
    pub const OWN_GROUP: u8 = b'o';
    pub const EVERYTHING: u8 = b'e';
}

/// What a stored response can be purged by: a line for its URL, then one for each tag and group, each behind its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(String);

impl Marks {
    /// Those of an entry that has but a URL, in the form that [`crate::key::url`] gives it. `many`: it stands for others of the same
    /// path as well (No-Vary-Search).
    pub fn of_url(url: &str, many: bool) -> Self {
        let mut marks = Marks::default();
        marks.add(kind::URL, url);
        if many {
            marks.add(kind::MANY, without_query(url));
        }
        marks
    }

    /// As they were stored.
    pub fn from_text(text: String) -> Self {
        Marks(text)
    }

    /// As they are stored.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// The URL; empty where there is none.
    pub fn url(&self) -> &str {
        self.of(kind::URL).next().unwrap_or_default()
    }

    /// The tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.of(kind::TAG)
    }

    /// The cache groups. Each is there once more behind the origin of the URL: it is one of its origin alone (RFC 9875 2.1).
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.of(kind::GROUP)
    }

    /// Whether the entry stands for other URLs of the same path.
    fn is_many(&self) -> bool {
        self.of(kind::MANY).next().is_some()
    }

    /// One tag more; one that is there already is not added again.
    fn add_tag(&mut self, tag: &str) {
        self.add(kind::TAG, tag);
    }

    /// One group more.
    fn add_group(&mut self, group: &str) {
        let own = own_group(self.url(), group);
        self.add(kind::GROUP, group);
        self.add(kind::OWN_GROUP, &own);
    }

    fn add(&mut self, kind: u8, name: &str) {
        if self.of(kind).any(|other| other == name) {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push(char::from(kind));
        // Lines part marks.
        self.0.push_str(name.split('\n').next().unwrap_or_default());
    }

    fn of(&self, kind: u8) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(own, _)| *own == kind).map(|(_, name)| name)
    }

    fn iter(&self) -> impl Iterator<Item = (u8, &str)> {
        self.0.split('\n').filter_map(parts)
    }
}

/// A text's kind, and the rest.
fn parts(text: &str) -> Option<(u8, &str)> {
    text.as_bytes().first().copied().zip(text.get(1..))
}

/// What a purge is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target(String);

impl Target {
    /// All variants of one URL, in the form that [`crate::key::url`] gives it; without scheme and host it is that path on any host.
    pub fn url(url: &str) -> Self {
        Target::new(kind::URL, url)
    }

    /// Every entry that stands for many URLs, that one among them perhaps: which is known to nobody but the entry (No-Vary-Search).
    pub fn many(url: &str) -> Self {
        Target::new(kind::MANY, without_query(url))
    }

    /// Every URL that begins with this; one that begins with `/` is for any host. What stands for many URLs of a path is hit where
    /// any that begins so could be one of them.
    pub fn prefix(prefix: &str) -> Self {
        Target::new(kind::PREFIX, prefix)
    }

    /// Every entry with this tag.
    pub fn tag(tag: &str) -> Self {
        Target::new(kind::TAG, tag)
    }

    /// Every entry of this cache group, whatever its origin.
    pub fn group(group: &str) -> Self {
        Target::new(kind::GROUP, group)
    }

    /// Every entry of this cache group that has the origin of `url` (RFC 9875 2.1).
    pub fn group_of(url: &str, group: &str) -> Self {
        Target::new(kind::OWN_GROUP, &own_group(url, group))
    }

    /// All there is.
    pub fn everything() -> Self {
        Target::new(kind::EVERYTHING, "")
    }

    fn new(kind: u8, name: &str) -> Self {
        let mut text = String::with_capacity(name.len() + 1);
        text.push(char::from(kind));
        text.push_str(name);
        Target(text)
    }

    /// As it was stored; what is of no kind that is known here is for nothing.
    pub fn from_text(text: String) -> Self {
        Target(text)
    }

    /// As it is stored.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// Its kind, and the rest.
    fn parts(&self) -> (u8, &str) {
        parts(&self.0).unwrap_or_default()
    }

    /// Whether it is for an entry with these marks.
    pub fn is_for(&self, marks: &Marks) -> bool {
        let (kind, name) = self.parts();
        let url = marks.url();
        match kind {
            kind::EVERYTHING => true,
            kind::PREFIX => {
                let is_beyond = |all: &str| is_query_of(all, name) || is_query_of(path(all), name);
                url.starts_with(name) || path(url).starts_with(name) || marks.of(kind::MANY).any(is_beyond)
            }
            kind::URL | kind::MANY => marks.of(kind).any(|own| own == name || path(own) == name),
            _ => marks.of(kind).any(|own| own == name),
        }
    }
}

/// What becomes of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No purge hits it.
    Lives,
    /// A soft purge made it stale then, the first one since it was asked for.
    StaleSince(Timestamp),
    /// A hard purge removed it.
    Dead,
}

impl Fate {
    /// What becomes of what meets both.
    fn and(self, other: Fate) -> Fate {
        match (self, other) {
            (Fate::Dead, _) | (_, Fate::Dead) => Fate::Dead,
            (Fate::StaleSince(one), Fate::StaleSince(other)) => Fate::StaleSince(one.min(other)),
            (Fate::Lives, fate) | (fate, Fate::Lives) => fate,
        }
    }
}

/// Freshness after a soft purge: what is fresh has been stale since then, with the stale windows that it always had.
pub fn softened(freshness: &Freshness, since: Timestamp) -> Freshness {
    let lifetime_ms = freshness.lifetime_ms.min(since.since(freshness.born));
    Freshness { lifetime_ms, ..freshness.clone() }
}

/// A URL's path and query.
pub(crate) fn path(url: &str) -> &str {
    let Some((_, rest)) = url.split_once("://").filter(|_| !url.starts_with('/')) else { return url };
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// Whether a prefix goes on into the query of what has this path.
fn is_query_of(path: &str, prefix: &str) -> bool {
    prefix.strip_prefix(path).is_some_and(|rest| rest.starts_with('?'))
}

fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(path, _)| path)
}

/// A group behind the origin of a URL: scheme, host and port.
fn own_group(url: &str, group: &str) -> String {
    let origin = url.strip_suffix(path(url)).unwrap_or_default();
    format!("{origin} {group}")
}
