//! `spin up`.

use super::terrace::terrace_binary;
use super::{Place, Process};
use crate::PATIENCE;
use anyhow::{Context, Result, bail, ensure};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The version of the `spin` on PATH, where it can run the component (WASI 0.3 needs 4.1).
pub(super) fn version() -> Result<String> {
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

pub(super) fn start(place: &Place) -> Result<Process> {
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
        if let Some(status) = process.ended()? {
            bail!("spin up ended with {status}\n{}", process.log());
        }
        ensure!(started.elapsed() < PATIENCE, "spin up does not listen\n{}", process.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(process)
}
