//! What a watched document says has changed: pure. `proxy/watch.rs` asks for it and purges, `tiers/sql/watches.rs` remembers.
//!
//! Of a value, whatever it is, a digest is remembered in which neither the order of members nor white space counts. What is seen
//! for the first time has not changed. A pointer that finds nothing leaves what is remembered as it is, since more often than not the
//! API is at fault; a member that `*` no longer finds, or finds for the first time, has changed.

pub mod pointer;

use crate::config::Watch;
use crate::decision::Unread;
use crate::hex;
use crate::purge::fields::is_tag;
use crate::time::millis;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The largest document that is read, in bytes.
pub const MAX_DOCUMENT: usize = 256 << 10;

/// The most values that are remembered of one document.
pub const MAX_VALUES: usize = 1024;

/// The longest ETag that is remembered, in bytes.
const MAX_ETAG: usize = 256;

/// How soon it is asked for again after a failure: doubled with each one more.
const AGAIN: Duration = Duration::from_secs(10);

/// How long that becomes, unless `every` is longer.
const MOST: Duration = Duration::from_secs(300);

/// The longest Retry-After that is obeyed.
const MOST_ASKED: Duration = Duration::from_secs(600);

/// The end of an id, or of a digest, in bytes.
const DIGEST: usize = 8;

/// What was seen of a document last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    etag: Option<String>,
    /// The digest of each value, by what it was looked for as and the name of the member. What has a `*` stands there itself, too,
    /// without a name, once it was looked for.
    values: BTreeMap<(String, String), String>,
}

/// What a document says that was not known.
#[derive(Debug, PartialEq, Eq)]
pub struct News<'a> {
    /// The tags whose values have changed, each once.
    pub changed: Vec<String>,
    /// What is to be remembered.
    pub seen: Seen,
    /// The pointers that find nothing.
    pub missing: Vec<&'a str>,
    /// How many members have names that make no tag.
    pub invalid: usize,
}

impl Seen {
    /// The ETag to ask with (RFC 9110 13.1.2): none where something is watched that was not found yet.
    pub fn etag(&self, watch: &Watch) -> Option<&str> {
        let known = |(tag, pointer): &(String, String)| self.values.contains_key(&(id(tag, pointer), String::new()));
        self.etag.as_deref().filter(|_| watch.tags.iter().all(known))
    }

    /// As it is stored: the ETag, and a line for each value.
    pub fn to_text(&self) -> String {
        let mut text = self.etag.clone().unwrap_or_default();
        for ((id, name), digest) in &self.values {
            for part in ["\n", id, " ", digest, " ", name] {
                text.push_str(part);
            }
        }
        text
    }

    /// What [`Self::to_text`] wrote. What cannot be read was not seen.
    pub fn from_text(text: &str) -> Self {
        let mut lines = text.split('\n');
        let etag = lines.next().filter(|etag| !etag.is_empty()).map(String::from);
        let value = |line: &str| {
            let (id, rest) = line.split_once(' ')?;
            let (digest, name) = rest.split_once(' ')?;
            Some(((id.to_string(), name.to_string()), digest.to_string()))
        };
        Seen { etag, values: lines.filter_map(value).collect() }
    }
}

