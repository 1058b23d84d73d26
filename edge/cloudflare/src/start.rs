//! The first request of an isolate reads the configuration; what is wrong with it is said in the log and answered with a 500.

use crate::platform::{self, Call};
use crate::stream::Stream;
use std::cell::RefCell;
use std::rc::Rc;
use terrace_core::Proxy;
use terrace_core::config::Config;
use terrace_core::decision::Failure;
use terrace_core::message::Response;
use terrace_core::report::problem;

/// The variable that names the origin; it outranks the file.
const ORIGIN: &str = "ORIGIN_URL";

/// The most bytes that copies on their way into the stores hold together: an isolate has 128 MB, and a copy that D1 takes is there
/// several times.
const COPIES: usize = 24 << 20;

/// The largest content that goes into D1.
const LARGEST_IN_L2: u64 = 8 << 20;

thread_local! {
    static PROXY: RefCell<Option<Rc<Proxy>>> = const { RefCell::new(None) };
}

/// This isolate's cache.
pub fn proxy(call: &Call) -> Result<Rc<Proxy>, Response<Stream>> {
    if let Some(proxy) = PROXY.with_borrow(Clone::clone) {
        return Ok(proxy);
    }
    match load(call) {
        Ok(config) => {
            let proxy = Rc::new(Proxy::with_memory(config, COPIES));
            PROXY.set(Some(proxy.clone()));
            Ok(proxy)
        }
        Err(why) => {
            worker::console_error!("terrace: {why}");
            Err(problem::response(Failure::ProxyConfigurationError, "urn:terrace:configuration"))
        }
    }
}

fn load(call: &Call) -> Result<Config, String> {
    let text = platform::configuration();
    let mut config = Config::from_json(&text).map_err(|why| {
        format!("terrace.json is not of this build ({why}); build and deploy again: npx wrangler deploy")
    })?;
    if let Some(url) = platform::variable(call, ORIGIN).filter(|url| !url.is_empty()) {
        config.set_origin(&url).map_err(|why| format!("the variable {ORIGIN}: {why}"))?;
    }
    config.l2.max_size = config.l2.max_size.min(LARGEST_IN_L2);
    match config.origin.url {
        Some(_) => Ok(config),
        None => Err(format!("no origin: set origin.url in terrace.toml or the variable {ORIGIN}")),
    }
}
