//! gzip in Rust, a piece at a time: others of the instance go on in between.
//!
//! br would double the component: the well-kept encoder in Rust brings 700 KB of tables. Of zstd, no well-kept encoder in Rust
//! writes more than the first level.

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use spin_sdk::wasip3::clocks::monotonic_clock;
use std::io::{Read, Write};
use terrace_core::entry::coded::{Coding, Codings};

/// What is written here, and read.
pub const CODINGS: Codings = Codings::NONE.with(Coding::Gzip);

/// How much is compressed at once, in bytes.
const PIECE: usize = 64 << 10;

/// Of nine: above it content gets little smaller for much time.
const LEVEL: u32 = 5;

/// Compresses.
pub async fn encode(content: &Bytes) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 4), Compression::new(LEVEL));
    let mut pieces = content.chunks(PIECE).peekable();
    while let Some(piece) = pieces.next() {
        encoder.write_all(piece).ok()?;
        if pieces.peek().is_some() {
            // A timer, and not a yield: whoever yields goes on when nobody else has anything to do.
            monotonic_clock::wait_for(1).await;
        }
    }
    encoder.finish().ok()
}

/// Restores what is at most so long, and holds no more than that.
pub fn decode(coded: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(length + 1);
    MultiGzDecoder::new(coded).take(length as u64 + 1).read_to_end(&mut content).ok()?;
    (content.len() <= length).then_some(content)
}
