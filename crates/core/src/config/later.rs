//! What the schema names and nothing does yet: it is checked like the rest, then refused, so that nothing is ignored
//! silently.

use super::error::Wrong;
use super::limits::{LIFETIME, PERIOD, TIMEOUT};
use super::reader::{Item, Table};
use super::{schema, value};

/// The most that a count may be.
const MANY: i64 = 1_000_000_000;

/// Checks a key with `check`, and refuses it.
fn refuse(table: &mut Table<'_>, name: &'static str, check: impl FnOnce(&Item<'_>)) {
    if let Some(item) = table.get_later(name) {
        check(&item);
        item.not_supported();
    }
}

/// A duration, where it is there.
fn period(table: &mut Table<'_>, name: &'static str) {
    table.get(name).map(|item| item.duration(&PERIOD));
}

/// A whole number, where it is there.
fn count(table: &mut Table<'_>, name: &'static str) {
    table.get(name).map(|item| item.integer(1, MANY));
}

/// `[gateway]`.
pub(super) fn sections(root: &mut Table<'_>) {
    refuse(root, "gateway", |item| {
        item.table("a section [gateway]", gateway);
    });
}

/// `origin.retry`, `origin.breaker` and `origin.pace`.
pub(super) fn origin(origin: &mut Table<'_>) {
    refuse(origin, "retry", |item| {
        item.table("a table such as { attempts = 2, budget = 0.1 }", |table| {
            table.get("attempts").map(|item| item.integer(1, 10));
            table.get("budget").map(|item| item.number(0.0, 1.0));
        });
    });
    refuse(origin, "breaker", |item| {
        item.table("a table such as { failures = 5, window = \"10s\", open = \"30s\" }", |table| {
            count(table, "failures");
            period(table, "window");
            period(table, "open");
        });
    });
    refuse(origin, "pace", |item| {
        item.table("a table such as { rate = \"50/s\", burst = 20 }", |table| {
            table.get("rate").map(|item| item.parse("a rate such as \"50/s\"", value::rate));
            count(table, "burst");
        });
    });
}

/// The sections that a route may override.
pub(super) fn route(route: &mut Table<'_>) {
    refuse(route, "origin", |item| {
        schema::origin(item);
    });
    refuse(route, "tiers", |item| {
        schema::tiers(item);
    });
    refuse(route, "purge", |item| {
        schema::purge(item);
    });
}

fn gateway(gateway: &mut Table<'_>) {
    if let Some(item) = gateway.get("cors") {
        item.table("a table such as { origins = [\"https://app.example.org\"] }", |table| {
            table.get("origins").map(|item| item.strings("[\"https://app.example.org\"]", web_origin));
            table.get("methods").map(|item| item.strings("[\"GET\", \"HEAD\"]", method));
            table.get("max_age").map(|item| item.duration(&LIFETIME));
        });
    }
    count(gateway, "max_in_flight");
    gateway.get("utilization").map(|item| item.number(0.01, 1.0));
    if let Some(item) = gateway.get("queue") {
        item.table("a table such as { depth = 500, wait = \"100ms\" }", |table| {
            table.get("depth").map(|item| item.integer(0, MANY));
            table.get("wait").map(|item| item.duration(&TIMEOUT));
        });
    }
    let limits = gateway
        .get("rate")
        .and_then(|item| item.array("an array of tables such as { key = \"ip\", limit = \"1000/m\" }"));
    for limit in limits.unwrap_or_default() {
        limit.table("a table such as { key = \"ip\", limit = \"1000/m\" }", |table| {
            table.require("key", "\"ip\"").map(|item| item.parse("\"ip\" or \"header:NAME\"", rate_key));
            table.require("limit", "\"1000/m\"").map(|item| item.parse("a rate such as \"1000/m\"", value::rate));
        });
    }
    if let Some(item) = gateway.get("auth") {
        item.table("a table such as { jwt = { jwks = \"https://...\" } }", |table| {
            let Some(jwt) = table.get("jwt") else { return };
            jwt.table("a table such as { jwks = \"https://...\" }", |table| {
                table
                    .require("jwks", "\"https://...\"")
                    .map(|item| item.parse("a URL such as \"https://...\"", value::origin_url));
                table.get("issuer").map(|item| item.parse("a string", named));
                table.get("audience").map(|item| item.parse("a string", named));
            });
        });
    }
}

/// What a rate is counted by.
fn rate_key(text: &str) -> Result<(), Wrong> {
    match text.strip_prefix("header:") {
        Some(name) => value::key_field_name(name).map(|_| ()),
        None if text == "ip" => Ok(()),
        None => Err(Wrong::new("no key of a rate; write \"ip\" or \"header:NAME\"")),
    }
}

/// An origin that CORS lets in, or `*`.
fn web_origin(text: &str) -> Result<String, Wrong> {
    if text == "*" {
        return Ok(text.to_string());
    }
    let url = value::origin_url(text)?;
    match url.path() {
        "/" if !text.ends_with('/') => Ok(text.to_string()),
        _ => Err(Wrong::new("a browser's origin has no path; write scheme, host and port alone")),
    }
}

/// A method's name, which is case-sensitive (RFC 9110 9.1).
fn method(text: &str) -> Result<String, Wrong> {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let wrong = || Wrong::new("no method; write it in capitals, such as \"GET\"");
    if good { Ok(text.to_string()) } else { Err(wrong()) }
}

/// Anything but nothing.
fn named(text: &str) -> Result<(), Wrong> {
    if text.is_empty() { Err(Wrong::new("empty; write a name or remove the key")) } else { Ok(()) }
}
