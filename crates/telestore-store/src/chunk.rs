mod blob;
mod forward;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};
use tokio::task::spawn_blocking;

pub use self::blob::{Blob, BlobName, SpooledChunk};
use crate::{Check, Error, Result};

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
    /// [`Error::NoSpace`], [`Error::Unavailable`], [`Error::Failed`].
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Writes out what is left.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`Error::DigestMismatch`] if the bytes are not those that were expected. They are taken
    /// away then.
    async fn finish(self: Box<Self>) -> Result<SpooledChunk>;
}

/// How many bytes are read at once to verify them.
const AT_ONCE: u64 = 512 * 1024;

/// Keeps the bytes of chunks. It knows nothing of uploads.
///
/// A chunk is spooled under a name of its own, since browsers send the bytes before they say whose they are; then it is
/// put; then its record, which names it, is written to the session store. Bytes without a record are an *orphan*: the
/// engine finds them by [`list`](Self::list), and deletes those that are old enough.
///
/// # Contract
/// - What [`put`](Self::put) named can be read until it is deleted, also after a restart and by any other worker.
/// - `put` is atomic: the bytes are wholly there under the new name, or not at all. It need not move anything: a store
///   without a rename keeps the spool's name, if `list` finds it from then on and `clear_spool` leaves it alone.
/// - Two puts with the same key and index have different names; the caller deletes the one that lost.
/// - Deleting what is not there is no error.
/// - Spooled bytes can be read by their [`spool`](SpooledChunk::spool) name until they are put or taken away.
/// - Several workers may use one store at once. None of them takes away what another one has spooled or put:
///   [`clear_spool`](Self::clear_spool) tells the spool of a dead worker from that of a living one.
///
/// # Writing one
/// Run [`testsuite::chunk_store`](https://docs.rs/telestore-store) (feature `testsuite`) against it. A store that cannot
/// rename, such as the object store of this crate (feature `object-store`), writes under a random name, to which `put` only
/// answers, and shows in `list` what was finished and never put: it is found as an orphan.
///
/// # Wrapping one
/// A wrapper forwards every method, those with a default, too: the default of [`free_bytes`](Self::free_bytes) says that
/// nobody knows, that of [`probe`](Self::probe) that all is well. `#[deny(clippy::missing_trait_methods)]` finds what was
/// left out. `Arc<T>` and `Box<T>` are stores, so a wrapper may hold an `Arc<dyn ChunkStore>`.
///
/// - *Counting, delaying, refusing* break nothing, in any order.
/// - *Changing the bytes* (encryption, compression): [`length`](SpooledChunk::length) and
///   [`crc32c`](SpooledChunk::crc32c) are those of the client's bytes, which is what the records, the limits and the merger
///   count with; the wrapper sets both in what the inner `finish` gave it, and a store's `put` looks at neither.
///   [`verify`](Self::verify) must not be forwarded: its default reads through the wrapper, and so compares the client's
///   bytes. [`Spool::expect`] is the wrapper's to do for the same reason. `read_at` asks for ranges of the client's bytes.
///   A header of the blob may hold what is needed to read it, such as a nonce; a replaced chunk is another blob and has a
///   new one.
/// - *Caching* may keep what was read, since a name never gets other bytes. It must forget what is deleted.
/// - *Two stores* (a fast one before a slow one): `put` answers when the bytes are safe, not before; names must tell in
///   which store they are, and `list` goes on from one to the other in the order of the names.
///
/// ```
/// use telestore_store::{ChunkStore, MemoryChunkStore};
/// use telestore_types::{ChunkIndex, StorageKey};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryChunkStore::new();
/// let mut spool = store.spool().await?;
/// spool.write("hello".into()).await?;
/// let spooled = spool.finish().await?;
/// let name = store.put(&StorageKey::from_random([1; 16]), ChunkIndex::new(0, 1)?, spooled).await?;
/// assert_eq!(&store.read_at(&name, 1, 4).await?[..], b"ello");
/// assert_eq!(store.list(None, 10).await?[0].name, name);
/// store.delete(&[name]).await?;
/// # Ok(()) }
/// ```
#[async_trait]
pub trait ChunkStore: fmt::Debug + Send + Sync + 'static {
    /// Begins a chunk.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Unavailable`], [`Error::Failed`].
    async fn spool(&self) -> Result<Box<dyn Spool>>;

    /// Compares spooled bytes with a digest that only came after them.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`], and as [`read_at`](Self::read_at).
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
            check = updated.await.map_err(|error| Error::failed("digest", error))?;
        }
        check.finish()
    }

    /// Makes spooled bytes those of a chunk, and names them.
    ///
    /// # Errors
    /// [`Error::Missing`] if they are gone, [`Error::NoSpace`], [`Error::Unavailable`], [`Error::Failed`]. Nothing was put then.
    async fn put(&self, key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName>;

    /// Takes spooled bytes away that will not be put. The default drops them, which is enough if their guard does it.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Failed`]; [`clear_spool`](Self::clear_spool) takes them away at another time.
    async fn discard(&self, spooled: SpooledChunk) -> Result<()> {
        drop(spooled);
        Ok(())
    }

    /// Reads exactly `length` bytes from `offset`.
    ///
    /// # Errors
    /// [`Error::Missing`] if they are not there (or not as many), [`Error::Unavailable`], [`Error::Failed`].
    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes>;

    /// Deletes what was put under these names: one call for all chunks of an upload, which may be thousands.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Failed`]; some may be deleted then, and the others are found as orphans.
    async fn delete(&self, blobs: &[BlobName]) -> Result<()>;

    /// A page of what was put and not deleted, in the order of the names: at most `limit` blobs behind `after`. Fewer than
    /// `limit` are the last ones. What is put or deleted meanwhile may be in it or not, and so may what is spooled if `put`
    /// keeps its name.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Failed`].
    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>>;

    /// How many bytes still fit; `None` if nobody knows.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Failed`].
    async fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Takes away what workers spooled that do not live any more. It may run beside living ones, of which it takes
    /// nothing; if a store cannot tell, it waits until the bytes are certainly of no use, a day for instance.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Failed`].
    async fn clear_spool(&self) -> Result<()>;

    /// Does with bytes of nobody what an upload does with a chunk, to tell whether the store takes one. It may run beside
    /// anything else, and leaves nothing.
    ///
    /// # Errors
    /// [`Error::Unfit`], [`Error::NoSpace`], [`Error::Unavailable`], [`Error::Failed`].
    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}
