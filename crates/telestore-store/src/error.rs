use std::io;

/// What a store could not do.
///
/// A full disk is told apart, since the client can do something about it: wait.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk is full.
    #[error("no space left on the data disk")]
    NoSpace(#[source] io::Error),
    /// The disk failed.
    #[error("data directory: {0}")]
    Io(#[source] io::Error),
    /// The directories do not do what a chunk store needs.
    #[error("data directory: {step} fails: {source}")]
    Unfit {
        /// What fails, in words that hold no path: `moving a file from spool into chunks`.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The bytes of a chunk are not where they were put.
    #[error("chunk bytes are missing")]
    Missing,
    /// The bytes do not have the digest that they were said to have.
    #[error("bytes do not have the {algorithm} digest that was sent with them")]
    DigestMismatch {
        /// Which digest.
        algorithm: &'static str,
    },
    /// The database failed.
    #[error("session database: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored row makes no sense.
    #[error("session database holds a bad value in {column}")]
    BadRow {
        /// Where.
        column: &'static str,
    },
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace(error),
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

/// The result of a store call.
pub type Result<T, E = Error> = std::result::Result<T, E>;
