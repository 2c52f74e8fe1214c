-- What Telegram gets instead of a file's own bytes, and the keys of that, sealed.
ALTER TABLE uploads ADD COLUMN encoding TEXT;
ALTER TABLE uploads ADD COLUMN encoding_keys BLOB;
ALTER TABLE files ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN compressed INTEGER NOT NULL DEFAULT 0;
