//! The statements as PostgreSQL takes them. They keep to what it shares with SQLite; this is the rest.
//!
//! What their conditions rely on under SQLite, where there is one writer at a time, is that nothing comes between a condition and the
//! write that hangs on it, and that numbers of the purge log show in their order. In PostgreSQL a host gets the same by locks that last
//! as long as the transaction: of the one key that a statement [is about](is_about_one_key), or of everything.

mod address;
mod locks;
mod session;

pub use address::address;
pub use locks::{LOCK_ALL, lock_key, locks};
pub use session::{BEGIN, SETTINGS, error, is_passing};

use crate::host::{Statement, Value};

/// Words of a table's definition.
const DEFINITIONS: [(&str, &str); 5] = [
    (" INTEGER PRIMARY KEY AUTOINCREMENT", " BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (" INTEGER", " BIGINT"),
    (" BLOB", " BYTEA"),
    // SQLite compares bytes, and knows no locale.
    (" TEXT", " TEXT COLLATE \"C\""),
    (") WITHOUT ROWID", ")"),
];

/// A list that is bound as JSON, as rows with a column `value`.
const LIST: &str = "json_each(";

/// A statement in PostgreSQL's dialect. Its parameters have the types that the host binds them with.
pub fn translate(sql: &str) -> String {
    translated(sql, |_| "")
}

/// The same for a host whose parameters get their types from the text alone.
pub fn translate_typed(statement: &Statement) -> String {
    translated(statement.sql.bytes, |number| match statement.params.get(number.wrapping_sub(1)) {
        Some(Value::Integer(_)) => "::int8",
        Some(Value::Text(_)) => "::text",
        Some(Value::Blob(_)) => "::bytea",
        // For the server to find out.
        Some(Value::Null) | None => "",
    })
}

fn translated(sql: &str, kind: impl Fn(usize) -> &'static str) -> String {
    let mut text = sql.to_string();
    if sql.contains("CREATE TABLE") || sql.contains("ALTER TABLE") {
        for (ours, theirs) in DEFINITIONS {
            text = text.replace(ours, theirs);
        }
    }
    parameters(&lists(&text), kind)
}

/// Whether a statement that writes reads and writes rows of one key alone, its first parameter, if that is a text. Transactions about
/// different keys may run side by side; all others need the database for themselves.
pub fn is_about_one_key(sql: &str) -> bool {
    sql.contains("?1") && !sql.contains(LIST)
}

fn lists(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once(LIST) {
        let Some((list, after)) = after.split_once(')') else { break };
        out += before;
        out += "json_array_elements_text(";
        out += list;
        out += "::json) AS json_each(value)";
        rest = after;
    }
    out + rest
}

/// `?1` as `$1` and its kind, outside of quotes and comments.
fn parameters(sql: &str, kind: impl Fn(usize) -> &'static str) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"', '?', '-']) {
        let (before, from) = rest.split_at(at);
        out += before;
        let length = match from.as_bytes() {
            [b'?', ..] => {
                let from = from.get(1..).unwrap_or_default();
                let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
                let (number, after) = from.split_at(end);
                out.push('$');
                out += number;
                out += number.parse().map_or("", &kind);
                rest = after;
                continue;
            }
            [b'-', b'-', ..] => from.find('\n'),
            [b'-', ..] => Some(1),
            // A doubled quote in a text ends it and begins another.
            [quote, inner @ ..] => inner.iter().position(|byte| byte == quote).map(|end| end + 2),
            [] => None,
        };
        let (as_it_is, after) = from.split_at(length.unwrap_or(from.len()));
        out += as_it_is;
        rest = after;
    }
    out + rest
}
