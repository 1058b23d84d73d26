//! For how long a response may be used (RFC 9111 4.2).

use super::directives::{self, ControlSource, MAX_DELTA, ResponseControl};
use super::{Exchange, dates, validate};
use crate::config::{Policy, Profile};
use crate::time::{Timestamp, millis};
use std::time::Duration;

/// A tenth of the time since the last modification (RFC 9111 4.2.2), and never longer than this.
const HEURISTIC_CAP_MS: u64 = 24 * 3600 * 1000;

/// How long a response is kept for its validator when nothing else keeps it.
const VALIDATOR_KEEP_MS: u64 = 24 * 3600 * 1000;

/// The times of a stored response, absolute, and what it allows. Computed once when it is stored or updated, so that a hit
/// compares numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// When its age was zero: the time it arrived less its corrected initial age (RFC 9111 4.2.3).
    pub born: Timestamp,
    /// When it, or its last validation, was asked for: what was asked for later is newer.
    pub requested: Timestamp,
    /// When it, or its last validation, arrived.
    pub received: Timestamp,
    /// Freshness lifetime (RFC 9111 4.2.1), in milliseconds from `born`.
    pub lifetime_ms: u64,
    /// Where the lifetime comes from.
    pub source: Source,
    /// How long past its lifetime it may be served while it is refreshed (RFC 5861 3), in milliseconds; 0 is never.
    pub stale_while_revalidate_ms: u64,
    /// How long past its lifetime it may be served when the origin fails (RFC 5861 4), in milliseconds; 0 is never.
    pub stale_if_error_ms: u64,
    /// must-revalidate, proxy-revalidate or s-maxage: never served stale (RFC 9111 4.2.4).
    pub must_revalidate: bool,
    /// no-cache without field names: validated on every use (RFC 9111 5.2.2.4).
    pub no_cache: bool,
    /// It has a validator, so it can save a transfer even when it is stale (RFC 9111 4.3).
    pub has_validator: bool,
}

/// Where a freshness lifetime comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The route's `ttl`.
    Route,
    /// A targeted field (RFC 9213) or Surrogate-Control.
    Targeted,
    /// s-maxage (RFC 9111 5.2.2.10).
    SMaxage,
    /// max-age (RFC 9111 5.2.2.1).
    MaxAge,
    /// Expires (RFC 9111 5.3).
    Expires,
    /// The time since Last-Modified (RFC 9111 4.2.2).
    Heuristic,
    /// `default_ttl`.
    Default,
    /// `negative_ttl`.
    Negative,
    /// Nothing: it is never fresh.
    None,
}

impl Source {
    /// Every source, in the order of its code.
    pub const ALL: [Source; 9] = [
        Source::Route,
        Source::Targeted,
        Source::SMaxage,
        Source::MaxAge,
        Source::Expires,
        Source::Heuristic,
        Source::Default,
        Source::Negative,
        Source::None,
    ];

    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Route => "ttl",
            Source::Targeted => "targeted",
            Source::SMaxage => "s-maxage",
            Source::MaxAge => "max-age",
            Source::Expires => "expires",
            Source::Heuristic => "heuristic",
            Source::Default => "default_ttl",
            Source::Negative => "negative_ttl",
            Source::None => "none",
        }
    }

    /// As it is stored.
    pub const fn code(self) -> u8 {
        match self {
            Source::Route => 0,
            Source::Targeted => 1,
            Source::SMaxage => 2,
            Source::MaxAge => 3,
            Source::Expires => 4,
            Source::Heuristic => 5,
            Source::Default => 6,
            Source::Negative => 7,
            Source::None => 8,
        }
    }

    /// As it was stored.
    pub fn from_code(code: u8) -> Option<Self> {
        Source::ALL.into_iter().find(|source| source.code() == code)
    }

    /// Whether the origin itself said it (RFC 9111 3: explicit expiration time).
    pub const fn is_explicit(self) -> bool {
        matches!(self, Source::Targeted | Source::SMaxage | Source::MaxAge | Source::Expires)
    }
}

impl Freshness {
    /// The freshness of a response that has just arrived.
    pub fn of(x: &Exchange<'_>, policy: &Policy) -> Self {
        let (control, source) = directives::response_control(x.response);
        Self::with_control(x, policy, &control, source)
    }

