//! A sample of what L2 holds: what is stored under some keys, and the first entries in the order of the keys, which are hashes. Two reads
//! by the primary key in one query; nothing is kept for it.

use super::super::Tiers;
use super::query;
use crate::entry::{Head, codec};
use crate::host::{Host, Statement, Text, Value};
use crate::key::Key;
use crate::time::Timestamp;

/// The most entries that are looked at beside those under the keys.
const SAMPLE: i64 = 256;

const LOOK: Text = sql!(
    "SELECT 0 AS n, key, ", (read "head"), " FROM entries WHERE key IN (SELECT value FROM json_each(?1)) \
     UNION ALL SELECT 1, key, ", (read "head"), " FROM (SELECT key, head FROM entries ORDER BY key LIMIT ?2) AS sample"
);

pub(super) const STATEMENTS: &[Text] = &[LOOK];

/// The heads of what is stored under these keys, and of a sample of all; whether that is all there is. `None` where L2 failed.
pub(in crate::tiers) async fn look<H: Host>(
    tiers: &Tiers<'_, H>,
    keys: &[Key],
    now: Timestamp,
) -> Option<(Vec<Head>, bool)> {
    let keys: Vec<String> = keys.iter().map(Key::text).collect();
    let named = Value::Text(serde_json::to_string(&keys).unwrap_or_default());
    let rows = query(tiers, Statement { sql: LOOK, params: vec![named, Value::Integer(SAMPLE)] }).await?;
    let (mut heads, mut sampled) = (Vec::with_capacity(rows.len()), 0);
    for row in rows {
        let Ok([Value::Integer(n), Value::Text(key), head]) = <[Value; 3]>::try_from(row) else { continue };
        sampled += n;
        // One under a key may come again in the sample.
        if n == 1 && keys.contains(&key) {
            continue;
        }
        let stored = head.into_bytes().and_then(|bytes| codec::decode_head(&bytes).ok());
        heads.extend(stored.filter(|(_, until, _)| now < *until).map(|(head, ..)| head));
    }
    Some((heads, sampled < SAMPLE))
}
