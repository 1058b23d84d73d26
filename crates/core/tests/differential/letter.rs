//! What a case says by the letter of RFC 9111, read from what was generated and not from bytes. Reasons for disagreements are told
//! apart by it.

use crate::grammar::{Argument, Case, Directive, Written};

/// The statuses that the other side stores at all.
pub const THEIR_STATUSES: [u16; 14] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];

/// Whether a response directive is there, in any case of its name.
pub fn says(case: &Case, name: &str) -> bool {
    case.response.control.iter().any(|d| d.name == name)
}

/// Whether the other side, which compares names with their case, sees a response directive.
pub fn they_see(case: &Case, name: &str) -> bool {
    case.response.control.iter().any(|d| d.name == name && !d.capital)
}

/// Whether a response directive without an argument is there.
pub fn says_whole(case: &Case, name: &str) -> bool {
    case.response.control.iter().any(|d| d.name == name && d.argument == Argument::None)
}

/// Whether a response directive with field names is there, as the other side sees it.
pub fn they_see_names(case: &Case, name: &str) -> bool {
    case.response.control.iter().any(|d| d.name == name && d.argument != Argument::None && !d.capital)
}

/// The first such directive (RFC 9111 4.2.1).
pub fn first<'a>(control: &'a [Directive], name: &str) -> Option<&'a Directive> {
    control.iter().find(|d| d.name == name)
}

/// delta-seconds; zero where the argument is none.
fn delta(directive: &Directive) -> i64 {
    match directive.argument {
        Argument::Seconds(n) | Argument::Quoted(n) => n as i64,
        Argument::Other("=060") => 60,
        Argument::Other("=99999999999" | "=99999999999999999999999") => 1 << 31,
        Argument::Other(_) | Argument::None => 0,
    }
}

/// The date, where it is an HTTP-date.
pub fn valid(date: Option<Written>) -> Option<i64> {
    date.filter(|date| date.form.is_valid()).map(|date| date.at)
}

/// When the origin made the response.
pub fn made_at(case: &Case) -> i64 {
    valid(case.response.date).unwrap_or(0)
}

/// Whether a lifetime is stated, with what right ever (RFC 9111 4.2.1).
pub fn is_explicit(case: &Case) -> bool {
    says(case, "s-maxage") || says(case, "max-age") || case.response.expires.is_some()
}

/// Seconds since the last modification, where a heuristic may use them (RFC 9111 4.2.2).
pub fn unchanged_for(case: &Case) -> Option<i64> {
    if is_explicit(case) {
        return None;
    }
    valid(case.response.modified).map(|modified| made_at(case) - modified).filter(|seconds| *seconds > 0)
}

/// Milliseconds of freshness (RFC 9111 4.2.1, 4.2.2).
pub fn lifetime_ms(case: &Case) -> i64 {
    let control = &case.response.control;
    if let Some(directive) = first(control, "s-maxage").or_else(|| first(control, "max-age")) {
        return delta(directive) * 1000;
    }
    match case.response.expires {
        Some(expires) => valid(Some(expires)).map_or(0, |at| (at - made_at(case)).max(0) * 1000),
        None => unchanged_for(case).map_or(0, |seconds| (seconds * 100).min(86_400_000)),
    }
}

/// Milliseconds of age at the second request (RFC 9111 4.2.3).
pub fn age_ms(case: &Case) -> i64 {
    initial_age(case) * 1000 + case.after as i64
}

/// Seconds of age at arrival.
pub fn initial_age(case: &Case) -> i64 {
    apparent_age(case).max(stated_age(case))
}

/// How long ago the origin says that it made the response, in seconds.
pub fn apparent_age(case: &Case) -> i64 {
    (-made_at(case)).max(0)
}

/// The Age field in seconds, where it is valid (RFC 9111 5.1).
pub fn stated_age(case: &Case) -> i64 {
    match case.response.age {
        Some("5, 60") => 5,
        Some("99999999999") => 1 << 31,
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().unwrap(),
        _ => 0,
    }
}

/// Whether it can be validated (RFC 9111 4.3.1).
pub fn has_validator(case: &Case) -> bool {
    case.response.etag.is_some_and(|etag| !etag.is_empty()) || valid(case.response.modified).is_some()
}

/// Whether a shared cache must not store the response (RFC 9111 3, 3.5).
pub fn forbids_storing(case: &Case) -> bool {
    let asked = &case.first;
    let authorized = asked.lines.iter().any(|(name, _)| *name == "authorization");
    first(&asked.control, "no-store").is_some()
        || (says(case, "no-store") && !says(case, "must-understand"))
        || says_whole(case, "private")
        || (authorized && !["public", "must-revalidate", "s-maxage"].iter().any(|name| says(case, name)))
}

/// Every value that a request has for a field.
pub fn values<'a>(lines: &'a [(&'static str, &'static str)], name: &str) -> Vec<&'a str> {
    lines.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect()
}

/// The members of a field, without white space; case and order go where they mean nothing (RFC 9111 4.1).
pub fn normal(name: &str, values: &[&str]) -> Vec<String> {
    let mut members: Vec<String> =
        values.iter().flat_map(|line| line.split(',')).map(|member| member.trim().to_string()).collect();
    if name.starts_with("accept-") {
        members.iter_mut().for_each(|member| member.make_ascii_lowercase());
        members.sort_unstable();
        members.dedup();
    }
    members
}

/// The names in Vary.
pub fn vary(case: &Case) -> Vec<String> {
    let members = case.response.vary.iter().flat_map(|line| line.split(','));
    members.map(|name| name.trim().to_ascii_lowercase()).collect()
}
