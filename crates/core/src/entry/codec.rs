//! A stored response as bytes: versioned, checksummed, and read without trust (DESIGN.md, decision 8).
//!
//! ```text
//! magic "TRC" | version u8 | head length u32 | until i64 | checksum u64 | head | content
//! ```
//!
//! Numbers are little-endian. The checksum (XXH3-64) covers `until` and the head; the head holds length and checksum of the
//! content, and of all its forms where it is kept coded. Whatever does not fit is [`Corrupt`], which is a miss. Decoding never panics and allocates no more than the input's size
//! times a small constant.

use super::coded::Coded;
use super::{Entry, Head, MAX_VARIANTS, Part, Selected, Selecting, Variant};
use crate::fields::Fields;
use crate::key::Key;
use crate::purge::Marks;
use crate::rules::freshness::{Freshness, Source};
use crate::time::Timestamp;
use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MAGIC: &[u8; 3] = b"TRC";
/// The version of the format. Entries of another version are misses.
pub const VERSION: u8 = 6;
const PREFIX: usize = 3 + 1 + 4 + 8 + 8;

/// Bytes that are not an entry of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// XXH3-64.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The head as bytes, with the time until which the tier keeps it.
pub fn encode_head(head: &Head, until: Timestamp, room_for_body: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + 256 + head.fields.bytes() + 8 * head.fields.len() + room_for_body);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&[0; 20]);
    put_head(&mut out, head);
    let head_bytes = out.get(PREFIX..).unwrap_or_default();
    let (length, sum) = (u32::try_from(head_bytes.len()).unwrap_or(u32::MAX), head_sum(until, head_bytes));
    let prefix = [length.to_le_bytes().as_slice(), &until.0.to_le_bytes(), &sum.to_le_bytes()].concat();
    if let Some(slot) = out.get_mut(4..PREFIX) {
        slot.copy_from_slice(&prefix);
    }
    out
}

/// Head and content as one record, as L1 keeps it.
pub fn encode(entry: &Entry, until: Timestamp) -> Vec<u8> {
    let mut out = encode_head(&entry.head, until, entry.body.len());
    out.extend_from_slice(&entry.body);
    out
}

/// Reads a record that [`encode`] made.
///
/// # Errors
/// [`Corrupt`] where magic, version, a length or a checksum is wrong.
pub fn decode(record: Bytes) -> Result<(Entry, Timestamp), Corrupt> {
    let (head, until, length) = decode_head(&record)?;
    let body = record.slice(length..);
    Ok((join(head, body)?, until))
}

/// Puts a head and the content that was kept apart from it together again.
///
/// # Errors
/// [`Corrupt`] where the content, or its forms, are not what the head speaks of.
pub fn join(head: Head, body: Bytes) -> Result<Entry, Corrupt> {
    let kept = head.coded.map_or((head.body_len, head.body_sum), |coded| (coded.len(), coded.sum));
    if (body.len() as u64, checksum(&body)) != kept {
        return Err(Corrupt);
    }
    Ok(Entry { head, body })
}

/// Reads a head; the number is how many bytes it took.
///
/// # Errors
/// [`Corrupt`] where magic, version, a length or the checksum is wrong.
pub fn decode_head(record: &[u8]) -> Result<(Head, Timestamp, usize), Corrupt> {
    let mut prefix = Reader(record.get(..PREFIX).ok_or(Corrupt)?);
    if prefix.take(3)? != MAGIC || prefix.u8()? != VERSION {
        return Err(Corrupt);
    }
    let length = usize::try_from(prefix.u32()?).map_err(|_| Corrupt)?;
    let until = Timestamp(prefix.i64()?);
    let sum = prefix.u64()?;
    let end = PREFIX.checked_add(length).ok_or(Corrupt)?;
    let head_bytes = record.get(PREFIX..end).ok_or(Corrupt)?;
    if head_sum(until, head_bytes) != sum {
        return Err(Corrupt);
    }
    let mut reader = Reader(head_bytes);
    let head = take_head(&mut reader)?;
    if !reader.0.is_empty() {
        return Err(Corrupt);
    }
    Ok((head, until, end))
}

