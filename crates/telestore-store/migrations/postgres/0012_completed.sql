-- What is completed is read by its time, from the newest on, to tell a message whose answer was lost from those of other files.
CREATE INDEX uploads_completed ON uploads (updated_at DESC, id) WHERE state = 'completed';
