//! Load: wrk where it is installed, else a loop of our own that does the same.

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Args, Clone)]
pub struct Options {
    /// Where to.
    address: SocketAddr,
    /// The path.
    path: String,
    /// Connections, kept alive, each with one request at a time.
    #[arg(long)]
    connections: usize,
    /// For how long.
    #[arg(long)]
    seconds: u64,
}

/// What came of it; latencies in microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    pub requests: u64,
    pub errors: u64,
    pub seconds: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

/// Prints the result as wrk counts it, in JSON.
const SCRIPT: &str = r#"done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\nRESULT {"requests":%d,"errors":%d,"seconds":%f,"p50":%f,"p90":%f,"p99":%f,"max":%f}\n',
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
"#;

/// The generator that this machine has.
pub enum Generator {
    Wrk(String),
    Own(std::path::PathBuf),
}

impl Generator {
    pub fn find(own: &Path) -> Generator {
        match Command::new("wrk").arg("--version").output() {
            Ok(output) => {
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8_lossy(&text).lines().next().unwrap_or("wrk").trim().to_owned();
                Generator::Wrk(text)
            }
            Err(_) => Generator::Own(own.to_owned()),
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Generator::Wrk(version) => format!("{version}, 2 threads"),
            Generator::Own(_) => "a loop of our own (wrk is not installed), 2 threads".to_owned(),
        }
    }

    pub fn run(
        &self,
        dir: &Path,
        address: SocketAddr,
        path: &str,
        connections: usize,
        seconds: u64,
    ) -> Result<Measured> {
        let connections = connections.to_string();
        let output = match self {
            Generator::Wrk(_) => {
                let script = dir.join("result.lua");
                std::fs::write(&script, SCRIPT)?;
                let mut wrk = Command::new("wrk");
                wrk.args(["-t", "2", "-c", &connections, "-d", &format!("{seconds}s"), "-s"]).arg(script);
                wrk.arg(format!("http://{address}{path}")).output()?
            }
            Generator::Own(program) => {
                let mut own = Command::new(program);
                own.arg("bench-load").arg(address.to_string()).arg(path);
                own.args(["--connections", &connections, "--seconds", &seconds.to_string()]).output()?
            }
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).with_context(|| {
            format!("the load generator gave no result: {text}{}", String::from_utf8_lossy(&output.stderr))
        })?;
        let result: Measured = serde_json::from_str(line)?;
        ensure!(result.errors == 0, "{} of {} requests failed: {text}", result.errors, result.requests);
        ensure!(result.requests > 0, "nothing was answered: {text}");
        Ok(result)
    }
}

/// Our own loop: two threads, each with half of the connections.
pub fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    let threads: Vec<_> = (0..2)
        .map(|half| {
            let options = options.clone();
            std::thread::spawn(move || half_of(&options, half))
        })
        .collect();
    let (mut times, mut errors) = (Vec::new(), 0);
    for thread in threads {
        let (mine, wrong) = thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        times.extend(mine);
        errors += wrong;
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).or(times.last()).copied().unwrap_or(0);
    let result = Measured {
        requests: times.len() as u64 + errors,
        errors,
        seconds: started.elapsed().as_secs_f64(),
        p50: f64::from(at(0.5)),
        p90: f64::from(at(0.9)),
        p99: f64::from(at(0.99)),
        max: f64::from(at(1.0)),
    };
    println!("RESULT {}", serde_json::to_string(&result)?);
    Ok(())
}

fn half_of(options: &Options, half: usize) -> Result<(Vec<u32>, u64)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    local.block_on(&runtime, async {
        let mine = options.connections / 2 + (options.connections % 2) * half;
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", options.path, options.address);
        let tasks: Vec<_> = (0..mine)
            .map(|_| tokio::task::spawn_local(one(options.address, request.clone().into_bytes(), end)))
            .collect();
        let (mut times, mut errors) = (Vec::new(), 0);
        for task in tasks {
            match task.await? {
                Ok(mine) => times.extend(mine),
                Err(_) => errors += 1,
            }
        }
        Ok((times, errors))
    })
}

async fn one(address: SocketAddr, request: Vec<u8>, end: Instant) -> Result<Vec<u32>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    let mut buffer = Vec::with_capacity(64 * 1024);
    while Instant::now() < end {
        let asked = Instant::now();
        stream.write_all(&request).await?;
        buffer.clear();
        let whole = loop {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "the connection ended");
            let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            ensure!(text.starts_with("http/1.1 200"), "not a 200");
            let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            break head + 4 + length.context("no length")?.trim().parse::<usize>()?;
        };
        while buffer.len() < whole {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "the connection ended");
        }
        times.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(times)
}
