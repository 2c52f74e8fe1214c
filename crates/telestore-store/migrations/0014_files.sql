-- The files that completed uploads have become, until they are deleted. Those that came later have higher places.
CREATE TABLE files (
    place      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- The key of the upload.
    id         TEXT    NOT NULL UNIQUE,
    upload_id  TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    file_name  TEXT    NOT NULL,
    -- The name as a search compares it. Rows that are made below have none until the database is opened: SQL knows the
    -- capitals of ASCII only.
    folded     TEXT,
    size       INTEGER NOT NULL,
    mime_type  TEXT,
    sha256     TEXT,
    stored     TEXT    NOT NULL,
    created_at INTEGER NOT NULL
);
-- With the names, so that a search reads nothing else of what it does not find.
CREATE INDEX files_user ON files (user_id, place, folded);
CREATE INDEX files_unfolded ON files (place) WHERE folded IS NULL;
INSERT INTO files (id, upload_id, user_id, file_name, size, mime_type, sha256, stored, created_at)
    SELECT key, id, user_id, file_name, file_size, mime_type, json_extract(options, '$.sha256'), stored, updated_at
    FROM uploads WHERE state = 'completed' AND stored IS NOT NULL AND user_id IS NOT NULL AND file_size >= 0
    ORDER BY updated_at, id;
