//! The behaviour suite. One file per idea; every behaviour is listed at the top of its file, and an unlisted one does not
//! compile without a warning.

use crate::host::Host;
use crate::world::World;
use std::pin::Pin;

type Run = fn(World) -> Pin<Box<dyn Future<Output = ()>>>;

/// One behaviour.
pub struct Behaviour {
    /// The idea it belongs to.
    pub idea: &'static str,
    /// The sentence.
    pub name: &'static str,
    /// Runs it; a panic is a failure.
    pub run: Run,
    /// Whether it holds on a host at all.
    pub holds_on: fn(Host) -> bool,
}

/// Lists the behaviours of a file: `behaviours![a, b, c]`, or `behaviours![a, b; if Host::is_ours]`.
macro_rules! behaviours {
    ($($name:ident),+ $(,)?) => { behaviours![$($name),+; if |_| true] };
    ($($name:ident),+ ; if $holds_on:expr) => {
        &[$($crate::suite::Behaviour {
            idea: module_path!(),
            name: stringify!($name),
            run: |world| Box::pin($name(world)),
            holds_on: $holds_on,
        }),+]
    };
}

mod bad_input;
mod coding;
mod collapse;
mod content;
mod failures;
mod fields;
mod freshness;
mod http2;
mod key_parts;
mod keys;
mod lifecycle;
mod methods;
mod metrics;
mod policy;
mod purge;
mod ranges;
mod room;
mod routes;
mod stale;
mod streaming;
mod targeted;
mod tiers;
mod validation;
mod variance;
mod vary;
mod watch;

/// Every behaviour.
pub fn all() -> impl Iterator<Item = &'static Behaviour> {
    let ideas = [
        tiers::ALL,
        freshness::ALL,
        targeted::ALL,
        policy::ALL,
        vary::ALL,
        coding::ALL,
        collapse::ALL,
        methods::ALL,
        validation::ALL,
        ranges::ALL,
        stale::ALL,
        failures::ALL,
        streaming::ALL,
        fields::ALL,
        keys::ALL,
        key_parts::ALL,
        content::ALL,
        variance::ALL,
        routes::ALL,
        purge::ALL,
        purge::BY_METHOD,
        metrics::ALL,
        watch::ALL,
        watch::BY_CLOCK,
        room::ALL,
        http2::ALL,
        bad_input::ALL,
        bad_input::ANYWHERE,
        lifecycle::ALL,
        lifecycle::DRAIN,
    ];
    ideas.into_iter().flatten()
}

/// Bytes that only their seed decides, different for each: what a cache hands out can be checked without keeping it.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A gzip file.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

/// Content out of its coding; as it is without one.
#[track_caller]
pub fn decoded(coding: &str, content: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    let read = match coding {
        "br" => brotli_decompressor::Decompressor::new(content, 4096).read_to_end(&mut out),
        "zstd" => {
            let mut decoder = ruzstd::decoding::StreamingDecoder::new(content).expect("zstd");
            decoder.read_to_end(&mut out)
        }
        "gzip" => flate2::read::GzDecoder::new(content).read_to_end(&mut out),
        _ => return content.to_vec(),
    };
    read.unwrap_or_else(|why| panic!("not in {coding}: {why}"));
    out
}

/// Runs futures side by side on this thread.
pub async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
