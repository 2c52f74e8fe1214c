-- Where the bytes of an upload are fetched from, sealed, while some are still to be fetched.
ALTER TABLE uploads ADD COLUMN source BLOB;
CREATE INDEX uploads_to_fetch ON uploads (created_at) WHERE state = 'receiving' AND source IS NOT NULL;
