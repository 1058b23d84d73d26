//! The hosts that the suite runs on, and their processes.

use crate::PATIENCE;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A host of the component. Another platform is another variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// `terrace serve`: the wasmtime host.
    Wasmtime,
    /// The same with instances as Spin reuses them.
    LikeSpin,
    /// The same with a fresh instance for every request.
    LikeSpinFresh,
    /// `spin up`.
    Spin,
}

/// What a process is started from.
pub struct Place<'a> {
    /// A folder of its own.
    pub dir: &'a Path,
    /// The configuration, the origin's URL included.
    pub config: &'a str,
    /// The origin's URL.
    pub origin: &'a str,
    /// More arguments of `terrace serve`.
    pub arguments: &'a [&'a str],
}

impl Host {
    /// Every host, in the order the suite runs.
    pub const ALL: [Host; 4] = [Host::Wasmtime, Host::LikeSpin, Host::LikeSpinFresh, Host::Spin];

    /// Its name in front of every test's name.
    pub const fn name(self) -> &'static str {
        match self {
            Host::Wasmtime => "wasmtime",
            Host::LikeSpin => "like_spin",
            Host::LikeSpinFresh => "like_spin_fresh",
            Host::Spin => "spin",
        }
    }

    /// Why the suite cannot run on it here, if so.
    pub fn missing(self) -> Option<String> {
        let found = match self {
            Host::Wasmtime | Host::LikeSpin | Host::LikeSpinFresh => terrace_binary().map(drop),
            Host::Spin => spin_version().map(drop),
        };
        found.err().map(|why| format!("{why:#}"))
    }

    /// Whether a missing host fails the run.
    pub const fn is_required(self) -> bool {
        !matches!(self, Host::Spin)
    }

    /// Whether it is our own program: limits, draining and malformed input are its own doing.
    pub const fn is_ours(self) -> bool {
        !matches!(self, Host::Spin)
    }

    /// Starts it.
    pub fn start(self, place: &Place) -> Result<Process> {
        match self {
            Host::Wasmtime => start_terrace(place, None),
            Host::LikeSpin => start_terrace(place, Some("--like-spin")),
            Host::LikeSpinFresh => start_terrace(place, Some("--like-spin=fresh")),
            Host::Spin => start_spin(place),
        }
    }
}

/// The program under test: `TERRACE_BIN`, or where a release build puts it.
pub fn terrace_binary() -> Result<PathBuf> {
    let path = match std::env::var_os("TERRACE_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let target =
                std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
            target.join("release/terrace")
        }
    };
    ensure!(
        path.is_file(),
        "{} is not there: run `cargo xtask test`, or `cargo build --release -p terrace`, or set TERRACE_BIN",
        path.display()
    );
    Ok(path)
}

fn start_terrace(place: &Place, mode: Option<&str>) -> Result<Process> {
    let config = place.dir.join("terrace.toml");
    std::fs::write(&config, place.config)?;
    let mut command = Command::new(terrace_binary()?);
    command.arg("serve").arg("--config").arg(&config).args(["--listen", "127.0.0.1:0"]);
    command.arg("--l2").arg(format!("sqlite:{}", place.dir.join("t.db").display()));
    command.args(mode).args(place.arguments);
    // A backtrace costs the host most of a second for every trap.
    command.env_remove("RUST_BACKTRACE").current_dir(place.dir);
    Process::announced(command, place.dir, |line| line.strip_prefix("listening on http://")?.trim().parse().ok())
}

