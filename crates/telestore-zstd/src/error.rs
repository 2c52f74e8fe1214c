/// Why compressed bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no seek table at the end of the file: it was not made in frames that can be sought, or it was cut.
    #[error("there is no seek table at the end of the file")]
    NoTable,
    /// The seek table is longer than what was shown of the end of the file.
    #[error("the seek table has {needed} bytes, which is more than was read")]
    ShortTail {
        /// How many bytes at the end of the file are needed. Never more than the file has.
        needed: usize,
    },
    /// The seek table is none of this file, or none that can be used.
    #[error("the seek table is damaged: {0}")]
    Table(&'static str),
    /// A frame does not become what the seek table says.
    #[error("the frame is damaged: {0}")]
    Frame(String),
    /// A text that is no mark.
    #[error("no mark of a compressed file")]
    Mark,
}

/// The result of reading compressed bytes.
pub type Result<T, E = Error> = std::result::Result<T, E>;
