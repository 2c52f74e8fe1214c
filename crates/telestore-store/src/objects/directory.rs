//! A directory that machines share: as the local store's, but what fails may be another machine.

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};

use crate::{Blob, BlobName, ChunkStore, Error, LocalChunkStore, Result, Spool, SpooledChunk};

/// What it calls itself in errors.
pub(super) const WHAT: &str = "shared directory";

#[derive(Debug)]
pub(super) struct SharedDirectory(pub(super) LocalChunkStore);

/// Its file server may be well again later.
fn away<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Failed { source, .. } => Error::unavailable(WHAT, source),
        error => error,
    })
}

struct SharedSpool(Box<dyn Spool>);

#[async_trait]
impl Spool for SharedSpool {
    fn expect(&mut self, digest: ContentDigest) {
        self.0.expect(digest);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        away(self.0.write(bytes).await)
    }

    async fn finish(self: Box<Self>) -> Result<SpooledChunk> {
        away(self.0.finish().await)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ChunkStore for SharedDirectory {
    async fn spool(&self) -> Result<Box<dyn Spool>> {
        Ok(Box::new(SharedSpool(away(self.0.spool().await)?)))
    }

    async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
        away(self.0.verify(spooled, digest).await)
    }

    async fn put(&self, key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName> {
        away(self.0.put(key, index, spooled).await)
    }

    async fn discard(&self, spooled: SpooledChunk) -> Result<()> {
        away(self.0.discard(spooled).await)
    }

    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
        away(self.0.read_at(blob, offset, length).await)
    }

    async fn delete(&self, blobs: &[BlobName]) -> Result<()> {
        away(self.0.delete(blobs).await)
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
        away(self.0.list(after, limit).await)
    }

    async fn free_bytes(&self) -> Result<Option<u64>> {
        away(self.0.free_bytes().await)
    }

    async fn clear_spool(&self) -> Result<()> {
        away(self.0.clear_spool().await)
    }

    async fn probe(&self) -> Result<()> {
        away(self.0.probe().await)
    }
}
