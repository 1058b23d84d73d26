-- Which instance asks the origin for an object, or that none may ask for others, and until when that holds.
CREATE TABLE IF NOT EXISTS leases (
  key TEXT NOT NULL PRIMARY KEY,
  owner INTEGER NOT NULL,
  until INTEGER NOT NULL
) WITHOUT ROWID;
UPDATE terrace_schema SET version = 4 WHERE version < 4;
