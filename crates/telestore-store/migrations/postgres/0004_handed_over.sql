-- Files whose messages are looked for are few, and each that is handed over is compared with them.
CREATE INDEX uploads_handed_over ON uploads (updated_at) WHERE resume_of = 'handed over';
