-- The message whose document an upload shows once more: a file that was in the channel before.
ALTER TABLE uploads ADD COLUMN duplicate_of TEXT;
CREATE INDEX files_sha256 ON files (user_id, sha256) WHERE sha256 IS NOT NULL;