/// The time until which a tier keeps a record, read from its first bytes alone and not verified: for a store that lets records
/// expire. `None` where these are no record's.
pub fn until(record: &[u8]) -> Option<Timestamp> {
    let mut prefix = Reader(record.get(..PREFIX)?);
    if prefix.take(3).ok()? != MAGIC || prefix.u8().ok()? != VERSION {
        return None;
    }
    prefix.u32().ok()?;
    prefix.i64().ok().map(Timestamp)
}

fn head_sum(until: Timestamp, head: &[u8]) -> u64 {
    let mut sum = Xxh3::new();
    sum.update(&until.0.to_le_bytes());
    sum.update(head);
    sum.digest()
}

fn put_head(out: &mut Vec<u8>, head: &Head) {
    out.extend_from_slice(&head.status.to_le_bytes());
    out.extend_from_slice(&head.body_len.to_le_bytes());
    out.extend_from_slice(&head.body_sum.to_le_bytes());
    put_part(out, head.part);
    put_coded(out, head.coded);
    put_freshness(out, &head.freshness);
    put_count(out, head.fields.len());
    for (name, value) in head.fields.as_list() {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value);
    }
    put_bytes(out, head.marks.as_text().as_bytes());
    put_selecting(out, &head.selecting);
    out.extend_from_slice(&head.generation.to_le_bytes());
    put_count(out, head.variants.len().min(MAX_VARIANTS));
    for variant in head.variants.iter().rev().take(MAX_VARIANTS).rev() {
        out.extend_from_slice(&variant.key.0);
        put_selecting(out, &variant.selecting);
        put_option(out, variant.language.as_ref().map(|l| l.as_bytes()));
    }
}

fn take_head(from: &mut Reader<'_>) -> Result<Head, Corrupt> {
    let status = from.u16()?;
    let body_len = from.u64()?;
    let body_sum = from.u64()?;
    let part = take_part(from, body_len)?;
    // What is a part by its status alone would pass for the whole.
    if part.is_some() != (status == 206) {
        return Err(Corrupt);
    }
    let coded = take_coded(from, body_len)?;
    // A part is one interval of the content as it came.
    if coded.is_some() && part.is_some() {
        return Err(Corrupt);
    }
    let freshness = take_freshness(from)?;
    let count = from.count(8)?;
    let mut fields = Vec::with_capacity(count + 8);
    for _ in 0..count {
        let name = from.text()?;
        fields.push((name, from.bytes()?.to_vec()));
    }
    let marks = Marks::from_text(from.text()?);
    let selecting = take_selecting(from)?;
    let generation = from.u64()?;
    let count = from.count(32)?;
    if count > MAX_VARIANTS {
        return Err(Corrupt);
    }
    let mut variants = Vec::with_capacity(count);
    for _ in 0..count {
        let key = Key(from.array()?);
        let selecting = take_selecting(from)?;
        let language = match from.option()? {
            None => None,
            Some(bytes) => Some(std::str::from_utf8(bytes).map_err(|_| Corrupt)?.to_string()),
        };
        variants.push(Variant { key, selecting, language });
    }
    Ok(Head {
        status,
        part,
        fields: Fields::from_list(fields),
        freshness,
        marks,
        selecting,
        generation,
        variants,
        body_len,
        body_sum,
        coded,
    })
}

/// Its end is not written: it is where the content ends.
fn put_part(out: &mut Vec<u8>, part: Option<Part>) {
    out.push(u8::from(part.is_some()));
    if let Some(part) = part {
        out.extend_from_slice(&part.start.to_le_bytes());
        out.extend_from_slice(&part.complete.to_le_bytes());
    }
}

fn take_part(from: &mut Reader<'_>, body_len: u64) -> Result<Option<Part>, Corrupt> {
    match from.u8()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(Corrupt),
    }
    let (start, complete) = (from.u64()?, from.u64()?);
    let end = start.checked_add(body_len).filter(|end| *end <= complete).ok_or(Corrupt)?;
    let part = Part { start, end, complete };
    if part.is_empty() || part.is_whole() { Err(Corrupt) } else { Ok(Some(part)) }
}

fn put_coded(out: &mut Vec<u8>, coded: Option<Coded>) {
    out.push(u8::from(coded.is_some()));
    if let Some(Coded { lengths, sum }) = coded {
        lengths.iter().for_each(|length| out.extend_from_slice(&length.to_le_bytes()));
        out.extend_from_slice(&sum.to_le_bytes());
    }
}

