-- URLs that were invalidated lately, each with the life that began then: what was asked for in an earlier life is not stored.
CREATE TABLE IF NOT EXISTS gone (
  key TEXT NOT NULL PRIMARY KEY,
  life INTEGER NOT NULL,
  until INTEGER NOT NULL
) WITHOUT ROWID;
UPDATE terrace_schema SET version = 2 WHERE version < 2;
