//! Chunks in an object store.
//!
//! # How bytes flow
//! The client library takes an object's bytes from memory only, the length of a chunk is not known before its end, and a
//! request that failed must be made again. So a chunk is cut into *pieces* of at most 4 MiB, each an object of its own,
//! which go to the store straight from memory while the next bytes arrive. No byte touches the disk.
//!
//! - **Memory** (`budget.rs`): all chunks on their way in share one budget, 24 MiB. Its unit is a block of 64 KiB, which is
//!   taken before the bytes come and given back when the store has them; who needs one waits in a line. The more clients
//!   there are, the shorter their pieces.
//! - **Names** (`layout.rs`): a blob is a random id, and the name of its last piece, which is the blob's name too, tells the
//!   lengths of all. So reading and deleting ask nothing first, and a listing shows which blobs are whole.
//! - **Put** (`waiting.rs`) moves nothing: the name stays the spool's. Without a record it is an orphan.
//! - **Gone clients** (`spool.rs`): what was sent is deleted in the background. If the process dies, it is an orphan; pieces
//!   without a last one count as a day younger than they are, since somebody may be sending them.
//! - **Reading** (`reading.rs`): a reader that goes on where it was finds its connection open and the next piece asked for.
//!   A body that breaks is opened again where it broke. The record's CRC-32C is compared by the merger, as for any store.
//! - **Requests** (`bucket.rs`) have the time that their bytes need, and are made again for 45 s ([`ObjectOptions::patience`]): keys are random and each
//!   has one writer, so a write may be repeated.
//!
//! A shared directory (`file://`) is a [`LocalChunkStore`], not the client library's own: that one flushes nothing, does not
//! say how much is free, and would need libraries of its own.

mod bucket;
mod budget;
mod cloud;
mod directory;
mod gathered;
mod in_bucket;
mod layout;
mod listing;
mod options;
mod reading;
mod spool;
#[cfg(test)]
mod tests;
mod trial;
mod trouble;
mod waiting;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStore;
use object_store::path::Path;
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};

use self::bucket::Bucket;
use self::cloud::Cloud;
use self::directory::SharedDirectory;
use self::in_bucket::Objects;
pub use self::options::ObjectOptions;
use self::options::Place;
use crate::{Blob, BlobName, ChunkStore, Error, LocalChunkStore, Result, Spool, SpooledChunk};

/// Chunks in S3 and what speaks it, in Google Cloud Storage, in Azure Blob Storage, or in a directory that several
/// machines share. Any number of workers may use one place at once. Clones share their memory and connections.
///
/// Memory is bounded, whatever the length of chunks and the number of clients ([`ObjectOptions::memory_bytes`]); no byte
/// touches the disk. Keys are random, nothing is renamed, and no request has a condition, so that the simplest servers do.
/// The credentials need the rights to write, read, list and delete objects below the prefix.
///
/// Of a bucket nobody knows how much still fits: [`free_bytes`](ChunkStore::free_bytes) is `None`. Chunks of a crashed
/// worker are found as orphans; `EngineConfig::orphan_grace` must be half an hour at least.
///
/// ```
/// use telestore_store::{ChunkStore, ObjectChunkStore, ObjectOptions};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let shared = tempfile::tempdir()?;
/// // Or s3://bucket/prefix, gs://bucket/prefix, az://container/prefix.
/// let url = format!("file://{}", shared.path().display());
/// let store = ObjectChunkStore::open(&url, ObjectOptions::from_env())?;
/// store.try_out().await?;
/// let mut spool = store.spool().await?;
/// spool.write("hello".into()).await?;
/// let spooled = spool.finish().await?;
/// assert_eq!(&store.read_at(&spooled.spool, 1, 4).await?[..], b"ello");
/// store.discard(spooled).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ObjectChunkStore(Kind);

#[derive(Clone)]
enum Kind {
    Objects(Arc<Objects>),
    Directory(Arc<SharedDirectory>),
}

impl fmt::Debug for ObjectChunkStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Objects(objects) => objects.fmt(f),
            Kind::Directory(directory) => directory.fmt(f),
        }
    }
}

impl ObjectChunkStore {
    /// Opens the store at a URL: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or `file:///directory`,
    /// which must be there. A bucket is asked nothing yet; [`try_out`](Self::try_out) does that.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the URL or a setting cannot be read, or files cannot be kept in the directory. No error holds
    /// the URL or a value.
    pub fn open(url: &str, options: ObjectOptions) -> Result<Self> {
        match url.parse()? {
            Place::Bucket { cloud, bucket, prefix } => {
                let client = options::client(cloud, &bucket, &options)?;
                Ok(Self::with(client, cloud, &prefix, &options))
            }
            Place::Directory(root) if !root.is_dir() => {
                // Made here, it would hide that the shared directory is not mounted.
                Err(Error::unfit(
                    directory::WHAT,
                    "finding its directory",
                    "it is not there: make or mount it",
                ))
            }
            Place::Directory(root) => {
                let store = LocalChunkStore::open(root)?.shared().durable(options.durability);
                Ok(Self(Kind::Directory(Arc::new(SharedDirectory(store)))))
            }
        }
    }

    fn with(client: Arc<dyn ObjectStore>, cloud: Cloud, prefix: &Path, options: &ObjectOptions) -> Self {
        Self(Kind::Objects(Arc::new(Objects::new(Bucket::new(client, cloud, prefix, options), options))))
    }

    fn store(&self) -> &dyn ChunkStore {
        match &self.0 {
            Kind::Objects(objects) => &**objects,
            Kind::Directory(directory) => &**directory,
        }
    }

    /// Writes an object of nobody, reads it, lists it and deletes it; in a directory, a file. Asks each time, unlike
    /// [`probe`](ChunkStore::probe), whose good answer counts for 15 seconds.
    ///
    /// # Errors
    /// [`Error::Unfit`] names the step that fails, and the right or setting that is missing; [`Error::Unavailable`] if the
    /// store does not answer.
    pub async fn try_out(&self) -> Result<()> {
        match &self.0 {
            Kind::Objects(objects) => trial::try_out(&objects.bucket).await,
            Kind::Directory(directory) => directory.probe().await,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ChunkStore for ObjectChunkStore {
    async fn spool(&self) -> Result<Box<dyn Spool>> {
        self.store().spool().await
    }

    async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
        self.store().verify(spooled, digest).await
    }

    async fn put(&self, key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName> {
        self.store().put(key, index, spooled).await
    }

    async fn discard(&self, spooled: SpooledChunk) -> Result<()> {
        self.store().discard(spooled).await
    }

    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
        self.store().read_at(blob, offset, length).await
    }

    async fn delete(&self, blobs: &[BlobName]) -> Result<()> {
        self.store().delete(blobs).await
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
        self.store().list(after, limit).await
    }

    async fn free_bytes(&self) -> Result<Option<u64>> {
        self.store().free_bytes().await
    }

    async fn clear_spool(&self) -> Result<()> {
        self.store().clear_spool().await
    }

    async fn probe(&self) -> Result<()> {
        self.store().probe().await
    }
}