/// A running server. It is ended, and waited for, when it is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    gently: bool,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts a server and waits until a line on its stdout gives its address.
    pub fn announced(command: Command, dir: &Path, address: impl Fn(&str) -> Option<SocketAddr>) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        let (mut process, lines) = Process::spawn(command, dir)?;
        let started = Instant::now();
        loop {
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    if let Some(address) = address(&line) {
                        process.address = address;
                        return Ok(process);
                    }
                }
                Err(_) => {
                    if let Some(status) = process.child.try_wait()? {
                        bail!("{program} ended with {status}\n{}", process.log());
                    }
                    ensure!(started.elapsed() < PATIENCE, "{program} says no address\n{}", process.log());
                }
            }
        }
    }

    /// Starts a server that says nothing; whether it listens is for the caller to find out.
    pub fn silent(command: Command, dir: &Path, address: SocketAddr) -> Result<Process> {
        let (mut process, _lines) = Process::spawn(command, dir)?;
        process.address = address;
        Ok(process)
    }

    /// Ends it by SIGTERM when it is dropped, for what has children to end.
    pub fn ends_gently(&mut self) {
        self.gently = true;
    }

    fn spawn(mut command: Command, dir: &Path) -> Result<(Process, mpsc::Receiver<String>)> {
        let log = dir.join("stderr.log");
        let stderr = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let stdout = child.stdout.take().context("stdout")?;
        let (sender, lines) = mpsc::channel();
        // Ends with the process; a full pipe must not stop it.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok((Process { child, log, gently: false, address: nowhere }, lines))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        signal(self.child.id(), Signal::TERM);
    }

    /// Sends it SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Waits for its end.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if started.elapsed() < patience => std::thread::sleep(Duration::from_millis(5)),
                _ => return None,
            }
        }
    }

    /// The end of what it wrote to stderr.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let _ = file.read_to_end(&mut text);
        }
        let tail = &text[text.len().saturating_sub(4000)..];
        String::from_utf8_lossy(tail).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.gently {
            self.terminate();
            if self.wait(Duration::from_secs(5)).is_some() {
                return;
            }
        }
        self.kill();
        let _ = self.wait(PATIENCE);
    }
}

fn signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, signal);
    }
}

/// SIGKILL to a process of ours that something else holds at the moment.
pub fn kill_9(id: u32) {
    signal(id, Signal::KILL);
}

/// The version of the `spin` on PATH, where it can run the component (WASI 0.3 needs 4.1).
fn spin_version() -> Result<String> {
    let output = Command::new("spin").arg("--version").output().context("no `spin` on PATH")?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let number = text.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    ensure!(version >= (4, 1), "`{text}` is older than spin 4.1, which the component needs");
    Ok(text)
}

/// The component: `TERRACE_COMPONENT`, or where the build of the host leaves it.
fn component() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TERRACE_COMPONENT") {
        return Ok(PathBuf::from(path));
    }
    let binary = terrace_binary()?;
    let target = binary.parent().and_then(Path::parent).context("the target folder")?;
    let path = target.join("guest/wasm32-wasip2/guest/terrace_spin.wasm");
    ensure!(path.is_file(), "{} is not there: set TERRACE_COMPONENT", path.display());
    Ok(path)
}

fn start_spin(place: &Place) -> Result<Process> {
    let dir = place.dir;
    std::fs::write(dir.join("terrace.toml"), place.config)?;
    std::fs::copy(component()?, dir.join("terrace.wasm"))?;
    // spin.toml of the repository, with the component's place and the origin of this test.
    let manifest = std::fs::read_to_string(crate::root().join("spin.toml"))?;
    let mut manifest: toml::Table = manifest.parse()?;
    let components = manifest.get_mut("component").and_then(toml::Value::as_table_mut).context("[component]")?;
    for (_, component) in components.iter_mut() {
        let component = component.as_table_mut().context("a component")?;
        component.insert("source".into(), "terrace.wasm".into());
        component.remove("build");
        let files: toml::Value =
            toml::from_str::<toml::Table>("source = \"terrace.toml\"\ndestination = \"/terrace.toml\"")?.into();
        component.insert("files".into(), vec![files].into());
    }
    std::fs::write(dir.join("spin.toml"), manifest.to_string())?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new("spin");
    command.args(["up", "--from"]).arg(dir.join("spin.toml"));
    command.arg("--listen").arg(port.to_string()).arg("--state-dir").arg(dir.join("state"));
    command.arg("--variable").arg(format!("origin_url={}", place.origin)).current_dir(dir);
    let mut process = Process::silent(command, dir, port)?;
    let started = Instant::now();
    while TcpStream::connect(port).is_err() {
        if let Some(status) = process.child.try_wait()? {
            bail!("spin up ended with {status}\n{}", process.log());
        }
        ensure!(started.elapsed() < PATIENCE, "spin up does not listen\n{}", process.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(process)
}
