//! What the process ends with.

use std::fmt;
use std::process::ExitCode;

use telestore_client::{Error, ErrorKind};

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is done.
    Done,
    /// Nothing is, for reasons of its own.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// Some files were sent or there were files that cannot be.
    Some,
    /// The worker refuses.
    Refused,
    /// The same command may do it later.
    TryAgain,
    /// Told to stop by this signal.
    Stopped(u8),
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Some => 3,
            Self::Refused => 4,
            Self::TryAgain => 5,
            Self::Stopped(signal) => 128 + signal,
        }
    }

    /// What a failure of this kind means for the whole.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config => Self::Usage,
            ErrorKind::Unauthorized | ErrorKind::TooLarge | ErrorKind::Refused => Self::Refused,
            ErrorKind::Source | ErrorKind::Empty => Self::Some,
            kind if kind.may_pass() => Self::TryAgain,
            _ => Self::Failed,
        }
    }

    /// The end of a run: whether anything was sent, and how the files failed that were not.
    pub(crate) fn of_run(any_sent: bool, failures: &[ErrorKind]) -> Self {
        let mut ends = failures.iter().map(|kind| Self::of(*kind));
        let Some(first) = ends.next() else { return Self::Done };
        // All for one reason that a program can act on.
        match ends.all(|end| end == first) {
            true if first == Self::TryAgain => first,
            true if !any_sent => first,
            _ => Self::Some,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command ended without doing what it was told.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(Exit::of(error.kind()), error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_what_a_script_needs_to_know() {
        use ErrorKind::{Empty, Failed, TooLarge, Unauthorized, Unavailable};
        for (any_sent, failures, code) in [
            (true, &[][..], 0),
            (false, &[], 0),
            (false, &[Failed], 1),
            (true, &[Failed], 3),
            (false, &[Failed, TooLarge], 3),
            (false, &[Empty], 3),
            (false, &[Unauthorized, TooLarge], 4),
            (true, &[TooLarge], 3),
            (false, &[Unavailable], 5),
            (true, &[Unavailable, Unavailable], 5),
            (true, &[Unavailable, Empty], 3),
        ] {
            assert_eq!(Exit::of_run(any_sent, failures).code(), code, "{any_sent} {failures:?}");
        }
        assert_eq!(Exit::Stopped(2).code(), 130);
    }
}
