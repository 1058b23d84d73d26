//! L1 on Spin's key-value, L2 on Spin's SQLite, or [on PostgreSQL](crate::postgres). The handles live in statics: opening one costs a call, and a connection each.

use crate::postgres;
use bytes::Bytes;
use spin_sdk::key_value;
use spin_sdk::sqlite::wit::sqlite as spin;
use std::cell::RefCell;
use std::time::Duration;
use terrace_core::host::{Kv, Sql, Statement, StoreError, Text, Value};

thread_local! {
    static KV: RefCell<Option<&'static key_value::Store>> = const { RefCell::new(None) };
    static SQL: RefCell<Option<Database>> = const { RefCell::new(None) };
}

/// The key-value store `default`.
pub struct SpinKv;

async fn kv() -> Result<&'static key_value::Store, StoreError> {
    if let Some(store) = KV.with(|kv| *kv.borrow()) {
        return Ok(store);
    }
    let store = key_value::Store::open_default().await.map_err(kv_error)?;
    let store: &'static key_value::Store = Box::leak(Box::new(store));
    KV.with(|kv| *kv.borrow_mut() = Some(store));
    Ok(store)
}

fn kv_error(error: key_value::Error) -> StoreError {
    match error {
        key_value::Error::StoreTableFull => StoreError::Busy("too many key-value stores are open".into()),
        key_value::Error::NoSuchStore => StoreError::Other(
            "there is no key-value store `default`: name it in spin.toml and runtime-config.toml".into(),
        ),
        key_value::Error::AccessDenied => {
            StoreError::Other("the component may not use the key-value store `default`: allow it in spin.toml".into())
        }
        key_value::Error::Other(why) => StoreError::Other(why),
    }
}

impl Kv for SpinKv {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(kv().await?.get(key).await.map_err(kv_error)?.map(Bytes::from))
    }

    /// Spin's stores know no time to live: an entry carries its own.
    async fn put(&self, key: &str, value: Vec<u8>, _ttl: Duration) -> Result<(), StoreError> {
        kv().await?.set(key, value).await.map_err(kv_error)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        kv().await?.delete(key).await.map_err(kv_error)
    }
}

/// The SQLite database `default`; nothing of it is touched where L2 is a PostgreSQL.
///
/// Of a file the synchronous calls are used: they are the fast ones, a transaction on the one connection of this instance is never
/// interleaved with another request's, and writes keep the order in which requests were answered: an invalidation is never overtaken
/// by the store before it. A host bounds how long such a call waits for a writer elsewhere.
///
/// Of a server somewhere else the asynchronous ones are, for the other requests of this instance go on meanwhile; each transaction has
/// a connection of its own, and their order is of no consequence: what one relies on is in its conditions.
pub struct SpinSql;

#[derive(Clone, Copy)]
struct Database {
    connection: &'static spin::Connection,
    /// Whether it is a server somewhere else.
    is_far: bool,
}

/// An open transaction, or one about to open; what is not committed is rolled back.
struct Transaction<'a> {
    connection: &'a spin::Connection,
    committed: bool,
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // Where none was opened, there is none to roll back, and the database says so.
            let _ = self.connection.execute("ROLLBACK", &[]);
        }
    }
}

fn database() -> Result<Database, StoreError> {
    if let Some(database) = SQL.with(|sql| *sql.borrow()) {
        return Ok(database);
    }
    let connection = spin::Connection::open("default").map_err(sql_error)?;
    // Readers and a writer at once, and one flush per checkpoint instead of per write. What is no file of SQLite has none of it.
    let wal = connection.execute("PRAGMA journal_mode=WAL", &[]).map_err(sql_error);
    let _ = connection.execute("PRAGMA synchronous=NORMAL", &[]);
    let is_far = matches!(wal, Err(StoreError::Other(_)));
    let database = Database { connection: Box::leak(Box::new(connection)), is_far };
    SQL.with(|sql| *sql.borrow_mut() = Some(database));
    Ok(database)
}

