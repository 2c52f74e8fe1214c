-- The tables of many workers. Times are milliseconds since the Unix epoch, by this database's clock. Texts that are
-- looked for or put in order are compared byte by byte.

-- The clock that leases, claims and due times run by. What a caller's clock shows is no matter; tests put another
-- function in its place, which listens to them.
CREATE FUNCTION telestore_now(callers BIGINT) RETURNS BIGINT LANGUAGE SQL VOLATILE AS
    'SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT';

-- One row for each upload that a client named. Rows change with each chunk: room for that is left in each page.
CREATE TABLE uploads (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- The worker's own name for this life of the id; bytes and chunk rows hang on it.
    key             TEXT COLLATE "C" NOT NULL UNIQUE,
    file_name       TEXT    NOT NULL,
    -- -1 while nobody has said it.
    file_size       BIGINT  NOT NULL,
    -- 0 while it is not known.
    total_chunks    BIGINT  NOT NULL,
    mime_type       TEXT,
    -- JSON objects, where there is something.
    options         TEXT,
    metadata        TEXT,
    user_id         TEXT COLLATE "C",
    -- A keyed digest of the address that created it; only where addresses are limited.
    address         TEXT COLLATE "C",
    sealed_token    BYTEA,
    -- 'chunked', 'direct' or 'kept'.
    kind            TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    received_chunks BIGINT  NOT NULL,
    received_bytes  BIGINT  NOT NULL,
    progress        BIGINT  NOT NULL,
    attempt         BIGINT  NOT NULL,
    queued_at       BIGINT,
    next_attempt_at BIGINT,
    error           TEXT,
    outcome         TEXT,
    stored          TEXT,
    resume          BYTEA,
    -- The backend whose state that is, and the sender that it was made with.
    resume_of       TEXT    NOT NULL DEFAULT '',
    resume_sender   TEXT,
    maybe_sent      BOOLEAN NOT NULL DEFAULT FALSE,
    early           BOOLEAN NOT NULL DEFAULT FALSE,
    -- The worker that has it in hand.
    worker          TEXT COLLATE "C",
    crashes         BIGINT  NOT NULL DEFAULT 0,
    lease_token     TEXT,
    lease_until     BIGINT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- None of these has a column that a chunk changes.
CREATE INDEX uploads_waiting ON uploads (state, queued_at) WHERE state IN ('queued', 'sending');
CREATE INDEX uploads_user ON uploads (user_id, state);
CREATE INDEX uploads_address ON uploads (address) WHERE state NOT IN ('completed', 'cancelled');
CREATE INDEX uploads_unowned ON uploads (created_at) WHERE user_id IS NULL;

CREATE TABLE chunks (
    key    TEXT COLLATE "C" NOT NULL,
    idx    BIGINT NOT NULL,
    length BIGINT NOT NULL,
    crc32c BIGINT NOT NULL,
    blob   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key, idx)
);

CREATE INDEX chunks_blob ON chunks (blob);

-- Webhooks that are still to be delivered ('webhook') and messages that must be taken back ('withdrawal').
CREATE TABLE outbox (
    event_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seq           BIGINT GENERATED ALWAYS AS IDENTITY,
    upload_id     TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    user_id       TEXT COLLATE "C",
    sealed_token  BYTEA,
    body          TEXT   NOT NULL,
    attempt       BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    -- Who works on it, under which name, and until when.
    claim         TEXT,
    claimed_by    TEXT COLLATE "C",
    claimed_until BIGINT
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

CREATE INDEX outbox_due ON outbox (kind, due_at, seq);

-- Users take turns at being leased an upload: who was given one longest ago, or never, is next.
CREATE SEQUENCE turn;
CREATE TABLE turns (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    turn    BIGINT NOT NULL
);

-- Bytes that were acknowledged on a day (days since the Unix epoch), for a user or an address.
CREATE TABLE traffic (
    subject TEXT COLLATE "C" NOT NULL,
    day     BIGINT NOT NULL,
    bytes   BIGINT NOT NULL,
    PRIMARY KEY (subject, day)
) WITH (fillfactor = 70);

-- Until when each worker is alive.
CREATE TABLE workers (
    id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);

-- The worker that may use the account of a user: no key is ever used by two.
CREATE TABLE accounts (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    worker  TEXT COLLATE "C" NOT NULL,
    until   BIGINT NOT NULL
);

-- The supergroup that the group of a user has become.
CREATE TABLE moved_chats (
    user_id  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    chat     TEXT NOT NULL,
    moved_to TEXT NOT NULL
);

-- What the last worker's own clock showed, and its machine's clock then.
CREATE TABLE clock (
    id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    at   BIGINT NOT NULL,
    wall BIGINT NOT NULL
);

-- What all workers must have alike, such as a digest of their secret key; and a row that is written to see whether the
-- database takes writes.
CREATE TABLE checks (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);
