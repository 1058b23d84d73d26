//! The smallest program on this host: serves a component until stdin ends, then drains.
//!
//! ```text
//! cargo run --release -p terrace-host --example serve -- 127.0.0.1:8080 /tmp/terrace.db [http://origin]..
//! ```
//! `COMPONENT` names another component, `WORKERS` the number of workers, `SPIN=reuse,concurrent,idle_ms`
//! the way Spin keeps instances.
use std::time::Duration;
use terrace_host::{Component, Database, Mode, Options, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let listen = args.next().unwrap_or("127.0.0.1:8080".into()).parse()?;
    let mut options = Options::new(listen, Database::Sqlite(args.next().unwrap_or("terrace.db".into()).into()));
    options.allowed_outbound = args.collect();
    options.files = vec![("/terrace.toml".into(), b"[origin]\n".to_vec())];
    if let Some(path) = std::env::var_os("COMPONENT") {
        options.component = Component::Path(path.into());
    }
    if let Ok(workers) = std::env::var("WORKERS") {
        options.workers = workers.parse()?;
    }
    if let Ok(spin) = std::env::var("SPIN") {
        let numbers: Vec<usize> = spin.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if let [reuse, concurrent, idle] = numbers[..] {
            options.mode = Mode::LikeSpin { reuse, concurrent, idle: Duration::from_millis(idle as u64) };
        }
    }
    if let Ok(seconds) = std::env::var("SECONDS_ALL") {
        let time = Duration::from_secs_f64(seconds.parse()?);
        options.limits.header_timeout = time;
        options.limits.keep_alive = time;
        options.limits.body_timeout = time;
        options.limits.write_timeout = time;
        options.limits.guest_run = time;
    }
    let began = std::time::Instant::now();
    let server = Server::start(options)?;
    println!("http://{} after {:?}", server.local_addr(), began.elapsed());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    println!("restarts: {}", server.restarts());
    println!("{:?}", server.drain(Duration::from_secs(10))?);
    Ok(())
}