/// What has changed in a document since what was seen last.
///
/// # Errors
/// [`Unread`] where it says nothing at all.
pub fn news<'a>(watch: &'a Watch, document: &[u8], etag: Option<&str>, seen: &Seen) -> Result<News<'a>, Unread> {
    let document: Value = serde_json::from_slice(document).map_err(|_| Unread::NotJson)?;
    let etag = etag.filter(|etag| (1..=MAX_ETAG).contains(&etag.len()) && etag.bytes().all(|b| b.is_ascii_graphic()));
    let mut news = News {
        changed: Vec::new(),
        seen: Seen { etag: etag.map(String::from), values: BTreeMap::new() },
        missing: Vec::new(),
        invalid: 0,
    };
    for (tag, pointer) in &watch.tags {
        let id = id(tag, pointer);
        let before = seen.values.iter().filter(|((of, _), _)| *of == id);
        let Some(found) = pointer::find(&document, pointer) else {
            news.missing.push(pointer);
            news.seen.values.extend(before.map(|(key, digest)| (key.clone(), digest.clone())));
            continue;
        };
        let many = pointer::is_many(pointer);
        let named = |name: &str| if many { tag.replacen('*', name, 1) } else { tag.clone() };
        let mut now = BTreeMap::new();
        if many {
            now.insert(String::new(), String::new());
        }
        for (name, value) in found {
            match is_tag(&named(name)) && !(many && name.is_empty()) {
                true => drop(now.insert(name.to_string(), digest(value))),
                false => news.invalid += 1,
            }
        }
        let before: BTreeMap<&str, &str> = before.map(|((_, name), digest)| (name.as_str(), digest.as_str())).collect();
        let gone = before.keys().filter(|name| !now.contains_key(**name)).copied();
        let other = now.iter().filter(|(name, digest)| before.get(name.as_str()) != Some(&digest.as_str()));
        for name in gone.chain(other.map(|(name, _)| name.as_str())) {
            let tag = named(name);
            if !before.is_empty() && !news.changed.contains(&tag) {
                news.changed.push(tag);
            }
        }
        news.seen.values.extend(now.into_iter().map(|(name, digest)| ((id.clone(), name), digest)));
        if news.seen.values.len() > MAX_VALUES {
            return Err(Unread::TooMany);
        }
    }
    Ok(news)
}

/// How long a document is left alone after it was asked for: a tenth less than `every`, or a clock that ticks as often would find it
/// due every other time. After so many failures on end, and with what the origin asked for in Retry-After, in seconds.
pub fn pause(every: Duration, failures: u32, retry_after: Option<u64>) -> Duration {
    let Some(more) = failures.checked_sub(1) else { return every - every / 10 };
    let wait = every.min(AGAIN).saturating_mul(1 << more.min(20)).min(every.max(MOST));
    wait.max(retry_after.map(Duration::from_secs).unwrap_or_default().min(MOST_ASKED))
}

/// The longest that [`pause`] says, in milliseconds: what is said to be due later was said of another `every`.
pub fn longest_pause(every: Duration) -> u64 {
    millis(every.max(MOST_ASKED))
}

fn id(tag: &str, pointer: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    feed(&mut hasher, b't', tag.as_bytes());
    feed(&mut hasher, b'p', pointer.as_bytes());
    short(&hasher)
}

fn digest(value: &Value) -> String {
    let mut hasher = blake3::Hasher::new();
    canonical(&mut hasher, value);
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> String {
    hex::encode(hasher.finalize().as_bytes().first_chunk::<DIGEST>().unwrap_or(&[0; DIGEST]))
}

fn feed(hasher: &mut blake3::Hasher, kind: u8, bytes: &[u8]) {
    hasher.update(&[kind]);
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// A value, whatever its form. As deep as serde_json reads: 128 levels.
fn canonical(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::Null => feed(hasher, b'n', b""),
        Value::Bool(is) => feed(hasher, b'b', &[u8::from(*is)]),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(n), _, _) => feed(hasher, b'i', &n.to_le_bytes()),
            (_, Some(n), _) => feed(hasher, b'u', &n.to_le_bytes()),
            (_, _, n) => feed(hasher, b'f', &n.unwrap_or_default().to_bits().to_le_bytes()),
        },
        Value::String(text) => feed(hasher, b's', text.as_bytes()),
        Value::Array(values) => {
            feed(hasher, b'a', &(values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| canonical(hasher, value));
        }
        Value::Object(members) => {
            feed(hasher, b'o', &(members.len() as u64).to_le_bytes());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in members {
                feed(hasher, b'm', name.as_bytes());
                canonical(hasher, value);
            }
        }
    }
}
