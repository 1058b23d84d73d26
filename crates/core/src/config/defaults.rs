//! What holds where the file says nothing.

use super::{
    Admit, CacheMode, Collapse, Config, KeyParts, L1, L2, Origin, Policy, Profile, Query, RequestDirectives, SetCookie,
};
use crate::entry::coded::{Coding, Codings};
use std::time::Duration;

/// `origin.connect_timeout`: two lost packets are forgiven. Never more than `origin.timeout`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// `origin.timeout`: slow APIs are what terrace is for.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// `cache.default_ttl`: what the origin does not call fresh is not fresh.
pub const DEFAULT_TTL: Duration = Duration::ZERO;

/// `cache.stale_while_revalidate` of profile "safe": long enough to hide a slow refresh of an object in use, short enough
/// that nobody sees old news. Profile "rfc9111" has none: RFC 5861 gives the word to the response.
pub const STALE_WHILE_REVALIDATE: Duration = Duration::from_secs(30);

/// `cache.stale_if_error`: an origin that is down for a day is still served from what is held.
pub const STALE_IF_ERROR: Duration = Duration::from_secs(24 * 3600);

/// `cache.early_refresh` of profile "safe": what is best in theory. Profile "rfc9111" has none, as it has no stale window.
pub const EARLY_REFRESH: f64 = 1.0;

/// `cache.compress` of profile "safe": every client that takes a coding takes one of these. Profile "rfc9111" has none: what the
/// origin sent is what clients get.
pub const COMPRESS: Codings = Codings::NONE.with(Coding::Br).with(Coding::Gzip);

/// `cache.compress_min_size`: smaller content goes out in one packet as it is.
pub const COMPRESS_MIN_SIZE: u64 = 1024;

/// `tiers.l0.max_size`. Never more than `tiers.l0.size`.
pub const L0_MAX_SIZE: u64 = 64 * 1024;

/// `tiers.l0.max_ttl`: what another instance stores is to be seen soon.
pub const L0_MAX_TTL: Duration = Duration::from_secs(10);

/// `tiers.l1.max_size`. Never more than `tiers.l2.max_size`.
pub const L1_MAX_SIZE: u64 = 1024 * 1024;

/// `tiers.l1.max_ttl`: the purge log is kept as long.
pub const L1_MAX_TTL: Duration = Duration::from_secs(3600);

/// `tiers.l1.timeout`: a slower L1 is no help.
pub const L1_TIMEOUT: Duration = Duration::from_millis(50);

/// `tiers.l2.max_size`.
pub const L2_MAX_SIZE: u64 = 20 * 1024 * 1024;

/// `tiers.l2.max_ttl`.
pub const L2_MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// `tiers.l2.timeout`: a slower L2 is seldom faster than the origin.
pub const L2_TIMEOUT: Duration = Duration::from_millis(500);

/// `purge.poll`: soon enough for whoever publishes something, seldom enough to cost nothing.
pub const PURGE_POLL: Duration = Duration::from_secs(5);

/// `every` of a `[[watch]]`: the period of the most frequent cron of Workers.
pub const WATCH_EVERY: Duration = Duration::from_secs(60);

/// An empty file: every default, and no origin.
impl Default for Config {
    fn default() -> Self {
        Config {
            origin: Origin::default(),
            l0: None,
            l1: L1::default(),
            l2: L2::default(),
            poll: PURGE_POLL,
            admin_token: None,
            watches: Vec::new(),
            routes: Vec::new(),
            default_policy: Policy::default(),
        }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Origin { url: None, connect_timeout: CONNECT_TIMEOUT, timeout: TIMEOUT, headers: Vec::new(), cdn_id: None }
    }
}

impl Default for L1 {
    fn default() -> Self {
        L1 {
            min_size: 0,
            max_size: L1_MAX_SIZE,
            max_ttl: L1_MAX_TTL,
            admit: Admit::Auto,
            writes: None,
            timeout: L1_TIMEOUT,
        }
    }
}

impl Default for L2 {
    fn default() -> Self {
        L2 { max_size: L2_MAX_SIZE, max_ttl: L2_MAX_TTL, capacity: None, timeout: L2_TIMEOUT }
    }
}

/// That of profile "safe".
impl Default for Policy {
    fn default() -> Self {
        Policy::of(Profile::Safe)
    }
}

impl Policy {
    /// The defaults of a profile.
    pub fn of(profile: Profile) -> Policy {
        let (stale_while_revalidate, set_cookie, request_directives) = match profile {
            Profile::Safe => (STALE_WHILE_REVALIDATE, SetCookie::Never, RequestDirectives::Ignore),
            Profile::Rfc9111 => (Duration::ZERO, SetCookie::Store, RequestDirectives::Honour),
        };
        let early_refresh = if profile == Profile::Safe { EARLY_REFRESH } else { 0.0 };
        let compress = if profile == Profile::Safe { COMPRESS } else { Codings::NONE };
        Policy {
            ttl: None,
            default_ttl: DEFAULT_TTL,
            negative_ttl: Vec::new(),
            stale_while_revalidate,
            stale_if_error: STALE_IF_ERROR,
            profile,
            set_cookie,
            request_directives,
            compress,
            compress_min_size: COMPRESS_MIN_SIZE,
            early_refresh,
            collapse: Collapse::Local,
            cache: CacheMode::On,
            vary: Vec::new(),
            query: Query::default(),
            tags: Vec::new(),
            key: KeyParts::default(),
        }
    }
}
