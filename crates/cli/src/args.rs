//! The command line: what can be said, and in which terms. A value that cannot be meant is refused here (exit code 2).

use crate::logging::{Format, Level};
use crate::stores;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use terrace_core::admin;

/// An HTTP cache for slow, rate-limited or costly APIs.
#[derive(Debug, Parser)]
#[command(name = "terrace", version, after_help = "Example: terrace demo")]
pub struct Cli {
    /// How log lines look on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    pub log: Format,
    /// The least level that is logged
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    pub log_level: Level,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the cache before an origin
    #[command(after_help = "Example: terrace serve --origin https://api.example.org --listen 127.0.0.1:8080")]
    Serve(Serve),
    /// Show the cache before a slow origin of its own, with commands to try
    #[command(after_help = "Example: terrace demo --delay 2s")]
    Demo(Demo),
    /// Validate a configuration; exit code 1 and the place of the error when it is wrong
    #[command(after_help = "Example: terrace check terrace.toml")]
    Check(Check),
    /// Have a running terrace forget what it stores: URLs, prefixes, tags, cache groups, or everything
    #[command(after_help = "Example: terrace purge --tag products --prefix /api/news/")]
    Purge(Purge),
    /// Have a running terrace fetch and store the URLs of a list or a sitemap
    #[command(after_help = "Example: terrace warm urls.txt --concurrency 8 --pace 20/s")]
    Warm(Warm),
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration [default: ./terrace.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where requests go; stands over the configuration's origin.url
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub tiers: Tiers,
    /// Run the component as `spin up` does, instead of one long-lived instance per worker; `fresh`: one per request. It connects to
    /// a PostgreSQL by itself then
    #[arg(long, value_name = "INSTANCES", num_args = 0..=1, require_equals = true, default_missing_value = "reused")]
    pub like_spin: Option<LikeSpin>,
    /// Threads that serve [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
}

#[derive(Debug, Args)]
pub struct Tiers {
    /// Where L1 lives: `memory`, or `redis://[user:password@]host[:port][/database]` (`rediss://` for TLS), which hosts may share
    #[arg(long, value_name = "STORE", default_value = "memory", env = "TERRACE_L1", hide_env_values = true)]
    pub l1: String,
    /// How much memory L1 may take where it is `memory`
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    pub l1_size: u64,
    /// Where L2 lives: `sqlite:PATH`, or `postgres://user:password@host[:port]/database`, which hosts may share [default: a file in
    /// the user's data directory]
    #[arg(long, value_name = "STORE", env = "TERRACE_L2", hide_env_values = true)]
    pub l2: Option<String>,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// The address the cache listens on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// The address the slow origin listens on [default: the port after that of the cache, so that L2 knows it again]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub origin_listen: Option<SocketAddr>,
    /// How long the origin takes over each answer
    #[arg(long, value_name = "DURATION", default_value = "800ms", value_parser = duration)]
    pub delay: Duration,
    /// Where L2 lives: `sqlite:PATH` [default: demo.db in the user's data directory]
    #[arg(long, value_name = "STORE", value_parser = stores::file)]
    pub l2: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// The configuration
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub struct Purge {
    /// A URL, with its query and in all its variants; a path from `/` on is for any host. May be given again, as all of these
    #[arg(long, value_name = "URL", group = "what", value_parser = no_pattern)]
    pub url: Vec<String>,
    /// All URLs that begin with this
    #[arg(long, value_name = "PREFIX", group = "what", value_parser = no_pattern)]
    pub prefix: Vec<String>,
    /// All that has this tag
    #[arg(long, value_name = "TAG", group = "what")]
    pub tag: Vec<String>,
    /// All of this cache group (RFC 9875)
    #[arg(long, value_name = "GROUP", group = "what")]
    pub group: Vec<String>,
    /// All there is
    #[arg(long, group = "what")]
    pub everything: bool,
    /// Make it stale instead of removing it: it is refreshed, and served while the origin is down
    #[arg(long)]
    pub soft: bool,
    /// Where terrace listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = web)]
    pub server: url::Url,
    /// The environment variable that holds the admin token
    #[arg(long, value_name = "NAME", default_value = "ADMIN_TOKEN")]
    pub token_from: String,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Warm {
    /// A list: in each line a URL, or a path from `/` on; `-` is stdin
    #[arg(value_name = "FILE", group = "what")]
    pub file: Option<PathBuf>,
    /// A sitemap, or an index of some; packed or not
    #[arg(long, value_name = "URL", group = "what", value_parser = web)]
    pub sitemap: Option<url::Url>,
    /// Where terrace listens, each URL with its own Host [default: at the URL; for paths http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", value_parser = web)]
    pub server: Option<url::Url>,
    /// A field of each request, such as 'Accept-Language: de': what the variants are told apart by
    #[arg(long, short = 'H', value_name = "FIELD")]
    pub header: Vec<String>,
    /// How many are asked for at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// How many are begun at most, such as 10/s or 600/m [default: as many as answers come]
    #[arg(long, value_name = "RATE", value_parser = pace)]
    pub pace: Option<Duration>,
    /// Notes in this file what is done, and leaves that out: an interrupted run goes on
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

/// How often instances are started when the component runs as under Spin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LikeSpin {
    /// An instance serves 128 requests, 16 at once.
    Reused,
    /// Each request has an instance of its own.
    Fresh,
}

/// `64KiB`, `256MiB`, `1GiB`.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    UNITS
        .iter()
        .find_map(|(unit, bytes)| Some(text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*bytes)))
        .flatten()
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "a size is a number and a unit: 64KiB, 256MiB, 1GiB".into())
}

