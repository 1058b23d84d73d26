//! The statements of L2, in SQLite and in PostgreSQL's dialect. That PostgreSQL takes them is tested with a real one, in
//! `tests/tests/stores`.
#![allow(clippy::unwrap_used, clippy::panic)]

use rusqlite::Connection;
use std::path::Path;
use terrace_core::tiers::sql::postgres::{is_about_one_key, translate};
use terrace_core::tiers::sql::{MIGRATIONS, STATEMENTS, statements};

#[test]
fn sqlite_takes_every_statement_and_migration() {
    let database = Connection::open_in_memory().unwrap();
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
    files.extend(std::fs::read_dir(folder.join("sql")).unwrap().map(|file| file.unwrap().path()));
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
