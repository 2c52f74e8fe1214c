-- The worker that has an upload in hand: that sends it, sends it early, or whose client waits for its end.
ALTER TABLE uploads ADD COLUMN worker TEXT;

-- Until when each worker is alive, by its own word.
CREATE TABLE workers (
    id    TEXT    NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;

-- The worker that may use the account of a user: no key is ever used by two.
CREATE TABLE accounts (
    user_id TEXT    NOT NULL PRIMARY KEY,
    worker  TEXT    NOT NULL,
    until   INTEGER NOT NULL
) WITHOUT ROWID;

-- Who works on an event, under which name, and until when.
ALTER TABLE outbox ADD COLUMN claim TEXT;
ALTER TABLE outbox ADD COLUMN claimed_by TEXT;
ALTER TABLE outbox ADD COLUMN claimed_until INTEGER;

-- Whether bytes are of use is asked for by their names.
CREATE INDEX chunks_blob ON chunks (blob);
