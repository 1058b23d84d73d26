//! L1 on Spin's key-value, L2 on Spin's SQLite. The handles live in statics: opening one costs a call, and a connection each.

use spin_sdk::key_value;
use spin_sdk::sqlite::wit::sqlite as spin;
use spin_sdk::wasip3::clocks::monotonic_clock;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use terrace_core::host::{Kv, Sql, Statement, StoreError, Value};

thread_local! {
    static KV: RefCell<Option<&'static key_value::Store>> = const { RefCell::new(None) };
    static SQL: RefCell<Option<&'static spin::Connection>> = const { RefCell::new(None) };
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
        error => StoreError::Other(error.to_string()),
    }
}

impl Kv for SpinKv {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        kv().await?.get(key).await.map_err(kv_error)
    }

    /// Spin's stores know no time to live: an entry carries its own.
    async fn put(&self, key: &str, value: Vec<u8>, _ttl: Duration) -> Result<(), StoreError> {
        kv().await?.set(key, value).await.map_err(kv_error)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        kv().await?.delete(key).await.map_err(kv_error)
    }
}

/// The SQLite database `default`. The synchronous calls are the fast ones and are used for all but the one that may have to wait:
/// taking the lock to write. While that waits, the other requests of this instance go on.
pub struct SpinSql;

thread_local! {
    /// Whether a request of this instance is writing. Without it, two would share a transaction on the one connection.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// How long the next writer waits before it looks again. One request cannot wake another here, so it has to look.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// An open transaction, or one about to open; what is not committed is rolled back.
struct Transaction<'a> {
    connection: &'a spin::Connection,
    committed: bool,
}

impl<'a> Transaction<'a> {
    /// Waits for its turn.
    async fn next(connection: &'a spin::Connection) -> Self {
        while WRITING.replace(true) {
            monotonic_clock::wait_for(u64::try_from(LOOK_AGAIN.as_nanos()).unwrap_or(u64::MAX)).await;
        }
        Transaction { connection, committed: false }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // Where none was opened, there is none to roll back, and the database says so.
            let _ = self.connection.execute("ROLLBACK", &[]);
        }
        WRITING.set(false);
    }
}

fn connection() -> Result<&'static spin::Connection, StoreError> {
    if let Some(connection) = SQL.with(|sql| *sql.borrow()) {
        return Ok(connection);
    }
    let connection = spin::Connection::open("default").map_err(sql_error)?;
    // Readers and a writer at once, and one flush per checkpoint instead of per write. A host that has no WAL answers so and goes on.
    let _ = connection.execute("PRAGMA journal_mode=WAL", &[]);
    let _ = connection.execute("PRAGMA synchronous=NORMAL", &[]);
    let connection: &'static spin::Connection = Box::leak(Box::new(connection));
    SQL.with(|sql| *sql.borrow_mut() = Some(connection));
    Ok(connection)
}

fn sql_error(error: spin::Error) -> StoreError {
    match error {
        spin::Error::DatabaseFull => StoreError::Full,
        spin::Error::Io(why) if why.contains("no such table") || why.contains("no such column") => {
            StoreError::Schema(why)
        }
        spin::Error::Io(why) if why.contains("locked") || why.contains("busy") => StoreError::Busy(why),
        error => StoreError::Other(error.to_string()),
    }
}

fn execute(connection: &spin::Connection, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
    let params: Vec<spin::Value> = statement
        .params
        .iter()
        .map(|value| match value {
            Value::Null => spin::Value::Null,
            Value::Integer(n) => spin::Value::Integer(*n),
            Value::Text(text) => spin::Value::Text(text.clone()),
            Value::Blob(bytes) => spin::Value::Blob(bytes.clone()),
        })
        .collect();
    let result = connection.execute(statement.sql, &params).map_err(sql_error)?;
    let rows = result.rows.into_iter().map(|row| {
        let values = row.values.into_iter().map(|value| match value {
            spin::Value::Integer(n) => Value::Integer(n),
            // No column of ours is a real: whatever reads it takes it for a corrupt row.
            spin::Value::Real(_) | spin::Value::Null => Value::Null,
            spin::Value::Text(text) => Value::Text(text),
            spin::Value::Blob(bytes) => Value::Blob(bytes),
        });
        values.collect()
    });
    Ok(rows.collect())
}

impl Sql for SpinSql {
    async fn query(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        execute(connection()?, statement)
    }

    async fn batch(&self, statements: &[Statement]) -> Result<(), StoreError> {
        let connection = connection()?;
        let mut transaction = Transaction::next(connection).await;
        let (_, _, begun) = connection.execute_async("BEGIN IMMEDIATE".into(), Vec::new()).await.map_err(sql_error)?;
        begun.await.map_err(sql_error)?;
        // From here on nothing waits: no other request comes between.
        statements.iter().try_for_each(|statement| execute(connection, statement).map(|_| ()))?;
        execute(connection, &Statement { sql: "COMMIT", params: Vec::new() })?;
        transaction.committed = true;
        Ok(())
    }
}
