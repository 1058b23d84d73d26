//! The statements of L2, in SQLite and in PostgreSQL's dialect. That PostgreSQL takes them is tested with a real one, in
//! `tests/tests/stores`.
#![allow(clippy::unwrap_used, clippy::panic)]

use rusqlite::Connection;
use rusqlite::limits::Limit;
use std::path::Path;
use terrace_core::host::{Statement, StoreError, Text, Value};
use terrace_core::tiers::sql::postgres::{
    LOCK_ALL, SETTINGS, address, error, is_about_one_key, lock_key, locks, translate, translate_typed,
};
use terrace_core::tiers::sql::{MIGRATIONS, STATEMENTS, statements};

#[test]
fn sqlite_takes_every_statement_and_migration() {
    let database = Connection::open_in_memory().unwrap();
    // As in D1, where a query of more terms fails.
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    ] {
        database.set_limit(limit, most).unwrap();
    }
    // Twice: missing tables are made by all of them.
    for sql in MIGRATIONS.iter().chain(MIGRATIONS).flat_map(|migration| statements(migration)) {
        database.execute(sql, ()).unwrap_or_else(|why| panic!("{sql}: {why}"));
    }
    let versions: Vec<usize> = database
        .prepare("SELECT version FROM terrace_schema")
        .unwrap()
        .query_map((), |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(versions, [MIGRATIONS.len()]);
    for text in STATEMENTS.iter().copied().flatten() {
        for sql in [text.bytes, text.hex] {
            database.prepare(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
        }
    }
}

/// Instances that find tables missing bring them up to date side by side, and some are behind.
#[test]
fn a_migration_that_comes_late_changes_nothing() {
    let database = Connection::open_in_memory().unwrap();
    let run = |migration: &'static str| {
        for sql in statements(migration) {
            database.execute(sql, ()).unwrap_or_else(|why| panic!("{sql}: {why}"));
        }
    };
    MIGRATIONS.iter().copied().for_each(run);
    for late in MIGRATIONS.iter().copied() {
        run(late);
        let version: usize = database.query_row("SELECT version FROM terrace_schema", (), |row| row.get(0)).unwrap();
        assert_eq!(version, MIGRATIONS.len(), "{late}");
    }
}

#[test]
fn what_differs_is_translated_and_nothing_else() {
    for (ours, theirs) in [
        (
            "SELECT '?1', \"?2\" FROM t WHERE a = ?1 AND b <> ?12",
            "SELECT '?1', \"?2\" FROM t WHERE a = $1 AND b <> $12",
        ),
        ("SELECT 'it''s ?', ?1", "SELECT 'it''s ?', $1"),
        ("-- it's ?1\nSELECT -?1 - 2 -- ?", "-- it's ?1\nSELECT -$1 - 2 -- ?"),
        ("SELECT 'open ?1", "SELECT 'open ?1"),
        ("SELECT ?1 -", "SELECT $1 -"),
        (
            "SELECT value, ?2 FROM json_each(?1)",
            "SELECT value, $2 FROM json_array_elements_text($1::json) AS json_each(value)",
        ),
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b INTEGER, c BLOB NOT NULL, d TEXT) WITHOUT ROWID",
            "CREATE TABLE t (a BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b BIGINT, c BYTEA NOT NULL, \
             d TEXT COLLATE \"C\")",
        ),
        ("ALTER TABLE t ADD COLUMN e INTEGER", "ALTER TABLE t ADD COLUMN e BIGINT"),
        ("SELECT CAST(a AS TEXT)", "SELECT CAST(a AS TEXT)"),
    ] {
        assert_eq!(translate(ours), theirs);
    }
}

/// SQLite's own words that nothing translates.
const FOREIGN: [&str; 8] =
    ["INSERT OR", "REPLACE INTO", "unixepoch", "ifnull", "instr(", "AUTOINCREMENT", "ROWID", "json_each("];

#[test]
fn no_word_of_sqlite_is_left() {
    let all = STATEMENTS.iter().copied().flatten().map(|text| text.bytes);
    for sql in all.chain(MIGRATIONS.iter().flat_map(|migration| statements(migration))) {
        let theirs = translate(sql);
        for word in FOREIGN {
            let left = theirs.replace("AS json_each(", "");
            assert!(!left.contains(word), "{word} is not PostgreSQL's: {theirs}");
        }
        assert!(!theirs.contains('?'), "{theirs}");
    }
}

#[test]
fn what_is_about_one_key_is_told_from_what_is_about_many() {
    for (sql, one) in [
        ("UPDATE entries SET until = ?2 WHERE key = ?1", true),
        ("DELETE FROM purges WHERE what IN (SELECT value FROM json_each(?1)) AND at <= ?2", false),
        ("INSERT INTO purges (what) SELECT value FROM json_each(?1)", false),
        ("SELECT max(seq) FROM purges", false),
        ("UPDATE terrace_schema SET version = 2", false),
    ] {
        assert_eq!(is_about_one_key(sql), one, "{sql}");
    }
    // What binds a text in front is about the row that has it as its key, or inserts that row; all else binds a number there.
    for sql in STATEMENTS.iter().copied().flatten().map(|text| text.bytes).filter(|sql| is_about_one_key(sql)) {
        let numbers = ["<= ?1", "> ?1", "OFFSET ?1", "LIMIT ?1"];
        let keyed = sql.contains("key = ?1") || sql.contains("name = ?1") || sql.starts_with("INSERT INTO");
        assert!(keyed || numbers.iter().any(|number| sql.contains(number)), "is its first parameter one key? {sql}");
    }
}

