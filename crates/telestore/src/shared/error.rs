use std::time::Duration;

use telestore_backend::Error as BackendError;
use telestore_store::Error as StoreError;
use telestore_types::{
    AppendError, ChunkIndex, CompletionError, Error as ValueError, MISSING_CHUNKS, OptionError, Outcome,
    UploadId, Verdict,
};

use crate::shared::seal::SealError;

/// When to ask Telegram again, if it did not say.
const TELEGRAM_AGAIN: Duration = Duration::from_secs(5);

/// Why the engine did not do what it was asked. The texts are for the client and never hold a secret. The variants are
/// the kinds; what may be done about each is its [`verdict`](Self::verdict).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value breaks a rule; the variant says which value, and which rule.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// What was given cannot be read, or is not what it should be.
    #[error("{0}")]
    Invalid(String),
    /// The bytes do not have the digest that was sent with them.
    #[error("{0}")]
    OtherBytes(String),
    /// There is no such upload.
    #[error("Upload session not found")]
    NotFound,
    /// There is no such file of this user.
    #[error("file not found: it was deleted, or is none of this user; GET /files lists those that are")]
    NoFile,
    /// The bytes of a file are not in the channel any more; the words say what was seen.
    #[error("{0}")]
    FileGone(String),
    /// Nobody can read a file with the user's Telegram credentials, and that will not pass; the words say why.
    #[error("{0}")]
    Unreadable(String),
    /// Telegram gives nothing of a file now.
    #[error("{why}; try again later")]
    TelegramUnavailable {
        /// Why.
        why: String,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The address of a file is none that this worker gave, or its time is over.
    #[error("this link is not valid, or not any more: have a new one made")]
    DeadLink,
    /// There is no such upload, or it was not completed yet.
    #[error("Upload not found or not started")]
    NotStarted,
    /// The token is missing.
    #[error(transparent)]
    Unauthorized(MissingToken),
    /// The token is not, or no longer, valid.
    #[error("{0}")]
    InvalidToken(String),
    /// The upload belongs to somebody else.
    #[error("this upload belongs to another user")]
    Forbidden,
    /// The request contradicts the upload.
    #[error(transparent)]
    Conflict(Conflict),
    /// The bytes are not the next ones of the upload.
    #[error("the next byte of this upload is at offset {expected}")]
    Offset {
        /// Where the next byte goes.
        expected: u64,
    },
    /// Larger than allowed.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// How large it may be, in bytes.
        limit: u64,
    },
    /// Larger than what can be sent with the user's Telegram credentials; with others it could be.
    #[error(
        "file is larger than {limit} bytes, the most that can be sent with these Telegram credentials: larger files need a \
         Telegram session, or a local Bot API server"
    )]
    NeedsSession {
        /// How large it may be, in bytes.
        limit: u64,
    },
    /// More than a user, or the clients at an address, may do now.
    #[error("too many {what}: try again in {} s", retry_after.as_secs_f64().ceil())]
    TooManyRequests {
        /// What there is too much of.
        what: &'static str,
        /// How long to wait.
        retry_after: Duration,
    },
    /// A user, or the clients at an address, have as many bytes stored as they may.
    #[error(
        "{whose} has as many bytes of unfinished uploads as allowed, {limit}: wait until some are sent, or cancel some"
    )]
    QuotaFull {
        /// Who.
        whose: &'static str,
        /// How many, in bytes.
        limit: u64,
    },
    /// Chunks are missing.
    #[error("{MISSING_CHUNKS}")]
    MissingChunks {
        /// How many are there.
        received: u32,
        /// How many there should be.
        total: u32,
    },
    /// The chunks do not add up to the declared length.
    #[error("file size mismatch: {declared} bytes were declared, the chunks hold {received}")]
    SizeMismatch {
        /// What the client declared, in bytes.
        declared: u64,
        /// What it sent, in bytes.
        received: u64,
    },
    /// The name of the request was given to another one before: one for another file, or for another message.
    #[error(
        "this idempotency key was used for another file, or with other options: use a new one for each request"
    )]
    OtherRequest,
    /// The request that this one repeats has failed just now, and the bytes of this one were not kept.
    #[error("the request that this one repeats has failed just now: send it again")]
    SendAgain,
    /// It has nothing to fetch files with.
    #[error("this worker fetches no files")]
    FetchesNothing,
    /// The user has not set up Telegram; the backend's words.
    #[error("{0}")]
    NotConfigured(String),
    /// The backend cannot be asked now.
    #[error("{0}; try again later")]
    BackendUnavailable(#[source] BackendError),
    /// A direct upload has failed, or nobody can tell how it ends.
    #[error("{why}")]
    UploadFailed {
        /// What its progress says, or that nobody can tell.
        why: String,
        /// How it ended; `None` if it has not, or nobody can tell.
        outcome: Option<Outcome>,
    },
    /// The worker is shutting down.
    #[error("worker is shutting down; try again in a moment")]
    ShuttingDown,
    /// The data disk is full.
    #[error("worker has no disk space left; try again later")]
    NoSpace,
    /// A store on another machine cannot be reached, or does not do what is asked of it now. The cause is for the log.
    #[error("worker could not store or read the upload; try again later")]
    StoreUnavailable(#[source] StoreError),
    /// The data directory or the database failed; the cause is for the log.
    #[error("worker could not store or read the upload; try again later")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn upload_failed(why: impl Into<String>, outcome: Option<Outcome>) -> Self {
        Self::UploadFailed { why: why.into(), outcome }
    }

    /// What the caller may do about it: make the same call again later, or not without a change. After a direct upload
    /// failed, the file may be in the channel or come there: its words say.
    ///
    /// ```
    /// use telestore::Error;
    /// use telestore::types::Verdict;
    ///
    /// assert_eq!(Error::NoSpace.verdict(), Verdict::Temporary);
    /// assert_eq!(Error::Forbidden.verdict(), Verdict::Permanent);
    /// ```
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::TooManyRequests { .. }
            | Self::QuotaFull { .. }
            | Self::BackendUnavailable(_)
            | Self::ShuttingDown
            | Self::NoSpace
            | Self::SendAgain
            | Self::TelegramUnavailable { .. }
            | Self::StoreUnavailable(_)
            | Self::Storage(_) => Verdict::Temporary,
            Self::UploadFailed { .. } => Verdict::Ambiguous,
            _ => Verdict::Permanent,
        }
    }
}

