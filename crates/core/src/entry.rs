//! A stored response (RFC 9111 3): what was received, the times it was received at, and what the rules made of them.

use crate::fields::Fields;
use crate::key::Key;
use crate::purge::Marks;
use crate::rules::freshness::Freshness;
use bytes::Bytes;
use coded::Coded;

pub mod codec;
pub mod coded;

/// How many variants of one URL are remembered; past it the oldest is forgotten (RFC 9111 4.1).
pub const MAX_VARIANTS: usize = 32;

/// A stored response.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// All but the content.
    pub head: Head,
    /// The content; its forms, one after the other, where the head says that it is kept in several or coded.
    pub body: Bytes,
}

/// A stored response without its content.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The status code as received; 206 where a part alone is stored.
    pub status: u16,
    /// Which part is stored, where it is not all of the content (RFC 9111 3.3).
    pub part: Option<Part>,
    /// The fields as received, without those that a cache must not keep (RFC 9111 3.1).
    pub fields: Fields,
    /// Absolute times and how long it may be used.
    pub freshness: Freshness,
    /// What it can be purged by.
    pub marks: Marks,
    /// What selects it (RFC 9111 4.1); empty where the response has no Vary.
    pub selecting: Selecting,
    /// Which life of the URL this is: it is part of the keys of its variants, so that what was stored before an invalidation is
    /// never found again. Only the entry under the primary key has one.
    pub generation: u64,
    /// The other variants of the same URL, newest last. Only the entry under the primary key has them.
    pub variants: Vec<Variant>,
    /// The length of the content, in bytes.
    pub body_len: u64,
    /// XXH3-64 of the content.
    pub body_sum: u64,
    /// The forms that are kept of it, where it is not kept as it came alone. The fields speak of the content as it came.
    pub coded: Option<Coded>,
}

/// One interval of a content whose whole length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub start: u64,
    /// Where it ends, exclusive.
    pub end: u64,
    /// The length of the whole content.
    pub complete: u64,
}

impl Part {
    /// How long it is.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is all there is.
    pub fn is_whole(&self) -> bool {
        self.start == 0 && self.end == self.complete
    }
}

/// The request fields that a response's Vary names, as the request had them that it answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selecting(pub Vec<Selected>);

impl Selecting {
    /// Names and values in normal form: what tells a variant from others.
    pub fn values(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.0.iter().map(|field| (field.name.as_str(), field.value.as_deref()))
    }
}

/// The longest value that is kept as it was sent beside its normal form, in bytes.
pub const MAX_SENT: usize = 256;

/// A request field that a response's Vary names. Two are the same where name and normal form are.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Its name, lower-case.
    pub name: String,
    /// Its value in normal form, of a credential a digest; `None` where the request did not have it.
    pub value: Option<Vec<u8>>,
    /// Its value as it was sent, at most [`MAX_SENT`] bytes: who sends the very same needs no normal form. Empty where it is the
    /// normal form, or not kept.
    pub sent: Vec<u8>,
}

impl Selected {
    /// A field of which the normal form alone is known.
    pub fn new(name: impl Into<String>, value: Option<Vec<u8>>) -> Self {
        Selected { name: name.into(), value, sent: Vec::new() }
    }
}

impl PartialEq for Selected {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}

impl Eq for Selected {}

/// Another variant of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Where it is stored.
    pub key: Key,
    /// What selects it.
    pub selecting: Selecting,
    /// Its Content-Language, where it has one: Accept-Language may choose by it (RFC 9110 12.5.4).
    pub language: Option<String>,
}

impl Entry {
    /// Puts head and content together; length and checksum are taken from the content.
    pub fn new(status: u16, fields: Fields, freshness: Freshness, selecting: Selecting, body: Bytes) -> Self {
        let head = Head {
            status,
            part: None,
            fields,
            freshness,
            marks: Marks::default(),
            selecting,
            generation: 0,
            variants: Vec::new(),
            body_len: body.len() as u64,
            body_sum: codec::checksum(&body),
            coded: None,
        };
        Entry { head, body }
    }

    /// The same with what it can be purged by.
    pub fn with_marks(mut self, marks: Marks) -> Self {
        self.head.marks = marks;
        self
    }

    /// The same with the interval that the content is; all there is makes it a 200 (RFC 9110 15.3.7.3).
    pub fn with_part(mut self, part: Part) -> Self {
        let whole = part.is_whole();
        self.head.status = if whole { 200 } else { 206 };
        self.head.part = (!whole).then_some(part);
        self
    }
}
