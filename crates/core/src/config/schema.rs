//! The schema of `terrace.toml` from the top: its sections, `[origin]` and `[tiers]`.
//!
//! Where a value is wrong and another is measured against it, its upper bound stands in, so that one slip is one error.

use super::error::{Errors, Wrong};
use super::reader::{Item, Report, Table};
use super::settings::{Settings, longest};
use super::{Admit, Config, HeaderSource, L0, L1, L2, Origin};
use super::{defaults, later, limits, routes, value, watch};
use std::time::Duration;
use toml::de::DeTable;

/// Reads a whole file.
pub(super) fn read(text: &str, file: &str) -> Result<Config, Errors> {
    let report = Report::new(text);
    if text.len() > limits::MAX_FILE {
        report.add(0..0, "", Wrong::new("the file is larger than 1 MiB; is it the right one?").private());
        return report.finish(file, Config::default());
    }
    let (document, broken) = DeTable::parse_recoverable(text);
    let mut whole = true;
    for (n, error) in broken.iter().enumerate() {
        whole &= super::syntax::add(&report, error, n, document.get_ref());
    }
    let config = if whole { root(document.get_ref(), &report) } else { Config::default() };
    report.finish(file, config)
}

fn root<'d>(document: &'d DeTable<'d>, report: &'d Report<'d>) -> Config {
    Table::read("", 0..0, document, report, |root| {
        let origin = root.get("origin").and_then(|item| origin(&item)).unwrap_or_default();
        let (l0, l1, l2) = root.get("tiers").and_then(|item| tiers(&item)).unwrap_or_default();
        let longest = longest(&l1, &l2);
        let cache =
            root.get("cache").and_then(|item| item.table("a section [cache]", |table| Settings::read(table, longest)));
        let cache = cache.unwrap_or_default();
        let routes = root.get("route").map(|item| routes::read(&item, &cache, longest));
        let poll = root.get("purge").and_then(|item| purge(&item)).unwrap_or(defaults::PURGE_POLL);
        let admin_token = root.get("admin").and_then(|item| admin(&item));
        let watches = root.get("watch").and_then(|item| watch::read(&item)).unwrap_or_default();
        later::sections(root);
        let (routes, default_policy) = (routes.unwrap_or_default(), cache.policy());
        Config { origin, l0, l1, l2, poll, admin_token, watches, routes, default_policy }
    })
}

/// `[origin]`.
pub(super) fn origin(item: &Item<'_>) -> Option<Origin> {
    item.table("a section [origin]", |table| {
        let url =
            table.get("url").and_then(|url| url.parse("a URL such as \"https://api.example.org\"", value::origin_url));
        let timeout = table
            .get("timeout")
            .map_or(defaults::TIMEOUT, |timeout| timeout.duration(&limits::TIMEOUT).unwrap_or(limits::MAX_TIMEOUT));
        let connect_timeout = table.get("connect_timeout").and_then(|connect| {
            let read = connect.duration(&limits::TIMEOUT)?;
            if read > timeout {
                connect.wrong(Wrong::new(format!(
                    "longer than origin.timeout ({}), which ends the wait before; lower this or raise that",
                    value::show_duration(timeout)
                )));
            }
            Some(read)
        });
        let headers = table.get("headers").and_then(|headers| headers_of(&headers));
        let cdn_id = table.get("cdn_id").and_then(|id| id.parse("a name such as \"edge-eu\"", value::cdn_id));
        later::origin(table);
        Origin {
            url,
            connect_timeout: connect_timeout.unwrap_or(defaults::CONNECT_TIMEOUT.min(timeout)),
            timeout,
            headers: headers.unwrap_or_default(),
            cdn_id,
        }
    })
}

/// `origin.headers`.
fn headers_of(item: &Item<'_>) -> Option<Vec<(String, HeaderSource)>> {
    let mut headers: Vec<(String, HeaderSource)> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for entry in item.entries("a table such as { \"api-key\" = { secret = \"NAME\" } }")? {
        let name = match value::set_field_name(entry.name()) {
            Ok(name) => name,
            Err(wrong) => {
                entry.wrong_key(wrong);
                continue;
            }
        };
        if names.contains(&name) {
            entry.wrong_key(Wrong::new("set twice, because case does not count; remove one of the two"));
        }
        names.push(name.clone());
        let source = if entry.is_table() {
            secret(&entry).map(HeaderSource::Secret)
        } else {
            entry.parse("a string or { secret = \"NAME\" }", value::field_value).map(HeaderSource::Literal)
        };
        headers.extend(source.map(|source| (name, source)));
    }
    Some(headers)
}

