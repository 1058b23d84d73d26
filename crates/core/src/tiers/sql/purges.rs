//! The purge log in L2: one row for each target, and the statements that write, read and prune it.

use super::super::Tiers;
use super::{GONE_MS, KEPT, batch, first_query, schema};
use crate::host::{Host, Statement, Text, Value};
use crate::key::Key;
use crate::purge::{Target, Times};
use crate::time::{Timestamp, millis};

/// The most rows in the log: more than any instance reads of it.
const MOST_ROWS: i64 = 10_000;

/// The most invalidations that are read at once: L1 is emptied of them anyway, if late. As many of what L1 refused to remove: past it
/// L1 is not believed of any key.
const MOST_LIVES: i64 = 1024;

/// How far the clocks of instances may be apart, in milliseconds.
pub(in crate::tiers) const SKEW_MS: u64 = 5_000;

/// A target that is purged needs no older row.
const REPLACE: Text = Text::plain("DELETE FROM purges WHERE what IN (SELECT value FROM json_each(?1)) AND at <= ?2");
/// One that is made stale again does, but for those that say nearly the same.
const THIN: Text = Text::plain(
    "DELETE FROM purges WHERE soft = 1 AND what IN (SELECT value FROM json_each(?1)) \
     AND what || ' ' || CAST(at AS TEXT) IN (SELECT value FROM json_each(?2))",
);
const APPEND: Text = Text::plain("INSERT INTO purges (what, at, soft) SELECT value, ?2, ?3 FROM json_each(?1)");
const LAST: Text = Text::plain("SELECT max(seq) FROM purges");
/// The newest rows, in the order of what they are for, when the newest was that had no room, and whether the log ends before what was
/// read of it, so that it was made anew; what is NULL tells an invalidation from a purge. Rows of what L1 refused
/// to remove have keys that begin with a `k`, which no digit does. With them the version of the tables.
const NEWER: Text = Text::plain(
    "SELECT * FROM (SELECT * FROM purges WHERE seq > ?1 ORDER BY seq DESC LIMIT ?2) AS newest \
     UNION ALL SELECT life, key, until, NULL FROM (SELECT * FROM gone WHERE until > ?3 AND key < 'k' ORDER BY until DESC LIMIT ?4) AS lives \
     UNION ALL SELECT life, key, until, NULL FROM (SELECT * FROM gone WHERE until > ?5 AND key >= 'k' ORDER BY until DESC LIMIT ?4) AS kept \
     UNION ALL SELECT 0, '', at, 0 FROM (SELECT at FROM purges WHERE seq > ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2) AS surplus \
     UNION ALL SELECT -1, '', (SELECT coalesce(max(seq), ?1) FROM purges), version FROM terrace_schema \
     ORDER BY 2",
);
const SHORTEN: Text =
    Text::plain("DELETE FROM purges WHERE seq <= (SELECT seq FROM purges ORDER BY seq DESC LIMIT 1 OFFSET ?1)");
const FORGET: Text = Text::plain("DELETE FROM purges WHERE at <= ?1");

pub(super) const STATEMENTS: &[Text] = &[REPLACE, THIN, APPEND, LAST, NEWER, SHORTEN, FORGET];

/// What is new in the log.
#[derive(Debug)]
pub(in crate::tiers) struct News {
    /// Purges with their numbers, in the order of their targets.
    pub purges: Vec<(i64, Target, Times)>,
    /// When the newest was that had no room.
    pub before: Option<Timestamp>,
    /// Whether this is not the log that was read before.
    pub anew: bool,
    /// URLs with the lives that invalidations began.
    pub lives: Vec<(Key, u64)>,
    /// What L1 refused to remove: what was asked for before the one time, until the other.
    pub kept: Vec<(Key, Timestamp, Timestamp)>,
    /// Whether there may be more of these.
    pub more_kept: bool,
}

