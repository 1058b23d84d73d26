//! What a behaviour is given: a host, a folder of its own, and the means to start an origin and the cache before it.

use crate::PATIENCE;
use crate::client::{Connection, Request, Response};
use crate::host::{Host, Place, Process};
use crate::origin::Origin;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The world of one behaviour on one host.
pub struct World {
    /// The host.
    pub host: Host,
}

impl World {
    /// An origin, and the cache in front of it.
    ///
    /// `config` is TOML that follows `[origin]` and its `url`: keys of `[origin]` first, then other tables.
    pub async fn serve(&self, config: &str) -> (Origin, Terrace) {
        self.serve_with(config, &[]).await
    }

    /// The same with more arguments for the program.
    pub async fn serve_with(&self, config: &str, arguments: &[&str]) -> (Origin, Terrace) {
        let origin = Origin::start().await;
        let terrace = self.in_front_of(&origin.url(), config, arguments).await;
        (origin, terrace)
    }

    /// The cache in front of any URL.
    pub async fn in_front_of(&self, url: &str, config: &str, arguments: &[&str]) -> Terrace {
        let dir = tempfile::Builder::new().prefix("terrace-test-").tempdir().expect("a folder");
        let mut terrace = Terrace {
            host: self.host,
            dir,
            config: format!("[origin]\nurl = \"{url}\"\n{config}\n"),
            origin: url.to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            process: None,
        };
        terrace.start().await;
        terrace
    }
}

/// The cache under test.
pub struct Terrace {
    host: Host,
    dir: TempDir,
    config: String,
    origin: String,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Terrace {
    /// Starts it on what it kept.
    pub async fn start(&mut self) {
        let started = self.try_start().await;
        started.unwrap_or_else(|why| panic!("{} does not start: {why:#}", self.host.name()));
    }

    /// The same where it may fail.
    pub async fn try_start(&mut self) -> anyhow::Result<()> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let place = Place { dir: self.dir.path(), config: &self.config, origin: &self.origin, arguments: &arguments };
        self.process = Some(self.host.start(&place)?);
        Ok(())
    }

    /// Writes these bytes where the database of a stopped `terrace serve` is.
    pub fn overwrite_database(&self, bytes: &[u8]) {
        for name in ["t.db-wal", "t.db-shm"] {
            let _ = std::fs::remove_file(self.dir.path().join(name));
        }
        std::fs::write(self.dir.path().join("t.db"), bytes).expect("the database can be written");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.process.as_ref().expect("it runs").address
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it runs")
    }

    /// Ends it in order (SIGTERM) and waits.
    pub async fn stop(&mut self) -> ExitStatus {
        if !self.host.drains() {
            // Neither `spin up` nor what is like it drains: give deferred stores their time.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.process().terminate();
        self.ended().await
    }

    /// Waits for its end without blocking the origin, which lives on this thread.
    pub async fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        let mut process = self.process.take().expect("it runs");
        loop {
            if let Some(status) = process.wait(Duration::ZERO) {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end\n{}", process.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends it in order, and starts it on what it kept.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// A new connection.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address()).await
    }

    /// Sends a request on a connection of its own.
    pub async fn send(&self, request: &Request) -> Response {
        self.connect().await.send(request).await
    }

    /// A GET on a connection of its own.
    pub async fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target)).await
    }

    /// A GET with one more field.
    pub async fn get_with(&self, target: &str, name: &str, value: &str) -> Response {
        self.send(&Request::get(target).with(name, value)).await
    }

    /// Sends the request until `done` says so; the stores and refreshes that it waits for run after a response has left.
    pub async fn until(&self, request: &Request, what: &str, done: impl Fn(&Response) -> bool) -> Response {
        let started = Instant::now();
        loop {
            let response = self.send(request).await;
            if done(&response) {
                return response;
            }
            assert!(started.elapsed() < PATIENCE, "never {what}; last:\n{response:?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Sends the request until it is answered from the cache. The origin may have been asked more than once for that.
    pub async fn warm_with(&self, request: &Request) -> Response {
        let mut hit = self.until(request, "answered from the cache", Response::is_hit).await;
        // L2 has it before L1 does, and L1 only what it takes.
        for _ in 0..20 {
            if hit.tier() != "L2-HIT" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            hit = self.send(request).await;
        }
        hit
    }

    /// The same for a GET.
    pub async fn warm(&self, target: &str) -> Response {
        self.warm_with(&Request::get(target)).await
    }

    /// Sends the request a few times, with time for a store in between: it must never come from the cache.
    pub async fn stays_a_miss(&self, request: &Request) {
        for _ in 0..3 {
            let response = self.send(request).await;
            assert!(response.is_miss(), "it was stored\n{response:?}");
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        let response = self.send(request).await;
        assert!(response.is_miss(), "it was stored\n{response:?}");
    }
}

impl Drop for Terrace {
    fn drop(&mut self) {
        if let (true, Some(process)) = (std::thread::panicking(), &self.process) {
            eprintln!("--- the end of what {} logged:\n{}", self.host.name(), process.log());
        }
    }
}
