-- Whose the resume state is: the name of a backend; empty in rows of before, where its bytes tell.
ALTER TABLE uploads ADD COLUMN resume_of TEXT NOT NULL DEFAULT '';
-- The name of the sender that it was made with; none in rows of before.
ALTER TABLE uploads ADD COLUMN resume_sender TEXT;

-- How the upload ended. The state, and whether the message may be there, told it before.
ALTER TABLE uploads ADD COLUMN outcome TEXT;
UPDATE uploads SET outcome = 'stored' WHERE state = 'completed';
UPDATE uploads SET outcome = 'cancelled' WHERE state = 'cancelled';
UPDATE uploads SET outcome = CASE WHEN maybe_sent THEN 'ambiguous' ELSE 'failed' END WHERE state = 'failed';

-- How the message is to be, and what the client wants to know later: JSON objects, where there is something.
ALTER TABLE uploads ADD COLUMN options TEXT;
ALTER TABLE uploads ADD COLUMN metadata TEXT;
