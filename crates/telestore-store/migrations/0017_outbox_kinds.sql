-- Each kind of event is looked for by itself, however many wait of the others.
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (kind, due_at);
