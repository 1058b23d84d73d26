//! The store in memory: bounded by bytes, shared by all workers.
use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

/// What the cache itself needs for an entry, roughly: its node, the key's and the value's headers.
const OVERHEAD: u64 = 128;

#[derive(Clone)]
struct Bytesize;

impl Weighter<String, Bytes> for Bytesize {
    fn weight(&self, key: &String, value: &Bytes) -> u64 {
        key.len() as u64 + value.len() as u64 + OVERHEAD
    }
}

/// The entries. When full, the least useful ones go: it is a cache, as Workers KV may be.
pub struct Memory {
    entries: Cache<String, Bytes, Bytesize>,
}

impl Memory {
    /// A store that holds at most `bytes`, keys and bookkeeping included.
    pub fn new(bytes: u64) -> Self {
        // Few shards: each holds its part of `bytes`, and nothing larger than a part can be kept.
        let options = OptionsBuilder::new()
            .shards(4)
            .estimated_items_capacity((bytes / 4096).clamp(64, 1 << 20) as usize)
            .weight_capacity(bytes)
            .build()
            .expect("both capacities are given");
        Memory { entries: Cache::with_options(options, Bytesize, Default::default(), Default::default()) }
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key)
    }

    /// Keeps `value` under `key`, and lets others go if it must.
    pub fn set(&self, key: String, value: Bytes) {
        self.entries.insert(key, value);
    }

    /// Forgets `key`.
    pub fn delete(&self, key: &str) {
        self.entries.remove(key);
    }

    /// Whether there is a value under `key`.
    pub fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Vec<String> {
        self.entries.iter().map(|(key, _)| key).collect()
    }

    /// Bytes held, as counted against the bound.
    #[cfg(test)]
    fn weight(&self) -> u64 {
        self.entries.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let bound = 1 << 20;
        let store = Memory::new(bound);
        for i in 0..10_000 {
            store.set(format!("key/{i}"), Bytes::from(vec![b'x'; 2000]));
            assert!(store.weight() <= bound);
        }
        assert!(store.keys().len() > 200, "{} kept", store.keys().len());
    }

    #[test]
    fn a_value_is_replaced_and_deleted() {
        let store = Memory::new(1 << 20);
        store.set("k".into(), Bytes::from_static(b"one"));
        store.set("k".into(), Bytes::from_static(b"two"));
        assert_eq!(store.get("k").as_deref(), Some(&b"two"[..]));
        assert!(store.contains("k"));
        store.delete("k");
        assert_eq!(store.get("k"), None);
        store.delete("k");
    }

    #[test]
    fn a_value_larger_than_a_shard_is_let_go() {
        let store = Memory::new(1 << 20);
        store.set("big".into(), Bytes::from(vec![0; 2 << 20]));
        assert_eq!(store.get("big"), None);
        assert!(store.weight() <= 1 << 20);
    }

    #[test]
    fn a_large_value_fits_the_default_bound() {
        let store = Memory::new(256 << 20);
        store.set("big".into(), Bytes::from(vec![0; 20 << 20]));
        assert!(store.contains("big"));
    }
}
