-- The one schema of L2, in SQLite's dialect. Statements end with a semicolon at the end of a line.
-- An entry's head holds its own checksum and that of its content; content above a chunk's size goes on in `chunks`.
CREATE TABLE IF NOT EXISTS terrace_schema (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
  key TEXT NOT NULL PRIMARY KEY,
  until INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  url TEXT NOT NULL,
  head BLOB NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
  key TEXT NOT NULL,
  n INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (key, n)
) WITHOUT ROWID;
INSERT INTO terrace_schema (version) SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM terrace_schema);
