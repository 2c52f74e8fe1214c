use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use telestore_store::{ChunkRecord, ChunkStore, Digest};
use telestore_types::{ByteSource, SourceError};
use tokio::sync::watch;

use crate::pieces::{Piece, cover, range_of, read};

/// The chunks of an upload that still arrive, as one file of the declared length. A read waits until its bytes are
/// there.
pub struct GrowingFile {
    store: Arc<dyn ChunkStore>,
    length: u64,
    pieces: Mutex<Vec<Arc<Piece>>>,
    /// How far the chunks are there without a gap, in bytes.
    filled: watch::Sender<u64>,
}

impl fmt::Debug for GrowingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrowingFile({} of {} bytes)", self.filled(), self.length)
    }
}

impl GrowingFile {
    /// A file of `length` bytes of which nothing is there yet.
    pub fn new(store: Arc<dyn ChunkStore>, length: u64) -> Self {
        Self { store, length, pieces: Mutex::default(), filled: watch::Sender::new(0) }
    }

    /// Takes in a chunk, and says whether it is the next one. Any other, and one that would make the file longer than
    /// declared, changes nothing.
    pub fn push(&self, chunk: &ChunkRecord) -> bool {
        let mut pieces = self.pieces();
        let start = pieces.last().map_or(0, |piece| piece.end());
        let piece = Piece::new(chunk.clone(), start);
        let next = usize::try_from(chunk.index.get()).is_ok_and(|index| index == pieces.len());
        if !next || piece.end() > self.length {
            return false;
        }
        let end = piece.end();
        pieces.push(Arc::new(piece));
        drop(pieces);
        self.filled.send_replace(end);
        true
    }

    /// Names another blob with the same bytes for a chunk that is there already.
    pub fn rename(&self, chunk: &ChunkRecord) {
        let index = chunk.index.get() as usize;
        if let Some(piece) = self.pieces().get_mut(index) {
            *piece = Arc::new(Piece::new(chunk.clone(), piece.start));
        }
    }

    /// Puts a chunk in the place of the last ones, from its own place on, which it holds the bytes of. `false`, with nothing
    /// changed, if it does not end where they end.
    pub fn join(&self, chunk: &ChunkRecord) -> bool {
        let (mut pieces, index) = (self.pieces(), chunk.index.get() as usize);
        let end = pieces.last().map_or(0, |piece| piece.end());
        let Some(first) = pieces.get(index) else { return false };
        let joined = Piece::new(chunk.clone(), first.start);
        let fits = joined.end() == end;
        if fits {
            pieces.truncate(index);
            pieces.push(Arc::new(joined));
        }
        fits
    }

    /// The chunks that are there without a gap.
    pub fn chunks(&self) -> Vec<ChunkRecord> {
        self.pieces().iter().map(|piece| piece.chunk.clone()).collect()
    }

    /// How many chunks are there without a gap.
    pub fn count(&self) -> usize {
        self.pieces().len()
    }

