mod forward;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};
use tokio::task::spawn_blocking;

use crate::{Check, Error, Result};

/// The store's own name for the bytes of one chunk. It is never made from client input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(String);

impl BlobName {
    /// Wraps a name that a store made.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// A new name for bytes that wait for their place.
    pub(crate) fn in_spool() -> Self {
        Self(format!("spool/{:016x}", rand::random::<u64>()))
    }

    /// A new name for a chunk in its place: two writes of one chunk never meet.
    pub(crate) fn in_place(key: &StorageKey, index: ChunkIndex) -> Self {
        Self(format!("chunks/{key}/{:05}-{:016x}", index.get(), rand::random::<u64>()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// CRC-32C (Castagnoli) over a run of bytes: it finds damaged and mixed up bytes at almost no cost.
///
/// It is no proof against somebody who wants two chunks to look alike; nothing here relies on that.
#[derive(Debug, Clone)]
pub struct Digest(Crc);

impl Default for Digest {
    fn default() -> Self {
        Self(Crc::new(CrcAlgorithm::Crc32Iscsi))
    }
}

impl Digest {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn value(&self) -> u32 {
        u32::try_from(self.0.clone().finalize()).unwrap_or(u32::MAX)
    }

    /// The digest of one piece.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut digest = Self::default();
        digest.update(bytes);
        digest.value()
    }
}

/// Bytes that have arrived and wait for their place.
///
/// Dropped before they were put, they go.
pub struct SpooledChunk {
    /// Where they are.
    pub spool: BlobName,
    /// How many bytes.
    pub length: u64,
    /// Their CRC-32C.
    pub crc32c: u32,
    /// Whatever takes the bytes away when it is dropped; it may find that they were put.
    pub guard: Box<dyn Send + Sync>,
}

impl fmt::Debug for SpooledChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledChunk")
            .field("spool", &self.spool)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// A chunk on its way in.
///
/// Dropped before [`finish`](Self::finish), it takes its bytes away.
#[async_trait]
pub trait Spool: Send {
    /// Has the bytes compared with a digest on their way, for [`finish`](Self::finish) to say. To be called before the
    /// first write; several digests are compared each by itself.
    fn expect(&mut self, digest: ContentDigest);

    /// Takes the next bytes. They may be gathered; memory stays bounded.
    ///
    /// # Errors
    /// [`Error::NoSpace`](crate::Error::NoSpace), [`Error::Io`](crate::Error::Io).
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Writes out what is left.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`Error::DigestMismatch`](crate::Error::DigestMismatch) where the bytes are not those
    /// that were expected. They are taken away then.
    async fn finish(self: Box<Self>) -> Result<SpooledChunk>;
}

/// How many bytes are read at once to verify them.
const AT_ONCE: u64 = 512 * 1024;

/// What a store holds for one upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which upload's.
    pub key: StorageKey,
    /// The bytes that were put; none where only an empty place is left.
    pub blobs: Vec<BlobName>,
}

/// Keeps the bytes of chunks. It knows nothing of uploads.
///
/// # Contract
/// - What [`put`](Self::put) named can be read until it is deleted, also after a restart.
/// - `put` is atomic: the bytes are wholly there under the new name, or not at all.
/// - Two puts with the same key and index have different names; the caller deletes the one that lost.
/// - Deleting what is not there is no error.
/// - Spooled bytes can be read by their [`spool`](SpooledChunk::spool) name. They live until they are put or dropped; [`clear_spool`](Self::clear_spool) takes those that an
///   earlier process left.
#[async_trait]
pub trait ChunkStore: fmt::Debug + Send + Sync + 'static {
    /// Begins a chunk.
    ///
    /// # Errors
    /// [`Error::NoSpace`](crate::Error::NoSpace), [`Error::Io`](crate::Error::Io).
    async fn spool(&self) -> Result<Box<dyn Spool>>;

    /// Compares spooled bytes with a digest that only came after them.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`](crate::Error::DigestMismatch), and as [`read_at`](Self::read_at).
    async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
        if let ContentDigest::Crc32c(expected) = digest {
            let algorithm = digest.algorithm();
            return if spooled.crc32c == expected {
                Ok(())
            } else {
                Err(Error::DigestMismatch { algorithm })
            };
        }
        let (mut check, mut offset) = (Check::new(digest), 0);
        while offset < spooled.length {
            let length = (spooled.length - offset).min(AT_ONCE);
            let bytes = self.read_at(&spooled.spool, offset, usize::try_from(length).unwrap_or(0)).await?;
            offset += length;
            // A cryptographic digest takes longer than an async thread may be held.
            let updated = spawn_blocking(move || {
                check.update(&bytes);
                check
            });
            check = updated.await.map_err(|error| Error::Io(std::io::Error::other(error)))?;
        }
        check.finish()
    }

    /// Moves spooled bytes to their place.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing) where they are gone, [`Error::Io`](crate::Error::Io).
    async fn put(&self, key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName>;

    /// Reads exactly `length` bytes.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing) where they are not there (or not as many), [`Error::Io`](crate::Error::Io).
    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes>;

    /// Deletes the bytes of one chunk.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    async fn delete(&self, blob: &BlobName) -> Result<()>;

    /// Deletes everything in an upload's place.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    async fn delete_all(&self, key: &StorageKey) -> Result<()>;

    /// Everything that was put and not deleted, for the sweeper.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    async fn list(&self) -> Result<Vec<Place>>;

    /// How many bytes still fit; `None` where nobody knows.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    async fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Takes away what an earlier process spooled and never put. To be called before the first chunk.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    async fn clear_spool(&self) -> Result<()>;

    /// Does with bytes of nobody what an upload does with a chunk, to tell whether the store takes one. It may run beside
    /// anything else, and leaves nothing.
    ///
    /// # Errors
    /// [`Error::Unfit`](crate::Error::Unfit), [`Error::NoSpace`](crate::Error::NoSpace),
    /// [`Error::Io`](crate::Error::Io).
    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_crc32c() {
        assert_eq!(Digest::of(b"123456789"), 0xe306_9283);
        let mut digest = Digest::default();
        digest.update(b"1234");
        digest.update(b"56789");
        assert_eq!(digest.value(), 0xe306_9283);
    }
}