/// `{ secret = "NAME" }`.
pub(super) fn secret(item: &Item<'_>) -> Option<String> {
    item.table("{ secret = \"NAME\" }", |table| {
        table.require("secret", "\"NAME\"")?.parse("the name of a secret", value::secret_name)
    })
    .flatten()
}

/// `poll` of `[purge]`.
pub(super) fn purge(item: &Item<'_>) -> Option<Duration> {
    item.table("a section [purge]", |table| table.get("poll")?.duration(&limits::POLL)).flatten()
}

/// The name of the secret of `[admin]`.
fn admin(item: &Item<'_>) -> Option<String> {
    item.table("a section [admin]", |table| {
        let token = table.get("token")?;
        if token.is_table() {
            return secret(&token);
        }
        // It may be the token itself.
        token.wrong(Wrong::new("a token never stands in the file; write { secret = \"NAME\" }").private());
        None
    })
    .flatten()
}

/// `[tiers.l0]`, `[tiers.l1]` and `[tiers.l2]`.
pub(super) fn tiers(item: &Item<'_>) -> Option<(Option<L0>, L1, L2)> {
    item.table("sections [tiers.l0], [tiers.l1] and [tiers.l2]", |table| {
        let l0 = table.get("l0").and_then(|item| l0(&item)).flatten();
        let l2 = table.get("l2").and_then(|item| l2(&item)).unwrap_or_default();
        let l1 = table.get("l1").and_then(|item| l1(&item, &l2));
        let fallback = L1 { max_size: defaults::L1_MAX_SIZE.min(l2.max_size), ..L1::default() };
        (l0, l1.unwrap_or(fallback), l2)
    })
}

fn l0(item: &Item<'_>) -> Option<Option<L0>> {
    item.table("a section [tiers.l0]", |table| {
        let size = table.require("size", "\"8MiB\"").and_then(|size| size.size(&limits::L0_SIZE));
        let max_size = table.get("max_size").and_then(|entry| {
            let read = entry.size(&limits::L0_ENTRY)?;
            if let Some(size) = size.filter(|size| read > *size) {
                entry.wrong(Wrong::new(format!(
                    "larger than tiers.l0.size ({}), which is all of the tier; lower this or raise that",
                    value::show_size(size)
                )));
            }
            Some(read)
        });
        let max_ttl = table.get("max_ttl").and_then(|stay| stay.duration(&limits::STAY));
        let size = size?;
        Some(L0 {
            size,
            max_size: max_size.unwrap_or(defaults::L0_MAX_SIZE.min(size)),
            max_ttl: max_ttl.unwrap_or(defaults::L0_MAX_TTL),
        })
    })
}

