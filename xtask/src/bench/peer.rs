//! Who is compared, and what it costs: their processes, CPU time and memory.

use super::native::Answer;
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use terrace_tests::host::{Host, Place, Process};
use terrace_tests::origin::Origin;

/// One server that is measured.
pub struct Peer {
    pub name: &'static str,
    pub settings: String,
    // Dropped, and so ended, before its folder goes.
    process: Process,
    _dir: TempDir,
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `terrace serve`.
pub fn terrace(origin: &Origin, arguments: &[String]) -> Result<Peer> {
    let dir = tempfile::tempdir()?;
    let config = format!("[origin]\nurl = \"{}\"\n", origin.url());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let place = Place { dir: dir.path(), config: &config, origin: &origin.url(), arguments: &arguments };
    let process = Host::Wasmtime.start(&place)?;
    let binary = terrace_tests::host::terrace_binary()?;
    let version = Command::new(&binary).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    // The folder is the profile that it was built with.
    let profile = binary.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let arguments = arguments.join(" ");
    let settings = format!("{version}, profile {profile}, serve --l1 memory --l2 sqlite {arguments}");
    Ok(Peer { name: "terrace (wasm)", settings, process, _dir: dir })
}

/// hyper, natively.
pub fn native(own: &Path, answer: &Answer) -> Result<Peer> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("answer.json");
    std::fs::write(&file, serde_json::to_vec(answer)?)?;
    let mut command = Command::new(own);
    command.arg("bench-native").arg(&file).arg("--threads").arg(cores().to_string());
    let process =
        Process::announced(command, dir.path(), |line| line.strip_prefix("listening on http://")?.parse().ok())?;
    let settings = format!(
        "hyper 1, the same {} fields and body from memory, {} threads with a current-thread runtime each",
        answer.fields.len(),
        cores()
    );
    Ok(Peer { name: "hyper (native)", settings, process, _dir: dir })
}

/// nginx with proxy_cache.
pub fn nginx(origin: &Origin) -> Result<Peer> {
    let output = Command::new("nginx").arg("-v").output().context("it is not installed")?;
    let version = String::from_utf8_lossy(&output.stderr).trim().replace("nginx version: ", "");
    let shared = Path::new("/dev/shm");
    let dir = if shared.is_dir() { TempDir::new_in(shared)? } else { tempfile::tempdir()? };
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let place = dir.path().display();
    let mut config = String::new();
    if rustix::process::geteuid().is_root() {
        // Workers that step down to another user could not read the folder.
        config += "user root;\n";
    }
    let _ = write!(
        config,
        "worker_processes auto;
daemon off;
pid {place}/nginx.pid;
error_log {place}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  proxy_cache_path {place}/cache levels=1:2 keys_zone=bench:10m max_size=100m inactive=1d use_temp_path=off;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  server {{
    listen {port} reuseport;
    location / {{
      proxy_pass {origin};
      proxy_http_version 1.1;
      proxy_cache bench;
      add_header X-Cache $upstream_cache_status;
    }}
  }}
}}
",
        origin = origin.url(),
    );
    let file = dir.path().join("nginx.conf");
    std::fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(dir.path()).arg("-c").arg(&file);
    let mut process = Process::silent(command, dir.path(), port)?;
    // Its workers end only when it tells them to.
    process.ends_gently();
    wait_for(&mut process, port)?;
    let settings = format!(
        "{version}, proxy_cache in {}, worker_processes auto ({}), access_log off, keepalive",
        if shared.is_dir() { "/dev/shm" } else { "the temporary folder" },
        cores()
    );
    Ok(Peer { name: "nginx proxy_cache", settings, process, _dir: dir })
}

/// workerd, with the configuration `workerd.capnp` of a folder.
pub fn workerd(
    name: &'static str,
    settings: String,
    program: &Path,
    dir: TempDir,
    address: SocketAddr,
) -> Result<Peer> {
    let mut command = Command::new(program);
    command.arg("serve").arg("workerd.capnp").current_dir(dir.path());
    let mut process = Process::silent(command, dir.path(), address)?;
    wait_for(&mut process, address)?;
    Ok(Peer { name, settings, process, _dir: dir })
}

fn wait_for(process: &mut Process, address: SocketAddr) -> Result<()> {
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(
            process.is_alive() && started.elapsed() < Duration::from_secs(10),
            "it does not start: {}",
            process.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Peer {
    pub fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// The process and its children.
    fn processes(&self) -> Vec<u32> {
        let own = self.process.id();
        let mut found = vec![own];
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if stat(id).is_some_and(|fields| fields.get(1) == Some(&own.to_string())) {
                found.push(id);
            }
        }
        found
    }

    /// User and system time so far.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let mut ticks = 0;
        for id in self.processes() {
            let Some(fields) = stat(id) else { continue };
            for index in [11, 12] {
                ticks += fields.get(index).and_then(|text| text.parse::<u64>().ok()).context("/proc/PID/stat")?;
            }
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// The largest resident memory so far, in bytes.
    pub fn peak_memory(&self) -> Result<u64> {
        let mut sum = 0;
        for id in self.processes() {
            let Ok(text) = std::fs::read_to_string(format!("/proc/{id}/status")) else { continue };
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            sum += line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) * 1024;
        }
        Ok(sum)
    }
}

/// The fields of `/proc/ID/stat` after the name, which may hold anything: state, parent, ...
fn stat(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let rest = text.rsplit_once(')')?.1;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}
