//! L2 over [`Sql`]: all SQL text lives here, in `sql/` and in `migrations/`. It is SQLite's; PostgreSQL takes it by way of [`postgres`].
//!
//! An entry is one row; content above [`CHUNK`] goes on in rows of its own, written in the same batch and read in the same query.
//! An invalidation leaves a row behind, so that a store that was already under way is refused wherever it comes from.
//! Tables are made, and brought up to date, when a statement finds them missing ([`schema`]).

pub(super) mod leases;
pub mod postgres;
pub(super) mod purges;
pub mod schema;
pub(super) mod walk;
pub(super) mod watches;

use super::deadline::within;
use super::health::Call;
use super::{Tiers, keep_until};
use crate::decision::Tier;
use crate::entry::{Entry, Head, codec};
use crate::host::{Host, Sql, Statement, StoreError, Text, Value};
use crate::key::Key;
use crate::meter::{Meter, count};
use crate::time::Timestamp;
use bytes::Bytes;
use std::time::Duration;

pub use schema::{MIGRATIONS, statements};

/// Bytes of content in one row: half of D1's 2,000,000-byte limit, since content may travel as hexadecimal digits.
pub const CHUNK: usize = 960 << 10;

/// How long an invalidation is remembered, in milliseconds: longer than any response may be on its way into the store.
pub(super) const GONE_MS: u64 = 10 * 60 * 1000;

/// How often a write that found the database busy is tried again, within its deadline.
const RETRIES: u32 = 4;

/// A text in both forms: `(read column)` and `(bind ?n)` are the bytes in it.
macro_rules! sql {
    ($($part:tt),+) => { Text { bytes: concat!($(sql!(@bytes $part)),+), hex: concat!($(sql!(@hex $part)),+) } };
    (@bytes ($_:ident $bytes:literal)) => { $bytes };
    (@hex (read $column:literal)) => { concat!("hex(", $column, ")") };
    (@hex (bind $parameter:literal)) => { concat!("unhex(", $parameter, ")") };
    (@$_:ident $text:literal) => { $text };
}

// Behind the macro.
pub(super) mod sample;

/// The head is row 0, further content rows 1 and up; a life that an invalidation began is negative.
const GET: Text = sql!(
    "SELECT 0 AS n, ", (read "head"), ", ", (read "body"), " FROM entries WHERE key = ?1 \
     UNION ALL SELECT n, NULL, ", (read "body"), " FROM chunks WHERE key = ?1 \
     UNION ALL SELECT -life, NULL, NULL FROM gone WHERE key = ?1"
);
/// `stored` is when the response was asked for: one that was asked for earlier never takes the place of a later one.
const PUT: Text = sql!(
    "INSERT INTO entries (key, until, stored, url, head, body) \
     SELECT ?1, ?2, ?3, ?4, ", (bind "?5"), ", ", (bind "?6"), " \
     WHERE NOT EXISTS (SELECT 1 FROM gone WHERE key = ?1 AND life <> ?7) \
     AND NOT EXISTS (SELECT 1 FROM entries WHERE key = ?1 AND stored > ?3) \
     ON CONFLICT (key) DO UPDATE SET until = excluded.until, stored = excluded.stored, url = excluded.url, \
     head = excluded.head, body = excluded.body"
);
/// Those of the entry that the same batch has put, or not.
const PUT_CHUNK: Text = sql!(
    "INSERT INTO chunks (key, n, body) SELECT ?1, ?2, ", (bind "?3"), " \
     WHERE EXISTS (SELECT 1 FROM entries WHERE key = ?1 AND stored = ?4) \
     ON CONFLICT (key, n) DO UPDATE SET body = excluded.body"
);
const DROP_CHUNKS: Text = Text::plain(
    "DELETE FROM chunks WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE key = ?1 AND stored > ?2)",
);
/// Only over the head that it was made from.
const PUT_HEAD: Text = sql!(
    "UPDATE entries SET until = ?2, stored = ?3, head = ", (bind "?4"), " \
     WHERE key = ?1 AND stored = ?6 AND NOT EXISTS (SELECT 1 FROM gone WHERE key = ?1 AND life <> ?5)"
);
/// What stands there now; a batch that stores ends with it.
const STANDS: Text = Text::plain(
    "SELECT (SELECT stored FROM entries WHERE key = ?1) AS stored, (SELECT life FROM gone WHERE key = ?1) AS life",
);
const DELETE: Text = Text::plain("DELETE FROM entries WHERE key = ?1");
const PUT_GONE: Text = Text::plain(
    "INSERT INTO gone (key, life, until) VALUES (?1, ?2, ?3) \
     ON CONFLICT (key) DO UPDATE SET life = excluded.life, until = excluded.until",
);
const SWEEP_GONE: Text =
    Text::plain("DELETE FROM gone WHERE key IN (SELECT key FROM gone WHERE until <= ?1 LIMIT 500)");

