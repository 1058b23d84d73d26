//! One worker: a thread, its runtime, its instance, its connections.
use super::clock;
use crate::driver::{Eager, Inbox, Runner, SpinLike, drive};
use crate::error::Error;
use crate::guest::{Pulse, Shared, instantiate};
use crate::inbound::Serving;
use crate::options::Mode;
use crate::outbound::Outbound;
use http::uri::Authority;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle as Task;

/// What reaches a worker from outside.
enum Message {
    Connection(TcpStream, SocketAddr),
    End(Instant),
}

/// Where the acceptor leaves connections for a worker.
#[derive(Clone)]
pub struct Desk {
    messages: UnboundedSender<Message>,
    /// Connections handed over and not yet closed.
    pub open: Arc<AtomicUsize>,
}

impl Desk {
    /// Hands a connection over.
    pub fn hand(&self, stream: TcpStream, peer: SocketAddr) {
        self.open.fetch_add(1, Relaxed);
        if self.messages.send(Message::Connection(stream, peer)).is_err() {
            self.open.fetch_sub(1, Relaxed);
        }
    }
}

/// What a worker left undone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left {
    /// Connections that were cut.
    pub connections: usize,
    /// Whether the guest still had work to do.
    pub guest: bool,
}

/// A worker that serves.
pub struct Worker {
    desk: Desk,
    thread: JoinHandle<Left>,
}

/// A worker that is making its instance.
pub struct Beginning {
    worker: Worker,
    ready: mpsc::Receiver<Result<(), Error>>,
}

/// A worker that is ending.
pub struct Ending(JoinHandle<Left>);

impl Worker {
    /// Starts the thread.
    pub fn begin(index: usize, shared: Arc<Shared>, mode: Mode, address: SocketAddr) -> Result<Beginning, Error> {
        let (messages, inbox) = unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let desk = Desk { messages, open: open.clone() };
        let (say_ready, ready) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(format!("terrace-{index}"))
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(work(index, shared, mode, address, inbox, open, &say_ready)),
                    Err(e) => {
                        let _ = say_ready.send(Err(Error::Worker(e)));
                        Left::default()
                    }
                }
            })
            .map_err(Error::Worker)?;
        Ok(Beginning { worker: Worker { desk, thread }, ready })
    }

    /// Where to leave connections for it.
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Asks it to finish by `until`.
    pub fn end(self, until: Instant) -> Ending {
        let _ = self.desk.messages.send(Message::End(until));
        Ending(self.thread)
    }
}

impl Beginning {
    /// Waits until the instance is there.
    pub fn ready(self) -> Result<Worker, Error> {
        match self.ready.recv() {
            Ok(Ok(())) => Ok(self.worker),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::WorkerPanicked),
        }
    }
}

impl Ending {
    /// Waits for the end; nothing if it was a panic.
    pub fn join(self) -> Option<Left> {
        self.0.join().ok()
    }
}

async fn work(
    index: usize,
    shared: Arc<Shared>,
    mode: Mode,
    address: SocketAddr,
    mut messages: UnboundedReceiver<Message>,
    open: Arc<AtomicUsize>,
    say_ready: &mpsc::Sender<Result<(), Error>>,
) -> Left {
    let (runner, guest) = match start_guest(&shared, mode).await {
        Ok(started) => started,
        Err(error) => {
            let _ = say_ready.send(Err(error));
            return Left::default();
        }
    };
    let (drain, draining) = watch::channel(false);
    let serving = Serving {
        runner: runner.clone(),
        limits: Arc::new(shared.limits.clone()),
        local: authority(address),
        draining,
    };
    let closed = Arc::new(Notify::new());
    let _ = say_ready.send(Ok(()));
    // Spin has no clock, and one for the whole process is enough.
    if index == 0 && matches!(mode, Mode::PerCore) {
        tokio::spawn(clock::tick(runner.clone(), serving.draining.clone()));
    }

    let until = loop {
        match messages.recv().await {
            Some(Message::Connection(stream, peer)) => {
                let token = Open(open.clone(), closed.clone());
                if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                    let serving = serving.clone();
                    tokio::spawn(async move {
                        serving.serve(stream, peer).await;
                        drop(token);
                    });
                }
            }
            Some(Message::End(until)) => break until,
            // The server was dropped while it started.
            None => break Instant::now(),
        }
    };

    let _ = drain.send(true);
    drop(serving);
    let until = tokio::time::Instant::from_std(until);
    let all_closed = async {
        while open.load(Relaxed) > 0 {
            closed.notified().await;
        }
    };
    let _ = tokio::time::timeout_at(until, all_closed).await;
    let connections = open.load(Relaxed);
    if let Runner::PerCore(inbox) = &runner {
        inbox.close();
    }
    let guest = match guest {
        Some(guest) => tokio::time::timeout_at(until, guest).await.is_err(),
        None => false,
    };
    Left { connections, guest }
}

/// A connection that is being served.
struct Open(Arc<AtomicUsize>, Arc<Notify>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
        self.1.notify_one();
    }
}

async fn start_guest(shared: &Arc<Shared>, mode: Mode) -> Result<(Runner, Option<Task<()>>), Error> {
    let outbound = Outbound::new(shared);
    let pulse = Pulse::default();
    // In every mode: a component that cannot start is to be known now.
    let first = instantiate(shared, &outbound, &pulse).await.map_err(|e| Error::Instantiate(format!("{e:#}")))?;
    Ok(match mode {
        Mode::PerCore => {
            let inbox = Arc::new(Inbox::new(shared.limits.requests));
            let driver = drive(shared.clone(), outbound, inbox.clone(), first, pulse);
            // All requests of a worker go on inside this one task, so tokio's budget for a task is no measure for it.
            let driver = Eager::new(tokio::task::unconstrained(driver));
            (Runner::PerCore(inbox), Some(tokio::spawn(driver)))
        }
        Mode::LikeSpin { reuse, concurrent, idle } => {
            drop(first);
            let instances = SpinLike::new(shared.clone(), outbound, reuse, concurrent, idle);
            (Runner::SpinLike(instances), None)
        }
    })
}

fn authority(address: SocketAddr) -> Authority {
    Authority::try_from(address.to_string()).unwrap_or_else(|_| Authority::from_static("localhost"))
}
