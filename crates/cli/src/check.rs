//! `terrace check`: whether a configuration holds, and on one screen what it says.

use crate::args::Check;
use crate::failure::Failure;
use crate::serve::say;
use crate::settings;
use std::fmt::Write;
use std::time::Duration;
use terrace_core::config::{Admit, CacheMode, Collapse, Config, Policy, RequestDirectives, SetCookie};

/// The most lines of routes that are shown, so that the summary stays on one screen.
const ROUTE_LINES: usize = 12;

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
    if let Some(l0) = &config.l0 {
        let (each, all) = (size(l0.max_size), size(l0.size));
        line("L0", format!("up to {each} each, for up to {}, {all} in all in each instance", duration(l0.max_ttl)));
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
    let (mut shown, mut left) = (0, ROUTE_LINES);
    for route in &config.routes {
        let (does, more) = (policy(&route.policy), details(&route.policy));
        let Some(rest) = left.checked_sub(1 + usize::from(!more.is_empty())) else { break };
        (shown, left) = (shown + 1, rest);
        line("route", format!("{:<24} {does}", route.pattern));
        if !more.is_empty() {
            line("", format!("  {more}"));
        }
    }
    if let Some(more) = config.routes.len().checked_sub(shown).filter(|more| *more > 0) {
        line("", format!("and {more} more routes"));
    }
    let first = if config.routes.is_empty() { "route" } else { "" };
    line(first, format!("{:<24} {}", "everything else", policy(&config.default_policy)));
    let more = details(&config.default_policy);
    if !more.is_empty() {
        line("", format!("  {more}"));
    }
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
    let collapse = match policy.collapse {
        Collapse::Off => "each request asks for itself",
        Collapse::Local => "one of an instance asks for all",
        Collapse::Global => "one of all instances asks for all",
    };
    format!(
        "{mode}fresh {ttl}; stale {} while refreshing, {} if the origin fails; {collapse}",
        duration(policy.stale_while_revalidate),
        duration(policy.stale_if_error)
    )
}

/// What else is in force there: what objects are told apart and purged by, and what is stored that usually is not.
fn details(policy: &Policy) -> String {
    if policy.cache == CacheMode::Off {
        return String::new();
    }
    let mut parts = Vec::new();
    let mut part = |what: &str, names: &[String]| {
        if !names.is_empty() {
            parts.push(format!("{what} {}", names.join(", ")));
        }
    };
    let key = &policy.key;
    part("key has", &policy.vary);
    match &policy.query.allow {
        Some(names) if names.is_empty() => part("no parameters", &["of the query".into()]),
        names => part("parameters only", names.as_deref().unwrap_or_default()),
    }
    part("parameters without", &policy.query.ignore);
    if policy.query.sort {
        part("parameters", &["in any order".into()]);
    }
    match &key.cookies {
        Some(names) if names.is_empty() => part("no cookies", &["at the origin".into()]),
        names => part("cookies", names.as_deref().unwrap_or_default()),
    }
    part("language of", &key.language);
    part("tenant by", key.tenant.as_slice());
    if let Some(content) = &key.content {
        part(&format!("content up to {} of", size(content.max_size)), &content.methods);
    }
    part("tags", &policy.tags);
    let kept: Vec<_> =
        policy.negative_ttl.iter().map(|(status, ttl)| format!("{status} for {}", duration(*ttl))).collect();
    part("errors", &kept);
    match policy.set_cookie {
        SetCookie::Never => {}
        SetCookie::Strip => part("stored without", &["Set-Cookie".into()]),
        SetCookie::Store => part("stored with", &["Set-Cookie".into()]),
    }
    if policy.request_directives == RequestDirectives::Honour {
        part("clients'", &["Cache-Control is honoured".into()]);
    }
    parts.join("; ")
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
    fn what_is_in_force_on_a_route_is_shown() {
        let text = "[origin]\nurl = \"https://api.example.org\"\n[cache]\ncollapse = \"off\"\n[tiers.l0]\nsize = \"8MiB\"\n\
                    [[route]]\nmatch = \"/a*\"\nttl = \"1h\"\nvary = [\"x-part\"]\ntags = [\"a\", \"b\"]\n\
                    query = { allow = [\"page\", \"f_*\"], ignore = [\"f_debug\"], sort = true }\ncollapse = \"global\"\n\
                    key = { cookies = [\"plan\"], language = [\"en\", \"de\"], tenant = \"header:x-tenant\", content = \"64KiB\" }\n\
                    negative_ttl = { 404 = \"10s\" }\nset_cookie = \"strip\"\nrequest_directives = \"honour\"\n\
                    stale_while_revalidate = \"5s\"\nstale_if_error = \"7d\"\n\
                    [[route]]\nmatch = \"/off*\"\ncache = \"off\"\n[[route]]\nmatch = \"/none*\"\nquery = { allow = [] }\n";
        let said = summary(&Config::parse(text, "terrace.toml").unwrap_or_else(|why| panic!("{why}")));
        let lines: Vec<&str> = said.lines().collect();
        let at = lines.iter().position(|line| line.contains("/a*")).unwrap();
        assert_eq!(
            lines[at..],
            [
                "  route    /a*                      fresh 1h instead of what the origin says; stale 5s while refreshing, 7d if the \
                 origin fails; one of all instances asks for all",
                "             key has x-part; parameters only page, f_*; parameters without f_debug; parameters in any order; cookies plan; \
                 language of en, de; tenant by x-tenant; content up to 64KiB of QUERY; tags a, b; errors 404 for 10s; stored \
                 without Set-Cookie; clients' Cache-Control is honoured",
                "  route    /off*                    not cached",
                "  route    /none*                   fresh as the origin says, else 0s; stale 30s while refreshing, 1d if the origin \
                 fails; each request asks for itself",
                "             no parameters of the query",
                "           everything else          fresh as the origin says, else 0s; stale 30s while refreshing, 1d if the origin \
                 fails; each request asks for itself",
            ],
            "{said}"
        );
        assert!(said.contains("L0       up to 64KiB each, for up to 10s, 8MiB in all in each instance"), "{said}");
    }

    #[test]
    fn the_summary_fits_a_screen() {
        let mut config = Config::parse("[origin]\nurl = \"https://api.example.org\"\n", "terrace.toml").unwrap();
        let route = terrace_core::config::Route { pattern: "/a*".into(), policy: config.default_policy.clone() };
        config.routes = vec![route; 1000];
        let tags = vec![("a".to_string(), "/a".to_string()), ("b-*".to_string(), "/b/*".to_string())];
        let every = Duration::from_secs(60);
        config.watches = vec![terrace_core::config::Watch { url: "/updated".into(), every, tags, soft: false }; 16];
        let text = summary(&config);
        assert!(text.lines().count() < 24 && text.contains("and 988 more routes"), "{text}");
        for route in &mut config.routes {
            route.policy.tags = vec!["t".into()];
        }
        let summary = summary(&config);
        assert!(summary.lines().count() < 24, "{summary}");
        assert!(summary.contains("every 1m, purges a, b-*") && summary.contains("and 12 more watched"), "{summary}");
        assert!(summary.contains("https://api.example.org/") && summary.contains("and 994 more routes"), "{summary}");
    }
}
