use crate::Verdict;

/// A value that breaks one of the rules of this crate.
///
/// The text tells what to give instead, in the words of this crate; it is safe to show. A caller that knows the value by
/// another name, such as that of a form's field, says so by the variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An upload id outside of the allowed alphabet or length.
    #[error("upload id must be 1 to 128 characters out of A-Z a-z 0-9 . _ - and not a path")]
    UploadId,
    /// A worker's name outside of the allowed alphabet or length.
    #[error("a worker's name must be 1 to 64 characters out of A-Z a-z 0-9 . _ -")]
    WorkerId,
    /// A chunk index outside of the file.
    #[error("chunk index must be a number from 0 to {max}, one less than the number of chunks")]
    ChunkIndex {
        /// The largest index that fits.
        max: u32,
    },
    /// A number of chunks outside of 1-10000.
    #[error("number of chunks must be from 1 to 10000")]
    TotalChunks,
    /// More chunks than a file of this size can have.
    #[error(
        "{total} chunks are too many for a file of {file_size} bytes: each chunk has a byte at least, and only the last \
         one may be empty, so that {most} is the most"
    )]
    ManyChunks {
        /// How many there should be.
        total: u32,
        /// The declared length in bytes.
        file_size: u64,
        /// How many there can be.
        most: u64,
    },
    /// A chunk without bytes that is not the last one of several.
    #[error("{}", empty_chunk(*.index, *.last))]
    EmptyChunk {
        /// Its place.
        index: u32,
        /// The place of the last one.
        last: u32,
    },
    /// A file without bytes.
    #[error("file is empty: it must have a byte at least")]
    EmptyFile,
    /// An empty file name, or one of nothing but path parts.
    #[error("file name must not be empty")]
    EmptyFileName,
    /// A file name over [`FileName::MAX_CHARS`](crate::FileName::MAX_CHARS) characters.
    #[error("file name must be at most 255 characters")]
    LongFileName,
    /// A file name with control characters.
    #[error("file name must not hold control characters")]
    ControlInFileName,
    /// A caption over [`UploadOptions::MAX_CAPTION`](crate::UploadOptions::MAX_CAPTION) units of UTF-16.
    #[error("caption must be at most 4096 characters, as UTF-16 counts them")]
    LongCaption,
    /// A topic that is not the number of a message.
    #[error("topic must be a number from 1 to 2147483647")]
    TopicId,
    /// A kind of message that there is not.
    #[error("a file is sent as document, video, audio or photo")]
    SendAs,
    /// A SHA-256 that is not written in 64 hexadecimal digits.
    #[error("the SHA-256 of a file must be 64 hexadecimal digits")]
    FileDigest,
    /// A thumbnail that Telegram does not take.
    #[error("a thumbnail must be a JPEG of at most 200 kB, with at most 320 pixels on each side")]
    Thumbnail,
    /// A channel that is not a Bot API chat id.
    #[error("channel id must be a number such as -1001234567890, or @name")]
    ChatId,
    /// An `api_id` that is not a positive number.
    #[error("telegram api id must be a positive number")]
    ApiId,
    /// A storage key that this worker did not make.
    #[error("storage key must be 32 lower-case hexadecimal digits")]
    StorageKey,
}

impl Error {
    /// What a caller may do about it: the same value breaks the same rule again.
    pub fn verdict(&self) -> Verdict {
        Verdict::Permanent
    }
}

/// The result of a check in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn empty_chunk(index: u32, last: u32) -> String {
    match last {
        0 => "chunk is empty".to_owned(),
        last => format!(
            "chunk is empty: chunk {index} must have bytes; only the last one, {last}, may have none, where the \
             others are the whole file"
        ),
    }
}