/// Every statement but the migrations, for whoever takes them in another dialect.
pub const STATEMENTS: &[&[Text]] = &[
    &[GET, PUT, PUT_CHUNK, DROP_CHUNKS, PUT_HEAD, STANDS, DELETE, PUT_GONE],
    &[SWEEP_GONE],
    leases::STATEMENTS,
    purges::STATEMENTS,
    sample::STATEMENTS,
    schema::STATEMENTS,
    walk::STATEMENTS,
    watches::STATEMENTS,
];

/// What L2 holds under a key.
pub(super) enum Held {
    /// A stored response.
    Entry(Box<Entry>),
    /// None, since an invalidation began this life of the URL.
    Gone(u64),
    /// None.
    Nothing,
}

pub(super) async fn get<H: Host>(tiers: &Tiers<'_, H>, key: &Key, now: Timestamp) -> Held {
    let Some(rows) = query(tiers, Statement { sql: GET, params: vec![Value::Text(key.text())] }).await else {
        return Held::Nothing;
    };
    let mut life = None;
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| match row.first() {
            Some(Value::Integer(n)) if *n < 0 => {
                life = Some(n.unsigned_abs());
                false
            }
            _ => true,
        })
        .collect();
    let nothing = life.map_or(Held::Nothing, Held::Gone);
    if rows.is_empty() {
        return nothing;
    }
    match assemble(rows) {
        Ok((entry, until)) if now < until => Held::Entry(Box::new(entry)),
        Ok(_) => nothing,
        Err(codec::Corrupt) => {
            count(&tiers.counters.corrupt);
            if let Some(more) = tiers.counters.log.say(now) {
                let what = "an entry that is corrupt, or of another version, is removed";
                tiers.host.warn(&format!("L2: {what}{more}"));
            }
            delete(tiers, key).await;
            nothing
        }
    }
}

