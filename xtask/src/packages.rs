//! The system's packages that tests start: installed where that is allowed, and left out where it is not. The tests say so.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use terrace_tests::postgres::Postgres;
use terrace_tests::redis::Redis;

/// How long apt may take, its lists included.
const LIMIT: Duration = Duration::from_secs(180);

/// A package of Debian's.
struct Package {
    name: &'static str,
    /// What it is called where tests are left out without it.
    shown: &'static str,
    /// Why it is not to be used, if so.
    missing: fn() -> Option<String>,
}

const PACKAGES: [Package; 2] = [
    Package { name: "redis-server", shown: "Redis", missing: Redis::missing },
    Package { name: "postgresql", shown: "PostgreSQL", missing: Postgres::missing },
];

/// Installs what is missing, as root on Debian; anybody else is told what to install.
pub fn install() {
    let missing: Vec<_> = PACKAGES.iter().filter(|package| (package.missing)().is_some()).collect();
    if missing.is_empty() {
        return;
    }
    let until = Instant::now() + LIMIT;
    if rustix::process::geteuid().is_root() && apt(&["update", "-qq"], until) {
        for package in &missing {
            apt(&["install", "-y", "-qq", "--no-install-recommends", package.name], until);
        }
    }
    for package in missing {
        if let Some(why) = (package.missing)() {
            eprintln!("the tests of {} will be left out: {why}", package.shown);
        }
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
