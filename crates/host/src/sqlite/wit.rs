//! The interface `spin:sqlite/sqlite@3.1.0` on [`Handle`].
use super::Handle;
use super::connection::BUSY;
pub(super) use crate::bindings::spin::sqlite::sqlite;
use crate::guest::{Guest, Spin};
use crate::postgres::Call;
use futures::executor::block_on;
use sqlite::{Error, QueryResult, RowResult, Value};
use std::time::{Duration, Instant};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

/// An error for the guest, or a trap.
pub type Failure = wasmtime_wasi::TrappableError<Error>;

type Rows = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

impl Guest {
    fn open_database(&mut self, name: &str) -> Result<Resource<Handle>, Failure> {
        if name != "default" {
            return Err(Error::NoSuchDatabase.into());
        }
        let handle = self.shared.database.open()?;
        self.table.push(handle).map_err(|_| Error::Io("too many open resources".into()).into())
    }

    fn connection(&mut self, handle: &Resource<Handle>) -> Result<&mut Handle, Failure> {
        self.table.get_mut(handle).map_err(|_| Error::InvalidConnection.into())
    }
}

impl sqlite::Host for Guest {
    fn convert_error(&mut self, error: Failure) -> wasmtime::Result<Error> {
        error.downcast()
    }
}

impl sqlite::HostConnection for Guest {
    fn open(&mut self, name: String) -> Result<Resource<Handle>, Failure> {
        self.open_database(&name)
    }

    fn execute(
        &mut self,
        handle: Resource<Handle>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<QueryResult, Failure> {
        let result = match self.connection(&handle)? {
            Handle::File(handle) => handle.execute(&statement, &parameters),
            Handle::Postgres(handle) => {
                let outcome = block_on(handle.call(&statement, parameters)?.run());
                handle.settle(outcome)
            }
        };
        result.map_err(Failure::from)
    }

    fn last_insert_rowid(&mut self, handle: Resource<Handle>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&handle)?.last_insert_rowid())
    }

    fn changes(&mut self, handle: Resource<Handle>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&handle)?.changes())
    }

    fn drop(&mut self, handle: Resource<Handle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl<T: Send> sqlite::HostConnectionWithStore<T> for Spin {
    async fn open_async(accessor: &Accessor<T, Self>, name: String) -> Result<Resource<Handle>, Failure> {
        accessor.with(|mut access| access.get().open_database(&name))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Handle>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Rows, Failure> {
        let result = rows(accessor, &handle, &statement, parameters).await?;
        accessor
            .with(|mut access| {
                wasmtime::error::Ok((
                    result.columns,
                    StreamReader::new(&mut access, result.rows)?,
                    FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?,
                ))
            })
            .map_err(Failure::trap)
    }

    async fn last_insert_rowid_async(accessor: &Accessor<T, Self>, handle: Resource<Handle>) -> wasmtime::Result<i64> {
        accessor.with(|mut access| Ok(access.get().table.get(&handle)?.last_insert_rowid()))
    }

    async fn changes_async(accessor: &Accessor<T, Self>, handle: Resource<Handle>) -> wasmtime::Result<u64> {
        accessor.with(|mut access| Ok(access.get().table.get(&handle)?.changes()))
    }
}

/// Runs a statement; the other requests of this worker go on meanwhile.
async fn rows<T: Send>(
    accessor: &Accessor<T, Spin>,
    handle: &Resource<Handle>,
    statement: &str,
    mut parameters: Vec<Value>,
) -> Result<QueryResult, Failure> {
    let give_up = Instant::now() + BUSY;
    let mut pause = Duration::from_millis(1);
    loop {
        let attempt = accessor.with(|mut access| {
            Ok::<_, Failure>(match access.get().connection(handle)? {
                Handle::File(handle) => Attempt::Done(handle.attempt(statement, &parameters)),
                Handle::Postgres(handle) => {
                    Attempt::Elsewhere(handle.call(statement, std::mem::take(&mut parameters))?)
                }
            })
        })?;
        let result = match attempt {
            Attempt::Done(result) => result,
            Attempt::Elsewhere(call) => {
                let outcome = call.run().await;
                return accessor.with(|mut access| match access.get().connection(handle)? {
                    Handle::Postgres(handle) => handle.settle(outcome).map_err(Failure::from),
                    Handle::File(_) => Err(Error::InvalidConnection.into()),
                });
            }
        };
        // Whoever holds the lock.
        let locked = matches!(&result, Err(Error::Io(message)) if message.contains("locked"));
        if !locked || Instant::now() > give_up {
            return result.map_err(Failure::from);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// A statement that was run at once, or is run where another thread waits for its answer.
enum Attempt {
    Done(Result<QueryResult, Error>),
    Elsewhere(Call),
}
