//! Packages from npm, installed as their lock files have them.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

const HELP: &str = "the tests need Node 20 or later and npm: install them (Debian: `apt install nodejs npm`; others: \
                    https://nodejs.org/en/download)";

/// Installs the packages of a folder where they are missing or older than the lock file.
pub fn install(folder: &Path) -> Result<()> {
    let output = Command::new("node").arg("--version").output().context(HELP)?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major: u32 = version.trim_start_matches('v').split('.').next().unwrap_or_default().parse().unwrap_or(0);
    ensure!(major >= 20, "node is {version}; {HELP}");
    let lock = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.package-lock.json");
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    if time(&installed).is_some() && time(&installed) >= time(&lock) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    let status = npm.stdin(Stdio::null()).status().context(HELP)?;
    ensure!(status.success(), "`npm ci` in {} failed: {status}", folder.display());
    Ok(())
}

/// A command without what npm told this process about itself.
pub fn without_npm(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("npm_") {
            command.env_remove(&name);
        }
    }
    command
}
