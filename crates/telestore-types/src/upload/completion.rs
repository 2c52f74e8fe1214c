use crate::MISSING_CHUNKS;

/// What completing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// It waits for a runner now.
    Queued,
    /// It was already waiting, running or done.
    Already,
}

/// Why an upload cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompletionError {
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
    /// Nobody has said how long the file is.
    #[error("the length of the file is not known yet: {received} bytes are there")]
    SizeUnknown {
        /// How many bytes are there.
        received: u64,
    },
    /// It is a part of another file, and nothing by itself.
    #[error("this upload is a part of another file, and is sent with that only")]
    Partial,
    /// No request with a token was seen yet, so nobody is known to send it for.
    #[error("no token was seen for this upload")]
    NoOwner,
    /// The upload was cancelled.
    #[error("upload was cancelled: start again with a new id")]
    Cancelled,
}
