//! The names of the worker's own files in the data directory.

/// The database.
pub(crate) const DATABASE: &str = "telestore.db";

/// The key that seals tokens, if no setting gives one.
pub(crate) const SECRET_KEY: &str = "secret.key";

/// What a worker locks, so that no other one uses the directory.
pub(crate) const LOCK: &str = "lock";
