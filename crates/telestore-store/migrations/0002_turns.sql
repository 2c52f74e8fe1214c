-- Users take turns at being leased an upload: who was given one longest ago, or never, is next.
CREATE TABLE turns (
    user_id TEXT    NOT NULL PRIMARY KEY,
    turn    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX uploads_user ON uploads (user_id);
