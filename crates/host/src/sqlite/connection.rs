//! The file, its connections, and statements on them.
use super::wit::sqlite::{Error, QueryResult, RowResult, Value};
use crate::error::Error as StartError;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an asynchronous statement waits for a writer of another worker, or another program.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// How long a synchronous one does: as long as it waits, its worker answers nobody.
const STALL: Duration = Duration::from_millis(100);

/// Statements each connection keeps prepared.
const STATEMENTS: usize = 64;

thread_local! {
    /// Connections of this thread that are inside a transaction. A statement that waited for one of
    /// them would wait for itself: the thread that must commit is the one that waits.
    static OPEN_TRANSACTIONS: Cell<usize> = const { Cell::new(0) };
}

/// The SQLite file.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
}

impl Database {
    /// Makes sure the file can be used, creates it if need be, and turns on write-ahead logging. Its folder must be there.
    pub fn prepare(path: &Path) -> Result<Self, StartError> {
        let failed = |reason: String| StartError::Sqlite { path: path.to_owned(), reason };
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
            return Err(failed(format!("there is no folder {}", folder.display())));
        }
        let database = Database { path: path.to_owned() };
        let connection = database.connect().map_err(|e| failed(e.to_string()))?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(|e| failed(e.to_string()))?;
        Ok(database)
    }

    /// A new connection for a guest.
    pub fn open(&self) -> rusqlite::Result<Handle> {
        Ok(Handle { connection: self.connect()?, in_transaction: false, patience: BUSY })
    }

    /// Moves the log into the file. To be called when every connection has been closed.
    pub fn checkpoint(&self) -> Result<(), StartError> {
        self.connect()
            .and_then(|connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())))
            .map_err(|e| StartError::Sqlite { path: self.path.clone(), reason: e.to_string() })
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // The guest has this one file, and no other by ATTACH.
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "mmap_size", 256 << 20)?;
        connection.pragma_update(None, "cache_size", -16 * 1024)?;
        Ok(connection)
    }
}

/// A guest's connection.
#[derive(Debug)]
pub struct Handle {
    connection: Connection,
    in_transaction: bool,
    patience: Duration,
}

impl Handle {
    /// Runs one statement and returns all its rows. Waits a moment for a writer elsewhere.
    pub fn execute(&mut self, statement: &str, parameters: &[Value]) -> Result<QueryResult, Error> {
        let wait = if self.blocked_by_own_thread() { Duration::ZERO } else { STALL };
        self.execute_within(wait, statement, parameters)
    }

    /// The same, but a writer elsewhere is a "locked" at once.
    pub fn attempt(&mut self, statement: &str, parameters: &[Value]) -> Result<QueryResult, Error> {
        self.execute_within(Duration::ZERO, statement, parameters)
    }

    fn execute_within(&mut self, wait: Duration, statement: &str, parameters: &[Value]) -> Result<QueryResult, Error> {
        if self.patience != wait {
            self.connection.busy_timeout(wait).map_err(error)?;
            self.patience = wait;
        }
        let result = self.run(statement, parameters);
        self.note_transaction();
        result
    }

    /// Whether a transaction is open on another connection of this thread, so that waiting is futile.
    fn blocked_by_own_thread(&self) -> bool {
        OPEN_TRANSACTIONS.get() > usize::from(self.in_transaction)
    }

    /// The row id of the last INSERT on this connection, or 0.
    pub fn last_insert_rowid(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// Rows changed by the last INSERT, UPDATE or DELETE on this connection.
    pub fn changes(&self) -> u64 {
        self.connection.changes()
    }

    fn run(&self, statement: &str, parameters: &[Value]) -> Result<QueryResult, Error> {
        let mut statement = self.connection.prepare_cached(statement).map_err(error)?;
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut found = statement.query(params_from_iter(parameters.iter().map(Parameter))).map_err(error)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(error)? {
            let mut values = Vec::with_capacity(columns.len());
            for (i, column) in columns.iter().enumerate() {
                values.push(value(row.get_ref(i).map_err(error)?, column)?);
            }
            rows.push(RowResult { values });
        }
        Ok(QueryResult { columns, rows })
    }

    fn note_transaction(&mut self) {
        let now = !self.connection.is_autocommit();
        if now != self.in_transaction {
            self.in_transaction = now;
            OPEN_TRANSACTIONS.set(match now {
                true => OPEN_TRANSACTIONS.get() + 1,
                false => OPEN_TRANSACTIONS.get().saturating_sub(1),
            });
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Closing rolls an open transaction back.
        if self.in_transaction {
            OPEN_TRANSACTIONS.set(OPEN_TRANSACTIONS.get().saturating_sub(1));
        }
    }
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Integer(i) => ValueRef::Integer(*i),
            Value::Real(r) => ValueRef::Real(*r),
            Value::Text(t) => ValueRef::Text(t.as_bytes()),
            Value::Blob(b) => ValueRef::Blob(b),
            Value::Null => ValueRef::Null,
        }))
    }
}

fn value(value: ValueRef<'_>, column: &str) -> Result<Value, Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::Integer(i),
        ValueRef::Real(r) => Value::Real(r),
        ValueRef::Blob(b) => Value::Blob(b.to_vec()),
        ValueRef::Text(t) => match std::str::from_utf8(t) {
            Ok(t) => Value::Text(t.to_owned()),
            Err(_) => {
                return Err(Error::Io(format!(
                    "column {column:?} holds text that is not UTF-8; read it with CAST({column} AS BLOB)"
                )));
            }
        },
    })
}

