//! A Redis of a test's own, from the system's package.

use crate::host::{Daemon, Process};
use anyhow::{Context, Result, ensure};
use std::net::{SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;

/// What a test's Redis asks of whoever connects.
pub const PASSWORD: &str = "s3cret-9917";

/// A running Redis. It is ended when it is dropped.
pub struct Redis {
    daemon: Daemon,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Redis {
    /// Why there is none here, if so.
    pub fn missing() -> Option<String> {
        let here =
            |program: &str| Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success());
        let missing = ["redis-server", "redis-cli"].into_iter().find(|program| !here(program))?;
        Some(format!("no `{missing}` on PATH: apt-get install redis-server"))
    }

    /// Starts one on a free port of this machine, empty, which keeps nothing on disk.
    pub fn start() -> Result<Redis> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let dir = tempfile::Builder::new().prefix("terrace-redis-").tempdir()?;
        let mut redis = Redis { daemon: Daemon::default(), address, dir };
        redis.resume()?;
        Ok(redis)
    }

    /// Starts it again where it was.
    pub fn resume(&mut self) -> Result<()> {
        self.daemon.runs(serve(self.address, self.dir.path())?);
        Ok(())
    }

    /// Its URL, with the password.
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@{}", self.address)
    }

    /// Its URL with another password.
    pub fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@{}", self.address)
    }

    /// Gives a command, and returns the lines of the answer.
    pub fn ask(&self, words: &[&str]) -> Result<Vec<String>> {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]).args(words);
        let output = command.env("REDISCLI_AUTH", PASSWORD).output().context("redis-cli")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success() && !text.starts_with("ERR"), "{words:?}: {text}");
        Ok(text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect())
    }

    /// The keys in it.
    pub fn keys(&self) -> Vec<String> {
        self.ask(&["KEYS", "*"]).expect("KEYS")
    }
}

impl Deref for Redis {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl DerefMut for Redis {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}

fn serve(address: SocketAddr, dir: &Path) -> Result<Process> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--requirepass", PASSWORD]);
    command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(dir);
    Process::announced(command, dir, |line| line.contains("eady to accept connections").then_some(address))
}
