//! The interface `spin:postgres/postgres@4.2.0` on [`Connection`].
use super::Connection;
pub(super) use crate::bindings::spin::postgres::postgres;
use crate::guest::{Guest, Spin};
use futures::executor::block_on;
use postgres::{Column, Error, ParameterValue, Row, RowSet};
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

/// An error for the guest, or a trap.
pub type Failure = wasmtime_wasi::TrappableError<Error>;

type Rows = (Vec<Column>, StreamReader<Row>, FutureReader<Result<(), Error>>);

/// A connection that is to be opened.
pub struct Builder {
    address: String,
}

impl Guest {
    fn opening(&self, address: &str) -> Result<impl Future<Output = Result<Connection, Error>> + use<>, Failure> {
        let server = self.shared.postgres.at(address).map_err(Error::ConnectionFailed)?;
        Ok(Connection::open(server))
    }

    fn opened(&mut self, connection: Connection) -> Result<Resource<Connection>, Failure> {
        self.table.push(connection).map_err(|_| Error::ConnectionFailed("too many open resources".into()).into())
    }

    fn direct(&self, handle: &Resource<Connection>) -> Result<Connection, Failure> {
        self.table.get(handle).cloned().map_err(|_| Error::ConnectionFailed("no connection found".into()).into())
    }

    fn built(&self, builder: &Resource<Builder>) -> wasmtime::Result<String> {
        Ok(self.table.get(builder)?.address.clone())
    }
}

impl postgres::Host for Guest {
    fn convert_error(&mut self, error: Failure) -> wasmtime::Result<Error> {
        error.downcast()
    }
}

impl postgres::HostConnectionBuilder for Guest {
    fn new(&mut self, address: String) -> wasmtime::Result<Resource<Builder>> {
        Ok(self.table.push(Builder { address })?)
    }

    fn set_ca_root(&mut self, _: Resource<Builder>, _: String) -> Result<(), Failure> {
        let why = "this host takes certificates from the system, or SSL_CERT_FILE, and none from a component";
        Err(Error::Other(why.into()).into())
    }

    fn build(&mut self, builder: Resource<Builder>) -> Result<Resource<Connection>, Failure> {
        let address = self.built(&builder).map_err(Failure::trap)?;
        postgres::HostConnection::open(self, address)
    }

    fn drop(&mut self, builder: Resource<Builder>) -> wasmtime::Result<()> {
        self.table.delete(builder)?;
        Ok(())
    }
}

impl<T: Send> postgres::HostConnectionBuilderWithStore<T> for Spin {
    async fn build_async(
        accessor: &Accessor<T, Self>,
        builder: Resource<Builder>,
    ) -> Result<Resource<Connection>, Failure> {
        let address = accessor.with(|mut access| access.get().built(&builder)).map_err(Failure::trap)?;
        <Spin as postgres::HostConnectionWithStore<T>>::open_async(accessor, address).await
    }
}

impl postgres::HostConnection for Guest {
    fn open(&mut self, address: String) -> Result<Resource<Connection>, Failure> {
        let connection = block_on(self.opening(&address)?)?;
        self.opened(connection)
    }

    fn query(
        &mut self,
        handle: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<RowSet, Failure> {
        let (columns, rows) = block_on(self.direct(&handle)?.query(statement, parameters))?;
        Ok(RowSet { columns, rows })
    }

    fn execute(
        &mut self,
        handle: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64, Failure> {
        Ok(block_on(self.direct(&handle)?.execute(statement, parameters))?)
    }

    fn drop(&mut self, handle: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

/// The other requests of the worker go on meanwhile.
impl<T: Send> postgres::HostConnectionWithStore<T> for Spin {
    async fn open_async(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<Connection>, Failure> {
        let opening = accessor.with(|mut access| access.get().opening(&address))?;
        let connection = opening.await?;
        accessor.with(|mut access| access.get().opened(connection))
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Rows, Failure> {
        let connection = accessor.with(|mut access| access.get().direct(&handle))?;
        let (columns, rows) = connection.query(statement, parameters).await?;
        accessor
            .with(|mut access| {
                wasmtime::error::Ok((
                    columns,
                    StreamReader::new(&mut access, rows)?,
                    FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?,
                ))
            })
            .map_err(Failure::trap)
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        handle: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64, Failure> {
        let connection = accessor.with(|mut access| access.get().direct(&handle))?;
        Ok(connection.execute(statement, parameters).await?)
    }
}
