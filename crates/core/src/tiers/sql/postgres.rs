//! The statements as PostgreSQL takes them. They keep to what it shares with SQLite; this is the rest.
//!
//! What their conditions rely on under SQLite, where there is one writer at a time, is that nothing comes between a condition and the
//! write that hangs on it, and that numbers of the purge log show in their order. In PostgreSQL a host gets the same by locks that last
//! as long as the transaction: of the one key that a statement [is about](is_about_one_key), or of everything.

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

/// A statement in PostgreSQL's dialect.
pub fn translate(sql: &str) -> String {
    let mut text = sql.to_string();
    if sql.contains("CREATE TABLE") || sql.contains("ALTER TABLE") {
        for (ours, theirs) in DEFINITIONS {
            text = text.replace(ours, theirs);
        }
    }
    parameters(&lists(&text))
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

/// `?1` as `$1`, outside of quotes and comments.
fn parameters(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"', '?', '-']) {
        let (before, from) = rest.split_at(at);
        out += before;
        let length = match from.as_bytes() {
            [b'?', ..] => {
                out.push('$');
                rest = from.get(1..).unwrap_or_default();
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
