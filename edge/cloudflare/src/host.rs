//! The platform as the core asks for it: clock, randomness, secrets, the origin, work after the response.

use crate::operation::{Operation, Outcome};
use crate::platform::{self, Answer, Call};
use crate::stream::{self, Exchange, Stream};
use crate::{lines, tasks, timer};
use bytes::Bytes;
use http::Method;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use terrace_core::capture::Capture;
use terrace_core::entry::coded::{Coding, Codings};
use terrace_core::host::{Host, OriginError};
use terrace_core::message::{Body, OriginRequest, Response};
use terrace_core::meter::Rows;
use terrace_core::time::Timestamp;
use worker::js_sys::{Math, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};

/// Cloudflare, as one event sees it.
#[derive(Clone)]
pub struct Cloudflare(pub Rc<Event>);

/// An event, the value that KV gave last, which JavaScript has, too (what of it goes out again is taken from there), and the rows that
/// D1 bills for it.
pub struct Event {
    pub call: Call,
    value: RefCell<Bytes>,
    pub billed: Cell<Rows>,
}

impl Event {
    pub fn new(call: Call) -> Self {
        Event { call, value: RefCell::default(), billed: Cell::default() }
    }

    /// Remembers a value.
    pub fn keep(&self, value: Bytes) -> Bytes {
        self.value.replace(value.clone());
        value
    }

    /// Where in the value these very bytes are, if they are a part of it. As long as it is kept, no other bytes are where it is.
    pub fn part(&self, bytes: &Bytes) -> Option<u32> {
        let value = self.value.borrow();
        let start = bytes.as_ptr().addr().checked_sub(value.as_ptr().addr())?;
        let within = start.checked_add(bytes.len()).is_some_and(|end| end <= value.len());
        within.then_some(u32::try_from(start).ok()?)
    }
}

impl Host for Cloudflare {
    type Stream = Stream;
    type Kv = Self;
    type Sql = Self;

    const KV_WRITES_ARE_FREE: bool = false;
    const KV_EXPIRES: bool = true;
    const SQL_SERVICE: &'static str = "d1";
    const CODINGS: Codings = Codings::NONE.with(Coding::Br).with(Coding::Zstd).with(Coding::Gzip);

    fn kv(&self) -> &Self {
        self
    }

    fn sql(&self) -> &Self {
        self
    }

    async fn fetch(&self, request: OriginRequest<Stream>) -> Result<Response<Stream>, OriginError> {
        let method = request.method().clone();
        let url = format!("{}://{}{}", request.scheme(), request.authority(), request.target());
        let pause = request.timeout();
        let (fields, body) = request.into_parts();
        let body = match body {
            Body::Empty => JsValue::NULL,
            // `fetch` takes no content with these.
            _ if matches!(method, Method::GET | Method::HEAD) => return Err(OriginError::HttpProtocolError),
            Body::Full(bytes) => Uint8Array::new_from_slice(&bytes).into(),
            Body::Stream(stream) => stream.take(),
        };
        let head = lines::write(&fields);
        let (exchange, controller) = Operation::begin(|number| {
            let (bytes, ascii, once) = (head.bytes(), head.is_ascii(), head.has_each_once());
            platform::fetch_origin(method.as_str(), &url, bytes, ascii, once, body, number)
        });
        let mut unanswered = Unanswered(controller);
        let outcome = exchange.await;
        let controller = unanswered.0.take();
        let answer: Answer = match outcome {
            Outcome::Value(answer) => answer.unchecked_into(),
            Outcome::Bytes(_) => return Err(OriginError::HttpProtocolError),
            Outcome::Failed(why) => return Err(self.unreachable(&why)),
        };
        let status = http::StatusCode::from_u16(answer.status()).map_err(|_| OriginError::HttpProtocolError)?;
        let fields = lines::read(&answer.head());
        if let Some(error) = edge_error(status.as_u16(), fields.get_str("server")) {
            return Err(error);
        }
        let exchange = controller.map(|controller| Exchange { controller, pause });
        let body = Stream::new(answer.body(), exchange).map_or(Body::Empty, Body::Stream);
        Ok(Response { status, fields, body })
    }

    fn now(&self) -> Timestamp {
        tasks::now()
    }

    async fn sleep(&self, duration: Duration) {
        timer::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        // 32 random bits each time.
        let half = || (Math::random() * 4_294_967_296.0) as u64;
        half() << 32 | half()
    }

    async fn secret(&self, name: &str) -> Option<String> {
        platform::variable(&self.0.call, name).filter(|value| !value.is_empty())
    }

    fn defer(&self, work: impl Future<Output = ()> + 'static) {
        let done = platform::wait_until(&self.0.call).ok();
        tasks::spawn(async move {
            work.await;
            if let Some(done) = done {
                let _ = platform::finish(&done);
            }
        });
    }

    fn tee(&self, stream: Stream, copy: Capture) -> (Stream, impl Future<Output = Option<Bytes>> + 'static + use<>) {
        stream::tee(stream, copy)
    }

    async fn encode(&self, coding: Coding, content: &Bytes) -> Option<Vec<u8>> {
        let (form, _) = Operation::begin(|number| {
            platform::encode(coding.as_str(), content, number);
            Ok(())
        });
        self.coded(form.await)
    }

    async fn decode(&self, coding: Coding, coded: Bytes, length: usize) -> Option<Vec<u8>> {
        let most = u32::try_from(length).ok()?;
        let (content, _) = Operation::begin(|number| {
            platform::decode(coding.as_str(), &coded, most, number);
            Ok(())
        });
        self.coded(content.await)
    }

    fn warn(&self, message: &str) {
        worker::console_warn!("terrace: {message}");
    }

    fn info(&self, message: &str) {
        worker::console_log!("terrace: {message}");
    }
}

impl Cloudflare {
    fn coded(&self, outcome: Outcome) -> Option<Vec<u8>> {
        match outcome {
            Outcome::Bytes(bytes) => Some(bytes),
            Outcome::Value(_) => None,
            Outcome::Failed(why) => {
                self.warn(&format!("node:zlib: {why}"));
                None
            }
        }
    }

    /// `fetch` says little of what went wrong.
    fn unreachable(&self, why: &str) -> OriginError {
        if why.contains("Network connection lost") {
            return OriginError::ConnectionTerminated;
        }
        self.warn(&format!("fetch: {why}"));
        OriginError::HttpProtocolError
    }
}

/// A request that nobody waits for any more is aborted.
struct Unanswered(Option<JsValue>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            let _ = platform::abort(controller);
        }
    }
}

/// Where Cloudflare does not reach an origin, `fetch` does not fail: Cloudflare answers in its stead
/// (developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors).
fn edge_error(status: u16, server: Option<&str>) -> Option<OriginError> {
    if server != Some("cloudflare") {
        return None;
    }
    match status {
        520 => Some(OriginError::HttpProtocolError),
        521 => Some(OriginError::ConnectionRefused),
        522 => Some(OriginError::ConnectionTimeout),
        523 | 530 => Some(OriginError::DnsError),
        524 => Some(OriginError::HttpResponseTimeout),
        525 | 526 => Some(OriginError::TlsError),
        _ => None,
    }
}
