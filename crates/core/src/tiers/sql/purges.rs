//! The purge log in L2: one row for each target, and the statements that write, read and prune it.

use super::super::Tiers;
use super::{GONE_MS, batch, query};
use crate::host::{Host, Statement, Text, Value};
use crate::key::Key;
use crate::purge::{Marks, Target, Times, path, texts};
use crate::time::{Timestamp, millis};

/// The most targets in the log. Past it the oldest are forgotten, and everything that was asked for before them is purged.
const MOST: i64 = 100_000;

/// A target that is purged again needs no older row; a soft purge takes nothing from a hard one.
const REPLACE: Text =
    Text::plain("DELETE FROM purges WHERE what IN (SELECT value FROM json_each(?1)) AND at <= ?2 AND soft >= ?3");
const APPEND: Text = Text::plain("INSERT INTO purges (what, at, soft) SELECT value, ?2, ?3 FROM json_each(?1)");
const LAST: Text = Text::plain("SELECT max(seq) FROM purges");
/// The newest rows first; what is NULL tells an invalidation from a purge.
const NEWER: Text = Text::plain(
    "SELECT * FROM (SELECT seq, what, at, soft FROM purges WHERE seq > ?1 ORDER BY seq DESC LIMIT ?2) \
     UNION ALL SELECT * FROM (SELECT life, key, until, NULL FROM gone WHERE until > ?3 ORDER BY until DESC LIMIT ?2)",
);
/// The purges of one entry. Prefixes are few: their rows are one range of the index.
const OF_ENTRY: Text = Text::plain(
    "SELECT max(CASE soft WHEN 0 THEN at END), max(CASE soft WHEN 0 THEN NULL ELSE at END) FROM (\
     SELECT at, soft FROM purges WHERE what IN (SELECT value FROM json_each(?1)) \
     UNION ALL SELECT at, soft FROM purges WHERE what >= 'p' AND what < 'q' \
     AND (substr(?2, 1, length(what) - 1) = substr(what, 2) OR substr(?3, 1, length(what) - 1) = substr(what, 2)))",
);
const OVERFLOW: Text = Text::plain(
    "INSERT INTO purges (what, at, soft) SELECT 'e', max(at), 0 FROM (SELECT at FROM purges ORDER BY seq DESC LIMIT -1 \
     OFFSET ?1) HAVING count(*) > 0",
);
const SHORTEN: Text =
    Text::plain("DELETE FROM purges WHERE seq <= (SELECT seq FROM purges ORDER BY seq DESC LIMIT 1 OFFSET ?1)");
const FORGET: Text = Text::plain("DELETE FROM purges WHERE at <= ?1");

/// What is new in the log.
#[derive(Debug)]
pub(in crate::tiers) struct News {
    /// Purges with their numbers, the newest first.
    pub purges: Vec<(i64, Target, Times)>,
    /// URLs with the lives that invalidations began.
    pub lives: Vec<(Key, u64)>,
}

/// Writes a purge into the log. Returns its number; `None` where L2 did not take it.
pub(in crate::tiers) async fn append<H: Host>(
    tiers: &Tiers<'_, H>,
    targets: &[Target],
    at: Timestamp,
    soft: bool,
) -> Option<i64> {
    let names: Vec<&str> = targets.iter().map(Target::as_text).collect();
    let params = vec![json(&names), Value::Integer(at.0), Value::Integer(i64::from(soft))];
    let write = |sql| Statement { sql, params: params.clone() };
    let last = Statement { sql: LAST, params: vec![] };
    let rows = batch(tiers, vec![write(REPLACE), write(APPEND), last]).await?;
    match rows.first().and_then(|row| row.first()) {
        Some(Value::Integer(seq)) => Some(*seq),
        _ => None,
    }
}

/// What came into the log after `seen`, and the invalidations that go on past `until`; of each at most `most`.
pub(in crate::tiers) async fn newer<H: Host>(
    tiers: &Tiers<'_, H>,
    seen: i64,
    until: Timestamp,
    most: usize,
) -> Option<News> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let params = vec![Value::Integer(seen), Value::Integer(most), Value::Integer(until.0)];
    let rows = query(tiers, Statement { sql: NEWER, params }).await?;
    let mut news = News { purges: Vec::new(), lives: Vec::new() };
    for row in rows {
        let Ok([Value::Integer(number), Value::Text(what), Value::Integer(at), soft]) = <[Value; 4]>::try_from(row)
        else {
            continue;
        };
        match soft {
            Value::Integer(soft) => {
                let times = Times::of(Timestamp(at), soft != 0);
                news.purges.extend(Target::from_text(what).map(|target| (number, target, times)));
            }
            _ => news.lives.extend(Key::from_text(&what).zip(u64::try_from(number).ok())),
        }
    }
    Some(news)
}

/// The newest purges of an entry with these marks; `None` where L2 does not say.
pub(in crate::tiers) async fn of_entry<H: Host>(tiers: &Tiers<'_, H>, marks: &Marks) -> Option<Times> {
    let (names, url) = (texts(marks), marks.url());
    let params = vec![json(&names), Value::Text(url.to_string()), Value::Text(path(url).to_string())];
    let [hard, soft] = query(tiers, Statement { sql: OF_ENTRY, params }).await?.pop()?.try_into().ok()?;
    let time = |value| match value {
        Value::Integer(at) => Timestamp(at),
        _ => Times::NEVER,
    };
    Some(Times { hard: time(hard), soft: time(soft) })
}

/// Forgets purges that are older than anything stored can be, and those beyond the bound.
pub(super) fn pruning<H: Host>(tiers: &Tiers<'_, H>, now: Timestamp) -> [Statement; 3] {
    let longest = tiers.config.l1.max_ttl.max(tiers.config.l2.max_ttl);
    let over = now.minus_millis(millis(longest).saturating_add(GONE_MS));
    let statement = |sql, n| Statement { sql, params: vec![Value::Integer(n)] };
    [statement(FORGET, over.0), statement(OVERFLOW, MOST), statement(SHORTEN, MOST)]
}

fn json<T: serde::Serialize>(names: &[T]) -> Value {
    Value::Text(serde_json::to_string(names).unwrap_or_default())
}
