//! The walk through L2 in the order of the keys, a slice at a time: what is in a slice, and what is removed from it.
//!
//! How far it has come stands in one row, so that all instances walk together and none needs an index or a row for each entry.

use super::super::Tiers;
use super::super::room::{PAUSE_MS, PAUSES};
use super::{batch, leases, purges, query};
use crate::host::{Host, Statement, Text, Value};
use crate::key::Key;
use crate::rules::evict::{Candidate, MEMORY_MS, OVERHEAD};
use crate::time::Timestamp;

/// The most entries of a slice, and the most rows that are removed without an entry of their own.
const SLICE: i64 = 512;
const ORPHANS: i64 = 4096;

/// Row 0 is how far the walk has come, the others are entries. `length` of a column reads none of it.
const LOOK: Text = Text::plain(
    "SELECT 0 AS n, passed AS key, seen AS a, added AS b, held AS c, 0 AS d FROM walk WHERE id = 1 \
     UNION ALL SELECT 1, key, until, at, hits, bytes FROM (SELECT entries.key AS key, entries.until AS until, \
     CASE WHEN uses.at > entries.stored THEN uses.at ELSE entries.stored END AS at, coalesce(uses.hits, 0) AS hits, \
     length(entries.head) + length(entries.body) \
     + coalesce((SELECT sum(length(chunks.body)) FROM chunks WHERE chunks.key = entries.key), 0) AS bytes \
     FROM entries LEFT JOIN uses ON uses.key = entries.key \
     WHERE entries.key > coalesce((SELECT passed FROM walk WHERE id = 1), '') ORDER BY entries.key LIMIT ?1) AS slice",
);
/// Unless it was stored anew since it was looked at.
const REMOVE_OVER: Text =
    Text::plain("DELETE FROM entries WHERE until <= ?2 AND key IN (SELECT value FROM json_each(?1))");
const REMOVE: Text = Text::plain("DELETE FROM entries WHERE key IN (SELECT value FROM json_each(?1))");
const REMOVE_CHUNKS: Text = Text::plain(
    "DELETE FROM chunks WHERE key IN (SELECT key FROM chunks WHERE key > ?2 AND key <= ?3 \
     AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.key = chunks.key) LIMIT ?1)",
);
const REMOVE_USES: Text = Text::plain(
    "DELETE FROM uses WHERE key IN (SELECT key FROM uses WHERE key > ?2 AND key <= ?3 \
     AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.key = uses.key) LIMIT ?1)",
);
/// Unless another instance has come as far meanwhile.
const PASS: Text = Text::plain(
    "INSERT INTO walk (id, seen, added, held, passed) VALUES (1, ?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET \
     seen = excluded.seen, added = excluded.added, held = excluded.held, passed = excluded.passed WHERE walk.passed = ?5",
);
/// The more hits L2 knows of, the longer it takes no further ones, whoever tells. Those of long ago count less.
const USE: Text = Text::plain(
    "INSERT INTO uses (key, at, hits) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM entries WHERE key = ?1) \
     ON CONFLICT (key) DO UPDATE SET at = excluded.at, \
     hits = uses.hits / (1 + (excluded.at - uses.at) / ?4) + excluded.hits \
     WHERE uses.at + ?5 * (CASE WHEN uses.hits < ?6 THEN uses.hits ELSE ?6 END) <= excluded.at",
);

pub(super) const STATEMENTS: &[Text] = &[LOOK, REMOVE_OVER, REMOVE, REMOVE_CHUNKS, REMOVE_USES, PASS, USE];

/// How far the walk has come.
#[derive(Clone, Debug, Default)]
pub(in crate::tiers) struct Walk {
    /// The last key that was passed; empty where a round begins.
    pub passed: String,
    /// The bytes seen in this round.
    pub seen: u64,
    /// The bytes added since it began.
    pub added: u64,
    /// The bytes held; `None` before the end of the first round.
    pub held: Option<u64>,
}

