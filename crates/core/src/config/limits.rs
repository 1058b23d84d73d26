//! The bounds of what a file may ask for, each with its reason.

use crate::entry::coded;
use std::time::Duration;

/// The longest file that is read, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// The most routes. Every request walks them until one matches.
pub const MAX_ROUTES: usize = 1000;

/// The most patterns in `allow` and in `ignore` of a route's query. Each parameter of a request is held against them.
pub const MAX_PATTERNS: usize = 64;

/// The most fields in `vary`, and cookies in `key`, of a route.
pub const MAX_PARTS: usize = 16;

/// The most languages in `key` of a route. Each range of a request's Accept-Language is held against them.
pub const MAX_LANGUAGES: usize = 32;

/// The largest content that may be part of the key: 1 MiB. It is read before anything is looked up.
pub const MAX_CONTENT: u64 = 1024 * 1024;

/// The largest `early_refresh`: what is asked for often is then refreshed for half of its time.
pub const MAX_EARLY_REFRESH: f64 = 100.0;

/// The most watches. Each is a request to the origin, and two writes in L2, every time.
pub const MAX_WATCHES: usize = 16;

/// The most tags of one watch, those with a `*` counted once.
pub const MAX_WATCHED: usize = 64;

/// The longest path with its query that is watched, in bytes.
pub const MAX_TARGET: usize = 2048;

/// The longest pattern, name of a cookie, language tag or JSON pointer, in bytes.
pub const MAX_NAME: usize = 256;

/// The longest lifetime, stale window or stay in a tier: 10 years. Beyond it, a slip of the unit is likelier than a wish,
/// and the sum of any two stays far inside every integer.
pub const MAX_TTL: Duration = Duration::from_secs(3650 * 24 * 3600);

/// The longest deadline: 10 minutes. No client waits longer.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// The largest content in L1: 64 MiB, as in L2. A platform whose values are smaller (Workers KV: 25 MiB, the entry's head
/// included) refuses the write, and the entry stays in L2.
pub const MAX_L1_SIZE: u64 = MAX_L2_SIZE;

/// The largest content in L2: 64 MiB. It is captured in the memory of the instance (128 MB on Workers) before it is stored.
pub const MAX_L2_SIZE: u64 = 64 * 1024 * 1024;

/// The shortest `max_ttl` of an L1 that admits on the second hit: it takes only what is fresh for 60 s, the shortest time that
/// Workers KV can be told to keep a value.
pub const MIN_SECOND_HIT_TTL: Duration = Duration::from_secs(60);

/// From where to where a value may go, and why no further.
pub(super) struct Bounds<T> {
    /// The smallest value.
    pub least: T,
    /// Why nothing smaller.
    pub least_why: &'static str,
    /// The largest value.
    pub most: T,
    /// Why nothing larger.
    pub most_why: &'static str,
}

/// A freshness lifetime or a stale window; zero is "none".
pub(super) const LIFETIME: Bounds<Duration> =
    Bounds { least: Duration::ZERO, least_why: "", most: MAX_TTL, most_why: "that is 10 years" };

/// A stay in a tier.
pub(super) const STAY: Bounds<Duration> = Bounds {
    least: Duration::from_secs(1),
    least_why: "nothing could ever be found in the tier",
    most: MAX_TTL,
    most_why: "that is 10 years",
};

/// A deadline.
pub(super) const TIMEOUT: Bounds<Duration> = Bounds {
    least: Duration::from_millis(1),
    least_why: "nothing could ever answer in time",
    most: MAX_TIMEOUT,
    most_why: "no client waits longer",
};

/// How often L2 is asked for purges.
pub(super) const POLL: Bounds<Duration> = Bounds {
    least: Duration::from_millis(100),
    least_why: "every instance asks L2 so often",
    most: Duration::from_secs(3600),
    most_why: "nobody waits longer for a purge to hold",
};

/// How often a watched document is asked for.
pub(super) const EVERY: Bounds<Duration> = Bounds {
    least: Duration::from_secs(1),
    least_why: "the origin is asked so often, whether anybody uses the cache or not",
    most: Duration::from_secs(24 * 3600),
    most_why: "a ttl would do for what may be so old",
};

/// A period of the parts that are checked but not built.
pub(super) const PERIOD: Bounds<Duration> = Bounds {
    least: Duration::from_millis(1),
    least_why: "it is a period",
    most: MAX_TTL,
    most_why: "that is 10 years",
};

/// The smallest content that is compressed.
pub(super) const COMPRESS_MIN_SIZE: Bounds<u64> = Bounds {
    least: 128,
    least_why: "nothing smaller would become smaller",
    most: coded::MAX_SIZE,
    most_why: "no larger content is compressed",
};

/// All of L0.
pub(super) const L0_SIZE: Bounds<u64> = Bounds {
    least: 64 * 1024,
    least_why: "the tier could keep next to nothing",
    most: 64 * 1024 * 1024,
    most_why: "it is in the memory of every instance, of which Workers have 128 MB",
};

/// The content of an L0 entry.
pub(super) const L0_ENTRY: Bounds<u64> =
    Bounds { least: 1, least_why: "the tier could keep nothing", most: 64 * 1024 * 1024, most_why: "no L0 is larger" };

/// The content of an L1 entry.
pub(super) const L1_SIZE: Bounds<u64> = Bounds {
    least: 1,
    least_why: "the tier could keep nothing",
    most: MAX_L1_SIZE,
    most_why: "it is captured in memory before it is stored",
};

/// All of L2.
pub(super) const L2_CAPACITY: Bounds<u64> = Bounds {
    least: 64 * 1024,
    least_why: "the tier could keep next to nothing",
    most: 1 << 50,
    most_why: "no database is larger",
};

/// The smallest content of an L1 entry; zero is "any".
pub(super) const L1_LEAST: Bounds<u64> =
    Bounds { least: 0, least_why: "", most: MAX_L1_SIZE, most_why: "no L1 is larger" };

/// The content of a request that is part of the key.
pub(super) const CONTENT: Bounds<u64> = Bounds {
    least: 1,
    least_why: "no content would be small enough",
    most: MAX_CONTENT,
    most_why: "it is held in memory before anything is looked up",
};

/// The content of an L2 entry.
pub(super) const L2_SIZE: Bounds<u64> = Bounds {
    least: 1,
    least_why: "the tier could keep nothing",
    most: MAX_L2_SIZE,
    most_why: "it is held in memory until it is stored",
};
