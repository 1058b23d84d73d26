//! L2 on PostgreSQL, where the variable `l2_url` names one.
//!
//! Every call takes a connection from the host's pool and gives it back: an instance holds none while it does nothing, for a host has
//! many instances, and a pool has an end. What is cut off by its deadline is rolled back before its connection is anybody else's; where
//! that cannot be, because the instance dies too, the settings of the connection end the transaction, and whoever has it next and would
//! begin another is refused.

use crate::body::spawn_beside;
use futures::future::select;
use spin_sdk::pg::wit::postgres as spin;
use spin_sdk::wasip3::clocks::monotonic_clock;
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use terrace_core::host::{Statement, StoreError, Value};
use terrace_core::tiers::sql::postgres::{self, BEGIN, locks, translate_typed};

thread_local! {
    static ADDRESS: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
}

/// How long the end of what was cut off is waited for, in nanoseconds: 2 s, after which the server ends it by itself.
const ROLL_BACK: u64 = 2_000_000_000;

/// Has this instance keep L2 there from now on.
pub fn keep_at(address: String) {
    ADDRESS.with(|kept| *kept.borrow_mut() = Some(address.into()));
}

/// Where L2 is, if it is a PostgreSQL.
pub fn address() -> Option<Rc<str>> {
    ADDRESS.with(|kept| kept.borrow().clone())
}

/// A statement that reads: a transaction of its own, which waits for nobody.
pub async fn query(address: &str, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
    let connection = open(address).await?;
    rows(&connection, statement).await
}

/// Statements that write, after the locks that they need.
pub async fn batch(address: &str, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
    let Some((last, earlier)) = statements.split_last() else { return Ok(Vec::new()) };
    let transaction = Transaction { connection: Some(open(address).await?) };
    let Some(connection) = &transaction.connection else { return Ok(Vec::new()) };
    command(connection, BEGIN).await?;
    command(connection, &locks(statements)).await?;
    for statement in earlier {
        let (sql, parameters) = (translate_typed(statement), bound(&statement.params));
        connection.execute_async(sql, parameters).await.map_err(error)?;
    }
    let found = rows(connection, last).await?;
    command(connection, "COMMIT").await?;
    transaction.end();
    Ok(found)
}

/// An open transaction, or one about to open; what is not committed is rolled back.
struct Transaction {
    connection: Option<spin::Connection>,
}

impl Transaction {
    fn end(mut self) {
        self.connection = None;
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        spawn_beside(async move {
            let ended = pin!(connection.execute_async("ROLLBACK".to_owned(), Vec::new()));
            select(ended, pin!(monotonic_clock::wait_for(ROLL_BACK))).await;
        });
    }
}

async fn open(address: &str) -> Result<spin::Connection, StoreError> {
    spin::Connection::open_async(address.to_owned()).await.map_err(error)
}

async fn command(connection: &spin::Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute_async(sql.to_owned(), Vec::new()).await.map(drop).map_err(error)
}

async fn rows(connection: &spin::Connection, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
    let asked = connection.query_async(translate_typed(statement), bound(&statement.params)).await;
    let (_columns, rows, end) = asked.map_err(error)?;
    let rows = rows.collect().await;
    end.await.map_err(error)?;
    Ok(rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect())
}

fn bound(params: &[Value]) -> Vec<spin::ParameterValue> {
    params
        .iter()
        .map(|value| match value {
            Value::Null => spin::ParameterValue::DbNull,
            Value::Integer(n) => spin::ParameterValue::Int64(*n),
            Value::Text(text) => spin::ParameterValue::Str(text.clone()),
            Value::Blob(bytes) => spin::ParameterValue::Binary(bytes.clone()),
        })
        .collect()
}

fn value(value: spin::DbValue) -> Value {
    match value {
        spin::DbValue::Boolean(is) => Value::Integer(is.into()),
        spin::DbValue::Int16(n) => Value::Integer(n.into()),
        spin::DbValue::Int32(n) => Value::Integer(n.into()),
        spin::DbValue::Int64(n) => Value::Integer(n),
        spin::DbValue::Str(text) => Value::Text(text),
        spin::DbValue::Binary(bytes) => Value::Blob(bytes),
        // No column of ours is anything else: whatever reads it takes it for a corrupt row.
        _ => Value::Null,
    }
}

fn error(error: spin::Error) -> StoreError {
    match error {
        spin::Error::QueryFailed(spin::QueryError::DbError(said)) => postgres::error(&said.code, said.message),
        spin::Error::ConnectionFailed(why) => StoreError::Other(format!("PostgreSQL is not reached: {why}")),
        spin::Error::QueryFailed(spin::QueryError::Text(why))
        | spin::Error::BadParameter(why)
        | spin::Error::ValueConversionFailed(why)
        | spin::Error::Other(why) => StoreError::Other(format!("PostgreSQL: {why}")),
    }
}
