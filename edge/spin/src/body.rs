//! Body streams: passed on as the host's own resource, made from bytes at hand, or copied on the way.

use bytes::Bytes;
use futures::channel::oneshot;
use spin_sdk::wasip3::http::types::{ErrorCode, Trailers};
use spin_sdk::wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult};
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};
use std::cell::Cell;
use std::future::Future;
use terrace_core::capture::Capture;

/// How a body ended: with its trailers, or cut.
pub type End = Result<Option<Trailers>, ErrorCode>;

/// Bytes that pieces of content on their way hold in this instance together, about: a stream reads and writes one at a time.
const PIECES: usize = 64 << 20;

/// The smallest and the largest piece, in bytes. Ten thousand streams at once are a crowd, and each goes in small pieces.
const PIECE: (usize, usize) = (4 << 10, 64 << 10);

thread_local! {
    static STREAMS: Cell<usize> = const { Cell::new(0) };
}

/// A stream that is under way.
struct Flow;

impl Flow {
    fn new() -> Flow {
        STREAMS.set(STREAMS.get() + 1);
        Flow
    }

    /// How large its next piece may be, in bytes.
    fn piece(&self) -> usize {
        (PIECES / STREAMS.get().max(1)).clamp(PIECE.0, PIECE.1)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        STREAMS.set(STREAMS.get().saturating_sub(1));
    }
}

/// The host's own stream, and how it ends.
pub struct Stream {
    pub content: StreamReader<u8>,
    pub end: FutureReader<End>,
}

/// An end without trailers, for a body that is empty.
pub fn no_trailers() -> FutureReader<End> {
    let (writer, reader) = wit_future::new(|| Ok(None));
    drop(writer);
    reader
}

/// Work that goes on beside the answer, and waits for the host.
///
/// The bindings keep the futures of a request in a set, and yield to the host whenever all of them were polled and none was ready: a
/// host lets those that yield go on after everybody else, so under load work would pile up. Hence a future more that is not
/// polled along with the work, and ends with it.
pub fn spawn_beside(work: impl Future<Output = ()> + 'static) {
    let (done, ended) = oneshot::channel::<()>();
    spawn(async {
        let _ = ended.await;
    });
    // Ends at once, and with it the round in which the one before it is polled.
    spawn(async {});
    spawn(async {
        work.await;
        drop(done);
    });
}

/// A stream of bytes that are at hand, written in pieces so that they are not held twice. A client that leaves early is no error.
pub fn full(mut bytes: Bytes) -> Stream {
    let (mut tx, content) = wit_stream::new();
    let (end_tx, end) = wit_future::new(|| Ok(None));
    let flow = Flow::new();
    spawn_beside(async move {
        loop {
            let piece = flow.piece();
            if bytes.len() <= piece {
                break;
            }
            let left = tx.write_all(bytes.split_to(piece).to_vec()).await;
            if !left.is_empty() {
                return;
            }
        }
        tx.write_all(Vec::from(bytes)).await;
        drop(tx);
        // Written and not dropped: that would start a task of its own for the default value.
        let _ = end_tx.write(Ok(None)).await;
    });
    Stream { content, end }
}

/// Passes a stream on and copies it. The copy is finished before the client sees the end, so that the store begins first.
pub fn tee(mut from: Stream, mut copy: Capture) -> (Stream, impl Future<Output = Option<Bytes>> + 'static + use<>) {
    let (mut tx, content) = wit_stream::new();
    let (end_tx, end) = wit_future::new(|| Err(ErrorCode::ConnectionTerminated));
    let (done_tx, done) = oneshot::channel();
    let flow = Flow::new();
    spawn_beside(async move {
        let mut client_reads = true;
        let mut buffer = Vec::with_capacity(flow.piece());
        let ended = loop {
            let (result, chunk) = from.content.read(buffer).await;
            if !chunk.is_empty() {
                copy.push(&chunk);
            }
            buffer = match client_reads {
                true if !chunk.is_empty() => {
                    let left = tx.write_all(chunk).await;
                    client_reads = left.is_empty();
                    Vec::with_capacity(flow.piece())
                }
                _ => chunk,
            };
            buffer.clear();
            if !client_reads && !copy.is_live() {
                return;
            }
            match result {
                StreamResult::Complete(_) => {}
                StreamResult::Dropped => break true,
                StreamResult::Cancelled => break false,
            }
        };
        let end = match ended {
            true => from.end.await,
            false => Err(ErrorCode::ConnectionTerminated),
        };
        let whole = if end.is_ok() { copy.finish() } else { None };
        // Nobody may be waiting for the copy: that is fine.
        let _ = done_tx.send(whole);
        drop(tx);
        let _ = end_tx.write(end).await;
    });
    (Stream { content, end }, async move { done.await.ok().flatten() })
}

/// A response's content as the host's own stream.
pub fn of_response(response: spin_sdk::wasip3::http::types::Response) -> Stream {
    let (content, end) = spin_sdk::wasip3::http::types::Response::consume_body(response, handled());
    Stream { content, end }
}

/// A request's content as the host's own stream.
pub fn of_request(request: spin_sdk::wasip3::http::types::Request) -> Stream {
    let (content, end) = spin_sdk::wasip3::http::types::Request::consume_body(request, handled());
    Stream { content, end }
}

/// What we tell the host of our own handling: nothing went wrong.
fn handled() -> FutureReader<Result<(), ErrorCode>> {
    let (writer, reader) = wit_future::new(|| Ok(()));
    drop(writer);
    reader
}
