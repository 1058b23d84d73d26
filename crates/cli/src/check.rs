//! `terrace check`: whether a configuration holds, and on one screen what it says.

use crate::args::Check;
use crate::failure::Failure;
use crate::serve::say;
use crate::settings;
use std::fmt::Write;
use std::time::Duration;
use terrace_core::config::{Admit, CacheMode, Config, Policy};

/// The most routes that are shown, so that the summary stays on one screen.
const ROUTES_SHOWN: usize = 12;

/// The most watched documents that are shown, for the same reason.
const WATCHES_SHOWN: usize = 4;

pub fn run(args: &Check) -> Result<(), Failure> {
    let (_, config) = settings::read(&args.file)?;
    say(format_args!("{}: ok\n{}", args.file.display(), summary(&config)));
    Ok(())
}

fn summary(config: &Config) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<8} {value}");
    };
    let origin = &config.origin;
    line(
        "origin",
        format!(
            "{}, connect within {}, answer within {}",
            origin.url.as_ref().map_or("given at start (--origin)", |url| url.as_str()),
            duration(origin.connect_timeout),
            duration(origin.timeout)
        ),
    );
    let secrets: Vec<_> = config.secrets().collect();
    if !secrets.is_empty() {
        line("secrets", format!("{}, from the environment", secrets.join(", ")));
    }
    let l1 = &config.l1;
    let admit = match l1.admit {
        Admit::Auto => "admits as the host finds cheap",
        Admit::Always => "admits always",
        Admit::SecondHit => "admits on the second hit",
    };
    line("L1", format!("up to {} each, for up to {}, {admit}", size(l1.max_size), duration(l1.max_ttl)));
    let l2 = &config.l2;
    let all = l2.capacity.map_or(String::new(), |all| format!(", {} in all", size(all)));
    line("L2", format!("up to {} each, for up to {}{all}", size(l2.max_size), duration(l2.max_ttl)));
    for watch in config.watches.iter().take(WATCHES_SHOWN) {
        let tags: Vec<&str> = watch.tags.iter().map(|(tag, _)| tag.as_str()).collect();
        let what = if watch.soft { "makes stale" } else { "purges" };
        line("watch", format!("{:<24} every {}, {what} {}", watch.url, duration(watch.every), tags.join(", ")));
    }
    if let Some(more) = config.watches.len().checked_sub(WATCHES_SHOWN).filter(|more| *more > 0) {
        line("", format!("and {more} more watched documents"));
    }
    for route in config.routes.iter().take(ROUTES_SHOWN) {
        line("route", format!("{:<24} {}", route.pattern, policy(&route.policy)));
    }
    if let Some(more) = config.routes.len().checked_sub(ROUTES_SHOWN).filter(|more| *more > 0) {
        line("", format!("and {more} more routes"));
    }
    line(
        if config.routes.is_empty() { "route" } else { "" },
        format!("{:<24} {}", "everything else", policy(&config.default_policy)),
    );
    text
}

/// What a route does, in the order in which one asks.
fn policy(policy: &Policy) -> String {
    let mode = match policy.cache {
        CacheMode::Off => return "not cached".into(),
        CacheMode::Only => "only from the cache, ",
        CacheMode::On => "",
    };
    let ttl = match policy.ttl {
        Some(ttl) => format!("{} instead of what the origin says", duration(ttl)),
        None => format!("as the origin says, else {}", duration(policy.default_ttl)),
    };
    format!(
        "{mode}fresh {ttl}; stale {} while refreshing, {} if the origin fails",
        duration(policy.stale_while_revalidate),
        duration(policy.stale_if_error)
    )
}

/// In the largest unit that says it exactly, as terrace.toml would.
fn duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".into();
    }
    exact(millis, &UNITS)
}

fn size(bytes: u64) -> String {
    const UNITS: [(u128, &str); 4] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];
    exact(bytes.into(), &UNITS)
}

fn exact(amount: u128, units: &[(u128, &str)]) -> String {
    units
        .iter()
        .find(|(unit, _)| amount >= *unit && amount.is_multiple_of(*unit))
        .map_or_else(|| amount.to_string(), |(unit, name)| format!("{}{name}", amount / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_in_the_file() {
        let said = |millis| duration(Duration::from_millis(millis));
        assert_eq!([said(0), said(250), said(1_500), said(60_000)], ["0s", "250ms", "1500ms", "1m"]);
        assert_eq!([said(3_600_000), said(86_400_000), said(5_400_000)], ["1h", "1d", "90m"]);
        assert_eq!([size(0), size(1), size(1 << 20), size(1536)], ["0", "1B", "1MiB", "1536B"]);
    }

    #[test]
    fn the_summary_fits_a_screen() {
        let mut config = Config::parse("[origin]\nurl = \"https://api.example.org\"\n", "terrace.toml").unwrap();
        let route = terrace_core::config::Route { pattern: "/a*".into(), policy: config.default_policy.clone() };
        config.routes = vec![route; 1000];
        let tags = vec![("a".to_string(), "/a".to_string()), ("b-*".to_string(), "/b/*".to_string())];
        let every = Duration::from_secs(60);
        config.watches = vec![terrace_core::config::Watch { url: "/updated".into(), every, tags, soft: false }; 16];
        let summary = summary(&config);
        assert!(summary.lines().count() < 24, "{summary}");
        assert!(summary.contains("every 1m, purges a, b-*") && summary.contains("and 12 more watched"), "{summary}");
        assert!(summary.contains("https://api.example.org/") && summary.contains("and 988 more routes"), "{summary}");
    }
}