/// Writes a purge into the log, and takes out of it the soft ones that are `forgotten`. Returns its number; `None` where L2 did not take
/// it.
pub(in crate::tiers) async fn append<H: Host>(
    tiers: &Tiers<'_, H>,
    targets: &[Target],
    (at, soft): (Timestamp, bool),
    forgotten: &[(&Target, Timestamp)],
) -> Option<i64> {
    let names: Vec<&str> = targets.iter().map(Target::as_text).collect();
    let names = Value::Text(serde_json::to_string(&names).unwrap_or_default());
    let mut statements = Vec::with_capacity(3);
    if !soft {
        statements.push(Statement { sql: REPLACE, params: vec![names.clone(), Value::Integer(at.0)] });
    } else if !forgotten.is_empty() {
        let rows: Vec<String> = forgotten.iter().map(|(target, at)| format!("{} {}", target.as_text(), at.0)).collect();
        let rows = Value::Text(serde_json::to_string(&rows).unwrap_or_default());
        statements.push(Statement { sql: THIN, params: vec![names.clone(), rows] });
    }
    let params = vec![names, Value::Integer(at.0), Value::Integer(i64::from(soft))];
    statements.push(Statement { sql: APPEND, params });
    statements.push(Statement { sql: LAST, params: vec![] });
    let rows = batch(tiers, statements).await?;
    match rows.first().and_then(|row| row.first()) {
        Some(Value::Integer(seq)) => Some(*seq),
        _ => None,
    }
}

/// What came into the log after `seen`, the newest `most` of it, and the invalidations since the log was `read`, or all.
pub(in crate::tiers) async fn newer<H: Host>(
    tiers: &Tiers<'_, H>,
    seen: i64,
    read: Option<Timestamp>,
    most: usize,
    now: Timestamp,
) -> Option<News> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let since = |stay| read.map(|read| read.plus_millis(stay).minus_millis(2 * SKEW_MS));
    let (lives, kept) = (since(GONE_MS).unwrap_or(now), since(tiers.kept_ms()).unwrap_or(now));
    let params = [seen, most, lives.0, MOST_LIVES, kept.0].map(Value::Integer).to_vec();
    let rows = first_query(tiers, Statement { sql: NEWER, params }).await?;
    let mut news = News { purges: vec![], before: None, anew: false, lives: vec![], kept: vec![], more_kept: false };
    for row in rows {
        let Ok([Value::Integer(number), Value::Text(what), Value::Integer(at), soft]) = <[Value; 4]>::try_from(row)
        else {
            continue;
        };
        match soft {
            Value::Integer(version) if number < 0 => {
                schema::found(tiers, version)?;
                news.anew = at < seen;
            }
            Value::Integer(_) if number == 0 => news.before = Some(Timestamp(at)),
            Value::Integer(soft) => {
                news.purges.push((number, Target::from_text(what), Times::of(Timestamp(at), soft != 0)));
            }
            _ => match what.strip_prefix(KEPT).and_then(Key::from_text) {
                Some(key) => news.kept.push((key, Timestamp(number), Timestamp(at))),
                None => news.lives.extend(Key::from_text(&what).zip(u64::try_from(number).ok())),
            },
        }
    }
    news.more_kept = i64::try_from(news.kept.len()).is_ok_and(|kept| kept >= MOST_LIVES);
    Some(news)
}

/// Forgets purges that are older than anything stored can be, and those beyond the bound.
pub(super) fn pruning<H: Host>(tiers: &Tiers<'_, H>, now: Timestamp) -> [Statement; 2] {
    let longest = tiers.config.l1.max_ttl.max(tiers.config.l2.max_ttl);
    let over = now.minus_millis(millis(longest).saturating_add(GONE_MS));
    let statement = |sql, n| Statement { sql, params: vec![Value::Integer(n)] };
    [statement(FORGET, over.0), statement(SHORTEN, MOST_ROWS)]
}
