//! What the tests share.

use bytes::Bytes;
use telestore_store::{ChunkRecord, ChunkStore, MemoryChunkStore};
use telestore_types::{ChunkIndex, StorageKey};

/// Puts `bytes` into the store as one chunk.
pub(crate) async fn stored(store: &MemoryChunkStore, index: u32, bytes: &'static [u8]) -> ChunkRecord {
    let index = ChunkIndex::new(index, 100).unwrap();
    let mut spool = store.spool().await.unwrap();
    spool.write(Bytes::from_static(bytes)).await.unwrap();
    let spooled = spool.finish().await.unwrap();
    let (length, crc32c) = (spooled.length, spooled.crc32c);
    let blob = store.put(&StorageKey::from_random([1; 16]), index, spooled).await.unwrap();
    ChunkRecord::new(index, length, crc32c, blob)
}
