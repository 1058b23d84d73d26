//! The keys of `[cache]`, which a route may override, and the policy that comes of both.

use super::error::Wrong;
use super::reader::{Item, Table};
use super::{Collapse, L1, L2, Policy, Profile, RequestDirectives, SetCookie};
use super::{limits, value};
use crate::entry::coded::{Coding, Codings};
use crate::rules::storable::is_never_stored;
use std::time::Duration;

/// What one place of the file says, and what it leaves open.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    default_ttl: Option<Duration>,
    negative_ttl: Option<Vec<(u16, Duration)>>,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
    profile: Option<Profile>,
    set_cookie: Option<SetCookie>,
    request_directives: Option<RequestDirectives>,
    compress: Option<Codings>,
    compress_min_size: Option<u64>,
    early_refresh: Option<f64>,
    collapse: Option<Collapse>,
}

/// The longest stay that either tier grants.
pub(super) fn longest(l1: &L1, l2: &L2) -> Duration {
    l1.max_ttl.max(l2.max_ttl)
}

/// A freshness lifetime, which must fit into a tier.
pub(super) fn lifetime(item: &Item<'_>, longest: Duration) -> Option<Duration> {
    let read = item.duration(&limits::LIFETIME)?;
    if read > longest {
        item.wrong(Wrong::new(format!(
            "\"{}\" is longer than any tier keeps an entry (\"{}\"); lower this or raise max_ttl of [tiers.l2]",
            value::show_duration(read),
            value::show_duration(longest)
        )));
    }
    Some(read)
}

impl Settings {
    /// Reads the keys that stand in `[cache]` and on every route.
    pub fn read(table: &mut Table<'_>, longest: Duration) -> Settings {
        let default_ttl = table.get("default_ttl").and_then(|item| lifetime(&item, longest));
        let negative_ttl = table.get("negative_ttl").and_then(|item| negative_ttl(&item, longest));
        let stale_while_revalidate =
            table.get("stale_while_revalidate").and_then(|item| item.duration(&limits::LIFETIME));
        let stale_if_error = table.get("stale_if_error").and_then(|item| item.duration(&limits::LIFETIME));
        let profile = table
            .get("profile")
            .and_then(|item| item.choice(&[("safe", Profile::Safe), ("rfc9111", Profile::Rfc9111)]));
        let set_cookie = table.get("set_cookie").and_then(|item| {
            item.choice(&[("never", SetCookie::Never), ("strip", SetCookie::Strip), ("store", SetCookie::Store)])
        });
        let request_directives = table.get("request_directives").and_then(|item| {
            item.choice(&[("ignore", RequestDirectives::Ignore), ("honour", RequestDirectives::Honour)])
        });
        let compress = table.get("compress").and_then(|item| codings(&item));
        let compress_min_size = table.get("compress_min_size").and_then(|item| item.size(&limits::COMPRESS_MIN_SIZE));
        let early_refresh = table.get("early_refresh").and_then(|item| item.number(0.0, limits::MAX_EARLY_REFRESH));
        let collapse = table.get("collapse").and_then(|item| {
            item.choice(&[("off", Collapse::Off), ("local", Collapse::Local), ("global", Collapse::Global)])
        });
        Settings {
            default_ttl,
            negative_ttl,
            stale_while_revalidate,
            stale_if_error,
            profile,
            set_cookie,
            request_directives,
            compress,
            compress_min_size,
            early_refresh,
            collapse,
        }
    }

    /// These settings where they say something, else those of `base`.
    pub fn over(self, base: &Settings) -> Settings {
        Settings {
            default_ttl: self.default_ttl.or(base.default_ttl),
            negative_ttl: self.negative_ttl.or_else(|| base.negative_ttl.clone()),
            stale_while_revalidate: self.stale_while_revalidate.or(base.stale_while_revalidate),
            stale_if_error: self.stale_if_error.or(base.stale_if_error),
            profile: self.profile.or(base.profile),
            set_cookie: self.set_cookie.or(base.set_cookie),
            request_directives: self.request_directives.or(base.request_directives),
            compress: self.compress.or(base.compress),
            compress_min_size: self.compress_min_size.or(base.compress_min_size),
            early_refresh: self.early_refresh.or(base.early_refresh),
            collapse: self.collapse.or(base.collapse),
        }
    }

    /// The policy: what is still open is filled in by the profile.
    pub fn policy(&self) -> Policy {
        let base = Policy::of(self.profile.unwrap_or(Profile::Safe));
        Policy {
            default_ttl: self.default_ttl.unwrap_or(base.default_ttl),
            negative_ttl: self.negative_ttl.clone().unwrap_or_default(),
            stale_while_revalidate: self.stale_while_revalidate.unwrap_or(base.stale_while_revalidate),
            stale_if_error: self.stale_if_error.unwrap_or(base.stale_if_error),
            set_cookie: self.set_cookie.unwrap_or(base.set_cookie),
            request_directives: self.request_directives.unwrap_or(base.request_directives),
            compress: self.compress.unwrap_or(base.compress),
            compress_min_size: self.compress_min_size.unwrap_or(base.compress_min_size),
            early_refresh: self.early_refresh.unwrap_or(base.early_refresh),
            collapse: self.collapse.unwrap_or(base.collapse),
            ..base
        }
    }
}

/// A list of content codings.
fn codings(item: &Item<'_>) -> Option<Codings> {
    let names = item.strings("[\"br\", \"gzip\"], or [] for none", value::coding)?;
    let codings = names.iter().filter_map(|name| Coding::named(name.as_bytes()));
    Some(codings.fold(Codings::NONE, Codings::with))
}

fn negative_ttl(item: &Item<'_>, longest: Duration) -> Option<Vec<(u16, Duration)>> {
    let mut read = Vec::new();
    for entry in item.entries("a table such as { 404 = \"10s\" }")? {
        let name = entry.name();
        let status = Some(name)
            .filter(|name| name.len() == 3 && name.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|name| name.parse::<u16>().ok());
        let Some(status) = status.filter(|status| (400..=599).contains(status)) else {
            let message = match status {
                Some(_) => "no error status; for what is no error see default_ttl, and write statuses from 400 to 599",
                None => "no status code; write one from 400 to 599",
            };
            entry.wrong_key(Wrong::new(message));
            continue;
        };
        if is_never_stored(status) {
            let message = "a response of this status is never stored (RFC 9110 15.5.13, RFC 6585); remove it";
            entry.wrong_key(Wrong::new(message));
            continue;
        }
        let Some(ttl) = lifetime(&entry, longest) else {
            continue;
        };
        if ttl.is_zero() {
            entry.wrong(Wrong::new(format!("\"0s\" stores nothing, as without the key; remove {status}")));
        }
        read.push((status, ttl));
    }
    read.sort_unstable();
    Some(read)
}