fn sql_error(error: spin::Error) -> StoreError {
    match error {
        spin::Error::DatabaseFull => StoreError::Full,
        spin::Error::Io(why) if why.contains("no such table") || why.contains("no such column") => {
            StoreError::Schema(why)
        }
        spin::Error::Io(why) if why.contains("locked") || why.contains("busy") => StoreError::Busy(why),
        spin::Error::Io(why) => StoreError::Other(why),
        spin::Error::NoSuchDatabase => {
            StoreError::Other("there is no database `default`: name it in spin.toml and runtime-config.toml".into())
        }
        spin::Error::AccessDenied => {
            StoreError::Other("the component may not use the database `default`: allow it in spin.toml".into())
        }
        spin::Error::InvalidConnection => StoreError::Other("the connection is over".into()),
    }
}

fn bound(params: &[Value]) -> Vec<spin::Value> {
    params
        .iter()
        .map(|value| match value {
            Value::Null => spin::Value::Null,
            Value::Integer(n) => spin::Value::Integer(*n),
            Value::Text(text) => spin::Value::Text(text.clone()),
            Value::Blob(bytes) => spin::Value::Blob(bytes.clone()),
        })
        .collect()
}

fn values(rows: Vec<spin::RowResult>) -> Vec<Vec<Value>> {
    let rows = rows.into_iter().map(|row| {
        let values = row.values.into_iter().map(|value| match value {
            spin::Value::Integer(n) => Value::Integer(n),
            // No column of ours is a real: whatever reads it takes it for a corrupt row.
            spin::Value::Real(_) | spin::Value::Null => Value::Null,
            spin::Value::Text(text) => Value::Text(text),
            spin::Value::Blob(bytes) => Value::Blob(bytes),
        });
        values.collect()
    });
    rows.collect()
}

fn execute(connection: &spin::Connection, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
    let result = connection.execute(statement.sql.bytes, &bound(&statement.params)).map_err(sql_error)?;
    Ok(values(result.rows))
}

async fn execute_far(
    connection: &spin::Connection,
    sql: &str,
    params: &[Value],
) -> Result<Vec<Vec<Value>>, StoreError> {
    let asked = connection.execute_async(sql.to_owned(), bound(params)).await;
    let (_columns, rows, end) = asked.map_err(sql_error)?;
    let rows = rows.collect().await;
    end.await.map_err(sql_error)?;
    Ok(values(rows))
}

impl Sql for SpinSql {
    async fn query(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        if let Some(address) = postgres::address() {
            return postgres::query(&address, statement).await;
        }
        match database()? {
            Database { connection, is_far: false } => execute(connection, statement),
            Database { connection, .. } => execute_far(connection, statement.sql.bytes, &statement.params).await,
        }
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
        if let Some(address) = postgres::address() {
            return postgres::batch(&address, statements).await;
        }
        let Database { connection, is_far } = database()?;
        if is_far {
            return batch_far(statements).await;
        }
        let mut transaction = Transaction { connection, committed: false };
        execute(connection, &Statement { sql: Text::plain("BEGIN IMMEDIATE"), params: Vec::new() })?;
        let last = statements.iter().try_fold(Vec::new(), |_, statement| execute(connection, statement))?;
        execute(connection, &Statement { sql: Text::plain("COMMIT"), params: Vec::new() })?;
        transaction.committed = true;
        Ok(last)
    }
}

/// What is not committed when its connection is dropped is rolled back.
async fn batch_far(statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
    let connection = spin::Connection::open_async("default".to_owned()).await.map_err(sql_error)?;
    execute_far(&connection, "BEGIN IMMEDIATE", &[]).await?;
    let mut last = Vec::new();
    for statement in statements {
        last = execute_far(&connection, statement.sql.bytes, &statement.params).await?;
    }
    execute_far(&connection, "COMMIT", &[]).await?;
    Ok(last)
}
