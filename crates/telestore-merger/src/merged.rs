use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use telestore_store::{ChunkRecord, ChunkStore, Error as StoreError};
use telestore_types::{ByteSource, SourceError};
use tokio::sync::Mutex;

use crate::GapError;
use crate::verify::{Verifier, check_whole};

/// How much is read at once where a beginning is read for its digest only, in bytes.
const CATCH_UP: u64 = 512 * 1024;

/// The chunks of one upload as one file.
pub struct MergedFile {
    store: Arc<dyn ChunkStore>,
    pieces: Vec<Piece>,
    length: u64,
}

struct Piece {
    chunk: ChunkRecord,
    start: u64,
    // A read holds it while it extends the digest, so that two readers of one chunk do not mix theirs up.
    verifier: Mutex<Verifier>,
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
    /// [`GapError`] where a chunk is missing or they do not add up to `length` bytes.
    pub fn new(store: Arc<dyn ChunkStore>, chunks: Vec<ChunkRecord>, length: u64) -> Result<Self, GapError> {
        check_whole(&chunks, length)?;
        let mut start = 0;
        let place = |chunk: ChunkRecord| {
            let piece = Piece { start, verifier: Mutex::default(), chunk };
            start += piece.chunk.length;
            piece
        };
        Ok(Self { store, pieces: chunks.into_iter().map(place).collect(), length })
    }

    async fn read_piece(&self, piece: &Piece, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let bytes = self.fetch(piece, offset, length).await?;
        let mut verifier = piece.verifier.lock().await;
        while verifier.verified() < offset {
            let from = verifier.verified();
            let skipped = self.fetch(piece, from, (offset - from).min(CATCH_UP) as usize).await?;
            verifier.extend(&piece.chunk, &skipped)?;
        }
        let known = usize::try_from(verifier.verified() - offset).unwrap_or(usize::MAX);
        if known < bytes.len() {
            verifier.extend(&piece.chunk, &bytes[known..])?;
        }
        Ok(bytes)
    }

    async fn fetch(&self, piece: &Piece, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        self.store.read_at(&piece.chunk.blob, offset, length).await.map_err(|error| match error {
            StoreError::Missing => {
                SourceError::Damaged(format!("chunk {} is gone; send it again", piece.chunk.index))
            }
            error => SourceError::Io(error.to_string()),
        })
    }
}

#[async_trait]
impl ByteSource for MergedFile {
    fn len(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.length);
        let end = end.ok_or(SourceError::OutOfRange { offset, length })?;
        let first = self.pieces.partition_point(|piece| piece.start + piece.chunk.length <= offset);
        let mut read = Joined::default();
        let mut at = offset;
        for piece in &self.pieces[first..] {
            if at >= end {
                break;
            }
            let upto = end.min(piece.start + piece.chunk.length);
            let wanted = usize::try_from(upto - at).unwrap_or(usize::MAX);
            read.push(self.read_piece(piece, at - piece.start, wanted).await?, length);
            at = upto;
        }
        Ok(read.finish())
    }
}

/// One piece goes through as it is; more are copied together.
#[derive(Default)]
struct Joined {
    first: Option<Bytes>,
    rest: Option<BytesMut>,
}

impl Joined {
    fn push(&mut self, bytes: Bytes, total: usize) {
        match (&self.first, &mut self.rest) {
            (None, _) => self.first = Some(bytes),
            (Some(_), Some(rest)) => rest.extend_from_slice(&bytes),
            (Some(first), None) => {
                let mut joined = BytesMut::with_capacity(total);
                joined.extend_from_slice(first);
                joined.extend_from_slice(&bytes);
                self.rest = Some(joined);
            }
        }
    }

    fn finish(self) -> Bytes {
        self.rest.map(BytesMut::freeze).or(self.first).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use telestore_store::{BlobName, MemoryChunkStore};
    use telestore_types::{ChunkIndex, StorageKey};

    use super::*;

    async fn stored(store: &MemoryChunkStore, pieces: &[&[u8]]) -> Vec<ChunkRecord> {
        let key = StorageKey::from_random([1; 16]);
        let mut chunks = Vec::new();
        for (index, piece) in (0..).zip(pieces) {
            let index = ChunkIndex::new(index, 100).unwrap();
            let mut spool = store.spool().await.unwrap();
            spool.write(Bytes::copy_from_slice(piece)).await.unwrap();
            let spooled = spool.finish().await.unwrap();
            let (length, crc32c) = (spooled.length, spooled.crc32c);
            let blob = store.put(&key, index, spooled).await.unwrap();
            chunks.push(ChunkRecord { index, length, crc32c, blob });
        }
        chunks
    }

    async fn merged(pieces: &[&[u8]]) -> MergedFile {
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
