//! Removing from the tiers what may not be served any more (RFC 9111 4.4), where they take it and where they refuse.

use super::sql::{self, GONE_MS};
use super::{Tiers, kv};
use crate::host::Host;
use crate::key::Key;
use crate::time::{Timestamp, millis};

impl<H: Host> Tiers<'_, H> {
    /// Removes one stored response, which the origin no longer lets us keep.
    pub async fn remove(&self, key: &Key) {
        self.give_back(key).await;
        sql::delete(self, key).await;
    }

    /// Removes an object with the way to its variants, and begins a new life of its URL: what was asked for before, and is still on
    /// its way, will not be stored (RFC 9111 4.4). Returns the life, or `None` where a tier failed.
    pub async fn invalidate(&self, primary: &Key, now: Timestamp) -> Option<u64> {
        self.memory.remove(primary);
        let life = self.new_life();
        let longest = millis(self.config.l2.max_ttl).max(self.kept_ms());
        if self.gone.begin(primary, life, now.plus_millis(longest)) {
            // Which URL that was nobody knows any more.
            self.purges.forgotten(Some(now));
        }
        let l2 = self.tell_life(primary, life, now).await;
        self.make_room(now).await;
        let l1 = self.empty_near(primary).await;
        l1.and(l2).map(|()| life)
    }

    /// Tells L2 of a life that an invalidation began at this time or before; `None` where it was not to be told.
    async fn tell_life(&self, key: &Key, life: u64, now: Timestamp) -> Option<()> {
        sql::invalidate(self, key, life, now.plus_millis(GONE_MS)).await?;
        self.gone.told(key, life, now);
        Some(())
    }

    /// Whether L2 was not told of an invalidation.
    pub fn owes_lives(&self) -> bool {
        !self.gone.to_be_told(self.host.now()).is_empty()
    }

    /// Tells L2 of the invalidations that it was not told of, some at a time.
    pub async fn tell_lives(&self) {
        let now = self.host.now();
        for (key, life) in self.gone.to_be_told(now) {
            if self.tell_life(&key, life, now).await.is_none() {
                return;
            }
        }
    }

    /// How long L1 may go on to hold what it refused to remove, in milliseconds: as long as it holds anything.
    pub(super) fn kept_ms(&self) -> u64 {
        millis(self.config.l1.max_ttl).max(GONE_MS)
    }

    /// Removes from L1 what was asked for before this time. Where L1 refuses, it is not believed of that, here and, as L2 tells them, in
    /// the other instances; they are not told where it may well hold nothing of the kind.
    pub(super) async fn remove_near(&self, key: &Key, before: Timestamp, tell: bool) -> Option<()> {
        let done = kv::delete(self, key).await;
        if done.is_none() {
            let now = self.host.now();
            let until = now.plus_millis(self.kept_ms());
            self.gone.kept.keeps(key, before, until, now);
            if tell {
                sql::kept(self, key, before, until).await;
            }
        }
        done
    }

    /// The same for all that is there now.
    pub(super) async fn empty_near(&self, key: &Key) -> Option<()> {
        self.remove_near(key, self.host.now().plus_millis(1), true).await
    }

    /// Takes back from the near tiers what L2 has refused.
    pub(super) async fn give_back(&self, key: &Key) {
        self.memory.remove(key);
        self.empty_near(key).await;
    }
}