    /// The same, where the directives have been read already.
    pub(super) fn with_control(
        x: &Exchange<'_>,
        policy: &Policy,
        control: &ResponseControl,
        control_source: ControlSource,
    ) -> Self {
        let initial_age = initial_age_ms(x);
        let (source, lifetime_ms) = lifetime(x, policy, control, control_source, initial_age);
        // What was never meant to be fresh is not served stale behind the origin's back, unless the origin says so itself.
        // `negative_ttl` is meant to the second: an error is not served stale either.
        let negative = source == Source::Negative;
        let default_swr = if lifetime_ms == 0 || negative { 0 } else { millis(policy.stale_while_revalidate) };
        let default_sie = if negative { 0 } else { millis(policy.stale_if_error) };
        let seconds = |s: u64| s.saturating_mul(1000);
        let must_revalidate = control.forbids_stale();
        let window = |said: Option<u64>, default: u64| {
            if must_revalidate { 0 } else { said.map_or(default, seconds) }
        };
        Freshness {
            born: x.response_time.minus_millis(initial_age),
            requested: x.request_time,
            received: x.response_time,
            lifetime_ms,
            source,
            stale_while_revalidate_ms: window(control.stale_while_revalidate, default_swr),
            stale_if_error_ms: window(control.stale_if_error, default_sie),
            must_revalidate,
            no_cache: control.no_cache.is_whole(),
            has_validator: validate::has_validator(x.response),
        }
    }

    /// current_age (RFC 9111 4.2.3), in milliseconds.
    pub fn age_ms(&self, now: Timestamp) -> u64 {
        now.since(self.born)
    }

    /// current_age in whole seconds, as the Age field has it (RFC 9111 5.1).
    pub fn age_secs(&self, now: Timestamp) -> u64 {
        (self.age_ms(now) / 1000).min(MAX_DELTA)
    }

    /// How long it stays fresh, in milliseconds; negative where it is stale.
    pub fn ttl_ms(&self, now: Timestamp) -> i64 {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        signed(self.lifetime_ms).saturating_sub(signed(self.age_ms(now)))
    }

    /// How long it stays fresh, in whole seconds (RFC 9211 2.4); negative where it is stale.
    pub fn ttl_secs(&self, now: Timestamp) -> i64 {
        self.ttl_ms(now).div_euclid(1000)
    }

    /// response_is_fresh (RFC 9111 4.2): the lifetime is longer than the age.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.lifetime_ms > self.age_ms(now)
    }

    /// How long its lifetime has been over, in milliseconds; 0 where it is fresh, or stale this very moment.
    pub fn staleness_ms(&self, now: Timestamp) -> u64 {
        self.age_ms(now).saturating_sub(self.lifetime_ms)
    }

    /// When its lifetime is over.
    pub fn fresh_until(&self) -> Timestamp {
        self.born.plus_millis(self.lifetime_ms)
    }

    /// When it is of no use any more: its lifetime and the larger stale window are over. With a validator it can still save a
    /// transfer: it is kept as long again as it was fresh, at least a day.
    pub fn keep_until(&self) -> Timestamp {
        let window = if self.must_revalidate || self.no_cache {
            0
        } else {
            self.stale_while_revalidate_ms.max(self.stale_if_error_ms)
        };
        let usable = self.fresh_until().plus_millis(window);
        if !self.has_validator {
            return usable;
        }
        usable.max(self.fresh_until().max(self.received).plus_millis(self.lifetime_ms.max(VALIDATOR_KEEP_MS)))
    }
}

/// Whether a status is heuristically cacheable (RFC 9110 15.1).
pub fn heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether a response that says nothing about its lifetime may get one, or be kept for its validator (RFC 9111 3, 4.2.2). The
/// safe profile stores errors only where the origin or `negative_ttl` says so.
pub(super) fn cacheable_by_default(status: u16, control: &ResponseControl, policy: &Policy) -> bool {
    control.public || (heuristically_cacheable(status) && (status < 400 || policy.profile == Profile::Rfc9111))
}

