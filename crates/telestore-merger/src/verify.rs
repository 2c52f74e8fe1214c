use telestore_store::{ChunkRecord, Digest};
use telestore_types::{SourceError, Verdict};

/// Why chunks do not make a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GapError {
    /// A chunk is missing in the middle.
    #[error("chunk {index} is missing")]
    Missing {
        /// Which.
        index: u32,
    },
    /// The chunks add up to another length.
    #[error("chunks hold {found} bytes, expected {expected}")]
    Length {
        /// What they hold, in bytes.
        found: u64,
        /// What was declared, in bytes.
        expected: u64,
    },
}

impl GapError {
    /// What a caller may do about it: the same chunks make no file again.
    pub fn verdict(&self) -> Verdict {
        Verdict::Permanent
    }
}

/// Checks that `chunks` are 0, 1, 2, … without a gap and hold `length` bytes.
pub(crate) fn check_whole(chunks: &[ChunkRecord], length: u64) -> Result<(), GapError> {
    for (index, chunk) in (0..).zip(chunks) {
        if chunk.index.get() != index {
            return Err(GapError::Missing { index });
        }
    }
    let found = chunks.iter().map(|chunk| chunk.length).sum();
    if found == length { Ok(()) } else { Err(GapError::Length { found, expected: length }) }
}

/// The digest of the beginning of a chunk, as far as it was read.
///
/// Parts are read in order, so each byte is digested once, on its way. A reader that begins in the middle (a resumed
/// upload) makes the merger read the beginning as well.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verifier {
    digest: Digest,
    verified: u64,
}

impl Verifier {
    /// Up to where the chunk was digested, in bytes.
    pub(crate) fn verified(&self) -> u64 {
        self.verified
    }

    /// Takes in the bytes that follow; at the end of the chunk they must have given its digest.
    pub(crate) fn extend(&mut self, chunk: &ChunkRecord, bytes: &[u8]) -> Result<(), SourceError> {
        self.digest.update(bytes);
        self.verified += bytes.len() as u64;
        if self.verified < chunk.length || self.digest.value() == chunk.crc32c {
            return Ok(());
        }
        *self = Self::default();
        Err(SourceError::Damaged(format!("chunk {} is not what was received; send it again", chunk.index)))
    }
}