/// Where a token is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MissingToken {
    /// The call needs one.
    #[error("a token is needed, and the call has none")]
    Call,
    /// No call for this upload had one, so nobody is known to send it for.
    #[error("no token was seen for this upload")]
    Owner,
}

/// How a call contradicts an upload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The upload was cancelled.
    #[error("upload was cancelled: start again with a new id")]
    Cancelled,
    /// The upload is of another file. The text does not say of which: the caller has shown no token.
    #[error("file name, file size or number of chunks contradict upload {0}: use a new id for another file")]
    OtherFile(UploadId),
    /// The upload is of another file, `of`.
    #[error(
        "file name, file size or number of chunks contradict upload {id}, which is {of}: use a new id for another file"
    )]
    KnownFile {
        /// Which upload.
        id: UploadId,
        /// Its name, size and number of chunks, and how a name that looks the same differs.
        of: String,
    },
    /// Another chunk in this place is being sent already.
    #[error("chunk {0} differs from the one that is already on its way: use a new id for another file")]
    OtherChunk(ChunkIndex),
    /// What is known of the upload is not enough for what is asked.
    #[error(transparent)]
    Unfit(CompletionError),
    /// Nothing can be appended, or not this.
    #[error(transparent)]
    Append(AppendError),
    /// Another request goes on with this upload, so what this one has sent and was not recorded is not taken.
    #[error("another request goes on with this upload: ask where its next byte goes")]
    TakenOver,
    /// The bytes of a request ended before it said so; what had come is recorded, unless a digest was to be compared.
    #[error("the bytes ended early: ask where the next byte goes")]
    Cut,
    /// An option of the message was named with another value before, or is named too late.
    #[error(transparent)]
    Options(OptionError),
    /// The operator asks for what the upload's state does not allow; the text says why.
    #[error("{0}")]
    State(String),
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// The result of a call to the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSpace(_) => Self::NoSpace,
            // Sent again, they help only if the digest is right: a client that computes another one is told, too.
            error @ StoreError::DigestMismatch { .. } => Self::OtherBytes(format!(
                "{error}: if it is the digest of just these bytes, they changed on their way: send them again; if not, correct it"
            )),
            error @ StoreError::Unavailable { .. } => Self::StoreUnavailable(error),
            error => Self::Storage(Box::new(error)),
        }
    }
}

impl From<telestore_reader::Error> for Error {
    fn from(error: telestore_reader::Error) -> Self {
        use telestore_reader::ErrorKind;
        let why = error.to_string();
        match error.kind() {
            ErrorKind::Gone => Self::FileGone(why),
            ErrorKind::Refused | ErrorKind::Damaged => Self::Unreadable(why),
            ErrorKind::Wait(wait) => Self::TelegramUnavailable { why, retry_after: wait },
            _ => Self::TelegramUnavailable { why, retry_after: TELEGRAM_AGAIN },
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Storage(Box::new(error))
    }
}

impl From<BackendError> for Error {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::InvalidToken => Self::InvalidToken(error.to_string()),
            BackendError::NotConfigured(words) => Self::NotConfigured(words),
            error => Self::BackendUnavailable(error),
        }
    }
}

impl From<CompletionError> for Error {
    fn from(error: CompletionError) -> Self {
        match error {
            CompletionError::MissingChunks { received, total } => Self::MissingChunks { received, total },
            CompletionError::SizeMismatch { declared, received } => Self::SizeMismatch { declared, received },
            CompletionError::NoOwner => Self::Unauthorized(MissingToken::Owner),
            CompletionError::Cancelled => Self::Conflict(Conflict::Cancelled),
            error => Self::Conflict(Conflict::Unfit(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_may_pass_says_so_and_keeps_its_cause() {
        let down = Error::from(BackendError::Unavailable("no route".to_owned()));
        assert_eq!(down.verdict(), Verdict::Temporary);
        assert!(down.source().is_some_and(|cause| cause.to_string().contains("no route")));
        for (error, verdict) in [
            (Error::from(BackendError::InvalidToken), Verdict::Permanent),
            (Error::from(SealError::Cipher), Verdict::Temporary),
            (Error::from(StoreError::unavailable("session database", "cut")), Verdict::Temporary),
            (Error::upload_failed("timeout", None), Verdict::Ambiguous),
            (Error::Conflict(Conflict::Cancelled), Verdict::Permanent),
        ] {
            assert_eq!(error.verdict(), verdict, "{error}");
        }
    }
}
