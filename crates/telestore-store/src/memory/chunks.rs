use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use telestore_types::{ChunkIndex, ContentDigest, StorageKey};

use crate::{BlobName, Check, ChunkStore, Digest, Error, Place, Result, Spool, SpooledChunk};

/// Chunks in memory: for tests, and for embedders with small files.
#[derive(Clone, Default)]
pub struct MemoryChunkStore(Arc<Mutex<BTreeMap<BlobName, Bytes>>>);

impl MemoryChunkStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many blobs there are, spooled ones included.
    pub fn blobs(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlobName, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryChunkStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryChunkStore({} blobs)", self.blobs())
    }
}

struct MemorySpool {
    store: MemoryChunkStore,
    bytes: BytesMut,
    checks: Vec<Check>,
}

struct MemoryGuard(MemoryChunkStore, BlobName);

impl Drop for MemoryGuard {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

#[async_trait]
impl Spool for MemorySpool {
    fn expect(&mut self, digest: ContentDigest) {
        self.checks.push(Check::new(digest));
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.checks.iter_mut().for_each(|check| check.update(&bytes));
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<SpooledChunk> {
        self.checks.into_iter().try_for_each(Check::finish)?;
        let spool = BlobName::in_spool();
        let bytes = self.bytes.freeze();
        let (length, crc32c) = (bytes.len() as u64, Digest::of(&bytes));
        self.store.lock().insert(spool.clone(), bytes);
        let guard = Box::new(MemoryGuard(self.store.clone(), spool.clone()));
        Ok(SpooledChunk { spool, length, crc32c, guard })
    }
}

#[async_trait]
impl ChunkStore for MemoryChunkStore {
    async fn spool(&self) -> Result<Box<dyn Spool>> {
        Ok(Box::new(MemorySpool { store: self.clone(), bytes: BytesMut::new(), checks: Vec::new() }))
    }

    async fn put(&self, key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName> {
        let blob = BlobName::in_place(key, index);
        let mut blobs = self.lock();
        let bytes = blobs.remove(&spooled.spool).ok_or(Error::Missing)?;
        blobs.insert(blob.clone(), bytes);
        drop(blobs);
        Ok(blob)
    }

    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
        let bytes = self.lock().get(blob).cloned().ok_or(Error::Missing)?;
        let start = usize::try_from(offset).map_err(|_| Error::Missing)?;
        let end = start.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(Error::Missing)?;
        Ok(bytes.slice(start..end))
    }

    async fn delete(&self, blob: &BlobName) -> Result<()> {
        self.lock().remove(blob);
        Ok(())
    }

    async fn delete_all(&self, key: &StorageKey) -> Result<()> {
        let place = format!("chunks/{key}/");
        self.lock().retain(|blob, _| !blob.as_str().starts_with(&place));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Place>> {
        let mut places: BTreeMap<StorageKey, Vec<BlobName>> = BTreeMap::new();
        for blob in self.lock().keys() {
            let key = blob.as_str().strip_prefix("chunks/").and_then(|rest| rest.split('/').next());
            if let Some(key) = key.and_then(|key| StorageKey::parse(key).ok()) {
                places.entry(key).or_default().push(blob.clone());
            }
        }
        Ok(places.into_iter().map(|(key, blobs)| Place { key, blobs }).collect())
    }

    async fn clear_spool(&self) -> Result<()> {
        self.lock().retain(|blob, _| !blob.as_str().starts_with("spool/"));
        Ok(())
    }
}
