-- Documents of the origin that are watched: which instance asks for each, when one is to ask again, how often that has failed on end,
-- and what was seen last.
CREATE TABLE IF NOT EXISTS watches (
  name TEXT NOT NULL PRIMARY KEY,
  owner INTEGER NOT NULL,
  due INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  seen TEXT NOT NULL
) WITHOUT ROWID;
UPDATE terrace_schema SET version = 5 WHERE version < 5;
