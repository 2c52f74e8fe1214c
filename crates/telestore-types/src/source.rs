use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Verdict;

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The range is not inside of the file.
    #[error("range {offset}+{length} is outside of the file")]
    OutOfRange {
        /// Where the read began.
        offset: u64,
        /// How much was asked for, in bytes.
        length: usize,
    },
    /// Bytes that were acknowledged are not there any more, or are other bytes.
    #[error("stored bytes are damaged: {0}")]
    Damaged(String),
    /// The disk or the network behind the source failed; it may work later.
    #[error("cannot read stored bytes: {0}")]
    Io(String),
}

impl SourceError {
    /// What a caller may do about it.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::OutOfRange { .. } | Self::Damaged(_) => Verdict::Permanent,
            Self::Io(_) => Verdict::Temporary,
        }
    }
}

/// A file that can be read again and again, from anywhere, by several readers at once.
///
/// A retry, another backend or a second connection opens what it needs; nothing is consumed, so no merged copy is ever
/// written.
#[async_trait]
pub trait ByteSource: fmt::Debug + Send + Sync + 'static {
    /// The length of the file in bytes. It never changes.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads exactly `length` bytes from `offset`.
    ///
    /// # Errors
    /// [`SourceError::OutOfRange`] if the range ends behind the file, [`SourceError::Damaged`] if the bytes are
    /// not those that were acknowledged, [`SourceError::Io`] for a fault that may pass.
    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError>;
}

/// A file in memory: for tests, and for embedders with small files.
#[derive(Clone)]
pub struct BytesSource(Bytes);

impl BytesSource {
    /// Serves `bytes`.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for BytesSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BytesSource({} bytes)", self.0.len())
    }
}

#[async_trait]
impl ByteSource for BytesSource {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let outside = SourceError::OutOfRange { offset, length };
        let start = usize::try_from(offset).map_err(|_| outside.clone())?;
        let end = start.checked_add(length).filter(|end| *end <= self.0.len()).ok_or(outside)?;
        Ok(self.0.slice(start..end))
    }
}
