//! Keys of two requests are equal where their normal forms are, and nowhere else (RFC 9111 2, RFC 3986 6.2.2).
//!
//! Input, a line each: authority and target of a request, those of another, the query parameters that are ignored (commas) or `-`,
//! `sort` or nothing, those that are let in or `-`, and a No-Vary-Search.

use std::borrow::Cow;
use terrace_core::config::{Config, Policy, Query, glob, normal_percent};
use terrace_core::fields::Fields;
use terrace_core::key::{Key, Parts, primary};
use terrace_core::rules::{no_vary_search, reduce};

/// A URL, longer than which no host takes one; globs are compared with their plain definition, which is slow.
const MOST: usize = 600;

pub fn holds(data: &[u8]) {
    let Some(text) = std::str::from_utf8(data).ok().filter(|text| text.len() <= MOST) else { return };
    let mut lines = text.split('\n');
    let (Some(host), Some(target)) = (lines.next(), lines.next()) else { return };
    let (other_host, other) = (lines.next().unwrap_or(host), lines.next().unwrap_or(target));
    let names = |line: &str| line.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect::<Vec<_>>();
    let ignore = lines.next().filter(|line| *line != "-").map(names).unwrap_or_default();
    let sort = lines.next().is_some_and(|line| !line.is_empty());
    let query = Query { allow: lines.next().filter(|line| *line != "-").map(names), ignore, sort };
    for pattern in query.ignore.iter().chain(query.allow.iter().flatten()) {
        for text in [target, other, host] {
            assert_eq!(glob(pattern, text), plain_glob(pattern.as_bytes(), text.as_bytes()), "{pattern:?} {text:?}");
        }
    }
    let said = Fields::from([(no_vary_search::FIELD, lines.next().unwrap_or_default())]);
    if let Some(variance) = no_vary_search::variance(&said) {
        for target in [target, other] {
            let one = variance.canonical(target);
            assert_eq!(variance.canonical(&one), one, "one form: {target:?}");
        }
    }
    for target in [target, other] {
        let normal = normal_percent(target);
        assert_eq!(normal, plain_percent(target), "{target:?}");
        // What was no code may have become one, and stays as it is: decoded once only.
        assert!(normal.len() <= target.len());
        route(target);
    }
    let policy = Policy { query, ..Policy::default() };
    let (a, b) = (key(host, target, &policy), key(other_host, other, &policy));
    let forms = (form(host, target, &policy.query), form(other_host, other, &policy.query));
    assert_eq!(a == b, forms.0 == forms.1, "{forms:?}");
    assert_eq!(a, key(&host.to_ascii_uppercase(), target, &policy), "a host in any case");
    let moved = format!("{host}{target}");
    assert!(target.is_empty() || a != key(&moved, "", &policy), "no part passes for another: {moved:?}");
}

fn key(authority: &str, target: &str, policy: &Policy) -> Key {
    let fields = Fields::new();
    let target = &*reduce::target(target, &policy.query);
    assert!(
        matches!(reduce::target(target, &policy.query), Cow::Borrowed(_)),
        "what is reduced stays as it is: {target:?}"
    );
    primary(Parts { origin: "http://o/", scheme: "http", authority, target, fields: &fields }, policy)
}

/// The normal form, written plainly.
fn form(authority: &str, target: &str, rule: &Query) -> (String, String, Option<Vec<String>>) {
    let mut host = authority.to_ascii_lowercase();
    for port in [":80", ":"] {
        if let Some(bare) = host.strip_suffix(port) {
            host = bare.to_string();
            break;
        }
    }
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let query = query.and_then(|query| {
        let query = plain_percent(query);
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_string();
        let among = |patterns: &[String], pair: &str| {
            patterns.iter().any(|pattern| plain_glob(pattern.as_bytes(), name(pair).as_bytes()))
        };
        let mut pairs: Vec<String> = query.split('&').map(str::to_string).collect();
        pairs.retain(|pair| rule.allow.as_ref().is_none_or(|allow| among(allow, pair)) && !among(&rule.ignore, pair));
        if rule.sort {
            pairs.sort_by_key(|pair| name(pair));
        }
        // Where nothing is left, there is no query.
        (!pairs.is_empty()).then_some(pairs)
    });
    (host, plain_percent(path), query)
}

fn plain_percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digit = |n: usize| bytes.get(n).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                let byte = u8::try_from(high * 16 + low).unwrap();
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(byte);
                } else {
                    out.extend_from_slice(format!("%{byte:02X}").as_bytes());
                }
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

/// `*` is any run of characters.
pub fn plain_glob(pattern: &[u8], text: &[u8]) -> bool {
    // Which lengths of the text the pattern so far can end at.
    let mut ends: Vec<bool> = std::iter::once(true).chain(text.iter().map(|_| false)).collect();
    for p in pattern {
        let mut next = vec![false; ends.len()];
        for n in 0..ends.len() {
            if *p == b'*' {
                next[n] = ends[n] || (n > 0 && next[n - 1]);
            } else if n > 0 {
                next[n] = ends[n - 1] && text[n - 1] == *p;
            }
        }
        ends = next;
    }
    *ends.last().unwrap()
}

/// A path cannot slip past its route by another spelling.
fn route(target: &str) {
    let path = target.split('?').next().unwrap_or_default();
    let mut normal = plain_percent(path);
    while normal.contains("//") {
        normal = normal.replace("//", "/");
    }
    let usable = normal.starts_with('/')
        && !normal.contains(['*', '"', '\\', '%'])
        && normal.bytes().all(|b| b.is_ascii_graphic());
    if !usable {
        return;
    }
    let file = format!("[[route]]\nmatch = \"{normal}\"\ncache = \"off\"\n");
    if let Ok(config) = Config::parse(&file, "t.toml") {
        assert_eq!(config.policy(path), &config.routes[0].policy, "{path}");
        assert_eq!(config.policy(&path.replace('/', "//")), &config.routes[0].policy, "{path}");
    }
}
