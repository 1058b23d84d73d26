//! The system's packages that tests start: installed where that is allowed, and left out where it is not. The tests say so.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use terrace_tests::redis::Redis;

/// How long apt may take, its lists included.
const LIMIT: Duration = Duration::from_secs(180);

/// Installs what is missing, as root on Debian; anybody else is told what to install.
pub fn install() {
    let Some(why) = Redis::missing() else { return };
    let root = rustix::process::geteuid().is_root();
    let until = Instant::now() + LIMIT;
    let installed = root
        && apt(&["update", "-qq"], until)
        && apt(&["install", "-y", "-qq", "--no-install-recommends", "redis-server"], until);
    if !installed || Redis::missing().is_some() {
        eprintln!("the tests of Redis will be left out: {why}");
    }
}

fn apt(arguments: &[&str], until: Instant) -> bool {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
    // What is installed is started by the tests themselves.
    let Ok(mut child) = command.env("RUNLEVEL", "1").spawn() else { return false };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(200)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}