/// What comes next.
#[derive(Debug)]
pub(in crate::tiers) struct Slice {
    /// How far the walk had come.
    pub walk: Walk,
    /// Entries in the order of their keys; none of them is being served, as far as this knows.
    pub entries: Vec<(Key, Candidate)>,
    /// Whether the round ends here.
    pub last: bool,
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Integer(n) => u64::try_from(*n).unwrap_or_default(),
        _ => 0,
    }
}

fn integer(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The next slice; `None` where L2 failed.
pub(in crate::tiers) async fn look<H: Host>(tiers: &Tiers<'_, H>) -> Option<Slice> {
    let rows = query(tiers, Statement { sql: LOOK, params: vec![Value::Integer(SLICE)] }).await?;
    let (mut walk, mut entries) = (Walk::default(), Vec::with_capacity(rows.len()));
    for row in rows {
        match row.as_slice() {
            [Value::Integer(0), Value::Text(passed), seen, added, held, _] => {
                let held = matches!(held, Value::Integer(0..)).then(|| number(held));
                walk = Walk { passed: passed.clone(), seen: number(seen), added: number(added), held };
            }
            [_, Value::Text(key), Value::Integer(until), Value::Integer(used), hits, bytes] => {
                let candidate = Candidate {
                    bytes: number(bytes).saturating_add(OVERHEAD),
                    until: Timestamp(*until),
                    used: Timestamp(*used),
                    hits: number(hits),
                    serving: false,
                };
                // A key that is none of ours is passed by.
                entries.extend(Key::from_text(key).map(|key| (key, candidate)));
            }
            _ => {}
        }
    }
    let last = (entries.len() as i64) < SLICE;
    Some(Slice { walk, entries, last })
}

/// Removes entries, `over` only where they are, and what is left behind of them and others between two keys, and what is over besides
/// them; the walk has come from `from` to `to`. `None` where L2 failed.
pub(in crate::tiers) async fn pass<H: Host>(
    tiers: &Tiers<'_, H>,
    (over, evicted): (&[Key], &[Key]),
    (from, to): (&Walk, &Walk),
    now: Timestamp,
) -> Option<()> {
    let list = |keys: &[Key]| {
        let keys: Vec<String> = keys.iter().map(Key::text).collect();
        Value::Text(serde_json::to_string(&keys).unwrap_or_default())
    };
    let mut statements = Vec::new();
    if !over.is_empty() {
        statements.push(Statement { sql: REMOVE_OVER, params: vec![list(over), Value::Integer(now.0)] });
    }
    if !evicted.is_empty() {
        statements.push(Statement { sql: REMOVE, params: vec![list(evicted)] });
    }
    // Past every hexadecimal digit.
    let end = if to.passed.is_empty() { "~" } else { &to.passed };
    for sql in [REMOVE_CHUNKS, REMOVE_USES] {
        let bounds = [&from.passed, end].map(|key| Value::Text(key.to_string()));
        let [begin, end] = bounds;
        statements.push(Statement { sql, params: vec![Value::Integer(ORPHANS), begin, end] });
    }
    statements.extend([super::sweeping_gone(now), leases::sweeping(now)]);
    statements.extend(purges::pruning(tiers, now));
    let held = to.held.map_or(Value::Integer(-1), integer);
    let text = |walk: &Walk| Value::Text(walk.passed.clone());
    let params = vec![integer(to.seen), integer(to.added), held, text(to), text(from)];
    statements.push(Statement { sql: PASS, params });
    batch(tiers, statements).await.map(drop)
}

/// Tells L2 of hits.
pub(in crate::tiers) async fn used<H: Host>(tiers: &Tiers<'_, H>, key: &Key, hits: u32, now: Timestamp) {
    let params = vec![
        Value::Text(key.text()),
        Value::Integer(now.0),
        Value::Integer(hits.into()),
        integer(MEMORY_MS),
        integer(PAUSE_MS),
        Value::Integer(PAUSES.into()),
    ];
    batch(tiers, vec![Statement { sql: USE, params }]).await;
}
