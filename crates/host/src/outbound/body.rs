//! The content of an origin's response: it ends in an error when it is cut short or stalls.
use super::failure;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// An origin's content, with a limit on the time between two pieces of it.
pub struct OriginBody {
    incoming: Incoming,
    between: Duration,
    /// Made at the first wait; most contents never wait.
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl OriginBody {
    /// A content that fails when nothing comes for `between`.
    pub fn new(incoming: Incoming, between: Duration) -> Self {
        OriginBody { incoming, between, alarm: None, waiting: false }
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(|e| failure::of_body(&e))));
        }
        let between = this.between;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep(between)));
        if !this.waiting {
            this.waiting = true;
            alarm.as_mut().reset(Instant::now() + between);
        }
        match alarm.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Error::ConnectionReadTimeout))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