/// `800ms`, `2s`, `1m`.
fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 3] = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    UNITS
        .iter()
        .find_map(|(unit, millis)| Some(text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*millis)))
        .flatten()
        .map(Duration::from_millis)
        .ok_or_else(|| "a duration is a number and a unit: 250ms, 2s, 1m".into())
}

/// `127.0.0.1:8080`, `[::1]:0`.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an address is an IP and a port, and no name: 127.0.0.1:8080, or 0.0.0.0:8080 for all".into())
}

/// A URL of the web.
fn web(text: &str) -> Result<url::Url, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("write it with its scheme: http://127.0.0.1:8080, https://cache.example.org".into()),
    }
}

/// What is compared byte by byte.
fn no_pattern(text: &str) -> Result<String, String> {
    match admin::is_pattern(text) {
        true => Err(admin::NO_PATTERN.into()),
        false => Ok(text.to_string()),
    }
}

/// `10/s`, `600/m`: the time from one to the next.
fn pace(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 3] = [("/s", 1), ("/m", 60), ("/h", 3600)];
    let parsed = UNITS.iter().find_map(|(unit, seconds)| {
        let count = text.strip_suffix(unit)?.parse::<u32>().ok().filter(|count| *count > 0)?;
        Some(Duration::from_secs(*seconds) / count)
    });
    parsed.ok_or_else(|| "a pace is a whole number above 0, and a unit: 10/s, 600/m, 1000/h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("64KiB", Some(65_536)), ("256MiB", Some(268_435_456)), ("1GiB", Some(1 << 30))] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
        for text in ["", "0MiB", "256", "MiB", "-1MiB", "1.5MiB", "1 MiB", "1MB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [("0ms", 0), ("800ms", 800), ("2s", 2_000), ("1m", 60_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "800", "ms", "-1s", "1h", "1.5s", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paces() {
        for (text, millis) in [("10/s", 100), ("600/m", 100), ("1/h", 3_600_000)] {
            assert_eq!(pace(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "0/s", "-1/s", "1.5/s", "/s", "10/d", "99999999999/s"] {
            assert!(pace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn like_spin_takes_an_optional_word() {
        let parse = |args: &[&str]| match Cli::try_parse_from(["terrace", "serve"].iter().chain(args)) {
            Ok(Cli { command: Command::Serve(serve), .. }) => serve.like_spin,
            other => panic!("{other:?}"),
        };
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&["--like-spin"]), Some(LikeSpin::Reused));
        assert_eq!(parse(&["--like-spin=fresh"]), Some(LikeSpin::Fresh));
    }
}
