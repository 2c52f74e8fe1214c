//! Which chunks can be those of a file.

use super::{CompletionError, Upload};
use crate::{ChunkIndex, Error, Result};

impl Upload {
    /// Checks that so many chunks can make a file of so many bytes.
    ///
    /// Each has a byte at least; only the last one may be empty, since clients compute `floor(size / chunk) + 1`.
    ///
    /// # Errors
    /// [`Error::TotalChunks`] outside of 1-10000, [`Error::ManyChunks`] for more chunks than can be.
    ///
    /// ```
    /// # use telestore_types::Upload;
    /// assert!(Upload::check_chunks_of(10, 2).is_ok());
    /// assert!(Upload::check_chunks_of(10, 20).is_err());
    /// ```
    pub fn check_chunks_of(file_size: u64, total: u32) -> Result<()> {
        Self::check_total_chunks(total)?;
        let most = file_size.saturating_add(1);
        if u64::from(total) > most { Err(Error::ManyChunks { total, file_size, most }) } else { Ok(()) }
    }

    /// Checks that a chunk of so many bytes may be empty, if it is.
    ///
    /// A chunk that should have had bytes and came without any has lost them on its way: only the last of several is
    /// taken, and completion finds out whether the others are the whole file.
    ///
    /// # Errors
    /// [`Error::EmptyChunk`].
    pub fn check_chunk_length(index: ChunkIndex, total: u32, length: u64) -> Result<()> {
        let last = total.saturating_sub(1);
        if length > 0 || (last > 0 && index.get() == last) {
            return Ok(());
        }
        Err(Error::EmptyChunk { index: index.get(), last })
    }

    /// Checks, after [`chunk_stored`](Self::chunk_stored), that the chunks can still become the file.
    ///
    /// A chunk whose bytes are more than the file's never can; neither can a new one that makes them more, nor an empty one
    /// that is the last to come and leaves them fewer. One that takes the place of another (of `old` bytes) may be the
    /// first of several that do, so that their sum says nothing yet.
    ///
    /// # Errors
    /// [`CompletionError::SizeMismatch`].
    pub fn check_sum(&self, old: Option<u64>, length: u64) -> std::result::Result<(), CompletionError> {
        let Some(declared) = self.file_size else { return Ok(()) };
        let too_many = length > declared || (old.is_none() && self.received_bytes > declared);
        let all = self.total_chunks.is_some_and(|total| self.received_chunks >= total);
        let too_few = length == 0 && all && self.received_bytes < declared;
        if !too_many && !too_few {
            return Ok(());
        }
        Err(CompletionError::SizeMismatch { declared, received: self.received_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, upload};
    use super::*;

    #[test]
    fn no_file_has_more_chunks_than_bytes_and_one() {
        assert_eq!(Upload::check_chunks_of(10, 11), Ok(()));
        let many = Error::ManyChunks { total: 12, file_size: 10, most: 11 };
        assert_eq!(Upload::check_chunks_of(10, 12), Err(many));
        assert_eq!(Upload::check_chunks_of(u64::MAX, 10_000), Ok(()));
        assert_eq!(Upload::check_chunks_of(u64::MAX, 10_001), Err(Error::TotalChunks));
    }

    #[test]
    fn only_the_last_of_several_chunks_may_be_empty() {
        let check = |index, total, length| {
            Upload::check_chunk_length(ChunkIndex::new(index, total).unwrap(), total, length)
        };
        assert_eq!(check(1, 2, 0), Ok(()));
        assert_eq!(check(0, 1, 1), Ok(()));
        assert_eq!(check(0, 2, 0), Err(Error::EmptyChunk { index: 0, last: 1 }));
        let alone = check(0, 1, 0).unwrap_err();
        assert_eq!(alone.to_string(), "chunk is empty");
    }

    #[test]
    fn a_sum_says_nothing_while_chunks_take_the_places_of_others() {
        let mut upload = upload();
        upload.chunk_stored(None, (6, 1), NOW);
        assert_eq!(upload.check_sum(None, 6), Ok(()));
        upload.chunk_stored(None, (5, 1), NOW);
        let mismatch = CompletionError::SizeMismatch { declared: 10, received: 11 };
        assert_eq!(upload.check_sum(None, 5), Err(mismatch.clone()));
        assert_eq!(upload.check_sum(Some(4), 5), Ok(()));
        assert_eq!(upload.check_sum(Some(4), 11), Err(mismatch));
    }
}
