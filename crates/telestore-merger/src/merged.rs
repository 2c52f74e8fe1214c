use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_store::{ChunkRecord, ChunkStore};
use telestore_types::{ByteSource, SourceError};

use crate::GapError;
use crate::pieces::{Piece, cover, range_of, read};
use crate::verify::check_whole;

/// The chunks of one upload as one file.
pub struct MergedFile {
    store: Arc<dyn ChunkStore>,
    pieces: Vec<Arc<Piece>>,
    length: u64,
}

impl fmt::Debug for MergedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MergedFile({} chunks, {} bytes)", self.pieces.len(), self.length)
    }
}

impl MergedFile {
    /// The file that `chunks`, in order, make.
    ///
    /// # Errors
    /// [`GapError`] if a chunk is missing or they do not add up to `length` bytes.
    pub fn new(store: Arc<dyn ChunkStore>, chunks: Vec<ChunkRecord>, length: u64) -> Result<Self, GapError> {
        check_whole(&chunks, length)?;
        let mut start = 0;
        let place = |chunk: ChunkRecord| {
            let piece = Piece::new(chunk, start);
            start = piece.end();
            Arc::new(piece)
        };
        Ok(Self { store, pieces: chunks.into_iter().map(place).collect(), length })
    }
}

#[async_trait]
impl ByteSource for MergedFile {
    fn len(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let range = range_of(offset, length, self.length)?;
        read(self.store.as_ref(), cover(&self.pieces, &range), range).await
    }
}

#[cfg(test)]
mod tests {
    use telestore_store::{BlobName, MemoryChunkStore};

    use super::*;
    use crate::testing;

    async fn stored(store: &MemoryChunkStore, pieces: &[&'static [u8]]) -> Vec<ChunkRecord> {
        let mut chunks = Vec::new();
        for (index, piece) in (0..).zip(pieces) {
            chunks.push(testing::stored(store, index, piece).await);
        }
        chunks
    }

    async fn merged(pieces: &[&'static [u8]]) -> MergedFile {
        let store = MemoryChunkStore::new();
        let chunks = stored(&store, pieces).await;
        let length = chunks.iter().map(|chunk| chunk.length).sum();
        MergedFile::new(Arc::new(store), chunks, length).unwrap()
    }

    #[tokio::test]
    async fn reads_every_range_across_unequal_chunks() {
        let file = merged(&[b"ab", b"c", b"defgh", b"i"]).await;
        let whole = b"abcdefghi";
        for start in 0..=whole.len() {
            for end in start..=whole.len() {
                let read = file.read_at(start as u64, end - start).await.unwrap();
                assert_eq!(&read[..], &whole[start..end]);
            }
        }
    }

    #[tokio::test]
    async fn refuses_ranges_outside_of_the_file() {
        let file = merged(&[b"abc"]).await;
        for (offset, length) in [(0, 4), (3, 1), (4, 0), (u64::MAX, 1)] {
            assert_eq!(file.read_at(offset, length).await, Err(SourceError::OutOfRange { offset, length }));
        }
    }

    #[tokio::test]
    async fn refuses_gaps_and_wrong_lengths() {
        let store = MemoryChunkStore::new();
        let mut chunks = stored(&store, &[b"ab", b"cd", b"ef"]).await;
        let store: Arc<dyn ChunkStore> = Arc::new(store);
        let wrong = MergedFile::new(Arc::clone(&store), chunks.clone(), 7).unwrap_err();
        assert_eq!(wrong, GapError::Length { found: 6, expected: 7 });
        chunks.remove(1);
        assert_eq!(MergedFile::new(store, chunks, 4).unwrap_err(), GapError::Missing { index: 1 });
    }

    #[tokio::test]
    async fn finds_damaged_bytes_wherever_the_reader_begins() {
        for begin in 0..4 {
            let store = MemoryChunkStore::new();
            let mut chunks = stored(&store, &[b"abcd", b"efgh"]).await;
            chunks[1].crc32c ^= 1;
            let file = MergedFile::new(Arc::new(store), chunks, 8).unwrap();
            assert!(file.read_at(0, 4).await.is_ok());
            let read = file.read_at(4 + begin, (4 - begin) as usize).await;
            assert!(matches!(read, Err(SourceError::Damaged(_))), "from {begin}: {read:?}");
        }
    }

    #[tokio::test]
    async fn a_chunk_that_is_gone_is_named() {
        let store = MemoryChunkStore::new();
        let mut chunks = stored(&store, &[b"abcd"]).await;
        chunks[0].blob = BlobName::new("chunks/none");
        let file = MergedFile::new(Arc::new(store), chunks, 4).unwrap();
        let error = file.read_at(0, 4).await.unwrap_err();
        assert_eq!(error.to_string(), "stored bytes are damaged: chunk 0 is gone; send it again");
    }
}
