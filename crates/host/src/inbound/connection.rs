//! One connection: which HTTP it speaks, and its life until it is closed or drained.
use super::guard::{Guard, Link};
use super::service::Client;
use crate::driver::Runner;
use crate::options::Limits;
use http::HeaderValue;
use http::uri::Authority;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HTTP2_STREAMS: u32 = 128;
const HTTP2_PING: Duration = Duration::from_secs(20);

/// What all connections of a worker share.
#[derive(Clone)]
pub struct Serving {
    /// Where requests go.
    pub runner: Runner,
    /// What clients may use.
    pub limits: Arc<Limits>,
    /// Our own address.
    pub local: Authority,
    /// Turns true when connections are to end.
    pub draining: watch::Receiver<bool>,
}

impl Serving {
    /// Serves a connection until it ends.
    pub async fn serve(self, mut io: TcpStream, peer: SocketAddr) {
        let _ = io.set_nodelay(true);
        let mut first = Vec::with_capacity(256);
        let mut draining = self.draining.clone();
        // HTTP/2 announces itself in the first bytes.
        let sniffed = tokio::select! {
            sniffed = tokio::time::timeout(self.limits.header_timeout, sniff(&mut io, &mut first)) => sniffed,
            _ = draining.wait_for(|drain| *drain) => return,
        };
        let Ok(Ok(http2)) = sniffed else { return };
        let Ok(address) = HeaderValue::try_from(peer.to_string()) else {
            return;
        };
        let link = Arc::new(Link::default());
        let client = Arc::new(Client {
            runner: self.runner.clone(),
            limits: self.limits.clone(),
            address,
            local: self.local.clone(),
            link: link.clone(),
        });
        if http2 {
            self.http2(Rewound { first, given: 0, io }, client).await;
        } else {
            let guard = Guard::new(io, first, link, self.limits.clone());
            self.http1(guard, client).await;
        }
    }

    async fn http1(mut self, guard: Guard, client: Arc<Client>) {
        let service = service_fn(move |request| {
            let client = client.clone();
            async move { Ok::<_, Infallible>(client.handle(request).await) }
        });
        let connection = http1::Builder::new()
            // The guard keeps the time.
            .header_read_timeout(None)
            // A client may close its side once it has asked.
            .half_close(true)
            .pipeline_flush(true)
            .max_headers(self.limits.header_count)
            .max_buf_size(self.limits.header_bytes.max(64 << 10) * 2)
            .serve_connection(TokioIo::new(guard), service);
        let mut connection = pin!(connection);
        let mut drain = pin!(self.draining.wait_for(|drain| *drain));
        let mut drained = false;
        std::future::poll_fn(|cx| {
            if !drained && drain.as_mut().poll(cx).is_ready() {
                drained = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(cx).map(drop)
        })
        .await;
    }

    async fn http2(mut self, io: Rewound, client: Arc<Client>) {
        let link = client.link.clone();
        let service = service_fn(move |request| {
            let client = client.clone();
            async move { Ok::<_, Infallible>(client.handle(request).await) }
        });
        let header_bytes = u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS)
            .max_header_list_size(header_bytes)
            .keep_alive_interval(HTTP2_PING)
            .keep_alive_timeout(HTTP2_PING)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        let mut drained = false;
        let mut quiet = 0;
        let tick = (self.limits.keep_alive / 4).max(Duration::from_millis(5));
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = self.draining.wait_for(|drain| *drain), if !drained => {
                    drained = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(tick) => {
                    quiet = if link.idle() { quiet + 1 } else { 0 };
                    if quiet == 4 {
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

/// Reads until it is clear whether the client speaks HTTP/2.
async fn sniff(io: &mut TcpStream, first: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        if io.read_buf(first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let n = first.len().min(PREFACE.len());
        if first[..n] != PREFACE[..n] {
            return Ok(false);
        }
        if n == PREFACE.len() {
            return Ok(true);
        }
    }
}

/// A socket some of whose bytes have been read already.
struct Rewound {
    first: Vec<u8>,
    given: usize,
    io: TcpStream,
}

impl AsyncRead for Rewound {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = &this.first[this.given..];
        if left.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let n = left.len().min(buf.remaining());
        buf.put_slice(&left[..n]);
        this.given += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
