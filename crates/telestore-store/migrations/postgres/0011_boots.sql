-- A name for the time since the server's last crash or failover, by either of which the table is emptied. What was not flushed
-- is gone then, and the ids of those transactions are given to others.
CREATE UNLOGGED TABLE boots (
    one  BOOLEAN NOT NULL PRIMARY KEY DEFAULT TRUE CHECK (one),
    name TEXT NOT NULL
);
