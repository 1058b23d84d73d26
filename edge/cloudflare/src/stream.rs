//! Body streams: JavaScript's own, passed on untouched, or copied on the way.

use crate::operation::{Operation, Outcome};
use crate::platform;
use crate::timer;
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use terrace_core::capture::Capture;
use worker::wasm_bindgen::JsValue;

/// A ReadableStream. Where nobody takes it, it is cancelled, so that its sender may stop.
pub struct Stream {
    js: Option<JsValue>,
    exchange: Option<Exchange>,
}

/// The exchange that a stream is the content of.
#[derive(Clone)]
pub struct Exchange {
    /// What aborts it.
    pub controller: JsValue,
    /// How long the content may pause.
    pub pause: Duration,
}

impl Stream {
    /// The stream, or `None` for JavaScript's `null`.
    pub fn new(js: JsValue, exchange: Option<Exchange>) -> Option<Self> {
        (!js.is_null() && !js.is_undefined()).then_some(Stream { js: Some(js), exchange })
    }

    /// The stream itself; from now on somebody else's business.
    pub fn take(mut self) -> JsValue {
        self.js.take().unwrap_or(JsValue::NULL)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(js) = &self.js {
            // It may be cut already; then there is nothing to cancel.
            let _ = platform::cancel(js);
        }
    }
}

/// Passes a stream on and copies it. The platform reads on when the client has left, for as long as the copy is awaited.
pub fn tee(stream: Stream, copy: Capture) -> (Stream, impl Future<Output = Option<Bytes>> + 'static + use<>) {
    let exchange = stream.exchange.clone();
    let (stream, branch) = match copy.is_live() {
        true => split(stream),
        false => (stream, None),
    };
    (stream, async move { keep(branch?, copy, exchange).await })
}

fn split(stream: Stream) -> (Stream, Option<Stream>) {
    let exchange = stream.exchange.clone();
    let js = stream.take();
    match platform::tee(&js) {
        Ok(branches) => {
            let whole = Stream { js: Some(branches.get(0)), exchange };
            (whole, Stream::new(branches.get(1), None))
        }
        // It is locked, or disturbed: whoever has it will say so.
        Err(_) => (Stream { js: Some(js), exchange }, None),
    }
}

async fn keep(branch: Stream, mut copy: Capture, exchange: Option<Exchange>) -> Option<Bytes> {
    let reader = Stream { js: Some(platform::reader(&branch.take()).ok()?), exchange: None };
    loop {
        let pause = exchange.as_ref().map(|exchange| exchange.pause);
        let js = reader.js.as_ref()?;
        match next(js, pause).await {
            Some(Outcome::Bytes(piece)) => copy.push(&piece),
            Some(Outcome::Value(_)) => {
                reader.take();
                return copy.finish();
            }
            Some(Outcome::Failed(_)) => return None,
            None => {
                if let Some(exchange) = &exchange {
                    let _ = platform::abort(&exchange.controller);
                }
                return None;
            }
        }
        if !copy.is_live() {
            return None;
        }
    }
}

/// The next piece, or `None` where it does not come in time.
async fn next(reader: &JsValue, pause: Option<Duration>) -> Option<Outcome> {
    let (mut read, _) = Operation::begin(|number| platform::read(reader, number));
    let Some(pause) = pause else { return Some(read.await) };
    let mut silent = pin!(timer::sleep(pause));
    poll_fn(|context| match Pin::new(&mut read).poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => silent.as_mut().poll(context).map(|()| None),
    })
    .await
}
