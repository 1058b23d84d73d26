//! Spin's key-value store, in memory: bounded by bytes, shared by all workers.
use crate::bindings::spin::key_value::key_value as wit;
use crate::guest::{Guest, Spin};
use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

/// An error for the guest, or a trap.
pub type Failure = wasmtime_wasi::TrappableError<wit::Error>;

/// An open store. There is one store, `default`; every handle is the same.
#[derive(Debug)]
pub struct Handle;

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
pub struct Store {
    entries: Cache<String, Bytes, Bytesize>,
}

impl Store {
    /// A store that holds at most `bytes`, keys and bookkeeping included.
    pub fn new(bytes: u64) -> Self {
        // Few shards: each holds its part of `bytes`, and nothing larger than a part can be kept.
        let options = OptionsBuilder::new()
            .shards(4)
            .estimated_items_capacity((bytes / 4096).clamp(64, 1 << 20) as usize)
            .weight_capacity(bytes)
            .build()
            .expect("both capacities are given");
        Store { entries: Cache::with_options(options, Bytesize, Default::default(), Default::default()) }
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

impl wit::Host for Guest {
    fn convert_error(&mut self, error: Failure) -> wasmtime::Result<wit::Error> {
        error.downcast()
    }
}

impl wit::HostStore for Guest {
    fn drop(&mut self, store: Resource<Handle>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

impl<T: Send> wit::HostStoreWithStore<T> for Spin {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Result<Resource<Handle>, Failure> {
        if label != "default" {
            return Err(wit::Error::NoSuchStore.into());
        }
        accessor.with(|mut access| access.get().table.push(Handle)).map_err(|_| wit::Error::StoreTableFull.into())
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        _store: Resource<Handle>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let value = accessor.with(|mut access| access.get().shared.keyvalue.get(&key));
        Ok(value.map(Vec::from))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        _store: Resource<Handle>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Failure> {
        accessor.with(|mut access| access.get().shared.keyvalue.set(key, value.into()));
        Ok(())
    }

    async fn delete(accessor: &Accessor<T, Self>, _store: Resource<Handle>, key: String) -> Result<(), Failure> {
        accessor.with(|mut access| access.get().shared.keyvalue.delete(&key));
        Ok(())
    }

    async fn exists(accessor: &Accessor<T, Self>, _store: Resource<Handle>, key: String) -> Result<bool, Failure> {
        Ok(accessor.with(|mut access| access.get().shared.keyvalue.contains(&key)))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        _store: Resource<Handle>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), wit::Error>>)> {
        accessor.with(|mut access| {
            let keys = access.get().shared.keyvalue.keys();
            Ok((
                StreamReader::new(&mut access, keys)?,
                FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let bound = 1 << 20;
        let store = Store::new(bound);
        for i in 0..10_000 {
            store.set(format!("key/{i}"), Bytes::from(vec![b'x'; 2000]));
            assert!(store.weight() <= bound);
        }
        assert!(store.keys().len() > 200, "{} kept", store.keys().len());
    }

    #[test]
    fn a_value_is_replaced_and_deleted() {
        let store = Store::new(1 << 20);
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
        let store = Store::new(1 << 20);
        store.set("big".into(), Bytes::from(vec![0; 2 << 20]));
        assert_eq!(store.get("big"), None);
        assert!(store.weight() <= 1 << 20);
    }

    #[test]
    fn a_large_value_fits_the_default_bound() {
        let store = Store::new(256 << 20);
        store.set("big".into(), Bytes::from(vec![0; 20 << 20]));
        assert!(store.contains("big"));
    }
}
