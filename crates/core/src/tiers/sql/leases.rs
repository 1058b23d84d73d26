//! Leases in L2: one row for each object that an instance asks the origin for.

use super::super::Tiers;
use super::{batch, query};
use crate::host::{Host, Statement, Text, Value};
use crate::key::Key;
use crate::time::Timestamp;

/// Only what is over is taken.
const TAKE: Text = Text::plain(
    "INSERT INTO leases (key, owner, until) VALUES (?1, ?2, ?3) \
     ON CONFLICT (key) DO UPDATE SET owner = ?2, until = ?3 WHERE leases.until <= ?4",
);
/// With when what is stored was asked for.
const HOLDS: Text =
    Text::plain("SELECT owner, until, (SELECT stored FROM entries WHERE key = ?1) FROM leases WHERE key = ?1");
/// By its owner alone.
const CHANGE: Text = Text::plain("UPDATE leases SET owner = ?3, until = ?4 WHERE key = ?1 AND owner = ?2");
const END: Text = Text::plain("DELETE FROM leases WHERE key = ?1 AND owner = ?2");
const SWEEP: Text = Text::plain("DELETE FROM leases WHERE key IN (SELECT key FROM leases WHERE until <= ?1 LIMIT 500)");

pub(super) const STATEMENTS: &[Text] = &[TAKE, HOLDS, CHANGE, END, SWEEP];

/// Who holds a lease.
#[derive(Clone, Copy, Debug)]
pub(in crate::tiers) struct Holder {
    pub owner: u64,
    /// Until when.
    pub until: Timestamp,
    /// When that was asked for which is stored under the same key, where something is.
    pub stored: Option<Timestamp>,
}

fn id(key: &Key) -> Value {
    Value::Text(key.text())
}

/// Exact in a double, which is all that D1 can bind.
fn number(owner: u64) -> Value {
    Value::Integer(i64::try_from(owner).unwrap_or_default())
}

fn holder(rows: Vec<Vec<Value>>) -> Option<Holder> {
    match rows.first().map(Vec::as_slice) {
        Some([Value::Integer(owner), Value::Integer(until), stored]) => Some(Holder {
            owner: u64::try_from(*owner).unwrap_or_default(),
            until: Timestamp(*until),
            stored: match stored {
                Value::Integer(at) => Some(Timestamp(*at)),
                _ => None,
            },
        }),
        _ => None,
    }
}

/// Takes the lease, unless somebody has it, and says who has it now; `None` where L2 failed.
pub(in crate::tiers) async fn take<H: Host>(
    tiers: &Tiers<'_, H>,
    key: &Key,
    owner: u64,
    until: Timestamp,
    now: Timestamp,
) -> Option<Holder> {
    let take = vec![id(key), number(owner), Value::Integer(until.0), Value::Integer(now.0)];
    let statements = vec![Statement { sql: TAKE, params: take }, Statement { sql: HOLDS, params: vec![id(key)] }];
    holder(batch(tiers, statements).await?)
}

/// Who has the lease; the outer `None` where L2 failed.
pub(in crate::tiers) async fn holds<H: Host>(tiers: &Tiers<'_, H>, key: &Key) -> Option<Option<Holder>> {
    query(tiers, Statement { sql: HOLDS, params: vec![id(key)] }).await.map(holder)
}

/// Changes whose the lease is, and until when.
pub(in crate::tiers) async fn change<H: Host>(
    tiers: &Tiers<'_, H>,
    key: &Key,
    owner: u64,
    (to, until): (u64, Timestamp),
) -> Option<()> {
    let params = vec![id(key), number(owner), number(to), Value::Integer(until.0)];
    batch(tiers, vec![Statement { sql: CHANGE, params }]).await.map(drop)
}

/// Ends the lease.
pub(in crate::tiers) async fn end<H: Host>(tiers: &Tiers<'_, H>, key: &Key, owner: u64) {
    batch(tiers, vec![Statement { sql: END, params: vec![id(key), number(owner)] }]).await;
}

/// Removes what is over.
pub(super) fn sweeping(now: Timestamp) -> Statement {
    Statement { sql: SWEEP, params: vec![Value::Integer(now.0)] }
}
