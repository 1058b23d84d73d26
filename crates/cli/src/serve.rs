//! `terrace serve`: the component in the wasmtime host, before the configured origin, until it is told to stop.

use crate::args::{LikeSpin, Serve};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::stores::{L1, L2, L2_URL};
use std::io::{self, Write, stdout};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process;
use std::thread;
use std::time::Duration;
use terrace_host::{Database, Error, Mode, Options, Server};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use url::Url;

/// How long requests and deferred stores may take to finish after the first signal.
const DRAIN: Duration = Duration::from_secs(30);

/// Where the component looks for its configuration.
const GUEST_CONFIG: &str = "/terrace.toml";

pub fn run(args: Serve) -> Result<(), Failure> {
    let l1 = L1::parse(&args.tiers.l1)?;
    let l2 = L2::parse(args.tiers.l2.as_deref(), "terrace.db")?;
    let settings = Settings::load(args.config.as_deref(), args.origin.as_deref())?;
    settings.require_secrets()?;
    refuse_loop(&settings.origin, args.listen)?;
    let shown = l2.to_string();

    let mut options = options(args.listen, l2.database(), &settings.text, &settings.origin);
    l1.apply(&mut options);
    options.kv_bytes = args.tiers.l1_size;
    options.workers = args.workers.map_or(0, usize::from);
    options.mode = mode(args.like_spin);
    if args.like_spin.is_some() {
        L2::leave_to_component(args.tiers.l2.as_deref(), &mut options)?;
    }

    until_told_to_stop(options, |address| {
        info!(origin = %settings.origin, database = %shown, "serving");
        say(format_args!("listening on http://{address}\n"));
    })
}

/// Writes to stdout. That nobody reads it any more is no reason to stop serving.
pub fn say(text: std::fmt::Arguments<'_>) {
    let mut stdout = stdout().lock();
    let _ = stdout.write_fmt(text).and_then(|()| stdout.flush());
}

/// The options that `serve` and `demo` share.
pub fn options(listen: SocketAddr, database: Database, config: &str, origin: &Url) -> Options {
    let mut options = Options::new(listen, database);
    options.files = vec![(GUEST_CONFIG.into(), config.as_bytes().to_vec())];
    // L2 is the host's, whatever the environment says.
    options.variables = [("origin_url".to_string(), origin.to_string()), (L2_URL.to_string(), String::new())].into();
    // Scheme, host and port: a path would not be an origin.
    options.allowed_outbound = vec![origin.origin().ascii_serialization()];
    options
}

fn mode(like_spin: Option<LikeSpin>) -> Mode {
    match like_spin {
        None => Mode::PerCore,
        Some(LikeSpin::Reused) => Mode::SPIN,
        Some(LikeSpin::Fresh) => Mode::LikeSpin { reuse: 1, concurrent: 1, idle: Duration::from_secs(1) },
    }
}

/// Starts the host, says where once it listens, waits for SIGTERM or SIGINT, drains. A second signal ends the process at once.
pub fn until_told_to_stop(options: Options, listening: impl FnOnce(SocketAddr)) -> Result<(), Failure> {
    let no_signals = |error: io::Error| Failure::no(format!("cannot wait for signals: {error}"));
    let runtime = runtime::Builder::new_current_thread().enable_io().build().map_err(no_signals)?;
    // Before anyone can know that we listen, so that no signal finds us without a handler.
    let mut signals = runtime.block_on(async { Signals::new() }).map_err(no_signals)?;

    let server = start(options)?;
    listening(server.local_addr());
    runtime.block_on(signals.next());
    info!("draining for at most {} s; a second signal quits at once", DRAIN.as_secs());

    thread::spawn(move || {
        runtime.block_on(signals.next());
        warn!("quitting without waiting any longer");
        process::exit(1);
    });
    let restarts = server.restarts();
    let drained = server.drain(DRAIN).map_err(|error| Failure::no(error.to_string()))?;
    if !drained.complete() {
        warn!(drained.connections, drained.guests, "stopped before these had finished");
    }
    info!(took = ?drained.took, restarts, "stopped");
    Ok(())
}

/// The host's errors say what to do next; here they learn by which argument.
fn start(options: Options) -> Result<Server, Failure> {
    Server::start(options).map_err(|error| {
        let argument = match &error {
            Error::Listen { .. } => " with --listen ADDRESS",
            Error::Sqlite { .. } => " with --l2 sqlite:PATH",
            _ => "",
        };
        Failure::no(format!("{error}{argument}"))
    })
}

/// The two signals that mean "stop".
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A cache that is its own origin would ask itself until it runs out of connections.
pub fn refuse_loop(origin: &Url, listen: SocketAddr) -> Result<(), Failure> {
    let addresses = match (origin.host_str(), origin.port_or_known_default()) {
        (Some(host), Some(port)) if port == listen.port() => {
            // What does not resolve now may do so later, and is no loop now.
            (host.trim_matches(['[', ']']), port).to_socket_addrs().map(Vec::from_iter).unwrap_or_default()
        }
        _ => return Ok(()),
    };
    if addresses.iter().any(|address| is_reached(listen.ip(), address.ip())) {
        return Err(Failure::no(format!(
            "the origin {origin} is the address terrace would listen on, so it would ask itself: choose another --listen \
             or another --origin"
        )));
    }
    Ok(())
}

/// Whether a listener on `listen` is reached at `address`.
fn is_reached(listen: IpAddr, address: IpAddr) -> bool {
    let address = address.to_canonical();
    listen.to_canonical() == address
        // 0.0.0.0 and [::] listen on every address of this machine, and those are the ones that can be bound.
        || (listen.is_unspecified() && UdpSocket::bind((address, 0)).is_ok())
        // Asking for 0.0.0.0 reaches this machine.
        || (address.is_unspecified() && listen.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_that_is_oneself_is_refused() {
        let loops =
            |origin: &str, listen: &str| refuse_loop(&origin.parse().unwrap(), listen.parse().unwrap()).is_err();
        assert!(loops("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(loops("http://localhost:8080/base", "127.0.0.1:8080"));
        assert!(loops("http://127.0.0.1:8080", "0.0.0.0:8080"));
        assert!(loops("http://127.0.0.1", "127.0.0.1:80"));
        assert!(loops("http://0.0.0.0:8080", "127.0.0.1:8080"));
        assert!(loops("http://[::ffff:127.0.0.1]:8080", "127.0.0.1:8080"));
        assert!(!loops("http://127.0.0.1:8081", "127.0.0.1:8080"));
        assert!(!loops("http://127.0.0.2:8080", "127.0.0.1:8080"));
        assert!(!loops("http://192.0.2.1:8080", "0.0.0.0:8080"));
        assert!(!loops("http://192.0.2.1:8080", "127.0.0.1:8080"));
        assert!(!loops("http://127.0.0.1:8080", "127.0.0.1:0"));
    }

    #[test]
    fn only_the_origin_may_be_asked() {
        let origin = "https://api.example.org/base".parse().unwrap();
        let options = options("127.0.0.1:0".parse().unwrap(), Database::Sqlite("x.db".into()), "[origin]", &origin);
        assert_eq!(options.allowed_outbound, ["https://api.example.org"]);
        assert_eq!(options.variables["origin_url"], "https://api.example.org/base");
        assert_eq!(options.files, [("/terrace.toml".to_string(), b"[origin]".to_vec())]);
    }
}
