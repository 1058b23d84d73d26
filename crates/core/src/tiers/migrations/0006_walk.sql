-- How far the walk through the entries has come that removes what is over and makes room, the bytes that it has seen in this round,
-- those that were added meanwhile, and those that are held in all.
CREATE TABLE IF NOT EXISTS walk (
  id INTEGER NOT NULL PRIMARY KEY,
  passed TEXT NOT NULL,
  seen INTEGER NOT NULL,
  added INTEGER NOT NULL,
  held INTEGER NOT NULL
);
-- Which entries were asked for since they were stored, when last, and about how often. In a table of its own, because writing a
-- column of `entries` writes the whole of a row.
CREATE TABLE IF NOT EXISTS uses (
  key TEXT NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  hits INTEGER NOT NULL
) WITHOUT ROWID;
UPDATE terrace_schema SET version = 6 WHERE version < 6;
