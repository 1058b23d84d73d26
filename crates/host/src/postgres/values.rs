//! SQLite's types and errors in PostgreSQL's, and back.
use super::Dialect;
use super::server::words;
use crate::bindings::spin::sqlite::sqlite::{Error, RowResult, Value};
use bytes::BytesMut;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error as PgError, Row};

/// The type that a parameter goes out as.
pub fn kind(value: &Value) -> Type {
    match value {
        Value::Integer(_) => Type::INT8,
        Value::Real(_) => Type::FLOAT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
        // For the server to find out.
        Value::Null => Type::UNKNOWN,
    }
}

/// A parameter, which has the type that [`kind`] says.
#[derive(Debug)]
pub struct Parameter<'a>(pub &'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Value::Integer(i) => i.to_sql(kind, out),
            Value::Real(r) => r.to_sql(kind, out),
            Value::Text(t) => t.to_sql(kind, out),
            Value::Blob(b) => b.as_slice().to_sql(kind, out),
            Value::Null => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A row as SQLite would have it.
pub fn row(row: &Row, dialect: &Dialect) -> Result<RowResult, Error> {
    let columns = row.columns().iter().enumerate();
    let values = columns.map(|(i, column)| {
        let kind = column.type_();
        let value = match *kind {
            Type::INT8 => row.try_get::<_, Option<i64>>(i).map(|v| v.map(Value::Integer)),
            Type::INT4 => row.try_get::<_, Option<i32>>(i).map(|v| v.map(|n| Value::Integer(n.into()))),
            Type::BOOL => row.try_get::<_, Option<bool>>(i).map(|v| v.map(|b| Value::Integer(b.into()))),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(i).map(|v| v.map(Value::Real)),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(i).map(|v| v.map(Value::Blob)),
            Type::TEXT | Type::VARCHAR => row.try_get::<_, Option<String>>(i).map(|v| v.map(Value::Text)),
            _ => return Err(Error::Io(format!("column {:?} is of type {kind}: SQLite has none such", column.name()))),
        };
        value.map(|value| value.unwrap_or(Value::Null)).map_err(|failed| error(failed, dialect))
    });
    Ok(RowResult { values: values.collect::<Result<_, _>>()? })
}

/// An error in the words that the guest knows from SQLite.
pub fn error(error: PgError, dialect: &Dialect) -> Error {
    let said = words(&error);
    let Some(state) = error.code() else { return Error::Io(format!("PostgreSQL: {said}")) };
    if *state == SqlState::DISK_FULL {
        Error::DatabaseFull
    } else if *state == SqlState::UNDEFINED_TABLE {
        Error::Io(format!("no such table: {said}"))
    } else if *state == SqlState::UNDEFINED_COLUMN {
        Error::Io(format!("no such column: {said}"))
    } else if (dialect.is_passing)(state.code()) {
        Error::Io(format!("database is locked: {said}"))
    } else {
        Error::Io(format!("PostgreSQL: {said}"))
    }
}
