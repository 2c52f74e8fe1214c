//! The names of the worker's own files in the data directory.

/// The database.
pub(crate) const DATABASE: &str = "telestore.db";

/// The key that seals tokens, if no setting gives one.
pub(crate) const SECRET_KEY: &str = "secret.key";

/// What a worker locks, so that no other one uses the directory.
pub(crate) const LOCK: &str = "lock";

/// What says that the uploads are in the database of many workers.
pub(crate) const MOVED: &str = "moved.json";

/// What takes its place, until it is whole.
pub(crate) const NEW_MOVED: &str = "moved.json.new";

/// Which chunks were copied on the way there.
pub(crate) const COPIED: &str = "moved-chunks";
