use std::borrow::Cow;
use std::time::Duration;

use telestore_backend::Error as BackendError;
use telestore_store::Error as StoreError;
use telestore_types::Outcome;
use telestore_uploader::{Error as UploaderError, ErrorKind, Verdict};

use crate::shared::metrics::ErrorKind as Kind;

/// What is said of a file whose message may be there.
pub(crate) const LOOK_THERE: &str =
    "The file may be in the channel already: look there before you complete the upload again";

/// How an upload ends badly, whose message may be `made`: then the words say where to look, and what the message is known by is kept.
pub(super) fn bad_end(why: &str, outcome: Outcome, made: bool) -> (Cow<'_, str>, Outcome) {
    match made && outcome != Outcome::Ambiguous {
        true => (format!("{why}. {LOOK_THERE}").into(), Outcome::Ambiguous),
        false => (why.into(), outcome),
    }
}

/// How an attempt ended that did not send the file.
pub(crate) enum Stop {
    /// For good; the text is for the person who waits.
    Failed { kind: Kind, why: String, outcome: Outcome },
    /// It may work later.
    Later { kind: Kind, why: String, wait: Option<Duration> },
    /// Nobody can tell yet whether the message was made: it is looked for again.
    Unsettled { why: String, pause: Duration },
    /// Another worker uses the login, and may send the file.
    Elsewhere(String),
    /// Cancelled, taken over by another runner, or the worker shuts down.
    Interrupted,
}

impl Stop {
    pub(crate) fn failed(kind: Kind, why: impl Into<String>) -> Self {
        let outcome = if kind == Kind::Damaged { Outcome::Damaged } else { Outcome::Refused };
        Self::Failed { kind, why: why.into(), outcome }
    }

    /// The file has nobody any more whom it can be sent for; `outcome` says why.
    pub(crate) fn without_token(outcome: Outcome, why: &str) -> Self {
        Self::Failed { kind: Kind::Token, why: why.to_owned(), outcome }
    }

    /// What to do if a store cannot be read; `None` is the end of the attempt.
    pub(crate) fn unread(error: Option<StoreError>) -> Self {
        let later =
            |error: StoreError| Self::Later { kind: Kind::Storage, why: error.to_string(), wait: None };
        error.map_or(Self::Interrupted, later)
    }

    pub(crate) fn from_backend(error: BackendError) -> Self {
        match error {
            BackendError::InvalidToken => {
                Self::without_token(Outcome::TokenInvalid, "auth token is no longer valid: sign in again")
            }
            BackendError::NotConfigured(words) => Self::failed(Kind::NotConfigured, words),
            error => Self::Later { kind: Kind::Backend, why: error.to_string(), wait: None },
        }
    }

    pub(crate) fn from_uploader(error: &UploaderError) -> Self {
        let kind = error.kind().into();
        match error.verdict() {
            _ if error.kind() == ErrorKind::Cancelled => Self::Interrupted,
            _ if error.kind() == ErrorKind::LoginBusy => Self::Elsewhere(error.to_string()),
            Verdict::Permanent => Self::failed(kind, error.to_string()),
            Verdict::Temporary => {
                let cause = std::error::Error::source(error);
                let why = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
                Self::Later { kind, why, wait: error.retry_after() }
            }
            // Ambiguous, or not known here: a second try could make a second message, and nothing tells whether the first
            // is there.
            _ => Self::Failed { kind, why: format!("{error}. {LOOK_THERE}"), outcome: Outcome::Ambiguous },
        }
    }
}
