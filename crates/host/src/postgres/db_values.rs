//! PostgreSQL's types and errors in those of Spin's `postgres`, and back. Of the types it has, dates and times, UUIDs, JSON, decimals,
//! ranges, arrays and intervals are not served: a parameter of such a type is an error, a column of one comes as bytes.
use super::server::words;
use super::wit::postgres::{Column, DbDataType, DbError, DbValue, Error, ParameterValue, QueryError};
use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error as PgError, Row};

type Failed = Box<dyn std::error::Error + Sync + Send>;

/// A parameter. Its type must be the one that the server has found for it.
#[derive(Debug)]
pub struct Parameter<'a>(pub &'a ParameterValue);

impl ToSql for Parameter<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match self.0 {
            ParameterValue::Boolean(v) => v.to_sql_checked(kind, out),
            ParameterValue::Int8(v) => v.to_sql_checked(kind, out),
            ParameterValue::Int16(v) => v.to_sql_checked(kind, out),
            ParameterValue::Int32(v) => v.to_sql_checked(kind, out),
            ParameterValue::Int64(v) => v.to_sql_checked(kind, out),
            ParameterValue::Floating32(v) => v.to_sql_checked(kind, out),
            ParameterValue::Floating64(v) => v.to_sql_checked(kind, out),
            ParameterValue::Str(v) => v.to_sql_checked(kind, out),
            ParameterValue::Binary(v) => v.as_slice().to_sql_checked(kind, out),
            ParameterValue::DbNull => Ok(IsNull::Yes),
            _ => Err(format!("a parameter for {kind} has a type that this host does not serve").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value of a type that is not served.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        Ok(Raw(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A column, in Spin's terms.
pub fn column(column: &tokio_postgres::Column) -> Column {
    let data_type = match *column.type_() {
        Type::BOOL => DbDataType::Boolean,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::FLOAT4 => DbDataType::Floating32,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DbDataType::Str,
        Type::BYTEA => DbDataType::Binary,
        ref other => DbDataType::Other(other.name().to_owned()),
    };
    Column { name: column.name().to_owned(), data_type }
}

/// A row, in Spin's terms.
pub fn row(row: &Row) -> Result<Vec<DbValue>, PgError> {
    let columns = row.columns().iter().enumerate();
    let values = columns.map(|(i, column)| {
        let value = match *column.type_() {
            Type::BOOL => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Boolean)),
            Type::INT2 => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Int16)),
            Type::INT4 => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Int32)),
            Type::INT8 => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Int64)),
            Type::FLOAT4 => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Floating32)),
            Type::FLOAT8 => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Floating64)),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Str)),
            Type::BYTEA => row.try_get::<_, Option<_>>(i).map(|v| v.map(DbValue::Binary)),
            _ => row.try_get::<_, Option<Raw>>(i).map(|v| v.map(|Raw(bytes)| DbValue::Unsupported(bytes))),
        };
        value.map(|value| value.unwrap_or(DbValue::DbNull))
    });
    values.collect()
}

/// An error, with what the server said of it.
pub fn error(error: PgError) -> Error {
    let as_text = words(&error);
    Error::QueryFailed(match error.as_db_error() {
        None => QueryError::Text(as_text),
        Some(said) => {
            let more = [("column", said.column()), ("constraint", said.constraint()), ("table", said.table())];
            let more = more.into_iter().chain([("hint", said.hint())]);
            QueryError::DbError(DbError {
                as_text,
                severity: said.severity().to_owned(),
                code: said.code().code().to_owned(),
                message: said.message().to_owned(),
                detail: said.detail().map(str::to_owned),
                extras: more.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect(),
            })
        }
    })
}
