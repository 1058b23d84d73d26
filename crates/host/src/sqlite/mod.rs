//! Spin's SQLite: one file, in WAL mode, where every connection of a guest is a real one of its own; or PostgreSQL in its place.
mod connection;
mod wit;

pub use connection::Database;
pub use wit::Failure;

use crate::error::Error as StartError;
use crate::postgres;
use wit::sqlite::Error;

/// Where the database is.
pub enum Store {
    /// In a file.
    File(Database),
    /// In a server that others may share.
    Postgres(Box<postgres::Database>),
    /// Nowhere.
    None,
}

impl Store {
    /// A new connection for a guest.
    fn open(&self) -> Result<Handle, Error> {
        match self {
            Store::File(database) => database.open().map(Handle::File).map_err(connection::error),
            Store::Postgres(database) => Ok(Handle::Postgres(database.open())),
            Store::None => Err(Error::NoSuchDatabase),
        }
    }

    /// Leaves the database as it should be found. To be called when every connection has been closed.
    pub fn finish(&self) -> Result<(), StartError> {
        match self {
            Store::File(database) => database.checkpoint(),
            Store::Postgres(_) | Store::None => Ok(()),
        }
    }
}

/// A guest's connection.
pub enum Handle {
    /// To a file.
    File(connection::Handle),
    /// To a server.
    Postgres(postgres::Handle),
}

impl Handle {
    fn last_insert_rowid(&self) -> i64 {
        match self {
            Handle::File(handle) => handle.last_insert_rowid(),
            Handle::Postgres(handle) => handle.last_insert_rowid(),
        }
    }

    fn changes(&self) -> u64 {
        match self {
            Handle::File(handle) => handle.changes(),
            Handle::Postgres(handle) => handle.changes(),
        }
    }
}
