//! Start, run, drain: the threads of a server and what they share.
mod accept;
mod clock;
mod files;
mod worker;

use crate::compiled;
use crate::engine::{Ticker, engine};
use crate::error::Error;
use crate::guest::{Shared, link};
use crate::keyvalue;
use crate::options::{Component, Database, Options};
use crate::outbound::Policy;
use crate::postgres;
use crate::sqlite;
use crate::variables::Variables;
use accept::Acceptor;
use files::Files;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use worker::Worker;

static EMBEDDED: &[u8] = include_bytes!(env!("TERRACE_GUEST_PATH"));

/// A running server. Dropping it ends it at once; [`Server::drain`] ends it in peace.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<Acceptor>,
    workers: Vec<Worker>,
    ticker: Option<Ticker>,
    _files: Files,
}

/// What a drain left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Connections that were cut: their requests were not finished in time.
    pub connections: usize,
    /// Workers whose guest still had work to do after its responses.
    pub guests: usize,
    /// How long it took.
    pub took: Duration,
}

impl Drained {
    /// Whether everything was finished.
    pub fn complete(&self) -> bool {
        self.connections == 0 && self.guests == 0
    }
}

impl Server {
    /// Starts a server. When this returns it is listening, and every instance is ready.
    pub fn start(options: Options) -> Result<Server, Error> {
        let open_files = raise_file_limit();
        let policy = Policy::new(&options.allowed_outbound)?;
        let files = Files::lay_out(&options.files)?;
        let keyvalue = match &options.redis {
            None => keyvalue::Store::Memory(keyvalue::Memory::new(options.kv_bytes)),
            Some((url, expiry)) => {
                keyvalue::Store::Redis(Box::new(keyvalue::Redis::new(url, *expiry).map_err(Error::Redis)?))
            }
        };
        let database = match &options.database {
            Database::Sqlite(path) => sqlite::Store::File(sqlite::Database::prepare(path)?),
            Database::Postgres(url, dialect) => {
                sqlite::Store::Postgres(Box::new(postgres::Database::new(url, *dialect)?))
            }
            Database::None => sqlite::Store::None,
        };
        let (listener, address) = accept::listen(options.listen)?;

        let engine = engine()?;
        let component = compiled::load(&engine, &wasm(&options.component)?)?;
        let shared = Arc::new(Shared {
            pre: link(&engine, &component)?,
            engine,
            keyvalue,
            database,
            postgres: postgres::Servers::new(policy.clone()),
            variables: Variables::new(options.variables),
            policy,
            files: files.path().to_owned(),
            limits: options.limits,
            restarts: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        });
        let ticker = Ticker::start(&shared.engine)?;
        let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let count = match options.workers {
            0 => cores(),
            n => n,
        };
        // Begun together, then waited for: instances are made in parallel.
        let begun: Vec<_> =
            (0..count).map(|i| Worker::begin(i, shared.clone(), options.mode, address)).collect::<Result<_, _>>()?;
        let workers: Vec<Worker> = begun.into_iter().map(worker::Beginning::ready).collect::<Result<_, _>>()?;
        let desks = workers.iter().map(Worker::desk).collect();
        let most = connections(shared.limits.connections, open_files);
        if most < shared.limits.connections {
            let files = open_files.unwrap_or_default();
            tracing::info!(
                "at most {most} connections at once, as {files} files may be open: raise `ulimit -Hn` for more"
            );
        }
        let acceptor = Acceptor::start(listener, desks, most)?;
        Ok(Server { address, shared, acceptor: Some(acceptor), workers, ticker: Some(ticker), _files: files })
    }

    /// The address the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many instances were replaced because they failed.
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Relaxed)
    }

    /// Stops accepting, finishes what runs, waits for what the guest does after its responses, and ends.
    /// What is not done after `timeout` is cut.
    pub fn drain(mut self, timeout: Duration) -> Result<Drained, Error> {
        self.end(timeout)
    }

    fn end(&mut self, timeout: Duration) -> Result<Drained, Error> {
        let began = Instant::now();
        let until = began + timeout;
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.stop();
        }
        let mut drained = Drained::default();
        self.shared.ending.store(true, Relaxed);
        let mut panicked = false;
        let ending: Vec<_> = self.workers.drain(..).map(|w| w.end(until)).collect();
        for worker in ending {
            match worker.join() {
                Some(left) => {
                    drained.connections += left.connections;
                    drained.guests += usize::from(left.guest);
                }
                None => panicked = true,
            }
        }
        self.ticker.take();
        self.shared.database.finish()?;
        drained.took = began.elapsed();
        if panicked { Err(Error::WorkerPanicked) } else { Ok(drained) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.acceptor.is_some() {
            let _ = self.end(Duration::ZERO);
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

fn wasm(component: &Component) -> Result<Cow<'_, [u8]>, Error> {
    Ok(match component {
        Component::Embedded => Cow::Borrowed(EMBEDDED),
        Component::Bytes(bytes) => Cow::Borrowed(bytes),
        Component::Path(path) => {
            Cow::Owned(std::fs::read(path).map_err(|source| Error::ComponentFile { path: path.clone(), source })?)
        }
    })
}

/// Ten thousand connections need as many files: takes all that the system grants, and says how many that are.
fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current
}

/// The connections of clients that so many open files allow: an eighth of them, and 64 at the least, is for those of origins and stores,
/// or clients that wait would keep all who are to answer them from it.
fn connections(limit: usize, files: Option<u64>) -> usize {
    let Some(files) = files.and_then(|files| usize::try_from(files).ok()) else { return limit };
    limit.min(files.saturating_sub((files / 8).max(64)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_clients_leave_files_to_others() {
        assert_eq!(connections(20_000, None), 20_000);
        assert_eq!(connections(20_000, Some(1 << 20)), 20_000);
        assert_eq!(connections(20_000, Some(20_000)), 17_500);
        assert_eq!(connections(20_000, Some(1024)), 896);
        assert_eq!(connections(20_000, Some(100)), 36);
        assert_eq!(connections(20_000, Some(10)), 1);
        assert_eq!(connections(8, Some(1024)), 8);
    }
}
