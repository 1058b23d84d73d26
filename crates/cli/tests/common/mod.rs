//! The program as a user starts it: a process, its stdout, its signals.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program with these arguments, seeing no variables of whoever runs the tests.
pub fn terrace<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
    command.args(args).env_remove("ORIGIN_API_KEY").env_remove("SPIN_VARIABLE_ORIGIN_API_KEY");
    command
}

/// Runs a command that ends by itself: exit code, stdout, stderr.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// A `serve` or `demo` that listens. It is killed when dropped.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// `http://127.0.0.1:PORT`.
    pub base: String,
}

impl Running {
    /// Starts it and waits for the line that says where it listens.
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let base = match line.trim_end().strip_prefix("listening on ") {
            Some(base) => base.to_string(),
            None => panic!("it said {line:?} and ended with {:?}", child.wait().map(|status| status.code())),
        };
        Running { child, stdout, base }
    }

    /// The next lines of stdout, up to the one that contains `last`.
    pub fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "{last:?} never came");
            lines.push(line.trim_end().to_string());
            if line.contains(last) {
                return lines;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for its end: the status, and what else it had to say on stdout.
    pub fn ended(mut self, within: Duration) -> (ExitStatus, String) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut rest = String::new();
                self.stdout.read_to_string(&mut rest).unwrap();
                return (status, rest);
            }
            assert!(begun.elapsed() < within, "still running after {:?}", begun.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it as `systemctl stop` would; it has to end well.
    pub fn stop(self) -> String {
        self.signal("TERM");
        let (status, rest) = self.ended(Duration::from_secs(35));
        assert_eq!(status.code(), Some(0));
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a line as a shell does: stdout and stderr together. It has to succeed.
pub fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).current_dir(root()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).replace('\r', "");
    assert!(output.status.success(), "{line}: {}\n{said}", output.status);
    said
}

/// What `curl` shows of a GET: head and content.
pub fn get(url: &str) -> String {
    shell(&format!("curl -si --max-time 20 '{url}'"))
}

/// Asks until `field` (in lower case, such as `x-cache-tier: l1-hit`) is in the answer's head.
pub fn get_until(url: &str, field: &str) {
    let begun = Instant::now();
    loop {
        let said = get(url);
        if said.to_ascii_lowercase().contains(field) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "no {field} in\n{said}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// An address that is free now with the port after it, for what must come back at the same place: out of the range from which connections take theirs.
pub fn free_pair() -> String {
    let free = |port: u32| TcpListener::bind(("127.0.0.1", u16::try_from(port).unwrap())).is_ok();
    let begin = std::process::id() % 5000;
    let mut ports = (0..5000).map(|n| 20_000 + (begin + n) % 5000 * 2);
    format!("127.0.0.1:{}", ports.find(|port| free(*port) && free(port + 1)).unwrap())
}
