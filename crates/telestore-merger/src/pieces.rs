//! Chunks with their places in a file.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use telestore_store::{ChunkRecord, ChunkStore, Error as StoreError};
use telestore_types::SourceError;
use tokio::sync::Mutex;

use crate::verify::Verifier;

/// How much is read at once if a beginning is read for its digest only, in bytes.
const CATCH_UP: u64 = 512 * 1024;

/// A chunk and where it begins.
pub(crate) struct Piece {
    pub(crate) chunk: ChunkRecord,
    pub(crate) start: u64,
    // A read holds it while it extends the digest, so that two readers of one chunk do not mix theirs up.
    verifier: Mutex<Verifier>,
}

/// The range of `length` bytes from `offset` on, in a file of `total` bytes.
pub(crate) fn range_of(offset: u64, length: usize, total: u64) -> Result<Range<u64>, SourceError> {
    let end = offset.checked_add(length as u64).filter(|end| *end <= total);
    end.map(|end| offset..end).ok_or(SourceError::OutOfRange { offset, length })
}

/// Those of the pieces, which are in order, that a range needs.
pub(crate) fn cover<'a>(pieces: &'a [Arc<Piece>], range: &Range<u64>) -> &'a [Arc<Piece>] {
    if range.is_empty() {
        return &[];
    }
    let first = pieces.partition_point(|piece| piece.end() <= range.start);
    let last = pieces.partition_point(|piece| piece.start < range.end);
    &pieces[first..last]
}

/// Reads a range that just these pieces [cover].
pub(crate) async fn read(
    store: &dyn ChunkStore,
    pieces: &[Arc<Piece>],
    range: Range<u64>,
) -> Result<Bytes, SourceError> {
    let total = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut joined = Joined::default();
    let mut at = range.start;
    for piece in pieces {
        let upto = range.end.min(piece.end());
        let wanted = usize::try_from(upto - at).unwrap_or(usize::MAX);
        joined.push(piece.read(store, at - piece.start, wanted).await?, total);
        at = upto;
    }
    Ok(joined.finish())
}

impl Piece {
    pub(crate) fn new(chunk: ChunkRecord, start: u64) -> Self {
        Self { chunk, start, verifier: Mutex::default() }
    }

    /// Where the next one begins.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.chunk.length
    }

    async fn read(&self, store: &dyn ChunkStore, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let bytes = self.fetch(store, offset, length).await?;
        let mut verifier = self.verifier.lock().await;
        while verifier.verified() < offset {
            let from = verifier.verified();
            let skipped = self.fetch(store, from, (offset - from).min(CATCH_UP) as usize).await?;
            verifier.extend(&self.chunk, &skipped)?;
        }
        let known = usize::try_from(verifier.verified() - offset).unwrap_or(usize::MAX);
        if known < bytes.len() {
            verifier.extend(&self.chunk, &bytes[known..])?;
        }
        Ok(bytes)
    }

    async fn fetch(&self, store: &dyn ChunkStore, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        store.read_at(&self.chunk.blob, offset, length).await.map_err(|error| match error {
            StoreError::Missing => {
                SourceError::Damaged(format!("chunk {} is gone; send it again", self.chunk.index))
            }
            error => SourceError::Io(error.to_string()),
        })
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
