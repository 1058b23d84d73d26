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
use std::cmp::Ordering;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

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

/// What was seen of a document last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    etag: Option<String>,
    /// In order.
    values: Vec<Known>,
}

/// A value that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    /// Of the tag and the pointer that it is looked for by.
    id: u64,
    /// The name of the member that `*` stands for. What has a `*` is known itself, too, without a name, once it was looked for.
    name: String,
    digest: u64,
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
        let is_known = |(tag, pointer): &(String, String)| self.digest(id(tag, pointer), "").is_some();
        self.etag.as_deref().filter(|_| watch.tags.iter().all(is_known))
    }

    /// As it is stored: the ETag, and a line for each value.
    pub fn to_text(&self) -> String {
        let mut text = self.etag.clone().unwrap_or_default();
        for Known { id, name, digest } in &self.values {
            for part in ["\n", &hex::encode(&id.to_be_bytes()), &hex::encode(&digest.to_be_bytes()), name] {
                text.push_str(part);
            }
        }
        text
    }

    /// What [`Self::to_text`] wrote. What cannot be read was not seen.
    pub fn from_text(text: &str) -> Self {
        let mut lines = text.split('\n');
        let etag = lines.next().filter(|etag| !etag.is_empty()).map(String::from);
        let mut seen = Seen { etag, ..Seen::default() };
        for line in lines {
            let number = |from: usize| u64::from_str_radix(line.get(from..from + 16)?, 16).ok();
            if let (Some(id), Some(digest), Some(name)) = (number(0), number(16), line.get(32..)) {
                seen.add(id, name, digest);
            }
        }
        seen
    }

    fn find(&self, id: u64, name: &str) -> Result<usize, usize> {
        let order = |known: &Known| -> Ordering { known.id.cmp(&id).then_with(|| known.name.as_str().cmp(name)) };
        self.values.binary_search_by(order)
    }

    fn digest(&self, id: u64, name: &str) -> Option<u64> {
        let at = self.find(id, name).ok()?;
        self.values.get(at).map(|known| known.digest)
    }

    fn add(&mut self, id: u64, name: &str, digest: u64) {
        if let Err(at) = self.find(id, name) {
            self.values.insert(at, Known { id, name: name.to_string(), digest });
        }
    }

    /// The values that are looked for by the same tag and pointer.
    fn of(&self, id: u64) -> impl Iterator<Item = &Known> {
        self.values.iter().filter(move |known| known.id == id)
    }
}

/// What has changed in a document since what was seen last.
///
/// # Errors
/// [`Unread`] where it says nothing at all.
pub fn news<'a>(watch: &'a Watch, document: &[u8], etag: Option<&str>, seen: &Seen) -> Result<News<'a>, Unread> {
    // A parser may ignore a byte order mark (RFC 8259 8.1).
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let document: Value = serde_json::from_slice(document).map_err(|_| Unread::NotJson)?;
    let etag = etag.filter(|etag| (1..=MAX_ETAG).contains(&etag.len()) && etag.bytes().all(|b| b.is_ascii_graphic()));
    let seen_now = Seen { etag: etag.map(String::from), ..Seen::default() };
    let mut news = News { changed: Vec::new(), seen: seen_now, missing: Vec::new(), invalid: 0 };
    for (tag, pointer) in &watch.tags {
        let id = id(tag, pointer);
        let Some(found) = pointer::find(&document, pointer) else {
            news.missing.push(pointer);
            seen.of(id).for_each(|known| news.seen.add(id, &known.name, known.digest));
            continue;
        };
        let is_first = seen.digest(id, "").is_none();
        let many = pointer::is_many(pointer);
        let named = |name: &str| if many { tag.replacen('*', name, 1) } else { tag.clone() };
        let mut changed = |name: &str| {
            let tag = named(name);
            if !is_first && !news.changed.contains(&tag) {
                news.changed.push(tag);
            }
        };
        if many {
            news.seen.add(id, "", 0);
        }
        for (name, value) in found {
            if !is_tag(&named(name)) || many && name.is_empty() {
                news.invalid += 1;
                continue;
            }
            let digest = digest(value);
            news.seen.add(id, name, digest);
            if seen.digest(id, name) != Some(digest) {
                changed(name);
            }
        }
        seen.of(id).filter(|known| news.seen.digest(id, &known.name).is_none()).for_each(|gone| changed(&gone.name));
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

fn id(tag: &str, pointer: &str) -> u64 {
    hash(hash(0, tag.as_bytes()), pointer.as_bytes())
}

/// Of bytes, and of what came before them or what they are of.
fn hash(before: u64, bytes: &[u8]) -> u64 {
    xxh3_64(&(u128::from(before) << 64 | u128::from(xxh3_64(bytes))).to_le_bytes())
}

/// Of a value, whatever its form. It goes as deep as serde_json reads: 128 levels.
fn digest(value: &Value) -> u64 {
    match value {
        Value::Null => hash(0, b""),
        Value::Bool(is) => hash(1, &[u8::from(*is)]),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_str()) {
            (Some(n), _, _) => hash(2, &n.to_le_bytes()),
            (_, Some(n), _) => hash(3, &n.to_le_bytes()),
            // As it was written: a double would not tell all of them apart.
            (_, _, text) => hash(4, decimal(text).as_deref().unwrap_or(text).as_bytes()),
        },
        Value::String(text) => hash(5, text.as_bytes()),
        Value::Array(values) => values.iter().fold(hash(6, b""), |all, value| hash(all, &digest(value).to_le_bytes())),
        Value::Object(members) => {
            // A sum has no order.
            let sum =
                |all: u64, (name, value): (&String, &Value)| all.wrapping_add(hash(digest(value), name.as_bytes()));
            hash(7, &members.iter().fold(0, sum).to_le_bytes())
        }
    }
}

/// A number in one form of many: all its digits, without zeros at either end, and the exponent. `None` where that is beyond all measure.
fn decimal(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some("0".to_string());
    }
    let moved = i64::try_from(digits.len() - kept.len()).ok()? - i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.parse::<i64>().ok()?.checked_add(moved)?;
    Some(format!("{sign}{}e{exponent}", kept.trim_start_matches('0')))
}