fn take_coded(from: &mut Reader<'_>, body_len: u64) -> Result<Option<Coded>, Corrupt> {
    match from.u8()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(Corrupt),
    }
    let mut lengths = [0; 4];
    for length in &mut lengths {
        *length = from.u32()?;
    }
    let coded = Coded { lengths, sum: from.u64()? };
    let [plain, forms @ ..] = lengths;
    let sound = (plain == 0 || u64::from(plain) == body_len) && forms.iter().any(|length| *length > 0);
    if sound { Ok(Some(coded)) } else { Err(Corrupt) }
}

fn put_freshness(out: &mut Vec<u8>, f: &Freshness) {
    out.extend_from_slice(&f.born.0.to_le_bytes());
    out.extend_from_slice(&f.requested.0.to_le_bytes());
    out.extend_from_slice(&f.received.0.to_le_bytes());
    out.extend_from_slice(&f.lifetime_ms.to_le_bytes());
    out.extend_from_slice(&f.stale_while_revalidate_ms.to_le_bytes());
    out.extend_from_slice(&f.stale_if_error_ms.to_le_bytes());
    out.push(f.source.code());
    out.push(u8::from(f.must_revalidate) | u8::from(f.no_cache) << 1 | u8::from(f.has_validator) << 2);
}

fn take_freshness(from: &mut Reader<'_>) -> Result<Freshness, Corrupt> {
    let born = Timestamp(from.i64()?);
    let requested = Timestamp(from.i64()?);
    let received = Timestamp(from.i64()?);
    let lifetime_ms = from.u64()?;
    let stale_while_revalidate_ms = from.u64()?;
    let stale_if_error_ms = from.u64()?;
    let source = Source::from_code(from.u8()?).ok_or(Corrupt)?;
    let flags = from.u8()?;
    if flags > 7 {
        return Err(Corrupt);
    }
    Ok(Freshness {
        born,
        requested,
        received,
        lifetime_ms,
        source,
        stale_while_revalidate_ms,
        stale_if_error_ms,
        must_revalidate: flags & 1 != 0,
        no_cache: flags & 2 != 0,
        has_validator: flags & 4 != 0,
    })
}

fn put_selecting(out: &mut Vec<u8>, selecting: &Selecting) {
    put_count(out, selecting.0.len());
    for Selected { name, value, sent } in &selecting.0 {
        put_bytes(out, name.as_bytes());
        put_option(out, value.as_deref());
        put_bytes(out, sent);
    }
}

fn take_selecting(from: &mut Reader<'_>) -> Result<Selecting, Corrupt> {
    let count = from.count(9)?;
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, value) = (from.text()?, from.option()?.map(<[u8]>::to_vec));
        list.push(Selected { name, value, sent: from.bytes()?.to_vec() });
    }
    Ok(Selecting(list))
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_option(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(out, bytes);
    }
}

/// Takes from the front; every way past the end is [`Corrupt`].
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Corrupt> {
        let (front, rest) = self.0.split_at_checked(n).ok_or(Corrupt)?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (front, rest) = self.0.split_first_chunk().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(*front)
    }

    fn u8(&mut self) -> Result<u8, Corrupt> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Corrupt> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Corrupt> {
        self.array().map(i64::from_le_bytes)
    }

    /// A number of items that are at least `least` bytes each: more than the rest can hold is a lie.
    fn count(&mut self, least: usize) -> Result<usize, Corrupt> {
        let count = usize::try_from(self.u32()?).map_err(|_| Corrupt)?;
        if count.checked_mul(least).ok_or(Corrupt)? > self.0.len() {
            return Err(Corrupt);
        }
        Ok(count)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let n = usize::try_from(self.u32()?).map_err(|_| Corrupt)?;
        self.take(n)
    }

    fn text(&mut self) -> Result<String, Corrupt> {
        std::str::from_utf8(self.bytes()?).map(str::to_string).map_err(|_| Corrupt)
    }

    fn option(&mut self) -> Result<Option<&'a [u8]>, Corrupt> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.bytes().map(Some),
            _ => Err(Corrupt),
        }
    }
}