#[test]
fn no_statement_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tiers");
    let mut files = vec![folder.join("sql.rs")];
    for more in ["sql", "sql/postgres"] {
        let here = std::fs::read_dir(folder.join(more)).unwrap();
        files.extend(here.map(|file| file.unwrap().path()).filter(|path| path.is_file()));
    }
    let written: usize = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .map(|source| source.lines().filter(|line| line.contains("const ") && line.contains(": Text =")).count())
        .sum();
    let listed: usize = STATEMENTS.iter().map(|of_a_file| of_a_file.len()).sum();
    assert_eq!(listed, written, "STATEMENTS does not list every statement");
    let migrations = std::fs::read_dir(folder.join("migrations")).unwrap().count();
    assert_eq!(MIGRATIONS.len(), migrations, "MIGRATIONS does not list every migration");
}

fn statement(sql: &'static str, params: Vec<Value>) -> Statement {
    Statement { sql: Text::plain(sql), params }
}

#[test]
fn a_parameter_says_its_type_where_the_text_alone_tells_it() {
    let params = vec![Value::Text("k".into()), Value::Integer(1), Value::Blob(vec![1]), Value::Null];
    for (ours, theirs) in [
        ("SELECT ?1, ?2, ?3, ?4", "SELECT $1::text, $2::int8, $3::bytea, $4"),
        ("SELECT '?1' LIMIT ?2", "SELECT '?1' LIMIT $2::int8"),
        (
            "SELECT value FROM json_each(?1)",
            "SELECT value FROM json_array_elements_text($1::text::json) AS json_each(value)",
        ),
        ("SELECT ?12, ?9999999999999999999999", "SELECT $12, $9999999999999999999999"),
    ] {
        assert_eq!(translate_typed(&statement(ours, params.clone())), theirs);
    }
}

#[test]
fn a_batch_takes_its_locks_at_once_and_in_one_order() {
    let about = |key: &str| statement("DELETE FROM entries WHERE key = ?1", vec![Value::Text(key.into())]);
    let both = locks(&[about("one"), about("two"), about("one")]);
    assert_eq!(both, locks(&[about("two"), about("one")]));
    assert_eq!(both.matches("pg_advisory_xact_lock(").count(), 2, "{both}");
    assert_eq!(locks(&[about("one")]), lock_key("one"));
    assert_ne!(lock_key("one"), lock_key("two"));
    // What is about more than one key, or about none that is known, runs alone.
    for other in [
        statement("DELETE FROM gone WHERE until <= ?1", vec![Value::Integer(1)]),
        statement("INSERT INTO purges (what) SELECT value FROM json_each(?1)", vec![Value::Text("[]".into())]),
        statement("CREATE TABLE t (a INTEGER)", vec![]),
    ] {
        assert_eq!(locks(&[about("one"), other]), LOCK_ALL);
    }
}

#[test]
fn what_the_server_says_is_known_by_its_code() {
    let said = || "said".to_owned();
    for (code, meant) in [
        ("53100", StoreError::Full),
        ("42P01", StoreError::Schema(said())),
        ("42703", StoreError::Schema(said())),
        ("55P03", StoreError::Busy(said())),
        ("40P01", StoreError::Busy(said())),
        ("25001", StoreError::Busy(said())),
        ("57014", StoreError::Other("PostgreSQL: said".into())),
        ("", StoreError::Other("PostgreSQL: said".into())),
    ] {
        assert_eq!(error(code, said()), meant, "{code}");
    }
}

#[test]
fn an_address_has_the_settings_of_a_connection_and_tls_but_on_this_machine() {
    let settings = SETTINGS.replace('=', "%3D").replace(' ', "%20");
    for (given, told) in [
        ("postgres://u:p@db.example/d", "postgres://u:p@db.example/d?sslmode=require&options=S"),
        ("postgresql://u@db.example:5433", "postgres://u@db.example:5433?sslmode=require&options=S"),
        ("postgres://u@127.0.0.1:99/d", "postgres://u@127.0.0.1:99/d?sslmode=disable&options=S"),
        ("postgres://u@[::1]:99/d", "postgres://u@[::1]:99/d?sslmode=disable&options=S"),
        ("postgres://u@localhost,db.example/d", "postgres://u@localhost,db.example/d?sslmode=require&options=S"),
        ("postgres://u@localhost/d?sslmode=verify-full", "postgres://u@localhost/d?sslmode=require&options=S"),
        ("postgres://u@db.example/d?sslmode=disable", "postgres://u@db.example/d?sslmode=disable&options=S"),
        (
            "postgres://u:p?x@localhost/d?connect_timeout=2&options=-csearch_path%3Dshop",
            "postgres://u:p?x@localhost/d?connect_timeout=2&sslmode=disable&options=S%20-csearch_path%3Dshop",
        ),
    ] {
        assert_eq!(address(given), Ok(told.replace('S', &settings)), "{given}");
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_repeating_it() {
    for text in [
        "",
        "postgres://",
        "mysql://u:s3cret@x/y",
        "postgres://s3cret/y",
        "postgres://:s3cret@x/y",
        "postgres://u:s3cret@/y",
        "postgres://u:pa@s3cret@x/y",
        "postgres://u:s3cret@x/y?sslmode=prefer",
        "postgres://u:s3cret@x/y?pool=4",
    ] {
        let why = address(text).unwrap_err();
        assert!(!why.contains("s3cret"), "{text}: {why}");
    }
}