    /// How many bytes are there without a gap.
    pub fn filled(&self) -> u64 {
        *self.filled.borrow()
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Arc<Piece>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ByteSource for GrowingFile {
    fn len(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let range = range_of(offset, length, self.length)?;
        // The sender lives as long as this file.
        let _ = self.filled.subscribe().wait_for(|filled| *filled >= range.end).await;
        let pieces = cover(&self.pieces(), &range).to_vec();
        read(self.store.as_ref(), &pieces, range).await
    }
}

/// The ranges of the file of `new` that hold other bytes, or the same elsewhere, than in the file of `old`. Both are
/// chunks in order from the first one on, and only what `old` covered is compared. Several chunks that became one hold the
/// same bytes.
pub fn changed(old: &[ChunkRecord], new: &[ChunkRecord]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let (mut old, mut new) = (Run::of(old), Run::of(new));
    while let Some((start, mut before)) = old.next() {
        let mut now = new.next().filter(|(at, _)| *at == start);
        // Until both end at one place.
        while let Some((_, now)) = &mut now
            && now.0 != before.0
        {
            let (shorter, rest) = if now.0 < before.0 { (now, &mut new) } else { (&mut before, &mut old) };
            let Some((_, next)) = rest.next() else { break };
            *shorter = (shorter.0 + next.0, Digest::joined(shorter.1, next.1, next.0));
        }
        let end = start + before.0;
        if now.is_none_or(|(_, now)| now != before) {
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
    }
    ranges
}

/// Chunks that follow each other.
struct Run<'a> {
    rest: std::slice::Iter<'a, ChunkRecord>,
    at: u64,
}

impl<'a> Run<'a> {
    fn of(chunks: &'a [ChunkRecord]) -> Self {
        Self { rest: chunks.iter(), at: 0 }
    }
}

impl Iterator for Run<'_> {
    /// Where a chunk begins, its length and its digest.
    type Item = (u64, (u64, u32));

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.rest.next()?;
        let start = self.at;
        self.at += chunk.length;
        Some((start, (chunk.length, chunk.crc32c)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use telestore_store::{BlobName, MemoryChunkStore};
    use telestore_types::ChunkIndex;

    use super::*;
    use crate::testing::stored;

    #[tokio::test]
    async fn a_read_waits_for_its_bytes() {
        let store = MemoryChunkStore::new();
        let file = GrowingFile::new(Arc::new(store.clone()), 7);
        let mut read = Box::pin(file.read_at(1, 4));
        assert!((&mut read).now_or_never().is_none());
        assert!(!file.push(&stored(&store, 1, b"def").await), "there is a gap before it");
        assert!(file.push(&stored(&store, 0, b"abc").await));
        assert!((&mut read).now_or_never().is_none(), "one byte is missing");
        assert!(file.push(&stored(&store, 1, b"def").await));
        assert_eq!(&read.await.unwrap()[..], b"bcde");
        assert_eq!((file.filled(), file.chunks().len()), (6, 2));
        assert!(!file.push(&stored(&store, 2, b"gh").await), "the file would be longer than declared");
        assert!(file.read_at(6, 2).await.is_err());
    }

    #[tokio::test]
    async fn a_chunk_may_lie_elsewhere_later() {
        let store = MemoryChunkStore::new();
        let file = GrowingFile::new(Arc::new(store.clone()), 3);
        let first = stored(&store, 0, b"abc").await;
        file.push(&first);
        let again = stored(&store, 0, b"abc").await;
        store.delete(std::slice::from_ref(&first.blob)).await.unwrap();
        file.rename(&again);
        assert_eq!(&file.read_at(0, 3).await.unwrap()[..], b"abc");
    }

    #[test]
    fn names_what_has_changed() {
        let chunk = |index, length, crc32c| {
            ChunkRecord::new(ChunkIndex::new(index, 100).unwrap(), length, crc32c, BlobName::new("b"))
        };
        let old = [chunk(0, 10, 1), chunk(1, 10, 2), chunk(2, 10, 3), chunk(3, 5, 4)];
        let ranges = |old: &[ChunkRecord], new: &[ChunkRecord]| -> Vec<_> {
            changed(old, new).into_iter().map(|range| (range.start, range.end)).collect()
        };
        assert_eq!(ranges(&old, &old), []);
        let mut new = old.clone();
        new[1].crc32c = 9;
        assert_eq!(ranges(&old, &new), [(10, 20)]);
        new[3].crc32c = 9;
        assert_eq!(ranges(&old, &new), [(10, 20), (30, 35)]);
        new[2].crc32c = 9;
        assert_eq!(ranges(&old, &new), [(10, 35)]);
        new = old.clone();
        new[1].length = 11;
        assert_eq!(ranges(&old, &new), [(10, 35)], "what follows lies elsewhere");
        assert_eq!(ranges(&old, &old[..1]), [(10, 35)]);
        assert_eq!(ranges(&old[..1], &old), []);
    }

    #[test]
    fn chunks_that_became_one_hold_the_same_bytes() {
        let text = b"some bytes of a file";
        let of = |ends: &[usize]| -> Vec<ChunkRecord> {
            let starts = [0].iter().chain(ends);
            let chunk = |(index, (start, end)): (u32, (&usize, &usize))| {
                let (bytes, index) = (&text[*start..*end], ChunkIndex::new(index, 100).unwrap());
                ChunkRecord::new(index, bytes.len() as u64, Digest::of(bytes), BlobName::new("b"))
            };
            (0..).zip(starts.zip(ends)).map(chunk).collect()
        };
        let one = |range: Range<u64>| vec![range];
        assert_eq!(changed(&of(&[3, 5, 9, 12]), &of(&[3, 12, 20])), []);
        assert_eq!(changed(&of(&[3, 12]), &of(&[3, 5, 9, 12])), []);
        assert_eq!(
            changed(&of(&[3, 5, 9]), &of(&[3, 12])),
            one(3..9),
            "nobody knows what the first of them are"
        );
        let mut other = of(&[3, 12]);
        other[1].crc32c ^= 1;
        assert_eq!(changed(&of(&[3, 5, 9, 12]), &other), one(3..12));
    }

    #[tokio::test]
    async fn the_last_chunks_may_become_one() {
        let store = MemoryChunkStore::new();
        let file = GrowingFile::new(Arc::new(store.clone()), 9);
        for (index, bytes) in [(0, &b"ab"[..]), (1, b"c"), (2, b"de")] {
            file.push(&stored(&store, index, bytes).await);
        }
        assert!(!file.join(&stored(&store, 1, b"c").await), "it ends elsewhere");
        assert!(file.join(&stored(&store, 1, b"cde").await));
        assert!(file.push(&stored(&store, 2, b"fghi").await));
        assert_eq!(&file.read_at(1, 6).await.unwrap()[..], b"bcdefg");
        assert_eq!(file.count(), 3);
    }
}
