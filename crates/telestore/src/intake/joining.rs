//! Many small pieces become few: each is a file and a row, and there may be 10,000 of an upload.

use std::time::SystemTime;

use telestore_store::{ChunkRecord, JoinedExtent, SpooledChunk};
use telestore_types::{Upload, UploadState};

use crate::intake::Intake;
use crate::shared::error::Result;

/// After how many pieces the end of an upload is looked at.
const LOOK_EACH: u32 = 16;

/// Pieces below this size are joined as soon as there are [`FEW`] of them.
const SMALL: u64 = 512 * 1024;
const FEW: usize = 8;

/// Pieces below this size are joined once they are [`ENOUGH`] bytes together, or [`MANY`] pieces.
const MEDIUM: u64 = 4 * 1024 * 1024;
const ENOUGH: u64 = 8 * 1024 * 1024;
const MANY: usize = 64;

/// How often pieces are joined whose joined bytes are gone: this worker may have stood still until another one took them for an orphan.
const TRIES: u32 = 3;

/// How much is read at a time.
const AT_ONCE: u64 = 1024 * 1024;

/// The last pieces that are worth being one; none if they are not.
///
/// Each byte is copied a few times at most: once into a piece of about a mebibyte, and once into one of eight.
fn worth_joining(pieces: &[ChunkRecord]) -> &[ChunkRecord] {
    let tail = |below: u64| {
        let mut left = 2 * ENOUGH;
        let fits = |piece: &&ChunkRecord| {
            let fits = piece.length < below && piece.length <= left;
            left = left.saturating_sub(piece.length);
            fits
        };
        let count = pieces.iter().rev().take_while(fits).count();
        &pieces[pieces.len() - count..]
    };
    let medium = tail(MEDIUM);
    let bytes: u64 = medium.iter().map(|piece| piece.length).sum();
    if medium.len() > 1 && (bytes >= ENOUGH || medium.len() >= MANY) {
        return medium;
    }
    let small = tail(SMALL);
    if small.len() >= FEW { small } else { &[] }
}

impl Intake {
    /// Joins the last pieces of an upload if they are many and small. If that fails, they stay as they are.
    pub(super) async fn join_small(&self, upload: &Upload) {
        if upload.state != UploadState::Receiving || !upload.received_chunks.is_multiple_of(LOOK_EACH) {
            return;
        }
        if let Err(error) = self.join(upload).await {
            tracing::warn!(upload = %upload.id, %error, "could not join small pieces; they stay as they are");
        }
    }

    async fn join(&self, upload: &Upload) -> Result<()> {
        let records = self.base.file_chunks(&upload.key).await?;
        let pieces = worth_joining(&records).to_vec();
        let Some(first) = pieces.first() else { return Ok(()) };
        // What the rows name.
        let mut named = pieces.clone();
        for _ in 0..TRIES {
            let (spooled, put_at) = (self.copy(&pieces).await?, SystemTime::now());
            let (length, crc32c) = (spooled.length, spooled.crc32c);
            let blob = self.bytes.chunks.put(&upload.key, first.index, spooled).await?;
            if self.still_there(&blob, length, put_at).await.is_err() {
                // As long as the rows name the pieces, nothing is lost whatever ends this process.
                continue;
            }
            let join = JoinedExtent::new(upload.id.clone(), upload.key.clone(), named, blob.clone());
            let same = |record: &ChunkRecord| (record.length, record.crc32c) == (length, crc32c);
            // Bytes that were damaged on the disk must not become right by being copied.
            let joined = match join.record().filter(same) {
                Some(joined) if self.base.sessions.join(&join).await? => joined,
                _ => {
                    self.bytes.delete_quietly(&[blob]).await;
                    return Ok(());
                }
            };
            if let Err(error) = self.still_there(&blob, length, put_at).await {
                // The pieces are there yet.
                tracing::warn!(upload = %upload.id, %error, "joined pieces are gone; joining them again");
                named = vec![joined];
                continue;
            }
            self.arrivals.arrived(upload, &joined);
            let old: Vec<_> = pieces.iter().map(|piece| piece.blob.clone()).collect();
            self.bytes.delete_of(upload, &old).await;
            return Ok(());
        }
        tracing::error!(upload = %upload.id, "joined pieces are gone again and again: something deletes what the worker stores");
        Ok(())
    }

    /// These pieces one behind the other.
    async fn copy(&self, pieces: &[ChunkRecord]) -> Result<SpooledChunk> {
        let mut spool = self.bytes.chunks.spool().await?;
        for piece in pieces {
            let mut offset = 0;
            while offset < piece.length {
                let length = (piece.length - offset).min(AT_ONCE);
                // At most a mebibyte.
                spool.write(self.bytes.chunks.read_at(&piece.blob, offset, length as usize).await?).await?;
                offset += length;
            }
        }
        Ok(spool.finish().await?)
    }
}

#[cfg(test)]
mod tests {
    use telestore_store::BlobName;
    use telestore_types::ChunkIndex;

    use super::*;

    fn pieces(lengths: &[u64]) -> Vec<ChunkRecord> {
        let piece = |(index, length): (u32, &u64)| {
            ChunkRecord::new(ChunkIndex::new(index, 10_000).unwrap(), *length, 0, BlobName::new("b"))
        };
        (0..).zip(lengths).map(piece).collect()
    }

    #[test]
    fn many_small_appends_make_few_pieces_and_copy_each_byte_a_few_times() {
        for append in [1024, 64 * 1024, 300 * 1024, 1024 * 1024, 2 * 1024 * 1024] {
            let (mut lengths, mut copied, mut most) = (Vec::new(), 0, 0);
            let total = (256 * 1024 * 1024).min(append * 8192) / append * append;
            for _ in 0..total / append {
                lengths.push(append);
                if lengths.len() % LOOK_EACH as usize == 0 {
                    let records = pieces(&lengths);
                    let count = worth_joining(&records).len();
                    if count > 1 {
                        let joined: u64 = lengths.split_off(lengths.len() - count).iter().sum();
                        copied += joined;
                        lengths.push(joined);
                    }
                }
                most = most.max(lengths.len());
            }
            assert_eq!(lengths.iter().sum::<u64>(), total);
            let times = copied as f64 / total as f64;
            assert!(
                most <= 32 + 48 && (times < 5.0 || append < SMALL / 64),
                "{append}: {most} pieces, {times}"
            );
        }
    }

    #[test]
    fn large_pieces_stay_as_they_are() {
        assert_eq!(worth_joining(&pieces(&[8 << 20; 100])), &[]);
        assert_eq!(worth_joining(&pieces(&[5 << 20; 16])), &[]);
        assert_eq!(worth_joining(&pieces(&[100; 7])), &[], "too few to be worth it");
        assert_eq!(worth_joining(&pieces(&[8 << 20, 100, 100, 100, 100, 100, 100, 100, 100])).len(), 8);
        let joined = pieces(&[3 << 20; 100]);
        let bytes: u64 = worth_joining(&joined).iter().map(|piece| piece.length).sum();
        assert!((ENOUGH..=2 * ENOUGH).contains(&bytes), "{bytes}");
    }
}
