//! What holds a chunk store, or a spool, is one.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};

use crate::{Blob, BlobName, ChunkStore, Result, Spool, SpooledChunk};

#[async_trait]
impl<T: Spool + ?Sized> Spool for Box<T> {
    fn expect(&mut self, digest: ContentDigest) {
        (**self).expect(digest);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        (**self).write(bytes).await
    }

    async fn finish(self: Box<Self>) -> Result<SpooledChunk> {
        (*self).finish().await
    }
}

macro_rules! forward {
    ($holder:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: ChunkStore + ?Sized> ChunkStore for $holder<T> {
            async fn spool(&self) -> Result<Box<dyn Spool>> {
                (**self).spool().await
            }

            async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
                (**self).verify(spooled, digest).await
            }

            async fn put(
                &self,
                key: &StorageKey,
                index: ChunkIndex,
                spooled: SpooledChunk,
            ) -> Result<BlobName> {
                (**self).put(key, index, spooled).await
            }

            async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
                (**self).read_at(blob, offset, length).await
            }

            async fn discard(&self, spooled: SpooledChunk) -> Result<()> {
                (**self).discard(spooled).await
            }

            async fn delete(&self, blobs: &[BlobName]) -> Result<()> {
                (**self).delete(blobs).await
            }

            async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
                (**self).list(after, limit).await
            }

            async fn free_bytes(&self) -> Result<Option<u64>> {
                (**self).free_bytes().await
            }

            async fn clear_spool(&self) -> Result<()> {
                (**self).clear_spool().await
            }

            async fn probe(&self) -> Result<()> {
                (**self).probe().await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
