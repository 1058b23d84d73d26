//! L1 over [`Kv`]: one record per key, head and content together.

use super::deadline::within;
use super::health::Call;
use super::{Tiers, keep_until};
use crate::decision::Tier;
use crate::entry::{Entry, codec};
use crate::host::{Host, Kv, StoreError};
use crate::key::Key;
use crate::meter::count;
use crate::time::Timestamp;
use std::time::Duration;

pub(super) async fn get<H: Host>(tiers: &Tiers<'_, H>, key: &Key, now: Timestamp) -> Option<Entry> {
    let text = key.text();
    count(&tiers.meter.kv_reads);
    let record = call(tiers, Call::Read, tiers.host.kv().get(&text)).await;
    tiers.admission.read(key, record.is_some());
    let record = record??;
    match codec::decode(record) {
        Ok((entry, until)) if now < until => Some(entry),
        // A store without a TTL keeps what is over; the next store under this key replaces it.
        Ok(_) => None,
        Err(codec::Corrupt) => {
            count(&tiers.counters.corrupt);
            delete(tiers, key).await;
            None
        }
    }
}

/// Stores an entry for at most `stay`, and at most `max_ttl`; `None` where that failed.
pub(super) async fn put<H: Host>(
    tiers: &Tiers<'_, H>,
    key: &Key,
    entry: &Entry,
    stay: Duration,
    now: Timestamp,
) -> Option<()> {
    let until = keep_until(&entry.head, tiers.config.l1.max_ttl.min(stay), now);
    if until <= now {
        return Some(());
    }
    let record = codec::encode(entry, until);
    let ttl = Duration::from_millis(until.since(now));
    count(&tiers.meter.kv_writes);
    let done = told(tiers, call(tiers, Call::Write, tiers.host.kv().put(&key.text(), record, ttl)).await);
    if done.is_some() {
        tiers.gone.kept.took(key, entry.head.freshness.requested, now);
    }
    done
}

pub(super) async fn delete<H: Host>(tiers: &Tiers<'_, H>, key: &Key) -> Option<()> {
    count(&tiers.meter.kv_deletes);
    let now = tiers.host.now();
    if !H::KV_WRITES_ARE_FREE {
        tiers.admission.wrote(key, 0, now);
    }
    tiers.admission.owes(&tiers.config.l1, now);
    told(tiers, call(tiers, Call::Write, tiers.host.kv().delete(&key.text())).await)
}

/// What became of a write; that it failed is remembered.
fn told<H: Host>(tiers: &Tiers<'_, H>, done: Option<()>) -> Option<()> {
    if done.is_none() {
        tiers.admission.failed(tiers.host.now());
    }
    done
}

/// One call within its deadline; a failure is counted and is `None`.
async fn call<H: Host, T>(
    tiers: &Tiers<'_, H>,
    call: Call,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Option<T> {
    tiers.settle(Tier::L1, call, within(tiers.host, tiers.config.l1.timeout, work).await)
}
