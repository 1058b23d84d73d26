//! Who must wait for whom. SQLite has one writer at a time; in PostgreSQL transactions about different keys run side by side, and one
//! that is about more, or that nothing is known of, runs alone. Reads wait for nobody.
//!
//! The locks are PostgreSQL's advisory ones: they end with their transaction, after it shows to others. So numbers that are drawn
//! alone show in their order. Schemas of one database do not wait for each other.

use super::is_about_one_key;
use crate::host::{Statement, Value};

/// The command that lets a transaction run alone. A number must not be drawn again after a crash: what draws them is on the disk before
/// others see it.
pub const LOCK_ALL: &str = "SELECT pg_advisory_xact_lock(1952805490, hashtext(current_schema())), \
     set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), true)";

/// The command that lets a transaction have one key for itself; it may take several, one after another.
pub fn lock_key(key: &str) -> String {
    lock_keys(&[number(key)])
}

/// The command that takes all that a transaction of these statements needs, to be run before the first of them.
pub fn locks(statements: &[Statement]) -> String {
    let mut keys = Vec::with_capacity(statements.len());
    for statement in statements {
        match statement.params.first() {
            Some(Value::Text(key)) if is_about_one_key(statement.sql.bytes) => keys.push(number(key)),
            _ => return LOCK_ALL.into(),
        }
    }
    // In one order everywhere, so that two never wait for each other.
    keys.sort_unstable();
    keys.dedup();
    lock_keys(&keys)
}

fn lock_keys(keys: &[i64]) -> String {
    // The number is the letters "terr".
    let mut command = "SELECT pg_advisory_xact_lock_shared(1952805490, hashtext(current_schema()))".to_owned();
    for key in keys {
        command += &format!(", pg_advisory_xact_lock(hashtextextended(current_schema(), {key}))");
    }
    command
}

/// The number that stands for a key; others may have it too, and then wait in vain.
fn number(key: &str) -> i64 {
    let mut number = [0; 8];
    for (to, from) in number.iter_mut().zip(blake3::hash(key.as_bytes()).as_bytes()) {
        *to = *from;
    }
    i64::from_le_bytes(number)
}
