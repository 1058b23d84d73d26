//! The first request of an instance reads the configuration; what is wrong with it is said in the log and answered with a 500.

use crate::body::Stream;
use crate::postgres;
use std::cell::RefCell;
use std::rc::Rc;
use terrace_core::Proxy;
use terrace_core::config::Config;
use terrace_core::decision::Failure;
use terrace_core::message::Response;
use terrace_core::report::problem;
use terrace_core::tiers::sql::postgres::address;

/// Where the manifest mounts the configuration.
const CONFIG: &str = "/terrace.toml";
/// The variable that names the origin; it outranks the file.
const ORIGIN: &str = "origin_url";
/// The variable that names the PostgreSQL for L2; without it, or where it is empty, L2 is Spin's SQLite.
const L2: &str = "l2_url";

thread_local! {
    static PROXY: RefCell<Option<Rc<Proxy>>> = const { RefCell::new(None) };
}

/// This instance's cache.
pub async fn proxy() -> Result<Rc<Proxy>, Response<Stream>> {
    if let Some(proxy) = PROXY.with(|p| p.borrow().clone()) {
        return Ok(proxy);
    }
    match load().await {
        Ok(config) => Ok(PROXY.with(|p| p.borrow_mut().get_or_insert_with(|| Rc::new(Proxy::new(config))).clone())),
        Err(why) => {
            eprintln!("terrace: {why}");
            Err(problem::response(Failure::ProxyConfigurationError, "urn:terrace:configuration"))
        }
    }
}

async fn load() -> Result<Config, String> {
    let text = std::fs::read_to_string(CONFIG)
        .map_err(|e| format!("cannot read {CONFIG}: {e}; mount it with `files` in spin.toml"))?;
    let mut config = Config::parse(&text, "terrace.toml").map_err(|errors| errors.to_string())?;
    if let Ok(url) = spin_sdk::variables::get(ORIGIN).await
        && !url.is_empty()
    {
        config.set_origin(&url).map_err(|why| format!("the variable {ORIGIN}: {why}"))?;
    }
    if let Ok(url) = spin_sdk::variables::get(L2).await
        && !url.is_empty()
    {
        postgres::keep_at(address(&url).map_err(|why| format!("the variable {L2}: {why}"))?);
    }
    match config.origin.url {
        Some(_) => Ok(config),
        None => Err(format!("no origin: set origin.url in terrace.toml or the variable {ORIGIN}")),
    }
}