/// Puts the rows of [`GET`] together, whatever their order.
fn assemble(rows: Vec<Vec<Value>>) -> Result<(Entry, Timestamp), codec::Corrupt> {
    let mut head = None;
    let mut parts: Vec<(i64, Vec<u8>)> = Vec::with_capacity(rows.len());
    for row in rows {
        let [n, first, body] = <[Value; 3]>::try_from(row).map_err(|_| codec::Corrupt)?;
        let Value::Integer(n) = n else { return Err(codec::Corrupt) };
        match (n, first) {
            (0, bytes) => head = Some(codec::decode_head(&bytes.into_bytes().ok_or(codec::Corrupt)?)?),
            (_, Value::Null) => {}
            _ => return Err(codec::Corrupt),
        }
        parts.push((n, body.into_bytes().ok_or(codec::Corrupt)?));
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

/// What L2 has to say of a response that is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be kept; L2 has it, unless it does not take it.
    Good,
    /// L2 holds an older one, which the update did not fit.
    Older,
    /// L2 holds one that was asked for later.
    Superseded,
    /// The URL was invalidated since it was asked for.
    Ended,
    /// L2 did not answer.
    Unknown,
}

pub(super) async fn put<H: Host>(tiers: &Tiers<'_, H>, key: &Key, url: &str, entry: &Entry, now: Timestamp) -> Verdict {
    let limits = &tiers.config.l2;
    let until = keep_until(&entry.head, limits.max_ttl, now);
    if until <= now {
        return Verdict::Good;
    }
    if entry.body.len() as u64 > limits.max_size {
        // An older, smaller one must not outlive it.
        delete(tiers, key).await;
        return verdict(tiers, key, &entry.head).await;
    }
    let id = || Value::Text(key.text());
    let asked = || Value::Integer(entry.head.freshness.requested.0);
    let mut chunks = entry.body.chunks(CHUNK);
    let mut statements = vec![
        Statement { sql: DROP_CHUNKS, params: vec![id(), asked()] },
        Statement {
            sql: PUT,
            params: vec![
                id(),
                Value::Integer(until.0),
                asked(),
                Value::Text(url.to_string()),
                Value::Blob(codec::encode_head(&entry.head, until, 0)),
                Value::Blob(chunks.next().unwrap_or_default().to_vec()),
                life(&entry.head),
            ],
        },
    ];
    for (n, chunk) in (1..).zip(chunks) {
        let params = vec![id(), Value::Integer(n), Value::Blob(chunk.to_vec()), asked()];
        statements.push(Statement { sql: PUT_CHUNK, params });
    }
    statements.push(stands(key));
    match judge(batch(tiers, statements).await, &entry.head) {
        Verdict::Unknown => {
            // Better none than an older one that the client has already seen replaced.
            delete(tiers, key).await;
            Verdict::Unknown
        }
        verdict => verdict,
    }
}

/// Stores a head over the one that was asked for at `replaced`.
pub(super) async fn put_head<H: Host>(
    tiers: &Tiers<'_, H>,
    key: &Key,
    head: &Head,
    replaced: Timestamp,
    now: Timestamp,
) -> Verdict {
    let until = keep_until(head, tiers.config.l2.max_ttl, now);
    let params = vec![
        Value::Text(key.text()),
        Value::Integer(until.0),
        Value::Integer(head.freshness.requested.0),
        Value::Blob(codec::encode_head(head, until, 0)),
        life(head),
        Value::Integer(replaced.0),
    ];
    let rows = batch(tiers, vec![Statement { sql: PUT_HEAD, params }, stands(key)]).await;
    // Without content there is no head: what it is of may be on its way here, and is older.
    let is_there =
        rows.as_ref().is_none_or(|rows| matches!(rows.last().map(Vec::as_slice), Some([Value::Integer(_), _])));
    match judge(rows, head) {
        Verdict::Good if !is_there => Verdict::Older,
        verdict => verdict,
    }
}

/// Whether L2 lets this entry be kept elsewhere.
pub(super) async fn verdict<H: Host>(tiers: &Tiers<'_, H>, key: &Key, head: &Head) -> Verdict {
    judge(query(tiers, stands(key)).await, head)
}

fn stands(key: &Key) -> Statement {
    Statement { sql: STANDS, params: vec![Value::Text(key.text())] }
}

fn judge(rows: Option<Vec<Vec<Value>>>, head: &Head) -> Verdict {
    let Some([stored, begun]) = rows.and_then(|mut rows| <[Value; 2]>::try_from(rows.pop()?).ok()) else {
        return Verdict::Unknown;
    };
    match (stored, begun) {
        (_, begun @ Value::Integer(_)) if begun != life(head) => Verdict::Ended,
        (Value::Integer(asked), _) if asked > head.freshness.requested.0 => Verdict::Superseded,
        (Value::Integer(asked), _) if asked < head.freshness.requested.0 => Verdict::Older,
        _ => Verdict::Good,
    }
}

fn life(head: &Head) -> Value {
    Value::Integer(i64::try_from(head.generation).unwrap_or_default())
}

pub(super) async fn delete<H: Host>(tiers: &Tiers<'_, H>, key: &Key) {
    batch(tiers, vec![Statement { sql: DELETE, params: vec![Value::Text(key.text())] }]).await;
}

/// Deletes what is stored and begins a new life of the URL, which is remembered until this time; `None` where that failed.
pub(super) async fn invalidate<H: Host>(tiers: &Tiers<'_, H>, key: &Key, new: u64, until: Timestamp) -> Option<()> {
    let id = || Value::Text(key.text());
    let params = vec![id(), Value::Integer(i64::try_from(new).unwrap_or_default()), Value::Integer(until.0)];
    let statements = vec![Statement { sql: DELETE, params: vec![id()] }, Statement { sql: PUT_GONE, params }];
    batch(tiers, statements).await.map(drop)
}

/// What the key of a row in `gone` begins with that tells of L1: it has refused to remove what was asked for before `life`.
const KEPT: char = 'k';

/// Tells the other instances what L1 is not to be believed of, until then.
pub(super) async fn kept<H: Host>(tiers: &Tiers<'_, H>, key: &Key, before: Timestamp, until: Timestamp) {
    let row = vec![Value::Text(format!("{KEPT}{}", key.text())), Value::Integer(before.0), Value::Integer(until.0)];
    batch(tiers, vec![Statement { sql: PUT_GONE, params: row }]).await;
}

/// Removes the invalidations that nothing is on its way from any more.
fn sweeping_gone(now: Timestamp) -> Statement {
    Statement { sql: SWEEP_GONE, params: vec![Value::Integer(now.0)] }
}

async fn query<H: Host>(tiers: &Tiers<'_, H>, statement: Statement) -> Option<Vec<Vec<Value>>> {
    run(tiers, (Call::Read, true), || read(tiers.host, tiers.meter, &statement)).await
}

/// The query that tells of what version the tables are.
async fn first_query<H: Host>(tiers: &Tiers<'_, H>, statement: Statement) -> Option<Vec<Vec<Value>>> {
    run(tiers, (Call::Read, false), || read(tiers.host, tiers.meter, &statement)).await
}

async fn batch<H: Host>(tiers: &Tiers<'_, H>, statements: Vec<Statement>) -> Option<Vec<Vec<Value>>> {
    run(tiers, (Call::Write, true), || async {
        for n in 0..RETRIES {
            match write(tiers.host, tiers.meter, &statements).await {
                Err(StoreError::Busy(_)) => tiers.host.sleep(pause(n, tiers.host.random())).await,
                done => return done,
            }
        }
        write(tiers.host, tiers.meter, &statements).await
    })
    .await
}

/// One call that reads, counted.
async fn read<H: Host>(host: &H, meter: &Meter, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
    count(&meter.queries);
    let rows = host.sql().query(statement).await;
    meter.rows(host.sql().take_billed());
    rows
}

/// One call that writes, counted.
async fn write<H: Host>(host: &H, meter: &Meter, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
    count(&meter.batches);
    let rows = host.sql().batch(statements).await;
    meter.rows(host.sql().take_billed());
    rows
}

/// How long to leave a busy database alone: 10 ms, doubled each time, and up to as much again by chance.
fn pause(n: u32, random: u64) -> Duration {
    let base = 10u64 << n.min(RETRIES);
    Duration::from_millis(base.saturating_add(random % base))
}

/// One call within its deadline, with the tables made where they are missing; a failure is counted and is `None`. `must_fit` is whether
/// they are to be known to be of this version first.
async fn run<H: Host, T, F>(tiers: &Tiers<'_, H>, (call, must_fit): (Call, bool), work: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let schema = &tiers.counters.schema;
    if must_fit && schema.is_newer() {
        count(&tiers.counters.l2_errors);
        return None;
    }
    let attempt = async {
        if must_fit && schema.is_unknown() && schema::look(tiers).await?.is_none() {
            return Ok(None);
        }
        match work().await {
            Err(StoreError::Schema(why)) => match schema::mend(tiers, why).await? {
                Some(()) => work().await.map(Some),
                None => Ok(None),
            },
            done => done.map(Some),
        }
    };
    tiers.settle(Tier::L2, call, within(tiers.host, tiers.config.l2.timeout, attempt).await).flatten()
}
