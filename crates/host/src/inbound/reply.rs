//! The content of a response on its way to the client.
use super::guard::OpenRequest;
use crate::driver::{Life, Turn};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime_wasi_http::{Error, WasiBody};

/// A response's content, and the request it answers, which is open until this is dropped.
pub struct Reply {
    content: Content,
    _unread: Option<Incoming>,
    _turn: Option<Turn>,
    _open: OpenRequest,
}

enum Content {
    /// All of it is here.
    Whole(Option<Bytes>),
    /// The guest, or an origin, is still at it.
    Stream { first: Option<Frame<Bytes>>, body: WasiBody, life: Option<Life> },
}

impl Reply {
    /// A content that is known.
    pub fn whole(bytes: Bytes, open: OpenRequest) -> Self {
        let bytes = (!bytes.is_empty()).then_some(bytes);
        Reply { content: Content::Whole(bytes), _unread: None, _turn: None, _open: open }
    }

    /// The answer to a request whose content will not be read.
    pub fn refusal(bytes: Bytes, unread: Option<Incoming>, open: OpenRequest) -> Self {
        Reply { _unread: unread, ..Reply::whole(bytes, open) }
    }

    /// A content that comes from the instance `life` belongs to.
    ///
    /// `measure` asks for a look ahead: a content that is already here in full can then be sent with its
    /// length, where the guest did not give one.
    pub fn stream(mut body: WasiBody, life: Option<Life>, measure: bool, open: OpenRequest) -> Self {
        let mut first = None;
        if measure {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut bytes = Bytes::new();
            loop {
                match Pin::new(&mut body).poll_frame(&mut cx) {
                    Poll::Ready(None) if !dead(&life) => return Reply::whole(bytes, open),
                    Poll::Ready(Some(Ok(frame))) if first.is_none() && frame.is_data() => {
                        if let Some(data) = frame.data_ref() {
                            bytes = data.clone();
                        }
                        first = Some(frame);
                        continue;
                    }
                    Poll::Ready(Some(Ok(frame))) => {
                        // More than one piece: give them on as they came.
                        body = chain(first.take(), frame, body);
                    }
                    Poll::Ready(Some(Err(error))) => body = failing(first.take(), error),
                    Poll::Ready(None) => body = failing(first.take(), Error::ConnectionTerminated),
                    Poll::Pending => {}
                }
                break;
            }
        }
        Reply { content: Content::Stream { first, body, life }, _unread: None, _turn: None, _open: open }
    }

    /// The same, which keeps its place in the instance meanwhile.
    pub fn keeping(self, turn: Option<Turn>) -> Self {
        Reply { _turn: turn, ..self }
    }
}

fn dead(life: &Option<Life>) -> bool {
    life.as_ref().is_some_and(Life::ended)
}

fn chain(first: Option<Frame<Bytes>>, second: Frame<Bytes>, rest: WasiBody) -> WasiBody {
    use futures::{StreamExt, stream};
    use http_body_util::{BodyExt, BodyStream, StreamBody};
    let before = stream::iter(first.into_iter().chain([second]).map(Ok));
    StreamBody::new(before.chain(BodyStream::new(rest))).boxed_unsync()
}

fn failing(first: Option<Frame<Bytes>>, error: Error) -> WasiBody {
    use http_body_util::{BodyExt, StreamBody};
    let frames = first.map(Ok).into_iter().chain([Err(error)]);
    StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.get_mut().content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Content::Stream { first, body, life } => {
                if let Some(frame) = first.take() {
                    return Poll::Ready(Some(Ok(frame)));
                }
                match Pin::new(body).poll_frame(cx) {
                    // An instance that dies drops its streams, which looks like their end: to the client
                    // it must look like the failure that it is.
                    Poll::Ready(None) if dead(life) => Poll::Ready(Some(Err(Error::ConnectionTerminated))),
                    poll => poll,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Stream { first, body, .. } => first.is_none() && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Content::Stream { first: None, body, .. } => body.size_hint(),
            Content::Stream { .. } => SizeHint::default(),
        }
    }
}
