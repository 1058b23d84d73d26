//! L2 over [`Sql`]: all SQL text lives here and in `schema.sql`.
//!
//! An entry is one row; content above [`CHUNK`] goes on in rows of its own, written in the same batch and read in the same query.
//! Tables are made, and brought up to date, when a statement finds them missing.

use super::deadline::within;
use super::{Tiers, count, keep_until};
use crate::decision::Tier;
use crate::entry::{Entry, Head, codec};
use crate::host::{Host, Sql, Statement, StoreError, Value};
use crate::key::Key;
use crate::time::Timestamp;
use bytes::Bytes;

/// Bytes of content in one row: half of D1's 2,000,000-byte limit, since content may travel as hexadecimal digits.
pub const CHUNK: usize = 960 << 10;

/// One store in this many also removes what is over.
const SWEEP_EVERY: u64 = 512;

/// The migrations in their order; the n-th makes version n of the schema.
pub const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

const GET: &str = "SELECT 0 AS n, head, body FROM entries WHERE key = ?1 \
     UNION ALL SELECT n, NULL, body FROM chunks WHERE key = ?1";
const PUT: &str =
    "INSERT OR REPLACE INTO entries (key, until, stored, url, head, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PUT_CHUNK: &str = "INSERT OR REPLACE INTO chunks (key, n, body) VALUES (?1, ?2, ?3)";
const DROP_CHUNKS: &str = "DELETE FROM chunks WHERE key = ?1";
const PUT_HEAD: &str = "UPDATE entries SET until = ?2, stored = ?3, head = ?4 WHERE key = ?1";
const DELETE: &str = "DELETE FROM entries WHERE key = ?1";
const SWEEP: &str = "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE until <= ?1 LIMIT 500)";
const SWEEP_CHUNKS: &str = "DELETE FROM chunks WHERE key IN \
     (SELECT key FROM chunks WHERE key NOT IN (SELECT key FROM entries) LIMIT 500)";
const VERSION: &str = "SELECT version FROM terrace_schema";

pub(super) async fn get<H: Host>(tiers: &Tiers<'_, H>, key: &Key, now: Timestamp) -> Option<Entry> {
    let rows = query(tiers, Statement { sql: GET, params: vec![Value::Text(key.text())] }).await?;
    if rows.is_empty() {
        return None;
    }
    match assemble(rows) {
        Ok((entry, until)) if now < until => Some(entry),
        Ok(_) => None,
        Err(codec::Corrupt) => {
            count(&tiers.counters.corrupt);
            tiers.host.warn("L2: an entry is corrupt and was removed");
            delete(tiers, key).await;
            None
        }
    }
}

/// Puts the rows of [`GET`] together, whatever their order.
fn assemble(rows: Vec<Vec<Value>>) -> Result<(Entry, Timestamp), codec::Corrupt> {
    let mut head = None;
    let mut parts: Vec<(i64, Vec<u8>)> = Vec::with_capacity(rows.len());
    for row in rows {
        match <[Value; 3]>::try_from(row).map_err(|_| codec::Corrupt)? {
            [Value::Integer(0), Value::Blob(bytes), Value::Blob(body)] => {
                head = Some(codec::decode_head(&bytes)?);
                parts.push((0, body));
            }
            [Value::Integer(n), Value::Null, Value::Blob(body)] => parts.push((n, body)),
            _ => return Err(codec::Corrupt),
        }
    }
    let (head, until, _) = head.ok_or(codec::Corrupt)?;
    let body = match (parts.len(), parts.pop()) {
        (1, Some((_, body))) => Bytes::from(body),
        (_, last) => {
            parts.extend(last);
            parts.sort_by_key(|(n, _)| *n);
            Bytes::from(parts.iter().map(|(_, body)| body.as_slice()).collect::<Vec<_>>().concat())
        }
    };
    Ok((codec::join(head, body)?, until))
}

