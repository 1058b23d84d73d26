//! The pool of connections, and the thread that they live on.
//!
//! Workers do not wait for each other, nor for PostgreSQL: what is asked of it goes to that thread, and a worker goes on meanwhile.
//! Whoever asked may give up; what is under way is then ended there. A server that was not reached is left alone for a moment, in
//! which calls fail at once.
use super::url::PostgresUrl;
use crate::error::Error as StartError;
use crate::outbound::trust;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle as Tokio};
use tokio::sync::oneshot;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to stand, and an answer to come. The guest has a deadline of its own, which is nearer.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How long a server is left alone that was not reached.
const REST: Duration = Duration::from_secs(1);

/// The database that guests know as SQLite's.
pub struct Database {
    shared: Arc<Shared>,
    dialect: super::Dialect,
    _home: Home,
}

/// The thread that connections live on.
pub struct Home {
    tokio: Tokio,
    /// Ends the thread when it is dropped.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What every connection of a guest to one server shares.
pub struct Shared {
    pub tokio: Tokio,
    pool: Pool,
    /// Until when the server is left alone, where it was not reached.
    resting: Mutex<Option<Instant>>,
    shown: String,
}

/// Why there is no connection.
pub enum Refused {
    /// All of the pool's are in use.
    Busy(String),
    /// The server is not reached.
    Away(String),
}

impl Database {
    /// A pool whose connections are made when they are needed: nothing waits for a server that is down.
    pub fn new(url: &PostgresUrl, dialect: super::Dialect) -> Result<Self, StartError> {
        let home = Home::new()?;
        let mut config = url.config.clone();
        let options = format!("{} {}", dialect.settings, config.get_options().unwrap_or_default());
        config.options(options.trim_end());
        let shared = Shared::new(&home, url, config, RecyclingMethod::Fast)?;
        Ok(Database { shared, dialect, _home: home })
    }

    /// A connection for a guest. It takes one of the pool's when it needs one.
    pub fn open(&self) -> super::Handle {
        super::Handle::new(self.shared.clone(), self.dialect)
    }
}

impl Home {
    pub fn new() -> Result<Self, StartError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Worker)?;
        let tokio = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("terrace-postgres".into())
            .spawn(move || {
                let _ = runtime.block_on(ended);
                // Whoever is asked for a name may take longer than anybody waits.
                runtime.shutdown_background();
            })
            .map_err(StartError::Worker)?;
        Ok(Home { tokio, end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pool(size: usize, mut config: Config, recycling_method: RecyclingMethod) -> Result<Pool, StartError> {
    config.connect_timeout(PATIENCE).keepalives_idle(Duration::from_secs(30));
    let how = ManagerConfig { recycling_method };
    let manager = match config.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(config, NoTls, how),
        _ => Manager::from_config(config, MakeRustlsConnect::new(Arc::unwrap_or_clone(trust()?)), how),
    };
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .recycle_timeout(Some(PATIENCE))
        .build()
        .map_err(|e| StartError::Postgres(e.to_string()))
}

impl Shared {
    /// A pool whose connections are made when they are needed, and cleaned as it is said before they are used again.
    pub fn new(
        home: &Home,
        url: &PostgresUrl,
        config: Config,
        clean: RecyclingMethod,
    ) -> Result<Arc<Self>, StartError> {
        let (pool, tokio) = (pool(url.pool, config, clean)?, home.tokio.clone());
        Ok(Arc::new(Shared { tokio, pool, resting: Mutex::new(None), shown: url.to_string() }))
    }

    /// A connection of the pool. To be called on the thread of the connections.
    pub async fn connection(&self) -> Result<Object, Refused> {
        self.is_left_alone()?;
        match self.pool.get().await {
            Ok(connection) => Ok(connection),
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                let size = self.pool.status().max_size;
                Err(Refused::Busy(format!(
                    "all {size} connections to PostgreSQL are in use; `pool` in its URL sets how many"
                )))
            }
            Err(error) => Err(Refused::Away(self.not_reached(&words(&error)))),
        }
    }

    /// The server did not do as it should: it is left alone for a while. Returns that in words.
    pub fn not_reached(&self, why: &str) -> String {
        if self.resting().replace(Instant::now() + REST).is_none() {
            tracing::warn!("{} is not reached: {why}. It is asked again every {REST:?}", self.shown);
        }
        format!("PostgreSQL is not reached: {why}")
    }

    /// The server has answered.
    pub fn reached(&self) {
        if self.resting().take().is_some() {
            tracing::info!("{} is reached again", self.shown);
        }
    }

    /// Refuses, while the server is left alone; after that one call finds out, and the others wait for what it finds.
    fn is_left_alone(&self) -> Result<(), Refused> {
        let (mut resting, now) = (self.resting(), Instant::now());
        match *resting {
            Some(until) if now < until => Err(Refused::Away("PostgreSQL was not reached a moment ago".into())),
            Some(_) => {
                *resting = Some(now + PATIENCE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn resting(&self) -> MutexGuard<'_, Option<Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes: the outermost says little.
pub fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
