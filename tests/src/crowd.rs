//! Many clients at once: all are connected before the first of them asks, and each is a task of its own.

use crate::client::{Connection, HOST, Request, Response};
use crate::wire::Fields;
use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Connections that are opened at a time: fewer than a system lets wait to be accepted.
const OPENED_AT_ONCE: usize = 256;

/// Streams of each connection, as many as the host allows.
const STREAMS: usize = 128;

/// Files, and connections are files, that a test has beside those of its clients.
const OTHER_FILES: usize = 512;

/// Clients that are connected.
pub struct Crowd(Vec<Client>);

/// One of them. Over HTTP/2 many are one connection.
enum Client {
    Http1(Box<Connection>),
    Http2(SendRequest<Empty<Bytes>>),
}

/// What a client got, and when.
pub struct Answer {
    /// The response.
    pub response: Response,
    /// How long it took, from when the first client asked.
    pub took: Duration,
}

/// Lets this process hold so many connections.
pub fn let_in(many: usize) -> Result<()> {
    let (limit, needed) = (getrlimit(Resource::Nofile), (many + OTHER_FILES) as u64);
    if limit.current.is_some_and(|current| current < needed) {
        let most = limit.maximum.unwrap_or(u64::MAX);
        ensure!(most >= needed, "{many} clients need {needed} open files, and {most} are allowed: raise `ulimit -Hn`");
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(())
}

impl Crowd {
    /// So many clients, each with a connection of HTTP/1.1.
    pub async fn over_http1(address: SocketAddr, many: usize) -> Crowd {
        let mut clients = Vec::with_capacity(many);
        while clients.len() < many {
            let opened = (clients.len()..many).take(OPENED_AT_ONCE).map(|_| Connection::open(address));
            let opened = opened.map(tokio::spawn).collect();
            clients.extend(all(opened).await.into_iter().map(|connection| Client::Http1(Box::new(connection))));
        }
        Crowd(clients)
    }

    /// So many clients, 128 of them in each connection of HTTP/2.
    pub async fn over_http2(address: SocketAddr, many: usize) -> Crowd {
        let mut clients = Vec::with_capacity(many);
        for _ in 0..many.div_ceil(STREAMS) {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
            // It ends with the last of its senders.
            tokio::spawn(connection);
            let left = many - clients.len();
            clients.extend((0..left.min(STREAMS)).map(|_| Client::Http2(sender.clone())));
        }
        Crowd(clients)
    }

    /// All of them ask at once, each for the path that its number is given.
    pub async fn ask(self, path: impl Fn(usize) -> String) -> Vec<Answer> {
        let started = Instant::now();
        let asked = self.0.into_iter().enumerate().map(|(n, client)| {
            let path = path(n);
            tokio::spawn(async move {
                let response = client.get(&path).await;
                Answer { response, took: started.elapsed() }
            })
        });
        all(asked.collect()).await
    }
}

impl Client {
    async fn get(self, path: &str) -> Response {
        match self {
            Client::Http1(mut connection) => connection.send(&Request::get(path)).await,
            Client::Http2(mut sender) => {
                let request = hyper::Request::get(format!("http://{HOST}{path}"));
                let request = request.body(Empty::new()).expect("a request");
                let response = sender.send_request(request).await.expect("a response");
                let (head, body) = response.into_parts();
                let fields = head.headers.iter().map(|(name, value)| {
                    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                });
                let fields = Fields(fields.collect());
                let body = body.collect().await.map(http_body_util::Collected::to_bytes);
                let (whole, body) = (body.is_ok(), body.unwrap_or_default());
                Response { status: head.status.as_u16(), fields, body, whole, interim: vec![] }
            }
        }
    }
}

/// What tasks return; a panic of one is one of the caller.
pub async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        done.push(task.await.unwrap_or_else(|why| std::panic::resume_unwind(why.into_panic())));
    }
    done
}

/// The time within which so many of a hundred were answered.
pub fn percentile(answers: &[Answer], of: usize) -> Duration {
    let mut took: Vec<_> = answers.iter().map(|answer| answer.took).collect();
    took.sort_unstable();
    took.get((took.len() * of / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}
