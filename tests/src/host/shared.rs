//! `terrace serve` with Redis as L1 and PostgreSQL as L2. All that the suite starts have one of each, and a part of its own there.
//!
//! As with a Worker, a start begins with an empty L1; L2 is what it was.

use super::{Place, Process, terrace};
use crate::postgres::Postgres;
use crate::redis::Redis;
use anyhow::{Context, Result, bail};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static STORES: Mutex<Option<(Redis, Postgres)>> = Mutex::new(None);

fn stores() -> MutexGuard<'static, Option<(Redis, Postgres)>> {
    STORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the servers. Statics are not dropped when a program ends.
pub fn end() {
    stores().take();
}

pub(super) fn available() -> Result<()> {
    if let Some(why) = Redis::missing().or_else(Postgres::missing) {
        bail!(why);
    }
    terrace::terrace_binary().map(drop)
}

pub(super) fn start(place: &Place) -> Result<Process> {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let name = place.dir.file_name().and_then(|name| name.to_str()).context("the name of the folder")?;
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let (l1, l2) = {
        let mut stores = stores();
        let (redis, postgres) = match stores.as_mut() {
            Some(stores) => stores,
            None => stores.insert((Redis::start()?, Postgres::start()?)),
        };
        postgres.ask(&format!("CREATE SCHEMA IF NOT EXISTS \"{name}\""))?;
        let start = STARTS.fetch_add(1, Ordering::Relaxed);
        let l1 = format!("{}/0?prefix={name}_{start}:", redis.url());
        let l2 = format!("{}?pool=4&options=-csearch_path%3D{name}", postgres.url());
        (l1, l2)
    };
    let config = patient(place.config);
    let mut arguments = vec!["--l1", &l1, "--l2", &l2];
    arguments.extend(place.arguments);
    terrace::start(&Place { arguments: &arguments, config: &config, ..*place }, None)
}

/// The configuration with time enough for each tier, where it says nothing of that: a loaded machine is no defect, and a store that is
/// reached by a socket is held up by it.
fn patient(config: &str) -> String {
    let Ok(mut table) = config.parse::<toml::Table>() else { return config.to_owned() };
    let tiers = table.entry("tiers").or_insert_with(|| toml::Table::new().into());
    for tier in ["l1", "l2"] {
        if let Some(tiers) = tiers.as_table_mut()
            && let Some(tier) = tiers.entry(tier).or_insert_with(|| toml::Table::new().into()).as_table_mut()
        {
            tier.entry("timeout").or_insert_with(|| "5s".into());
        }
    }
    table.to_string()
}
