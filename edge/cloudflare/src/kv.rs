//! L1 on Workers KV: the binding `L1`.

use crate::host::Cloudflare;
use crate::operation::{Operation, Outcome};
use crate::platform;
use bytes::Bytes;
use std::time::Duration;
use terrace_core::host::{Kv, StoreError};

/// The largest value that KV takes, in bytes.
const LARGEST: usize = 25 << 20;

/// The shortest time to live that KV takes, in seconds. An entry that is over before carries its own times.
const SHORTEST: u32 = 60;

impl Kv for Cloudflare {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let (value, _) = Operation::begin(|number| {
            platform::kv_get(&self.0.call, key.as_bytes(), number);
            Ok(())
        });
        match value.await {
            Outcome::Bytes(value) => Ok(Some(self.0.keep(Bytes::from(value)))),
            Outcome::Value(_) => Ok(None),
            Outcome::Failed(why) => Err(error(why)),
        }
    }

    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), StoreError> {
        if value.len() > LARGEST {
            return Err(StoreError::Other(format!(
                "{} bytes are more than a value of Workers KV may have: set tiers.l1.max_size to 24MiB at most",
                value.len()
            )));
        }
        let ttl = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX).max(SHORTEST);
        let (stored, _) = Operation::begin(|number| platform::kv_put(&self.0.call, key, &value, ttl, number));
        done(stored.await)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let (deleted, _) = Operation::begin(|number| platform::kv_delete(&self.0.call, key, number));
        done(deleted.await)
    }
}

fn done(outcome: Outcome) -> Result<(), StoreError> {
    match outcome {
        Outcome::Value(_) | Outcome::Bytes(_) => Ok(()),
        Outcome::Failed(why) => Err(error(why)),
    }
}

fn error(why: String) -> StoreError {
    match why.contains("429") || why.contains("Too Many Requests") {
        true => StoreError::Busy(why),
        false => StoreError::Other(why),
    }
}
