//! The origin: what it answers is a function of the test's.

use bytes::Bytes;
use http::Method;
use terrace_core::fields::Fields;
use terrace_core::host::OriginError;

/// What the origin is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// The fields.
    pub fields: Fields,
    /// Which instance asks.
    pub by: usize,
    /// When the question was there, in milliseconds since the epoch.
    pub at: i64,
}

/// What it answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// How long it takes until the head is there, in milliseconds.
    pub after: u64,
    /// How long the content takes after that.
    pub content_after: u64,
    /// Status and fields, or why there are none.
    pub head: Result<(u16, Fields), OriginError>,
    /// The content.
    pub content: Bytes,
    /// Whether the content is cut after its first half.
    pub cut: bool,
}

impl Reply {
    /// An answer that takes so many milliseconds.
    pub fn new(after: u64, status: u16, fields: &[(&str, &str)], content: impl Into<Bytes>) -> Self {
        let fields = fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        Reply { after, content_after: 0, head: Ok((status, fields)), content: content.into(), cut: false }
    }

    /// None, after so many milliseconds.
    pub fn failure(after: u64, error: OriginError) -> Self {
        Reply { after, content_after: 0, head: Err(error), content: Bytes::new(), cut: false }
    }
}
