-- How an upload comes and who waits for it: 'chunked', 'direct' or 'kept'. It was told by the id before.
ALTER TABLE uploads ADD COLUMN kind TEXT NOT NULL DEFAULT 'chunked';
UPDATE uploads SET kind = 'kept' WHERE id GLOB 'direct-[0-9a-f]*' AND length(id) = 39;

-- Whether the message may be in the channel without anybody knowing. The error's text told it before.
ALTER TABLE uploads ADD COLUMN maybe_sent INTEGER NOT NULL DEFAULT 0;
UPDATE uploads SET maybe_sent = 1 WHERE state = 'failed' AND error LIKE '%may be in the channel already%';
-- A send that was cut off and has no state to go on from may have handed its file over: nothing told that before.
UPDATE uploads SET maybe_sent = 1 WHERE state = 'sending' AND resume IS NULL;

-- Whether a process sends it before it is whole, and how often in a row a process ended while it sent it.
ALTER TABLE uploads ADD COLUMN early INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;

-- What nobody owns yet.
CREATE INDEX uploads_unowned ON uploads (created_at) WHERE user_id IS NULL;

-- Beside webhooks ('webhook'): messages that must be taken back ('withdrawal'), with the token that it is done with.
ALTER TABLE outbox ADD COLUMN kind TEXT NOT NULL DEFAULT 'webhook';
ALTER TABLE outbox ADD COLUMN user_id TEXT;
ALTER TABLE outbox ADD COLUMN sealed_token BLOB;

-- What the worker's own clock showed last, and the machine's clock then.
CREATE TABLE clock (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    at   INTEGER NOT NULL,
    wall INTEGER NOT NULL
);
