-- What Telegram gets instead of a file's own bytes, and the keys of that, sealed.
ALTER TABLE uploads ADD COLUMN encoding TEXT;
ALTER TABLE uploads ADD COLUMN encoding_keys BYTEA;
ALTER TABLE files ADD COLUMN encrypted BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE files ADD COLUMN compressed BOOLEAN NOT NULL DEFAULT FALSE;
