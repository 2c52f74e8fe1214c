use std::time::Duration;

use telestore_types::Verdict;

/// Why a file was not fetched, or not to its end. The words are for its user, and hold nothing of the address, which may have a
/// secret in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Error {
    kind: ErrorKind,
    words: String,
    retry_after: Option<Duration>,
}

/// What kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The address is none that can be fetched from, or may not be asked.
    Address,
    /// The server does not give the file.
    Refused,
    /// The file is larger than it may be.
    TooLarge,
    /// It may go well later: no connection, one that broke, a server that cannot now.
    Passing,
}

/// The result of fetching.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A reason in words.
    pub fn new(kind: ErrorKind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into(), retry_after: None }
    }

    /// The same, of a server that says when to ask again.
    #[must_use]
    pub fn after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// When the server wants to be asked again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether another try may go well.
    pub fn verdict(&self) -> Verdict {
        if self.kind == ErrorKind::Passing { Verdict::Temporary } else { Verdict::Permanent }
    }
}
