-- The purge log: what was purged when, in the order in which it came. A number is never used again, or whoever has read up to it
-- would miss what gets it.
CREATE TABLE IF NOT EXISTS purges (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  what TEXT NOT NULL,
  at INTEGER NOT NULL,
  soft INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS purges_what ON purges (what);
-- Instances read of the invalidations what is new to them.
CREATE INDEX IF NOT EXISTS gone_until ON gone (until);
UPDATE terrace_schema SET version = 3 WHERE version < 3;
