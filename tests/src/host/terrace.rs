//! `terrace serve`.

use super::{Place, Process};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// The program under test: `TERRACE_BIN`, or where a release build puts it.
pub fn terrace_binary() -> Result<PathBuf> {
    let path = match std::env::var_os("TERRACE_BIN") {
        Some(path) => PathBuf::from(path),
        None => super::target().join("release/terrace"),
    };
    ensure!(
        path.is_file(),
        "{} is not there: run `cargo xtask test`, or `cargo build --release -p terrace`, or set TERRACE_BIN",
        path.display()
    );
    Ok(path)
}

pub(super) fn start(place: &Place, mode: Option<&str>) -> Result<Process> {
    let config = place.dir.join("terrace.toml");
    std::fs::write(&config, place.config)?;
    let mut command = Command::new(terrace_binary()?);
    command.arg("serve").arg("--config").arg(&config).args(["--listen", "127.0.0.1:0"]);
    if !place.arguments.contains(&"--l2") {
        command.arg("--l2").arg(format!("sqlite:{}", place.dir.join("t.db").display()));
    }
    command.args(mode).args(place.arguments);
    command.env("ADMIN_TOKEN", super::ADMIN_TOKEN);
    // A backtrace costs the host most of a second for every trap.
    command.env_remove("RUST_BACKTRACE").current_dir(place.dir);
    Process::announced(command, place.dir, |line| line.strip_prefix("listening on http://")?.trim().parse().ok())
}
