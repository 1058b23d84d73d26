//! A PostgreSQL of a test's own, from the system's package.

use crate::PATIENCE;
use crate::host::{Daemon, Process};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// What a test's PostgreSQL asks of whoever connects.
pub const PASSWORD: &str = "s3cret-5432";

const USER: &str = "terrace";

/// A running PostgreSQL. It is ended when it is dropped.
pub struct Postgres {
    daemon: Daemon,
    programs: Programs,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

/// Where its programs are, and as whom they run: it refuses root.
struct Programs {
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Result<Programs> {
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let version = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let newest = installed.map(|entry| entry.path()).filter(|folder| folder.join("bin/initdb").is_file());
        let newest =
            newest.max_by_key(version).context("no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql")?;
        let root = rustix::process::geteuid().is_root();
        Ok(Programs { folder: newest.join("bin"), user: if root { Some(nobody()?) } else { None } })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

/// Somebody else than root: the package's own user, or nobody.
fn nobody() -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
    let of = |name: &str| {
        let mut fields = passwd.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    of("postgres").or_else(|| of("nobody")).context("no user `postgres` or `nobody` to run PostgreSQL as")
}

impl Postgres {
    /// Why there is none here, if so.
    pub fn missing() -> Option<String> {
        Programs::find().err().map(|why| format!("{why:#}"))
    }

    /// Starts one on a free port of this machine, empty, which does not wait for a disk.
    pub fn start() -> Result<Postgres> {
        let programs = Programs::find()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let dir = tempfile::Builder::new().prefix("terrace-postgres-").tempdir()?;
        let secret = dir.path().join("password");
        fs::write(&secret, PASSWORD)?;
        if let Some((user, group)) = programs.user {
            for path in [dir.path(), &secret] {
                chown(path, Some(user), Some(group))?;
            }
        }
        let mut command = programs.command("initdb");
        command.args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--username", USER]);
        command.arg("--pwfile").arg(&secret).arg("-D").arg(dir.path().join("data")).current_dir(dir.path());
        let output = command.output().context("initdb")?;
        ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let mut postgres = Postgres { daemon: Daemon::default(), programs, address, dir };
        postgres.resume()?;
        Ok(postgres)
    }

    /// Starts it again where it was, with what it holds.
    pub fn resume(&mut self) -> Result<()> {
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.dir.path().join("data")).args(["-p", &self.address.port().to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=400"] {
            command.args(["-c", setting]);
        }
        command.current_dir(self.dir.path());
        let mut process = Process::silent(command, self.dir.path(), self.address)?;
        process.quits();
        let started = Instant::now();
        while self.ask("SELECT 1").is_err() {
            if let Some(status) = process.ended()? {
                bail!("postgres ended with {status}\n{}", process.log());
            }
            ensure!(started.elapsed() < PATIENCE, "postgres does not answer\n{}", process.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.daemon.runs(process);
        Ok(())
    }

    /// Its URL, with the password.
    pub fn url(&self) -> String {
        self.url_with(PASSWORD)
    }

    /// Its URL with another password.
    pub fn url_with(&self, password: &str) -> String {
        format!("postgres://{USER}:{password}@{}/postgres", self.address)
    }

    /// Runs statements, one after another in one session, and returns the rows, their columns separated by `|`.
    pub fn ask(&self, sql: &str) -> Result<Vec<String>> {
        let mut command = Command::new(self.programs.folder.join("psql"));
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string(), "-U", USER, "-d", "postgres"]);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = command.env("PGPASSWORD", PASSWORD).env("PGCONNECT_TIMEOUT", "5").output().context("psql")?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect())
    }
}

impl Deref for Postgres {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl DerefMut for Postgres {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}
