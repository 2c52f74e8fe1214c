-- A keyed digest of the address that created the upload; only where addresses are limited.
ALTER TABLE uploads ADD COLUMN address TEXT;

-- What a user, and the clients at an address, have that is not over.
CREATE INDEX uploads_open_user ON uploads (user_id, state) WHERE state NOT IN ('completed', 'cancelled');
CREATE INDEX uploads_open_address ON uploads (address, state) WHERE state NOT IN ('completed', 'cancelled');

-- Bytes that were acknowledged on a day (days since the Unix epoch), for a user or an address.
CREATE TABLE traffic (
    subject TEXT    NOT NULL,
    day     INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    PRIMARY KEY (subject, day)
) WITHOUT ROWID;
