//! The hosts that the suite runs on.

mod daemon;
mod process;
pub mod shared;
mod spin;
mod terrace;
pub mod workerd;

pub use daemon::Daemon;
pub use process::{Process, kill_9};
pub use terrace::terrace_binary;

use anyhow::Result;
use std::path::{Path, PathBuf};

/// The secret that every host has under the name `ADMIN_TOKEN`.
pub const ADMIN_TOKEN: &str = "sesame-4712";

/// A host of the core. Another platform is another variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// `terrace serve`: the wasmtime host.
    Wasmtime,
    /// The same with instances as Spin reuses them.
    LikeSpin,
    /// The same with a fresh instance for every request.
    LikeSpinFresh,
    /// `terrace serve` with Redis as L1 and PostgreSQL as L2.
    Shared,
    /// [`LikeSpin`](Host::LikeSpin) with a PostgreSQL as L2 that the component connects to by itself.
    LikeSpinPostgres,
    /// `spin up`.
    Spin,
    /// The Worker, in Cloudflare's workerd.
    Workerd,
    /// The same with its stores watched, and disturbed, by the test: see [`crate::stores`].
    WatchedWorkerd,
}

/// What a process is started from.
pub struct Place<'a> {
    /// A folder of its own.
    pub dir: &'a Path,
    /// The configuration, the origin's URL included.
    pub config: &'a str,
    /// The origin's URL.
    pub origin: &'a str,
    /// More arguments of `terrace serve`; of a Worker, its variables, as `NAME=VALUE`.
    pub arguments: &'a [&'a str],
}

impl Host {
    /// Every host that the suite runs on, in its order.
    pub const ALL: [Host; 7] = [
        Host::Wasmtime,
        Host::LikeSpin,
        Host::LikeSpinFresh,
        Host::Shared,
        Host::LikeSpinPostgres,
        Host::Spin,
        Host::Workerd,
    ];

    /// Its name in front of every test's name.
    pub const fn name(self) -> &'static str {
        match self {
            Host::Wasmtime => "wasmtime",
            Host::LikeSpin => "like_spin",
            Host::LikeSpinFresh => "like_spin_fresh",
            Host::Shared => "redis_postgres",
            Host::LikeSpinPostgres => "like_spin_postgres",
            Host::Spin => "spin",
            Host::Workerd => "workerd",
            Host::WatchedWorkerd => "watched_workerd",
        }
    }

    /// Why the suite cannot run on it here, if so.
    pub fn missing(self) -> Option<String> {
        let found = match self {
            Host::Wasmtime | Host::LikeSpin | Host::LikeSpinFresh => terrace_binary().map(drop),
            Host::Shared => shared::available(),
            Host::LikeSpinPostgres => shared::component_available(),
            Host::Spin => spin::version().map(drop),
            Host::Workerd | Host::WatchedWorkerd => workerd::upload().map(drop),
        };
        found.err().map(|why| format!("{why:#}"))
    }

    /// Whether a missing host fails the run.
    pub const fn is_required(self) -> bool {
        !matches!(self, Host::Spin | Host::Shared | Host::LikeSpinPostgres)
    }

    /// Whether it is our own program: its process, its limits and what it reads from the wire are our doing. With stores of others
    /// it is the same program, and that need not be tried again.
    pub const fn is_ours(self) -> bool {
        matches!(self, Host::Wasmtime | Host::LikeSpin | Host::LikeSpinFresh)
    }

    /// Whether the behaviours of an idea are tried on it: where L2 alone is another than a host's that is tried, those about what goes there.
    pub fn tries(self, idea: &str) -> bool {
        let far = [
            "tiers",
            "purge",
            "stale",
            "validation",
            "vary",
            "variance",
            "ranges",
            "room",
            "watch",
            "streaming",
            "content",
            "coding",
        ];
        self != Host::LikeSpinPostgres || far.contains(&idea)
    }

    /// Whether it finishes deferred stores before it ends. Instances as Spin has them are not waited for; what they store in a file is
    /// stored at once.
    pub const fn drains(self) -> bool {
        self.is_ours() || matches!(self, Host::Shared)
    }

    /// Whether all requests meet one instance, given `--workers 1` where it takes arguments: instances do not know of each
    /// other's refreshes.
    pub const fn is_one_instance(self) -> bool {
        matches!(self, Host::Wasmtime | Host::Workerd | Host::WatchedWorkerd)
    }

    /// Whether any method reaches us: workerd answers 501 to what is none of its own.
    pub const fn takes_every_method(self) -> bool {
        !self.is_workerd()
    }

    /// Whether the lines of a repeated field stay apart: JavaScript's `Headers` joins them, all but Set-Cookie.
    pub const fn keeps_field_lines(self) -> bool {
        !self.is_workerd()
    }

    /// Whether a refused connection can be told from a broken one: `fetch` of workerd says of both that the connection was lost.
    pub const fn tells_refused_connections(self) -> bool {
        !self.is_workerd()
    }

    /// The largest content that every tier takes: an isolate has 128 MB, and what D1 takes is in it several times.
    pub const fn largest_everywhere(self) -> usize {
        if self.is_workerd() { 8 << 20 } else { 25 << 20 }
    }

    /// The content codings that it writes, the one that it likes most in front.
    pub const fn codings(self) -> &'static [&'static str] {
        if self.is_workerd() { &["br", "zstd", "gzip"] } else { &["gzip"] }
    }

    const fn is_workerd(self) -> bool {
        matches!(self, Host::Workerd | Host::WatchedWorkerd)
    }

    /// Starts it.
    pub fn start(self, place: &Place) -> Result<Process> {
        match self {
            Host::Wasmtime => terrace::start(place, None),
            Host::LikeSpin => terrace::start(place, Some("--like-spin")),
            Host::LikeSpinFresh => terrace::start(place, Some("--like-spin=fresh")),
            Host::Shared => shared::start(place),
            Host::LikeSpinPostgres => shared::start_component(place),
            Host::Spin => spin::start(place),
            Host::Workerd => workerd::start(place, None),
            Host::WatchedWorkerd => workerd::start(place, Some("watched.mjs")),
        }
    }
}

/// Where cargo builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from)
}
