//! L2: SQLite in memory, behind a network.

use crate::executor::Executor;
use crate::network::Network;
use crate::random::Random;
use rusqlite::types::{Value as Bound, ValueRef};
use rusqlite::{Connection, params_from_iter};
use std::rc::Rc;
use terrace_core::host::{Statement, StoreError, Value};

/// The database that all instances share.
pub struct Database {
    connection: Connection,
    /// The way to it.
    pub network: Rc<Network>,
}

type Rows = Vec<Vec<Value>>;

fn error(error: rusqlite::Error) -> StoreError {
    match error.to_string() {
        why if why.contains("no such table") => StoreError::Schema(why),
        why => StoreError::Other(why),
    }
}

impl Database {
    /// An empty one.
    ///
    /// # Panics
    /// Where SQLite has no memory.
    pub fn new(executor: Executor, random: &Random) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.set_prepared_statement_cache_capacity(64);
        Database { connection, network: Rc::new(Network::new(executor, random.fork())) }
    }

    /// Whether a statement reads the purge log.
    pub fn is_poll(statement: &Statement) -> bool {
        statement.sql.bytes.contains("FROM purges WHERE seq > ?1")
    }

    /// Runs one statement.
    pub fn execute(&self, statement: &Statement) -> Result<Rows, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.sql.bytes).map_err(error)?;
        let params = statement.params.iter().map(|value| match value {
            Value::Null => Bound::Null,
            Value::Integer(n) => Bound::Integer(*n),
            Value::Text(text) => Bound::Text(text.clone()),
            Value::Blob(bytes) => Bound::Blob(bytes.clone()),
        });
        let columns = prepared.column_count();
        let mut rows = prepared.query(params_from_iter(params)).map_err(error)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(error)? {
            let value = |n| {
                Ok(match row.get_ref(n).map_err(error)? {
                    ValueRef::Null | ValueRef::Real(_) => Value::Null,
                    ValueRef::Integer(n) => Value::Integer(n),
                    ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                })
            };
            all.push((0..columns).map(value).collect::<Result<Vec<_>, StoreError>>()?);
        }
        Ok(all)
    }

    /// Runs statements as one transaction, and returns the rows of the last.
    pub fn transact(&self, statements: &[Statement]) -> Result<Rows, StoreError> {
        let command = |sql| self.connection.execute_batch(sql).map_err(error);
        command("BEGIN")?;
        match statements.iter().try_fold(Vec::new(), |_, statement| self.execute(statement)) {
            Ok(last) => command("COMMIT").map(|()| last),
            Err(error) => command("ROLLBACK").and(Err(error)),
        }
    }
}
