//! Watched documents in L2: one row for each, which says who asks for it, when it is due again, and what was seen last.

use super::super::Tiers;
use super::{batch, query};
use crate::host::{Host, Statement, Text, Value};
use crate::time::Timestamp;

/// How long what nobody watches any more is remembered, in milliseconds.
const FORGOTTEN_MS: u64 = 30 * 24 * 3600 * 1000;

const DUE: Text = Text::plain("SELECT due FROM watches WHERE name = ?1");
/// Only what is due is taken; what is due too late was so by another configuration, or by a clock that was wrong.
const TAKE: Text = Text::plain(
    "INSERT INTO watches (name, owner, due, failures, seen) VALUES (?1, ?2, ?3, 0, '') \
     ON CONFLICT (name) DO UPDATE SET owner = ?2, due = ?3 WHERE due <= ?4 OR due > ?5",
);
const ROW: Text = Text::plain("SELECT owner, due, failures, seen FROM watches WHERE name = ?1");
/// By who took it alone.
const DONE: Text = Text::plain("UPDATE watches SET due = ?3, failures = ?4, seen = ?5 WHERE name = ?1 AND owner = ?2");
const FORGET: Text = Text::plain("DELETE FROM watches WHERE due <= ?1");

/// What stands there of a document.
#[derive(Clone, Debug)]
pub(in crate::tiers) struct Row {
    /// Who asks for it, or did last.
    pub owner: u64,
    /// When it is to be asked for again.
    pub due: Timestamp,
    /// How often that has failed on end.
    pub failures: u32,
    /// What was seen of it last.
    pub seen: String,
}

/// When a document is due; the outer `None` where L2 failed.
pub(in crate::tiers) async fn due<H: Host>(tiers: &Tiers<'_, H>, name: &str) -> Option<Option<Timestamp>> {
    let rows = query(tiers, Statement { sql: DUE, params: vec![Value::Text(name.to_string())] }).await?;
    Some(match rows.first().map(Vec::as_slice) {
        Some([Value::Integer(due)]) => Some(Timestamp(*due)),
        _ => None,
    })
}

/// Takes a document until then, if it is due, and says what stands there now; `None` where L2 failed.
pub(in crate::tiers) async fn take<H: Host>(
    tiers: &Tiers<'_, H>,
    name: &str,
    (owner, until): (u64, Timestamp),
    (now, latest): (Timestamp, Timestamp),
) -> Option<Row> {
    let id = || Value::Text(name.to_string());
    let take = vec![
        id(),
        Value::Integer(i64::try_from(owner).unwrap_or_default()),
        Value::Integer(until.0),
        Value::Integer(now.0),
        Value::Integer(latest.0),
    ];
    let statements = vec![Statement { sql: TAKE, params: take }, Statement { sql: ROW, params: vec![id()] }];
    match batch(tiers, statements).await?.pop().map(<[Value; 4]>::try_from) {
        Some(Ok([Value::Integer(owner), Value::Integer(due), Value::Integer(failures), Value::Text(seen)])) => {
            Some(Row {
                owner: u64::try_from(owner).unwrap_or_default(),
                due: Timestamp(due),
                failures: u32::try_from(failures).unwrap_or_default(),
                seen,
            })
        }
        _ => None,
    }
}

/// Leaves behind what has come of it, unless somebody else has taken it since.
pub(in crate::tiers) async fn done<H: Host>(tiers: &Tiers<'_, H>, name: &str, row: &Row, now: Timestamp) {
    let params = vec![
        Value::Text(name.to_string()),
        Value::Integer(i64::try_from(row.owner).unwrap_or_default()),
        Value::Integer(row.due.0),
        Value::Integer(i64::from(row.failures)),
        Value::Text(row.seen.clone()),
    ];
    let forget = vec![Value::Integer(now.minus_millis(FORGOTTEN_MS).0)];
    batch(tiers, vec![Statement { sql: DONE, params }, Statement { sql: FORGET, params: forget }]).await;
}
