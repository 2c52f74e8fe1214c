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

/// A chunk store that hands every call on to `$inner`.
macro_rules! forward {
    (($($generics:tt)*) $holder:ty, $self:ident => $inner:expr) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl $($generics)* ChunkStore for $holder {
            async fn spool(&$self) -> Result<Box<dyn Spool>> {
                ($inner).spool().await
            }

            async fn verify(&$self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
                ($inner).verify(spooled, digest).await
            }

            async fn put(
                &$self,
                key: &StorageKey,
                index: ChunkIndex,
                spooled: SpooledChunk,
            ) -> Result<BlobName> {
                ($inner).put(key, index, spooled).await
            }

            async fn read_at(&$self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
                ($inner).read_at(blob, offset, length).await
            }

            async fn discard(&$self, spooled: SpooledChunk) -> Result<()> {
                ($inner).discard(spooled).await
            }

            async fn delete(&$self, blobs: &[BlobName]) -> Result<()> {
                ($inner).delete(blobs).await
            }

            async fn list(&$self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
                ($inner).list(after, limit).await
            }

            async fn free_bytes(&$self) -> Result<Option<u64>> {
                ($inner).free_bytes().await
            }

            async fn clear_spool(&$self) -> Result<()> {
                ($inner).clear_spool().await
            }

            async fn probe(&$self) -> Result<()> {
                ($inner).probe().await
            }
        }
    };
}

forward!((<T: ChunkStore + ?Sized>) Arc<T>, self => **self);
forward!((<T: ChunkStore + ?Sized>) Box<T>, self => **self);
#[cfg(feature = "mock")]
forward!(() crate::MockChunkStore, self => *self.calls());
