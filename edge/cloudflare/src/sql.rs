//! L2 on D1: the binding `DB`. Bytes travel as hexadecimal digits, since D1 carries a BLOB as a JSON array of numbers.

use crate::host::Cloudflare;
use crate::operation::{Operation, Outcome};
use crate::platform;
use terrace_core::hex;
use terrace_core::host::{Sql, Statement, StoreError, Value};
use terrace_core::meter::Rows;
use worker::js_sys::Array;
use worker::wasm_bindgen::{JsCast, JsValue};

/// The largest string that D1 binds, in bytes; a row may be as large.
const LARGEST: usize = 2_000_000;

/// The integers that a double, and so D1, holds exactly: 2^53 and below.
const EXACT: u64 = 1 << 53;

impl Sql for Cloudflare {
    async fn query(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, StoreError> {
        let parameters = parameters(&statement.params)?;
        let (rows, _) =
            Operation::begin(|number| platform::d1_query(&self.0.call, statement.sql.hex, parameters, number));
        self.rows_of(rows.await)
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Value>>, StoreError> {
        let list = Array::new();
        for statement in statements {
            let parameters = parameters(&statement.params)?;
            list.push(&Array::of2(&JsValue::from_str(statement.sql.hex), &parameters));
        }
        let (rows, _) = Operation::begin(|number| platform::d1_batch(&self.0.call, list, number));
        self.rows_of(rows.await)
    }

    fn take_billed(&self) -> Rows {
        self.0.billed.take()
    }
}

fn parameters(values: &[Value]) -> Result<Array, StoreError> {
    let list = Array::new();
    for value in values {
        list.push(&parameter(value)?);
    }
    Ok(list)
}

fn parameter(value: &Value) -> Result<JsValue, StoreError> {
    let text = match value {
        Value::Null => return Ok(JsValue::NULL),
        Value::Integer(n) if n.unsigned_abs() <= EXACT => return Ok(JsValue::from_f64(*n as f64)),
        Value::Integer(n) => return Err(StoreError::Other(format!("{n} is more than D1 holds exactly"))),
        Value::Text(text) => text,
        Value::Blob(bytes) => &hex::encode(bytes),
    };
    if text.len() > LARGEST {
        return Err(StoreError::Other(format!("{} bytes are more than a string of D1 may have", text.len())));
    }
    Ok(JsValue::from_str(text))
}

impl Cloudflare {
    fn rows_of(&self, outcome: Outcome) -> Result<Vec<Vec<Value>>, StoreError> {
        let result: Array = match outcome {
            Outcome::Value(result) => result.unchecked_into(),
            Outcome::Bytes(_) => return Err(StoreError::Other("bytes instead of rows".to_string())),
            Outcome::Failed(why) => return Err(error(why)),
        };
        let billed = |at| result.get(at).as_f64().map_or(0, |rows| rows as u64);
        let Rows { read, written } = self.0.billed.get();
        self.0.billed.set(Rows { read: read + billed(1), written: written + billed(2) });
        let rows: Array = result.get(0).unchecked_into();
        let rows = rows.iter().map(|row| row.unchecked_into::<Array>().iter().map(|value| column(&value)).collect());
        Ok(rows.collect())
    }
}

fn column(value: &JsValue) -> Value {
    match (value.as_string(), value.as_f64()) {
        (Some(text), _) => Value::Text(text),
        (None, Some(number)) => Value::Integer(number as i64),
        // No column of ours is anything else: whatever reads it takes it for a corrupt row.
        (None, None) => Value::Null,
    }
}

fn error(why: String) -> StoreError {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    match () {
        () if says(&["no such table", "no such column"]) => StoreError::Schema(why),
        () if says(&[
            "SQLITE_FULL",
            "database or disk is full",
            "exceeded maximum DB size",
            "Exceeded maximum DB size",
        ]) =>
        {
            StoreError::Full
        }
        () if says(&["overloaded", "SQLITE_BUSY", "locked", "reset", "Too many requests"]) => StoreError::Busy(why),
        () => StoreError::Other(why),
    }
}
