//! Accepting connections on a thread of its own, and sharing them fairly among the workers.
use super::worker::Desk;
use crate::error::Error;
use crate::inbound::Problem;
use http::StatusCode;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::Notify;

/// Connections that wait for `accept`; the kernel allows `net.core.somaxconn` at most.
const BACKLOG: i32 = 8192;

const FULL: Problem =
    Problem::closing(StatusCode::SERVICE_UNAVAILABLE, "there are too many connections; try again later");

/// A listening socket, and the address it got.
pub fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let open = || {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    };
    open().map_err(|source| Error::Listen { addr, source })
}

/// The accepting thread.
pub struct Acceptor {
    stop: Arc<Notify>,
    thread: std::thread::JoinHandle<()>,
}

impl Acceptor {
    /// Accepts from now on, at most `limit` connections at once.
    pub fn start(listener: TcpListener, desks: Vec<Desk>, limit: usize) -> Result<Self, Error> {
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
        let thread = std::thread::Builder::new()
            .name("terrace-accept".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.notified() => {}
                        () = accept(listener, &desks, limit) => {}
                    }
                });
            })
            .map_err(Error::Worker)?;
        Ok(Acceptor { stop, thread })
    }

    /// Closes the listening socket.
    pub fn stop(self) {
        self.stop.notify_one();
        let _ = self.thread.join();
    }
}

async fn accept(listener: TcpListener, desks: &[Desk], limit: usize) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(e) => return tracing::error!("cannot accept connections: {e}"),
    };
    let mut complained = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Ok(stream) = stream.into_std() else {
                    continue;
                };
                let open: usize = desks.iter().map(|desk| desk.open.load(Relaxed)).sum();
                if open >= limit {
                    turn_away(stream);
                    continue;
                }
                // The worker with the fewest connections.
                if let Some(desk) = desks.iter().min_by_key(|desk| desk.open.load(Relaxed)) {
                    desk.hand(stream, peer);
                }
            }
            Err(e) => {
                // A client that left already, or no more files: wait for some to be closed.
                if !complained && e.kind() != std::io::ErrorKind::ConnectionAborted {
                    complained = true;
                    tracing::warn!("cannot accept a connection: {e}. If it is too many open files, raise `ulimit -n`");
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// A connection too many: an answer, as far as one write goes, and the end.
fn turn_away(stream: TcpStream) {
    use std::io::Write;
    let _ = (&stream).write(&FULL.raw());
    let _ = stream.shutdown(std::net::Shutdown::Write);
}
