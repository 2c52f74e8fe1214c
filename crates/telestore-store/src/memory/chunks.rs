use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use telestore_types::{ChunkIndex, Clock, ContentDigest, SteadyClock, StorageKey, Timestamp};

use crate::{Blob, BlobName, Check, ChunkStore, Digest, Error, Result, Spool, SpooledChunk};

/// Chunks in memory: for tests, and for embedders with small files. Clones are workers on one store.
#[derive(Clone)]
pub struct MemoryChunkStore {
    blobs: Arc<Mutex<BTreeMap<BlobName, Held>>>,
    clock: Arc<dyn Clock>,
}

/// Bytes, and when they were put; `None` while they are spooled.
struct Held {
    bytes: Bytes,
    put_at: Option<Timestamp>,
}

impl Default for MemoryChunkStore {
    fn default() -> Self {
        Self::with_clock(SteadyClock::new())
    }
}

impl MemoryChunkStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store whose blobs age by this clock.
    pub fn with_clock(clock: impl Clock) -> Self {
        Self { blobs: Arc::default(), clock: Arc::new(clock) }
    }

    /// How many blobs there are, spooled ones included.
    pub fn blobs(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BlobName, Held>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
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
        let spooled = SpooledChunk::new(spool.clone(), bytes.len() as u64, Digest::of(&bytes));
        self.store.lock().insert(spool.clone(), Held { bytes, put_at: None });
        Ok(spooled.guarded(MemoryGuard(self.store, spool)))
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
        let held = blobs.remove(&spooled.spool).ok_or(Error::Missing)?;
        blobs.insert(blob.clone(), Held { put_at: Some(self.clock.now()), ..held });
        drop(blobs);
        Ok(blob)
    }

    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
        let bytes = self.lock().get(blob).map(|held| held.bytes.clone()).ok_or(Error::Missing)?;
        let start = usize::try_from(offset).map_err(|_| Error::Missing)?;
        let end = start.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(Error::Missing)?;
        Ok(bytes.slice(start..end))
    }

    async fn delete(&self, blobs: &[BlobName]) -> Result<()> {
        let mut held = self.lock();
        blobs.iter().for_each(|blob| drop(held.remove(blob)));
        Ok(())
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
        let now = self.clock.now();
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let blobs = self.lock();
        let put = blobs.range::<BlobName, _>(behind).filter_map(|(name, held)| {
            let age = now.since(held.put_at?);
            Some(Blob::new(name.clone(), age, held.bytes.len() as u64))
        });
        Ok(put.take(limit).collect())
    }

    /// Nothing outlives the process: what was spooled and not put goes with its guard.
    async fn clear_spool(&self) -> Result<()> {
        Ok(())
    }
}
