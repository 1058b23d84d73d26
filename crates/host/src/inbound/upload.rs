//! The content of a request on its way to the guest: bounded in size and in time.
use super::head::CONTENT_TOO_LARGE;
use super::problem::Problem;
use crate::options::Limits;
use bytes::Bytes;
use futures::task::AtomicWaker;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// What was wrong with a content, for the one who still waits to answer the request.
#[derive(Debug, Default)]
pub struct Fault {
    problem: Mutex<Option<Problem>>,
    waker: AtomicWaker,
}

impl Fault {
    fn set(&self, problem: Problem) {
        if let Ok(mut slot) = self.problem.lock() {
            *slot = Some(problem);
        }
        self.waker.wake();
    }

    /// Ready when the content turned out to be unacceptable.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Problem> {
        self.waker.register(cx.waker());
        match self.problem.lock().ok().and_then(|slot| *slot) {
            Some(problem) => Poll::Ready(problem),
            None => Poll::Pending,
        }
    }
}

/// A request's content.
pub struct Upload {
    incoming: Incoming,
    left: u64,
    timeout: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    fault: Arc<Fault>,
}

impl Upload {
    /// A content within `limits`; `fault` hears when it is not.
    pub fn new(incoming: Incoming, limits: &Limits, fault: Arc<Fault>) -> Self {
        Upload { incoming, left: limits.body_bytes, timeout: limits.body_timeout, alarm: None, waiting: false, fault }
    }

    fn cut(&self, problem: Problem, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.fault.set(problem);
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                let size = frame.data_ref().map_or(0, |data| data.len() as u64);
                match this.left.checked_sub(size) {
                    Some(left) => this.left = left,
                    None => return this.cut(CONTENT_TOO_LARGE, Error::HttpRequestBodySize(None)),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(_))) => this.cut(
                Problem::closing(StatusCode::BAD_REQUEST, "the request's content is malformed or was cut short"),
                Error::ConnectionTerminated,
            ),
            Poll::Pending => {
                let timeout = this.timeout;
                let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep(timeout)));
                if !this.waiting {
                    this.waiting = true;
                    alarm.as_mut().reset(Instant::now() + timeout);
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.cut(
                    Problem::closing(StatusCode::REQUEST_TIMEOUT, "the request's content did not arrive in time"),
                    Error::ConnectionReadTimeout,
                )
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
