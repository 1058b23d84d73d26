//! L2's tables: whether they are of this version, and how they are made.
//!
//! Every reading of the purge log tells the version, and with that begins what an instance does with L2. Tables of a newer terrace are
//! left alone until they fit again; of this one those that are missing are made.

use super::super::Tiers;
use super::{read, write};
use crate::host::{Host, Statement, StoreError, Text, Value};
use crate::meter::count;
use crate::time::Timestamp;
use std::cell::Cell;

/// The migrations in their order; the n-th makes version n of the schema. To run one again changes nothing.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_entries.sql"),
    include_str!("../migrations/0002_gone.sql"),
    include_str!("../migrations/0003_purges.sql"),
    include_str!("../migrations/0004_leases.sql"),
    include_str!("../migrations/0005_watches.sql"),
    include_str!("../migrations/0006_walk.sql"),
];

const VERSION: Text = Text::plain("SELECT version FROM terrace_schema");

pub(super) const STATEMENTS: &[Text] = &[VERSION];

/// How long nobody makes tables again where that did not help, in milliseconds.
const REST_MS: u64 = 10_000;

/// What an instance knows of the tables.
#[derive(Debug, Default)]
pub struct Schema {
    fits: Cell<Option<bool>>,
    /// When missing tables were made last.
    mended: Cell<Option<Timestamp>>,
}

impl Schema {
    /// Whether they are of a newer terrace.
    pub fn is_newer(&self) -> bool {
        self.fits.get() == Some(false)
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.fits.get().is_none()
    }
}

/// The tables say that they are of this version; `None` where they are not to be used. What changes is told to the operator.
pub(super) fn found<H: Host>(tiers: &Tiers<'_, H>, version: i64) -> Option<()> {
    let known = MIGRATIONS.len();
    let fits = usize::try_from(version).is_ok_and(|version| version <= known);
    match (fits, tiers.counters.schema.fits.replace(Some(fits))) {
        (false, Some(true) | None) => tiers.host.warn(&format!(
            "L2: the database is of version {version}, and this terrace knows {known}: nothing is read from it or written to it, and \
             purges are refused, until you upgrade terrace or give it another database"
        )),
        (true, Some(false)) => tiers.host.warn(&format!("L2: the database is of version {version}, and used again")),
        _ => {}
    }
    if fits {
        return Some(());
    }
    count(&tiers.counters.l2_errors);
    None
}

/// Asks for the version, where the purge log was not read yet; `None` where the tables are not to be used.
pub(super) async fn look<H: Host>(tiers: &Tiers<'_, H>) -> Result<Option<()>, StoreError> {
    match version(tiers).await? {
        Some(version) => Ok(found(tiers, version)),
        // Those that will be made are of this version.
        None => {
            tiers.counters.schema.fits.set(Some(true));
            Ok(Some(()))
        }
    }
}

/// The version; `None` where there are no tables, or none that says.
async fn version<H: Host>(tiers: &Tiers<'_, H>) -> Result<Option<i64>, StoreError> {
    match read(tiers.host, tiers.meter, &Statement { sql: VERSION, params: vec![] }).await {
        Ok(rows) => Ok(match rows.first().and_then(|row| row.first()) {
            Some(Value::Integer(version)) => Some(*version),
            _ => None,
        }),
        Err(StoreError::Schema(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Brings the tables to the newest version, each migration in a transaction of its own. Where they are of it, and one is missing, all
/// that are missing are made, in one. `None` where they are not to be used.
pub(super) async fn mend<H: Host>(tiers: &Tiers<'_, H>, why: String) -> Result<Option<()>, StoreError> {
    let now = tiers.host.now();
    let version = version(tiers).await?;
    if version.is_some_and(|version| found(tiers, version).is_none()) {
        return Ok(None);
    }
    let made = version.and_then(|version| usize::try_from(version).ok()).unwrap_or(0);
    let (host, meter) = (tiers.host, tiers.meter);
    if made < MIGRATIONS.len() {
        for migration in MIGRATIONS.iter().skip(made) {
            write(host, meter, &plain(statements(migration))).await?;
        }
        return Ok(Some(()));
    }
    if tiers.counters.schema.mended.get().is_some_and(|at| now.since(at) < REST_MS) {
        return Err(StoreError::Schema(why));
    }
    tiers.counters.schema.mended.set(Some(now));
    write(host, meter, &plain(MIGRATIONS.iter().flat_map(|migration| statements(migration)))).await?;
    Ok(Some(()))
}

fn plain(texts: impl Iterator<Item = &'static str>) -> Vec<Statement> {
    texts.map(|sql| Statement { sql: Text::plain(sql), params: vec![] }).collect()
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
pub fn statements(migration: &'static str) -> impl Iterator<Item = &'static str> {
    migration.split(";\n").map(str::trim).filter(|s| !s.is_empty())
}
