use std::fmt;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an upload, a download, or a call has failed.
///
/// `Display` is a sentence for people: what is wrong, and what to do if that can be told. It never holds the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

/// What kind of failure it is, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The address, the token, a certificate or an option is malformed. The worker was not asked.
    Config,
    /// The worker does not take the token (401), or the upload belongs to somebody else (403).
    Unauthorized,
    /// The file is larger than the worker takes (413).
    TooLarge,
    /// The worker refuses the request, and would do so again.
    Refused,
    /// The worker's certificate is not trusted, or TLS failed in another way that does not pass.
    Tls,
    /// The worker was away, or asked for patience, for longer than the patience lasts. The upload, or download, can be resumed.
    Unavailable,
    /// The worker knows no such upload: it has not begun, was cancelled, or is past its time. Nothing was sent. Or it knows no such
    /// file: it was deleted, or is somebody else's.
    Gone,
    /// The worker knows the upload no longer, although it may have had the whole file: it may be in the channel.
    Lost,
    /// The worker has the whole file and could not send it. The text is the worker's.
    Failed,
    /// The file changed while it was sent. What the worker had of it is cancelled. Or it changed at the worker while it was fetched
    /// into a stream, which cannot begin anew.
    Changed,
    /// The file cannot be read.
    Source,
    /// What is fetched cannot be written to where it is to go.
    Target,
    /// All of a file has come, and it is not what was sent: its length or its SHA-256 is another one.
    Mismatch,
    /// There is not one byte: Telegram takes no empty files.
    Empty,
    /// The bytes that arrive are not those that were sent, again and again.
    Corrupt,
    /// What answers is no TeleStore worker, or not one that this client understands.
    Protocol,
    /// The client could not keep its own state: a callback, [`created`](crate::UploadOptions::created),
    /// [`before_last`](crate::UploadOptions::before_last) or [`began`](crate::DownloadOptions::began), failed.
    State,
}

impl ErrorKind {
    /// Whether the same upload may succeed later, without anybody changing anything.
    ///
    /// ```
    /// use telestore_client::ErrorKind;
    ///
    /// assert!(ErrorKind::Unavailable.may_pass() && !ErrorKind::TooLarge.may_pass());
    /// ```
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Unavailable | Self::Corrupt)
    }

    /// Its name in one word, as programs print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Unauthorized => "unauthorized",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::Unavailable => "unavailable",
            Self::Gone => "gone",
            Self::Lost => "lost",
            Self::Failed => "failed",
            Self::Changed => "changed",
            Self::Source => "source",
            Self::Target => "target",
            Self::Mismatch => "mismatch",
            Self::Empty => "empty",
            Self::Corrupt => "corrupt",
            Self::Protocol => "protocol",
            Self::State => "state",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
