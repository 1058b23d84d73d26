//! The scripted origin: a server that does what a test tells it, path by path, and remembers what it was asked.

use crate::PATIENCE;
use crate::reply::{Length, Reply, Step};
use crate::wire::{Fields, Framing, Wire};
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// A request as the origin saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The request target, query included.
    pub target: String,
    /// The fields.
    pub fields: Fields,
    /// The content; what of it had come when the answer was chosen.
    pub body: Bytes,
    /// Whether the content came whole.
    pub whole: bool,
    /// The how manieth request for this path it is, from 1.
    pub nth: usize,
}

impl Seen {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Connections that may wait to be accepted, where the system allows as many.
const BACKLOG: u32 = 4096;

/// A socket that has an address and does not listen: whoever connects is refused.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections that were dropped linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

#[derive(Default)]
struct State {
    handlers: Mutex<HashMap<String, Handler>>,
    seen: Mutex<Requests>,
}

#[derive(Default)]
struct Requests {
    all: Vec<Seen>,
    /// How many there are for each path.
    counts: HashMap<String, usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The origin. It stops when it is dropped.
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    server: Option<tokio::task::JoinHandle<()>>,
    /// What has its port while it is down.
    kept: Option<TcpSocket>,
}

impl Origin {
    /// Listens on a free port of the loopback.
    pub async fn start() -> Origin {
        let socket = bound(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = socket.local_addr().expect("its address");
        let listener = socket.listen(BACKLOG).expect("it listens");
        let mut origin = Origin { address, state: Arc::default(), server: None, kept: None };
        origin.listen(listener);
        origin
    }

    fn listen(&mut self, listener: TcpListener) {
        let state = Arc::clone(&self.state);
        self.server = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                connections.spawn(async move {
                    // A connection that ends early is something that tests do on purpose.
                    let _ = converse(stream, &state).await;
                });
                while connections.try_join_next().is_some() {}
            }
        }));
    }

    /// Stops listening and drops every connection: the origin is down. Its port stays taken, or another test might get it.
    pub async fn down(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
        let started = Instant::now();
        loop {
            match bound(self.address) {
                Ok(socket) => return self.kept = Some(socket),
                Err(error) if started.elapsed() > PATIENCE => {
                    panic!("the origin's port is taken: {error}")
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Listens again, on the same port.
    pub async fn up(&mut self) {
        let socket = self.kept.take().expect("an origin that is down");
        self.listen(socket.listen(BACKLOG).expect("the origin's port"));
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Answers requests for a path (without its query) so.
    pub fn on(&self, path: &str, handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        lock(&self.state.handlers).insert(path.to_owned(), Arc::new(handler));
    }

    /// Answers requests for a path always with the same reply.
    pub fn serve(&self, path: &str, reply: Reply) {
        self.on(path, move |_| reply.clone());
    }

    /// Answers requests for a path by their number: the first by the first reply; the last reply repeats.
    pub fn serve_in_turn(&self, path: &str, replies: Vec<Reply>) {
        self.on(path, move |seen| replies[(seen.nth - 1).min(replies.len() - 1)].clone());
    }

    /// Answers requests for every path that has no answer of its own so.
    pub fn otherwise(&self, handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        self.on("*", handler);
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).all.clone()
    }

    /// Forgets every request so far.
    pub fn forget(&self) {
        *lock(&self.state.seen) = Requests::default();
    }

    /// Every request for a path so far.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path() == path).collect()
    }

    /// How many requests came for a path.
    pub fn count(&self, path: &str) -> usize {
        lock(&self.state.seen).counts.get(path).copied().unwrap_or_default()
    }

    /// The last request for a path.
    #[track_caller]
    pub fn last(&self, path: &str) -> Seen {
        self.seen_at(path).pop().unwrap_or_else(|| panic!("the origin was not asked for {path}"))
    }

    /// How many requests came in all.
    pub fn asked(&self) -> usize {
        lock(&self.state.seen).all.len()
    }

    /// Waits until this many requests came for a path.
    pub async fn until(&self, path: &str, count: usize) {
        let started = Instant::now();
        while self.count(path) < count {
            assert!(
                started.elapsed() < PATIENCE,
                "{} requests for {path} reached the origin, not {count}",
                self.count(path)
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// One connection, request after request.
async fn converse(stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut wire = Wire::new(reader);
    while let Some(head) = wire.head().await? {
        let mut words = head.start.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut framing = Framing::of(&head.fields, Framing::Done);
        let mut seen = Seen { method, target, fields: head.fields, body: Bytes::new(), whole: false, nth: 0 };
        let at = {
            let mut requests = lock(&state.seen);
            let count = requests.counts.entry(seen.path().to_owned()).or_default();
            *count += 1;
            seen.nth = *count;
            requests.all.push(seen.clone());
            requests.all.len() - 1
        };
        if seen.field("expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut body = Vec::new();
        let whole = loop {
            match wire.piece(&mut framing).await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        (seen.body, seen.whole) = (body.into(), whole);
        if let Some(place) = lock(&state.seen).all.get_mut(at) {
            *place = seen.clone();
        }
        if !whole {
            return Ok(());
        }
        let handler = {
            let handlers = lock(&state.handlers);
            handlers.get(seen.path()).or_else(|| handlers.get("*")).cloned()
        };
        let reply = match handler {
            Some(handler) => handler(&seen),
            None => Reply::status(404).with("Cache-Control", "no-store").with("X-Unscripted", "1"),
        };
        if !answer(&reply, seen.method == "HEAD", &mut writer).await? {
            // The other side sees the connection end; a reset is asked for by the step itself.
            return Ok(());
        }
    }
    Ok(())
}

/// Plays a reply; false where the connection is to end.
async fn answer(reply: &Reply, head_only: bool, writer: &mut OwnedWriteHalf) -> io::Result<bool> {
    for step in &reply.before {
        if !play(step, false, writer).await? {
            return Ok(false);
        }
    }
    for (status, fields) in &reply.interim {
        let fields = Fields(fields.clone()).encode();
        writer.write_all(format!("HTTP/1.1 {status} Interim\r\n{fields}\r\n").as_bytes()).await?;
    }
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    if reply.date && !reply.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("date")) {
        let _ = write!(head, "Date: {}\r\n", http_date(SystemTime::now()));
    }
    head += &Fields(reply.fields.clone()).encode();
    let length: usize = reply.body.iter().map(|step| if let Step::Send(data) = step { data.len() } else { 0 }).sum();
    match reply.length {
        Length::True => head += &format!("Content-Length: {length}\r\n"),
        Length::Claim(claim) => head += &format!("Content-Length: {claim}\r\n"),
        Length::Chunked => head += "Transfer-Encoding: chunked\r\n",
        Length::Close => head += "Connection: close\r\n",
        Length::Nothing => {}
    }
    head += "\r\n";
    // Head and first piece in one write, as servers do.
    let mut steps = reply.body.as_slice();
    let mut first = head.into_bytes();
    if let (false, Some((Step::Send(data), rest))) = (head_only, steps.split_first())
        && reply.length != Length::Chunked
    {
        first.extend_from_slice(data);
        steps = rest;
    }
    writer.write_all(&first).await?;
    if head_only {
        return Ok(reply.length != Length::Close);
    }
    for step in steps {
        if !play(step, reply.length == Length::Chunked, writer).await? {
            return Ok(false);
        }
    }
    if reply.length == Length::Chunked {
        writer.write_all(b"0\r\n\r\n").await?;
    }
    let claimed_more = matches!(reply.length, Length::Claim(claim) if claim > length as u64);
    Ok(reply.length != Length::Close && !claimed_more)
}

async fn play(step: &Step, chunked: bool, writer: &mut OwnedWriteHalf) -> io::Result<bool> {
    match step {
        Step::Send(data) if chunked => {
            let size = format!("{:x}\r\n", data.len());
            writer.write_all(&[size.as_bytes(), data, b"\r\n"].concat()).await?;
        }
        Step::Send(data) | Step::Raw(data) => writer.write_all(data).await?,
        Step::Wait(gate) => gate.wait().await,
        Step::Sleep(time) => tokio::time::sleep(*time).await,
        Step::Cut => return Ok(false),
        Step::Reset => {
            writer.as_ref().set_zero_linger()?;
            return Ok(false);
        }
        Step::Hang => std::future::pending().await,
    }
    Ok(true)
}

/// An IMF-fixdate (RFC 9110 5.6.7).
pub fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

/// An IMF-fixdate so many seconds from now.
pub fn date_in(seconds: i64) -> String {
    let now = SystemTime::now();
    let span = Duration::from_secs(seconds.unsigned_abs());
    http_date(if seconds < 0 { now - span } else { now + span })
}
