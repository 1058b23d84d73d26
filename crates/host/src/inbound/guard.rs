//! The socket of an HTTP/1 connection, with a guard before it.
//!
//! It passes on the bytes of a request's head only when the head is whole and beyond doubt. In the place
//! of one that is not, it gives hyper a request that hyper can read ([`REFUSED`]), and leaves the reason
//! in the [`Link`]: so the answer is a problem document, and comes in its turn after those to the
//! requests before it. It also keeps the time: slow heads, idle connections, readers that do not read.
use super::framing::{Chunks, Framing};
use super::head;
use super::problem::Problem;
use crate::options::Limits;
use http::StatusCode;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The method of the request that stands for a refused one. A client that uses it is refused, too.
pub const REFUSED: &str = "TERRACE-REFUSED";

const SLOW_HEAD: Problem = Problem::closing(StatusCode::REQUEST_TIMEOUT, "the request's header did not arrive in time");

/// How long, and how much, a refused client is still listened to, that it may read the answer: closing
/// with unread bytes would make the kernel throw the answer away.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// What the guard and the service of one connection tell each other.
#[derive(Debug, Default)]
pub struct Link {
    refused: Mutex<Option<(Problem, bool)>>,
    open: AtomicUsize,
}

impl Link {
    /// Why the request was refused, and whether its method was HEAD.
    pub fn refusal(&self) -> Option<(Problem, bool)> {
        self.refused.lock().ok()?.take()
    }

    /// Counts a request until the returned token is dropped.
    pub fn request(self: &Arc<Self>) -> OpenRequest {
        self.open.fetch_add(1, Relaxed);
        OpenRequest(self.clone())
    }

