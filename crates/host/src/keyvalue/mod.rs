//! Spin's key-value store, in memory or in Redis: the interface `spin:key-value/key-value@3.0.0`.
mod memory;
mod redis;

pub use memory::Memory;
pub use redis::{Expiry, Redis, RedisUrl};

use crate::bindings::spin::key_value::key_value as wit;
use crate::guest::{Guest, Spin};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

/// An error for the guest, or a trap.
pub type Failure = wasmtime_wasi::TrappableError<wit::Error>;

/// An open store. There is one store, `default`; every handle is the same.
#[derive(Debug)]
pub struct Handle;

/// Where the entries are.
pub enum Store {
    /// In this process.
    Memory(Memory),
    /// In a server that others may share.
    Redis(Box<Redis>),
}

fn failed(why: String) -> Failure {
    wit::Error::Other(why).into()
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
        let shared = accessor.with(|mut access| access.get().shared.clone());
        match &shared.keyvalue {
            Store::Memory(memory) => Ok(memory.get(&key).map(Vec::from)),
            Store::Redis(redis) => redis.get(&key).await.map_err(failed),
        }
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        _store: Resource<Handle>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Failure> {
        let shared = accessor.with(|mut access| access.get().shared.clone());
        match &shared.keyvalue {
            Store::Memory(memory) => memory.set(key, value.into()),
            Store::Redis(redis) => redis.set(&key, &value).await.map_err(failed)?,
        }
        Ok(())
    }

    async fn delete(accessor: &Accessor<T, Self>, _store: Resource<Handle>, key: String) -> Result<(), Failure> {
        let shared = accessor.with(|mut access| access.get().shared.clone());
        match &shared.keyvalue {
            Store::Memory(memory) => memory.delete(&key),
            Store::Redis(redis) => redis.delete(&key).await.map_err(failed)?,
        }
        Ok(())
    }

    async fn exists(accessor: &Accessor<T, Self>, _store: Resource<Handle>, key: String) -> Result<bool, Failure> {
        let shared = accessor.with(|mut access| access.get().shared.clone());
        match &shared.keyvalue {
            Store::Memory(memory) => Ok(memory.contains(&key)),
            Store::Redis(redis) => redis.contains(&key).await.map_err(failed),
        }
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        _store: Resource<Handle>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), wit::Error>>)> {
        let shared = accessor.with(|mut access| access.get().shared.clone());
        let (keys, end) = match &shared.keyvalue {
            Store::Memory(memory) => (memory.keys(), Ok(())),
            Store::Redis(_) => {
                let why = "keys of Redis are not listed: others may have theirs in it".into();
                (Vec::new(), Err(wit::Error::Other(why)))
            }
        };
        accessor.with(|mut access| {
            Ok((
                StreamReader::new(&mut access, keys)?,
                FutureReader::new(&mut access, async { wasmtime::error::Ok(end) })?,
            ))
        })
    }
}
