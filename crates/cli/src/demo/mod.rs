//! `terrace demo`: a slow origin of its own, the cache before it, and what to try.

mod data;
mod origin;

use crate::args;
use crate::data_dir;
use crate::failure::Failure;
use crate::serve;
use origin::Origin;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use terrace_host::Database;
use tracing::info;
use url::Url;

/// Nothing that the defaults do not do: the origin's own fields decide.
const CONFIG: &str = "# The demo: the origin is given at start, everything else is as it is by default.\n";

pub fn run(args: args::Demo) -> Result<(), Failure> {
    let database = data_dir::database(args.l2, "demo.db")?;
    // The origin is part of what an object is known by: at another address, L2 would know nothing after a restart.
    let beside = match args.listen.port() {
        0 | u16::MAX => 0,
        port => port + 1,
    };
    let address = args.origin_listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], beside)));
    let origin = Origin::start(address, args.delay).map_err(|error| {
        Failure::no(format!(
            "the demo's origin cannot listen on {address}: {error}; choose another address with --origin-listen"
        ))
    })?;
    let url = Url::parse(&format!("http://{}", origin.address))
        .map_err(|error| Failure::no(format!("the demo's origin has no usable address: {error}")))?;
    serve::refuse_loop(&url, args.listen)?;
    let options = serve::options(args.listen, Database::Sqlite(database.clone()), CONFIG, &url);
    serve::until_told_to_stop(options, |address| {
        info!(%origin.address, database = %database.display(), "serving the demo");
        let try_this = TryThis { cache: address, origin: origin.address, delay: args.delay, database: &database };
        serve::say(format_args!("listening on http://{address}\n{try_this}"));
    })
}

/// What is on the screen once the demo runs.
struct TryThis<'a> {
    cache: SocketAddr,
    origin: SocketAddr,
    delay: Duration,
    database: &'a Path,
}

impl fmt::Display for TryThis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TryThis { cache, origin, delay, database } = self;
        let database = database.display();
        write!(
            f,
            "
A slow API (http://{origin}, {delay:?} per answer) with terrace before it. Try:

  curl -s -o /dev/null -D - -w '%{{time_total}} s\\n' http://{cache}/posts/1
      X-Cache-Tier: MISS, about {delay:?}. Again: L1-HIT, about 1 ms.
      Stop the demo, start it again: L2-HIT, from {database}

  curl -si -H 'If-None-Match: \"posts-1\"' http://{cache}/posts/1
      304 Not Modified: the cache answers for the origin

  curl -si http://{cache}/
      every endpoint of the demo and what is special about it

Ctrl-C stops it.
"
        )
    }
}
