use std::time::Duration;

use telestore_types::Verdict;

/// What stands in the way of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The message is not there any more, or holds another file.
    Gone,
    /// None of the logins may read it, or nobody can read it this way.
    Refused,
    /// The file in the channel was changed or damaged: it is not what was put there.
    Damaged,
    /// Telegram asks to wait so long.
    Wait(Duration),
    /// The network, or Telegram's servers, or another process that uses the login; it may work later.
    Unavailable,
}

/// Why bytes were not read. The text is for the person who waits for them and never holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

/// The result of reading.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` that says `text`.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What stands in the way.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether it may work later.
    ///
    /// ```
    /// use telestore_reader::{Error, ErrorKind};
    /// use telestore_types::Verdict;
    ///
    /// assert_eq!(Error::new(ErrorKind::Gone, "deleted").verdict(), Verdict::Permanent);
    /// assert_eq!(Error::new(ErrorKind::Unavailable, "no network").verdict(), Verdict::Temporary);
    /// ```
    pub fn verdict(&self) -> Verdict {
        match self.kind {
            ErrorKind::Gone | ErrorKind::Refused | ErrorKind::Damaged => Verdict::Permanent,
            ErrorKind::Wait(_) | ErrorKind::Unavailable => Verdict::Temporary,
        }
    }
}