    /// Whether no request is being answered.
    pub fn idle(&self) -> bool {
        self.open.load(Relaxed) == 0
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct OpenRequest(Arc<Link>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

#[derive(Debug)]
enum Stage {
    Head,
    Content(u64),
    Chunked(Chunks),
    /// A refused head: nothing after it is read.
    Refused,
    /// A malformed content: reading fails.
    Broken,
}

enum Found {
    /// Everything may pass.
    All,
    /// The first so many bytes may; a head follows that is not whole.
    Partial(usize),
    /// The first so many bytes may; a head follows that is refused.
    Refused(usize, Problem),
    /// The first so many bytes may; after them a content is not as framed.
    Malformed(usize),
}

/// The guarded socket.
#[derive(Debug)]
pub struct Guard {
    io: TcpStream,
    link: Arc<Link>,
    limits: Arc<Limits>,
    stage: Stage,
    /// The beginning of a head, and how much of it has been searched for its end.
    held: Vec<u8>,
    searched: usize,
    /// What was read before the guard was set up.
    first: Vec<u8>,
    /// Bytes for hyper that no longer fit, or that did not come from the socket.
    ready: Vec<u8>,
    given: usize,
    clock: Clock,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

/// Wakes the connection from time to time, rather than at each change of its deadlines.
#[derive(Debug)]
struct Clock {
    alarm: Option<Pin<Box<Sleep>>>,
    tick: Duration,
    /// Set by every transfer of bytes; looked at, and cleared, at each tick.
    active: bool,
    last_active: Instant,
    /// When the head must be here.
    head_due: Option<Instant>,
    write_stalled: bool,
}

impl Guard {
    /// Guards `io`, from which `first` has been read already.
    pub fn new(io: TcpStream, first: Vec<u8>, link: Arc<Link>, limits: Arc<Limits>) -> Self {
        let now = Instant::now();
        let tick = limits.keep_alive.min(limits.write_timeout) / 4;
        Guard {
            io,
            link,
            stage: Stage::Head,
            held: Vec::new(),
            searched: 0,
            first,
            ready: Vec::new(),
            given: 0,
            clock: Clock {
                alarm: None,
                tick: tick.max(Duration::from_millis(5)),
                active: false,
                last_active: now,
                head_due: Some(now + limits.header_timeout),
                write_stalled: false,
            },
            limits,
            lingering: None,
        }
    }

    /// Finds how much of `bytes` may pass.
    fn scan(&mut self, bytes: &[u8]) -> Found {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.stage {
                Stage::Content(left) => {
                    let taken = (*left).min(rest.len() as u64);
                    *left -= taken;
                    at += taken as usize;
                    if *left == 0 {
                        self.stage = Stage::Head;
                    }
                }
                Stage::Chunked(chunks) => match chunks.advance(rest) {
                    Ok((taken, ended)) => {
                        at += taken;
                        if ended {
                            self.stage = Stage::Head;
                        }
                    }
                    Err(_) => return Found::Malformed(at),
                },
                Stage::Head => {
                    let Some(end) = head_end(rest, std::mem::take(&mut self.searched)) else {
                        return match head::check_partial(rest, &self.limits) {
                            Ok(()) => Found::Partial(at),
                            Err(problem) => Found::Refused(at, problem),
                        };
                    };
                    match head::check(&rest[..end], &self.limits) {
                        Ok(framing) => {
                            at += end;
                            self.clock.head_due = None;
                            self.stage = match framing {
                                Framing::Empty => Stage::Head,
                                Framing::Length(n) => Stage::Content(n),
                                Framing::Chunked => Stage::Chunked(Chunks::new()),
                            };
                        }
                        Err(problem) => return Found::Refused(at, problem),
                    }
                }
                Stage::Refused | Stage::Broken => return Found::Partial(at),
            }
        }
        Found::All
    }

    /// Puts the stand-in for the refused head in front of hyper.
    fn refuse(&mut self, problem: Problem, head: &[u8]) {
        let is_head = head.trim_ascii_start().starts_with(b"HEAD ");
        if let Ok(mut refused) = self.link.refused.lock() {
            *refused = Some((problem, is_head));
        }
        self.ready.extend_from_slice(REFUSED.as_bytes());
        self.ready.extend_from_slice(b" / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n");
        self.held = Vec::new();
        self.stage = Stage::Refused;
        self.clock.head_due = None;
    }

    /// Scans `self.held` (which begins with everything not yet judged) into `self.ready`.
    fn scan_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        match self.scan(&held) {
            Found::All => self.ready = held,
            Found::Partial(pass) => {
                self.ready.extend_from_slice(&held[..pass]);
                self.hold(&held[pass..]);
            }
            Found::Refused(pass, problem) => {
                self.ready.extend_from_slice(&held[..pass]);
                self.refuse(problem, &held[pass..]);
            }
            Found::Malformed(pass) => {
                self.ready.extend_from_slice(&held[..pass]);
                self.stage = Stage::Broken;
            }
        }
    }

    /// Keeps the beginning of a head. Empty lines before it are dropped (RFC 9112, 2.2).
    fn hold(&mut self, bytes: &[u8]) {
        let blank = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.held.extend_from_slice(&bytes[blank..]);
        self.searched = self.held.len().saturating_sub(3);
        if !self.held.is_empty() && self.clock.head_due.is_none() {
            self.clock.head_due = Some(Instant::now() + self.limits.header_timeout);
        }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let left = &self.ready[self.given..];
        let n = left.len().min(buf.remaining());
        buf.put_slice(&left[..n]);
        self.given += n;
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
        }
    }

    /// Nothing to read: is it time for something else? `Ready` means: look again, or the end.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        let clock = &mut self.clock;
        loop {
            let now_or_later = |clock: &Clock| {
                let tick = Instant::now() + clock.tick;
                clock.head_due.map_or(tick, |due| due.min(tick))
            };
            match &mut clock.alarm {
                None => clock.alarm = Some(Box::pin(sleep_until(now_or_later(clock)))),
                Some(alarm) => {
                    if clock.head_due.is_some_and(|due| due < alarm.deadline()) {
                        let due = now_or_later(clock);
                        if let Some(alarm) = &mut clock.alarm {
                            alarm.as_mut().reset(due);
                        }
                    }
                }
            }
            let Some(alarm) = &mut clock.alarm else {
                return Poll::Pending;
            };
            ready!(alarm.as_mut().poll(cx));
            let now = Instant::now();
            if std::mem::take(&mut clock.active) || !self.link.idle() && !clock.write_stalled {
                clock.last_active = now;
            }
            let next = now_or_later(clock);
            if let Some(alarm) = &mut clock.alarm {
                alarm.as_mut().reset(next);
            }
            let quiet = now.duration_since(clock.last_active);
            if clock.write_stalled {
                if quiet >= self.limits.write_timeout {
                    return Poll::Ready(Waited::Stalled);
                }
            } else if clock.head_due.is_some_and(|due| due <= now) {
                return Poll::Ready(Waited::SlowHead);
            } else if self.link.idle() && quiet >= self.limits.keep_alive {
                return Poll::Ready(Waited::Idle);
            }
        }
    }
}

