//! Content codings (RFC 9110 8.4.1), and the forms in which an entry keeps its content: as it came, or coded, or both.

use super::Entry;
use super::codec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The largest content that is compressed, in bytes: it takes tens of milliseconds on the one thread of an instance.
pub const MAX_SIZE: u64 = 1 << 20;

/// A content coding that responses are sent in (RFC 9110 8.4.1, RFC 7932, RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `br`.
    Br,
    /// `zstd`.
    Zstd,
    /// `gzip`.
    Gzip,
}

impl Coding {
    /// Every coding. Of two that a client likes as much the earlier is sent: it is mostly the smaller one.
    pub const ALL: [Coding; 3] = [Coding::Br, Coding::Zstd, Coding::Gzip];

    /// As Accept-Encoding and Content-Encoding name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Coding::Br => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// The coding of this name in any case; `x-gzip` is gzip (RFC 9110 8.4.1.3).
    pub fn named(name: &[u8]) -> Option<Coding> {
        let called = |coding: &Coding| name.eq_ignore_ascii_case(coding.as_str().as_bytes());
        let found = Coding::ALL.into_iter().find(called);
        found.or_else(|| name.eq_ignore_ascii_case(b"x-gzip").then_some(Coding::Gzip))
    }
}

/// Some of the codings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codings(u8);

impl Codings {
    /// None.
    pub const NONE: Codings = Codings(0);

    /// These and one more.
    pub const fn with(self, coding: Coding) -> Codings {
        Codings(self.0 | 1 << coding as u8)
    }

    /// Those that are among others, too.
    pub const fn among(self, others: Codings) -> Codings {
        Codings(self.0 & others.0)
    }

    /// Whether a coding is among them.
    pub const fn has(self, coding: Coding) -> bool {
        self.0 & 1 << coding as u8 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl<const N: usize> From<[Coding; N]> for Codings {
    fn from(list: [Coding; N]) -> Self {
        list.into_iter().fold(Codings::NONE, Codings::with)
    }
}

/// The forms that an entry keeps of its content, one after the other: as it came, then each coding in the order of [`Coding::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// How long each form is, in bytes; zero where it is not kept.
    pub lengths: [u32; 1 + Coding::ALL.len()],
    /// XXH3-64 of all of them together.
    pub sum: u64,
}

impl Coded {
    /// How long all forms are together, in bytes.
    pub fn len(&self) -> u64 {
        self.lengths.iter().map(|length| u64::from(*length)).sum()
    }

    /// Whether there is no form at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The codings that the content is kept in.
    pub fn codings(&self) -> Codings {
        let kept = |coding: &Coding| self.length(Some(*coding)) > 0;
        Coding::ALL.into_iter().filter(kept).fold(Codings::NONE, Codings::with)
    }

    /// One form out of the bytes of the entry: in a coding, or as it came; `None` where it is not kept.
    pub fn form(&self, kept: &Bytes, coding: Option<Coding>) -> Option<Bytes> {
        let length = self.length(coding);
        let start: usize = self.lengths.iter().take(place(coding)).map(|length| *length as usize).sum();
        let end = start.checked_add(length)?;
        (length > 0 && end <= kept.len()).then(|| kept.slice(start..end))
    }

    fn length(&self, coding: Option<Coding>) -> usize {
        self.lengths.get(place(coding)).map_or(0, |length| *length as usize)
    }
}

fn place(coding: Option<Coding>) -> usize {
    coding.map_or(0, |coding| 1 + coding as usize)
}

/// What a client is sent of an entry that keeps coded forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The content as it came from the origin.
    Identity(Bytes),
    /// The form in a coding.
    In(Coding),
}

impl Entry {
    /// The same with its content in these codings, and as it came where `plain`. Without any form it stays as it is.
    pub fn with_forms(mut self, plain: bool, forms: &[(Coding, Vec<u8>)]) -> Self {
        let mut lengths = [0; 1 + Coding::ALL.len()];
        let mut kept = Vec::with_capacity(self.body.len());
        let as_it_came = (None, self.body.as_ref());
        let coded = |coding| forms.iter().find(|(c, _)| *c == coding).map(|(c, form)| (Some(*c), form.as_slice()));
        for (coding, form) in plain.then_some(as_it_came).into_iter().chain(Coding::ALL.into_iter().filter_map(coded)) {
            let (Some(length), Ok(bytes)) = (lengths.get_mut(place(coding)), u32::try_from(form.len())) else {
                return self;
            };
            *length = bytes;
            kept.extend_from_slice(form);
        }
        if lengths.iter().skip(1).any(|length| *length > 0) {
            self.head.coded = Some(Coded { lengths, sum: codec::checksum(&kept) });
            self.body = kept.into();
        }
        self
    }

    /// The same with its content as it came, and in no other form.
    pub fn with_content(mut self, content: Bytes) -> Self {
        self.head.coded = None;
        self.body = content;
        self
    }
}
