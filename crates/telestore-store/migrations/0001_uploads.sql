-- One row for each upload that a client named. Times are milliseconds since the Unix epoch.
CREATE TABLE uploads (
    id              TEXT    NOT NULL PRIMARY KEY,
    -- The worker's own name for this life of the id; bytes and chunk rows hang on it.
    key             TEXT    NOT NULL UNIQUE,
    file_name       TEXT    NOT NULL,
    file_size       INTEGER NOT NULL,
    total_chunks    INTEGER NOT NULL,
    mime_type       TEXT,
    user_id         TEXT,
    sealed_token    BLOB,
    state           TEXT    NOT NULL,
    received_chunks INTEGER NOT NULL,
    received_bytes  INTEGER NOT NULL,
    progress        INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    queued_at       INTEGER,
    next_attempt_at INTEGER,
    error           TEXT,
    stored          TEXT,
    resume          BLOB,
    lease_token     TEXT,
    lease_until     INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);

CREATE INDEX uploads_waiting ON uploads (state, queued_at);

CREATE TABLE chunks (
    key       TEXT    NOT NULL,
    idx       INTEGER NOT NULL,
    length    INTEGER NOT NULL,
    crc32c    INTEGER NOT NULL,
    blob      TEXT    NOT NULL,
    PRIMARY KEY (key, idx)
) WITHOUT ROWID;

-- Webhooks that are still to be delivered.
CREATE TABLE outbox (
    event_id   TEXT    NOT NULL PRIMARY KEY,
    upload_id  TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE INDEX outbox_due ON outbox (due_at);
