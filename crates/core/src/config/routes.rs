//! `[[route]]`: what a route overrides, and whether anything can ever reach it.

use super::error::Wrong;
use super::limits::MAX_ROUTES;
use super::reader::{Item, Table};
use super::settings::{Settings, lifetime};
use super::{CacheMode, Policy, Route};
use super::{glob, key, later, value};
use std::time::Duration;

/// Reads all routes.
pub(super) fn read(item: &Item<'_>, cache: &Settings, longest: Duration) -> Vec<Route> {
    let Some(items) = item.array("sections [[route]], in two pairs of brackets") else {
        return Vec::new();
    };
    if items.len() > MAX_ROUTES {
        item.wrong(Wrong::new(format!(
            "{} routes are too many, because each request walks them; join patterns with \"*\" to at most {MAX_ROUTES}",
            items.len()
        )));
        return Vec::new();
    }
    let mut routes: Vec<Route> = Vec::new();
    // Patterns, and where they stand.
    let mut earlier: Vec<(String, Item<'_>)> = Vec::new();
    for item in items {
        let read = item.table("a section [[route]]", |table| route(table, cache, longest, &mut earlier));
        routes.extend(read.flatten());
    }
    routes
}

fn route<'d>(
    table: &mut Table<'d>,
    cache: &Settings,
    longest: Duration,
    earlier: &mut Vec<(String, Item<'d>)>,
) -> Option<Route> {
    let matched = table.require("match", "\"/path*\"");
    let pattern = matched.as_ref().and_then(|item| item.parse("a pattern such as \"/api/*\"", value::path_pattern));
    if let (Some(item), Some(pattern)) = (&matched, &pattern) {
        if let Some((first, place)) = earlier.iter().find(|(first, _)| covers(first, pattern)) {
            let what = if first == pattern { "is the same" } else { "covers it" };
            let advice = if first == pattern { "join the two" } else { "move this route before it" };
            item.wrong(Wrong::new(format!(
                "can never match: \"{}\" on line {} comes first and {what}; {advice}, or remove one",
                value::short(first),
                place.line()
            )));
        }
        earlier.push((pattern.clone(), item.clone()));
    }
    let mode = table.get("cache");
    let mode =
        mode.and_then(|item| item.choice(&[("on", CacheMode::On), ("off", CacheMode::Off), ("only", CacheMode::Only)]));
    let before = table.asked();
    let ttl = table.get("ttl").and_then(|item| lifetime(&item, longest));
    let vary = table.get("vary").and_then(|item| key::vary(&item));
    let query = table.get("query").and_then(|item| key::query(&item));
    let parts = table.get("key").and_then(|item| key::parts(&item, vary.as_deref().unwrap_or_default()));
    let settings = Settings::read(table, longest);
    if mode == Some(CacheMode::Off) {
        for idle in table.found_since(before) {
            idle.wrong_key(Wrong::new(
                "has no effect on a route with cache = \"off\"; remove it, or let the route cache",
            ));
        }
    }
    later::route(table);
    let policy = Policy {
        ttl,
        cache: mode.unwrap_or(CacheMode::On),
        vary: vary.unwrap_or_default(),
        query: query.unwrap_or_default(),
        key: parts.unwrap_or_default(),
        ..settings.over(cache).policy()
    };
    Some(Route { pattern: pattern?, policy })
}

/// Whether every path that `later` matches is matched by `first` too.
///
/// A star of `later` stands for any characters. Put one in its place that `first` does not name: if `first` still matches, a
/// star of its own took it, and would take any other; if not, here is a path that only `later` matches.
fn covers(first: &str, later: &str) -> bool {
    let any = |pattern: &str| pattern.replace('*', "\u{0}");
    if !later.starts_with('*') {
        return glob(first, &any(later));
    }
    // A path starts with "/", so that the leading star stands for "/" and anything, or, before "/", for nothing.
    let rest = later.trim_start_matches('*');
    glob(first, &format!("/{}", any(later))) && (!rest.starts_with('/') || glob(first, &any(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pattern_covers_another() {
        for (first, later, covered) in [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/a*", "/ab", true),
            ("/a*", "/a*b", true),
            ("/a*b", "/a*", false),
            ("/a/*", "/a", false),
            ("*", "/", true),
            ("/*", "*", true),
            ("/*", "*.json", true),
            ("/*/x", "*/x", false),
            ("*/x", "/*/x", true),
            ("*.json", "/a/*.json", true),
            ("/a*c*e", "/abcde", true),
            ("/a**", "/a*", true),
            ("/a*", "/a**", true),
            ("/a*a", "/a", false),
        ] {
            assert_eq!(covers(first, later), covered, "{first} {later}");
        }
    }
}