fn l1(item: &Item<'_>, l2: &L2) -> Option<L1> {
    item.table("a section [tiers.l1]", |table| {
        let max_size = table.get("max_size").and_then(|size| {
            let read = size.size(&limits::L1_SIZE)?;
            if read > l2.max_size {
                size.wrong(Wrong::new(format!(
                    "larger than tiers.l2.max_size ({}), above which nothing is stored at all; lower this or raise that",
                    value::show_size(l2.max_size)
                )));
            }
            Some(read)
        });
        let stay = table.get("max_ttl");
        let max_ttl = stay.as_ref().map_or(defaults::L1_MAX_TTL, |stay| {
            stay.duration(&limits::STAY).unwrap_or(limits::MAX_TTL)
        });
        let admit = table.get("admit").and_then(|admit| {
            admit.choice(&[
                ("auto", Admit::Auto),
                ("always", Admit::Always),
                ("second-hit", Admit::SecondHit),
            ])
        });
        let max_size = max_size.unwrap_or(defaults::L1_MAX_SIZE.min(l2.max_size));
        let min_size = table.get("min_size").and_then(|size| {
            let read = size.size(&limits::L1_LEAST)?;
            if read > max_size {
                size.wrong(Wrong::new(format!(
                    "larger than tiers.l1.max_size ({}), so nothing would ever come in; lower this or raise that",
                    value::show_size(max_size)
                )));
            }
            Some(read)
        });
        let writes = table.get("writes").and_then(|rate| rate.parse("a rate such as \"1000/m\"", value::rate));
        let timeout = table.get("timeout").and_then(|timeout| timeout.duration(&limits::TIMEOUT));
        let read = L1 {
            min_size: min_size.unwrap_or(0),
            max_size,
            max_ttl,
            admit: admit.unwrap_or(Admit::Auto),
            writes,
            timeout: timeout.unwrap_or(defaults::L1_TIMEOUT),
        };
        if let (Some(stay), Admit::SecondHit) = (stay, read.admit)
            && read.max_ttl < limits::MIN_SECOND_HIT_TTL
        {
            stay.wrong(Wrong::new(
                "admit = \"second-hit\" takes only what stays for 60s, so nothing would ever come in; \
                 write \"60s\" or more, or admit = \"always\"",
            ));
        }
        read
    })
}

fn l2(item: &Item<'_>) -> Option<L2> {
    item.table("a section [tiers.l2]", |table| {
        let max_size = table
            .get("max_size")
            .map_or(defaults::L2_MAX_SIZE, |size| size.size(&limits::L2_SIZE).unwrap_or(limits::MAX_L2_SIZE));
        let max_ttl = table
            .get("max_ttl")
            .map_or(defaults::L2_MAX_TTL, |stay| stay.duration(&limits::STAY).unwrap_or(limits::MAX_TTL));
        let capacity = table.get("capacity").and_then(|capacity| {
            let read = capacity.size(&limits::L2_CAPACITY)?;
            if read < max_size {
                capacity.wrong(Wrong::new(format!(
                    "smaller than tiers.l2.max_size ({}), which is one entry; raise this or lower that",
                    value::show_size(max_size)
                )));
            }
            Some(read)
        });
        let timeout = table.get("timeout").and_then(|timeout| timeout.duration(&limits::TIMEOUT));
        L2 { max_size, max_ttl, capacity, timeout: timeout.unwrap_or(defaults::L2_TIMEOUT) }
    })
}

/// Where a key belongs that was found elsewhere.
pub(super) fn home(key: &str) -> Option<&'static str> {
    const HOMES: &[(&str, &[&str])] = &[
        ("at the top, as a section of its own", &["origin", "cache", "tiers", "route", "purge", "watch", "admin"]),
        ("in [origin] or a [[watch]]", &["url"]),
        ("in [origin]", &["connect_timeout", "headers", "cdn_id"]),
        (
            "in [cache] or a [[route]]",
            &[
                "default_ttl",
                "negative_ttl",
                "stale_while_revalidate",
                "stale_if_error",
                "early_refresh",
                "collapse",
                "profile",
                "set_cookie",
                "request_directives",
                "compress",
                "compress_min_size",
            ],
        ),
        ("in [tiers]", &["l0", "l1", "l2"]),
        ("in [tiers.l0]", &["size"]),
        ("in [tiers.l1]", &["admit", "min_size", "writes"]),
        ("in [tiers.l2]", &["capacity"]),
        ("in [tiers.l0], [tiers.l1] or [tiers.l2]", &["max_size", "max_ttl"]),
        ("in [origin], [tiers.l1] or [tiers.l2]", &["timeout"]),
        ("in [purge]", &["poll"]),
        ("in a [[route]]", &["match", "ttl", "vary", "query", "key"]),
        ("in a [[route]] or a [[watch]]", &["tags"]),
        ("in a [[watch]]", &["every", "soft"]),
        ("in the query of a [[route]]", &["allow", "ignore", "sort"]),
        ("in the key of a [[route]]", &["cookies", "language", "tenant", "content", "methods"]),
        ("in [admin]", &["token"]),
    ];
    HOMES.iter().find(|(_, keys)| keys.contains(&key)).map(|(home, _)| *home)
}