/// corrected_initial_age (RFC 9111 4.2.3). Date has whole seconds, so the apparent age is taken in whole seconds, too.
fn initial_age_ms(x: &Exchange<'_>) -> u64 {
    let apparent = date(x).map_or(0, |date| x.response_time.0.div_euclid(1000).saturating_sub(date.0.div_euclid(1000)));
    let apparent = u64::try_from(apparent).unwrap_or(0).saturating_mul(1000);
    let corrected = (age_value(x) * 1000).saturating_add(x.response_time.since(x.request_time));
    apparent.max(corrected).min(MAX_DELTA * 1000)
}

/// The first member of the Age field across its lines; a value that is not a number is ignored (RFC 9111 5.1).
fn age_value(x: &Exchange<'_>) -> u64 {
    let first = x.response.get_all("age").flat_map(directives::members).next();
    first.and_then(directives::delta).unwrap_or(0)
}

/// The Date field, where it is valid (RFC 9110 6.6.1).
fn date(x: &Exchange<'_>) -> Option<Timestamp> {
    dates::parse_at(x.response.get("date")?, x.response_time)
}

/// freshness_lifetime (RFC 9111 4.2.1), in milliseconds from birth.
fn lifetime(
    x: &Exchange<'_>,
    policy: &Policy,
    control: &ResponseControl,
    control_source: ControlSource,
    initial_age: u64,
) -> (Source, u64) {
    // What the operator configures counts from the arrival: an Age that the origin sends does not shorten it.
    let configured = |ttl: Duration| match millis(ttl) {
        0 => 0,
        ms => ms.saturating_add(initial_age),
    };
    if let Some(ttl) = policy.ttl
        && overridable(x.status)
    {
        return (Source::Route, configured(ttl));
    }
    let stated = [(Source::SMaxage, control.s_maxage), (Source::MaxAge, control.max_age)];
    for (source, seconds) in stated {
        if let Some(seconds) = seconds {
            let source = if control_source.replaces_expires() { Source::Targeted } else { source };
            return (source, seconds.saturating_mul(1000));
        }
    }
    if !control_source.replaces_expires()
        && let Some(expires) = x.response.get("expires")
    {
        // An invalid value, "0" above all, is in the past (RFC 9111 5.3).
        let from = date(x).unwrap_or(x.response_time);
        let lifetime = dates::parse_at(expires, x.response_time).map_or(0, |expires| expires.since(from));
        return (Source::Expires, lifetime.min(MAX_DELTA * 1000));
    }
    if let Some((_, ttl)) = policy.negative_ttl.iter().find(|(status, _)| *status == x.status) {
        return (Source::Negative, configured(*ttl));
    }
    if !cacheable_by_default(x.status, control, policy) || pragma_forbids(x, policy) {
        return (Source::None, 0);
    }
    match heuristic(x) {
        0 => {}
        ms => return (Source::Heuristic, ms),
    }
    match millis(policy.default_ttl) {
        0 => (Source::None, 0),
        _ if x.status >= 400 => (Source::None, 0),
        _ => (Source::Default, configured(policy.default_ttl)),
    }
}

/// The statuses on which a route's `ttl` goes before what the origin says. Errors and temporary redirects keep their own rules.
fn overridable(status: u16) -> bool {
    heuristically_cacheable(status) && status < 400
}

/// A tenth of the time since the last modification (RFC 9111 4.2.2).
fn heuristic(x: &Exchange<'_>) -> u64 {
    let Some(modified) = x.response.get("last-modified").and_then(|v| dates::parse_at(v, x.response_time)) else {
        return 0;
    };
    let unchanged_for = date(x).unwrap_or(x.response_time).since(modified);
    (unchanged_for / 10).min(HEURISTIC_CAP_MS)
}

/// `Pragma: no-cache` means nothing in a response (RFC 9111 5.4), but whoever sends it alone does not want to be cached on a
/// guess. The safe profile grants it.
fn pragma_forbids(x: &Exchange<'_>, policy: &Policy) -> bool {
    policy.profile == Profile::Safe
        && !x.response.contains("cache-control")
        && x.response.get_all("pragma").any(|v| v.trim_ascii().eq_ignore_ascii_case(b"no-cache"))
}