pub(super) async fn put<H: Host>(tiers: &Tiers<'_, H>, key: &Key, url: &str, entry: &Entry, now: Timestamp) {
    let limits = &tiers.config.l2;
    let until = keep_until(&entry.head, limits.max_ttl, now);
    if until <= now {
        return;
    }
    if entry.head.body_len > limits.max_size {
        delete(tiers, key).await;
        return;
    }
    let id = || Value::Text(key.text());
    let mut chunks = entry.body.chunks(CHUNK);
    let mut statements = vec![
        Statement { sql: DROP_CHUNKS, params: vec![id()] },
        Statement {
            sql: PUT,
            params: vec![
                id(),
                Value::Integer(until.0),
                Value::Integer(now.0),
                Value::Text(url.to_string()),
                Value::Blob(codec::encode_head(&entry.head, until, 0)),
                Value::Blob(chunks.next().unwrap_or_default().to_vec()),
            ],
        },
    ];
    for (n, chunk) in (1..).zip(chunks) {
        let params = vec![id(), Value::Integer(n), Value::Blob(chunk.to_vec())];
        statements.push(Statement { sql: PUT_CHUNK, params });
    }
    if tiers.host.random().is_multiple_of(SWEEP_EVERY) {
        statements.push(Statement { sql: SWEEP, params: vec![Value::Integer(now.0)] });
        statements.push(Statement { sql: SWEEP_CHUNKS, params: vec![] });
    }
    if batch(tiers, statements).await.is_none() {
        // Better none than an older one that the client has already seen replaced.
        delete(tiers, key).await;
    }
}

pub(super) async fn put_head<H: Host>(tiers: &Tiers<'_, H>, key: &Key, head: &Head, now: Timestamp) {
    let until = keep_until(head, tiers.config.l2.max_ttl, now);
    let params = vec![
        Value::Text(key.text()),
        Value::Integer(until.0),
        Value::Integer(now.0),
        Value::Blob(codec::encode_head(head, until, 0)),
    ];
    batch(tiers, vec![Statement { sql: PUT_HEAD, params }]).await;
}

pub(super) async fn delete<H: Host>(tiers: &Tiers<'_, H>, key: &Key) {
    batch(tiers, vec![Statement { sql: DELETE, params: vec![Value::Text(key.text())] }]).await;
}

async fn query<H: Host>(tiers: &Tiers<'_, H>, statement: Statement) -> Option<Vec<Vec<Value>>> {
    run(tiers, || tiers.host.sql().query(&statement)).await
}

async fn batch<H: Host>(tiers: &Tiers<'_, H>, statements: Vec<Statement>) -> Option<()> {
    run(tiers, || tiers.host.sql().batch(&statements)).await
}

/// One call within its deadline, with the tables made where they are missing; a failure is counted and is `None`.
async fn run<H: Host, T, F>(tiers: &Tiers<'_, H>, work: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let attempt = async {
        match work().await {
            Err(StoreError::Schema(_)) => {
                migrate(tiers.host).await?;
                work().await
            }
            done => done,
        }
    };
    tiers.settle(Tier::L2, within(tiers.host, tiers.config.l2.timeout, attempt).await)
}

/// Brings the tables to the newest version, each migration in a transaction of its own.
async fn migrate<H: Host>(host: &H) -> Result<(), StoreError> {
    let version = match host.sql().query(&Statement { sql: VERSION, params: vec![] }).await {
        Ok(rows) => match rows.first().and_then(|row| row.first()) {
            Some(Value::Integer(version)) => usize::try_from(*version).unwrap_or(0),
            _ => 0,
        },
        Err(StoreError::Schema(_)) => 0,
        Err(error) => return Err(error),
    };
    if version > MIGRATIONS.len() {
        return Err(StoreError::Schema(format!(
            "the database is of version {version}, this program knows {}: use a newer terrace or another database",
            MIGRATIONS.len()
        )));
    }
    for migration in MIGRATIONS.iter().skip(version) {
        let statements: Vec<_> = statements(migration).map(|sql| Statement { sql, params: vec![] }).collect();
        host.sql().batch(&statements).await?;
    }
    Ok(())
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
fn statements(migration: &'static str) -> impl Iterator<Item = &'static str> {
    migration.split(";\n").map(str::trim).filter(|s| !s.is_empty())
}
