//! `terrace serve` with Redis as L1 and PostgreSQL as L2, or with the PostgreSQL that the component connects to by itself. All that the
//! suite starts have one of each, and a part of its own there.
//!
//! As with a Worker, a start begins with an empty L1; L2 is what it was.

use super::{Place, Process, terrace};
use crate::postgres::Postgres;
use crate::redis::Redis;
use anyhow::{Context, Result, bail};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static STORES: Mutex<Stores> = Mutex::new(Stores { redis: None, postgres: None });

struct Stores {
    redis: Option<Redis>,
    postgres: Option<Postgres>,
}

impl Stores {
    fn redis(&mut self) -> Result<&Redis> {
        Ok(match &mut self.redis {
            Some(redis) => redis,
            none => none.insert(Redis::start()?),
        })
    }

    /// The URL of a schema of this name.
    fn postgres(&mut self, name: &str) -> Result<String> {
        let postgres = match &mut self.postgres {
            Some(postgres) => postgres,
            none => none.insert(Postgres::start()?),
        };
        postgres.ask(&format!("CREATE SCHEMA IF NOT EXISTS \"{name}\""))?;
        Ok(format!("{}?options=-csearch_path%3D{name}", postgres.url()))
    }
}

fn stores() -> MutexGuard<'static, Stores> {
    STORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the servers. Statics are not dropped when a program ends.
pub fn end() {
    let mut stores = stores();
    (stores.redis, stores.postgres) = (None, None);
}

pub(super) fn available() -> Result<()> {
    if let Some(why) = Redis::missing().or_else(Postgres::missing) {
        bail!(why);
    }
    terrace::terrace_binary().map(drop)
}

pub(super) fn start(place: &Place) -> Result<Process> {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let name = name(place)?;
    let (l1, l2) = {
        let mut stores = stores();
        let start = STARTS.fetch_add(1, Ordering::Relaxed);
        let l1 = format!("{}/0?prefix={name}_{start}:", stores.redis()?.url());
        (l1, format!("{}&pool=4", stores.postgres(&name)?))
    };
    with_time(place, &["--l1", &l1, "--l2", &l2])
}

pub(super) fn component_available() -> Result<()> {
    match Postgres::missing() {
        Some(why) => bail!(why),
        None => terrace::terrace_binary().map(drop),
    }
}

/// As under `spin up`, with a PostgreSQL that the component connects to by itself.
pub(super) fn start_component(place: &Place) -> Result<Process> {
    let l2 = stores().postgres(&name(place)?)?;
    with_time(place, &["--like-spin", "--l2", &l2])
}

/// What the stores know it by.
fn name(place: &Place) -> Result<String> {
    let name = place.dir.file_name().and_then(|name| name.to_str()).context("the name of the folder")?;
    Ok(name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect())
}

fn with_time(place: &Place, arguments: &[&str]) -> Result<Process> {
    let config = patient(place.config);
    let arguments = [arguments, place.arguments].concat();
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
