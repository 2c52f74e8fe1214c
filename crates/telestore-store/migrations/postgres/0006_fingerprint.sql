-- By what a repeat of the request is known, where requests may be repeated: a digest of the file and its options.
ALTER TABLE uploads ADD COLUMN fingerprint TEXT;
