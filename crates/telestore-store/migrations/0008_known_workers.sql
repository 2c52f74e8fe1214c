-- What each worker said of itself when it started.
ALTER TABLE workers ADD COLUMN version TEXT;
ALTER TABLE workers ADD COLUMN host TEXT;
ALTER TABLE workers ADD COLUMN since INTEGER;