pub(super) fn error(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::DatabaseFull,
        _ => Error::Io(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().expect("folder");
        let database = Database::prepare(&folder.path().join("file.db")).expect("prepared");
        (folder, database)
    }

    fn run(handle: &mut Handle, sql: &str, parameters: &[Value]) -> Vec<Vec<Value>> {
        let result = handle.execute(sql, parameters);
        let result = result.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        result.rows.into_iter().map(|row| row.values).collect()
    }

    #[test]
    fn every_type_comes_back_as_it_went_in() {
        let (_folder, database) = database();
        let mut handle = database.open().expect("open");
        let values = [
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Real(0.1),
            Value::Real(f64::MAX),
            Value::Text("zwölf\0".into()),
            Value::Blob(vec![0, 255, 10]),
            Value::Blob(vec![]),
            Value::Null,
        ];
        for sent in values {
            let rows = run(&mut handle, "SELECT ?1, ?1", std::slice::from_ref(&sent));
            assert_eq!(format!("{:?}", rows[0]), format!("{:?}", [&sent, &sent]));
        }
        let columns = handle.execute("SELECT 1 AS a, 2 AS b", &[]).expect("run").columns;
        assert_eq!(columns, ["a", "b"]);
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        let (_folder, database) = database();
        let mut handle = database.open().expect("open");
        let error = handle.execute("SELECT CAST(x'ff41' AS TEXT) AS t", &[]);
        assert!(matches!(error, Err(Error::Io(m)) if m.contains("not UTF-8")));
    }

    #[test]
    fn a_transaction_spans_statements_and_is_rolled_back_when_left() {
        let (_folder, database) = database();
        let mut one = database.open().expect("open");
        run(&mut one, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)", &[]);
        run(&mut one, "BEGIN IMMEDIATE", &[]);
        run(&mut one, "INSERT INTO t (b) VALUES (1), (2), (3)", &[]);
        assert_eq!(one.changes(), 3);
        assert_eq!(one.last_insert_rowid(), 3);

        let mut two = database.open().expect("open");
        assert_eq!(two.last_insert_rowid(), 0);
        let count = |handle: &mut Handle| match run(handle, "SELECT count(*) FROM t", &[])[0][0] {
            Value::Integer(n) => n,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(count(&mut two), 0, "not committed yet");
        run(&mut one, "COMMIT", &[]);
        assert_eq!(count(&mut two), 3);

        run(&mut one, "BEGIN IMMEDIATE", &[]);
        run(&mut one, "DELETE FROM t", &[]);
        drop(one);
        assert_eq!(count(&mut two), 3, "rolled back");
        assert_eq!(OPEN_TRANSACTIONS.get(), 0);
    }

    #[test]
    fn a_statement_never_waits_for_its_own_thread() {
        let (_folder, database) = database();
        let mut one = database.open().expect("open");
        let mut two = database.open().expect("open");
        run(&mut one, "CREATE TABLE t (a)", &[]);
        run(&mut one, "BEGIN IMMEDIATE", &[]);
        let began = std::time::Instant::now();
        let error = two.execute("INSERT INTO t VALUES (1)", &[]);
        assert!(matches!(error, Err(Error::Io(m)) if m.contains("locked")));
        assert!(began.elapsed() < BUSY / 2);
        let error = two.attempt("INSERT INTO t VALUES (1)", &[]);
        assert!(matches!(error, Err(Error::Io(m)) if m.contains("locked")));
        run(&mut one, "COMMIT", &[]);
        run(&mut two, "INSERT INTO t VALUES (1)", &[]);
    }

    #[test]
    fn a_full_database_says_so() {
        let (_folder, database) = database();
        let mut handle = database.open().expect("open");
        run(&mut handle, "CREATE TABLE t (a)", &[]);
        run(&mut handle, "PRAGMA max_page_count = 8", &[]);
        let error = handle.execute("INSERT INTO t VALUES (zeroblob(1000000))", &[]);
        assert!(matches!(error, Err(Error::DatabaseFull)), "{error:?}");
    }

    #[test]
    fn other_files_are_out_of_reach() {
        let (folder, database) = database();
        let mut handle = database.open().expect("open");
        let other = folder.path().join("other.db");
        let sql = format!("ATTACH '{}' AS other", other.display());
        assert!(handle.execute(&sql, &[]).is_err());
        let sql = format!("VACUUM INTO '{}'", other.display());
        let _ = handle.execute(&sql, &[]);
        assert!(!other.exists(), "VACUUM INTO wrote a file");
    }

    #[test]
    fn the_log_is_gone_after_a_checkpoint() {
        let (folder, database) = database();
        let mut handle = database.open().expect("open");
        run(&mut handle, "CREATE TABLE t (a)", &[]);
        let log = folder.path().join("file.db-wal");
        assert!(log.metadata().expect("log").len() > 0);
        drop(handle);
        database.checkpoint().expect("checkpoint");
        assert!(!log.exists());
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        for file in ["/proc/file.db", "/proc/none/file.db"] {
            let error = Database::prepare(Path::new(file)).expect_err("refused");
            assert!(error.to_string().contains(file), "{error}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().expect("folder");
        let error = Database::prepare(&folder.path().join("typo/file.db")).expect_err("refused");
        assert!(error.to_string().contains("there is no folder"), "{error}");
        assert!(!folder.path().join("typo").exists());
    }
}
