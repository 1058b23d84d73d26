//! The processes that hosts run in.

use crate::PATIENCE;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A running server. It is ended, and waited for, when it is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    /// By what it is asked to end when it is dropped, before it is killed.
    ends_by: Option<Signal>,
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
        self.ends_by = Some(Signal::TERM);
    }

    /// Ends it by SIGQUIT when it is dropped, by which PostgreSQL, with its children, ends at once.
    pub fn quits(&mut self) {
        self.ends_by = Some(Signal::QUIT);
    }

    fn spawn(mut command: Command, dir: &Path) -> Result<(Process, mpsc::Receiver<String>)> {
        let log = dir.join("stderr.log");
        let stderr = File::options().create(true).append(true).open(&log)?;
        // Its end tells the process that we are gone, whatever way we went.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
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
        Ok((Process { child, log, ends_by: None, address: nowhere }, lines))
    }

    /// How it ended, where it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had so far, in bytes, as the system counts it.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak.map_or_else(|| panic!("no VmHWM in {status}"), |kib: u64| kib << 10)
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        signal(self.child.id(), Signal::TERM);
    }

    /// Has it, and the processes that it has started, stand still.
    pub fn freeze_all(&self) {
        signal(self.child.id(), Signal::STOP);
        children(self.child.id()).into_iter().for_each(|id| signal(id, Signal::STOP));
    }

    /// Has them go on.
    pub fn thaw_all(&self) {
        children(self.child.id()).into_iter().for_each(|id| signal(id, Signal::CONT));
        signal(self.child.id(), Signal::CONT);
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
        if let Some(by) = self.ends_by {
            signal(self.child.id(), by);
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

/// The processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent)).collect()
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).ok()?;
    // The name, in brackets, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