enum Waited {
    SlowHead,
    Idle,
    Stalled,
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed chunked content")
}

/// The end of a head: after the first empty line that follows a line.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let start = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let from = from.max(start);
    for lf in memchr::memchr_iter(b'\n', bytes.get(from..)?) {
        let after = from + lf + 1;
        match &bytes[after..] {
            [b'\n', ..] => return Some(after + 1),
            [b'\r', b'\n', ..] => return Some(after + 2),
            _ => {}
        }
    }
    None
}

impl AsyncRead for Guard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            this.held = std::mem::take(&mut this.first);
            this.scan_held();
        }
        loop {
            if !this.ready.is_empty() {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            match this.stage {
                // The answer closes the connection.
                Stage::Refused => return Poll::Pending,
                Stage::Broken => return Poll::Ready(Err(malformed())),
                _ => {}
            }
            let before = buf.filled().len();
            let polled = if this.held.is_empty() {
                Pin::new(&mut this.io).poll_read(cx, buf)
            } else {
                let mut space = [0; 8192];
                let mut space = ReadBuf::new(&mut space);
                let polled = Pin::new(&mut this.io).poll_read(cx, &mut space);
                if let Poll::Ready(Ok(())) = polled {
                    if space.filled().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    this.clock.active = true;
                    this.held.extend_from_slice(space.filled());
                    this.scan_held();
                    continue;
                }
                polled
            };
            match polled {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => match ready!(this.wait(cx)) {
                    Waited::SlowHead if this.held.is_empty() => return Poll::Ready(Ok(())),
                    Waited::SlowHead => {
                        let held = std::mem::take(&mut this.held);
                        this.refuse(SLOW_HEAD, &held);
                        continue;
                    }
                    Waited::Idle => return Poll::Ready(Ok(())),
                    Waited::Stalled => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                },
            }
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.clock.active = true;
            let pass = match this.scan(&buf.filled()[before..]) {
                Found::All => return Poll::Ready(Ok(())),
                Found::Partial(pass) => {
                    this.hold(&buf.filled()[before + pass..]);
                    pass
                }
                Found::Refused(pass, problem) => {
                    this.refuse(problem, &buf.filled()[before + pass..]);
                    pass
                }
                Found::Malformed(pass) => {
                    this.stage = Stage::Broken;
                    pass
                }
            };
            buf.set_filled(before + pass);
            if pass > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Guard {
    fn wrote(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match poll {
            Poll::Ready(result) => {
                self.clock.active = true;
                self.clock.write_stalled = false;
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.clock.write_stalled = true;
                match ready!(self.wait(cx)) {
                    Waited::Stalled => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    _ => Poll::Pending,
                }
            }
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.wrote(cx, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.wrote(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if matches!(this.stage, Stage::Head) {
                return Poll::Ready(Ok(()));
            }
        }
        let (until, mut left) =
            this.lingering.take().unwrap_or_else(|| (Box::pin(sleep_until(Instant::now() + LINGER)), LINGER_BYTES));
        let mut until = until;
        let mut space = [0; 16384];
        loop {
            let mut sink = ReadBuf::new(&mut space);
            match Pin::new(&mut this.io).poll_read(cx, &mut sink) {
                Poll::Ready(Ok(())) if !sink.filled().is_empty() && left > sink.filled().len() => {
                    left -= sink.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    if until.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                    this.lingering = Some((until, left));
                    return Poll::Pending;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_found() {
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nx", 0), Some(18));
        assert_eq!(head_end(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 0), Some(22));
        assert_eq!(head_end(b"GET / HTTP/1.1\n\nx", 0), Some(16));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\nA: b\r\n\r", 0), None);
        assert_eq!(head_end(b"\r\n", 0), None);
    }
}
