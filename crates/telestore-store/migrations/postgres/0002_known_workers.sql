-- What each worker said of itself when it started; nothing from those of the version before.
ALTER TABLE workers ADD COLUMN version TEXT, ADD COLUMN host TEXT, ADD COLUMN since BIGINT;
