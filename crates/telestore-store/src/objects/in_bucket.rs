//! The chunk store over pieces of blobs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ChunkIndex, StorageKey};

use super::bucket::Bucket;
use super::budget::Budget;
use super::layout::{Layout, unfinished};
use super::options::ObjectOptions;
use super::reading::Reading;
use super::spool::ObjectSpool;
use super::trial::Trials;
use super::trouble::WHAT;
use super::{listing, waiting};
use crate::{Blob, BlobName, ChunkStore, Error, Result, Spool, SpooledChunk};

/// How long a finished chunk may wait to be put: it counts as an orphan in an hour, at the earliest.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// Chunks in one place of a bucket.
pub(super) struct Objects {
    pub(super) bucket: Arc<Bucket>,
    pub(super) budget: Arc<Budget>,
    reading: Arc<Reading>,
    trials: Trials,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bucket.fmt(f)
    }
}

impl Objects {
    pub(super) fn new(bucket: Bucket, options: &ObjectOptions) -> Self {
        let bucket = Arc::new(bucket);
        let reading = Reading::new(Arc::clone(&bucket));
        Self { budget: Budget::new(options.memory_bytes), reading, trials: Trials::default(), bucket }
    }
}

#[async_trait]
impl ChunkStore for Objects {
    async fn spool(&self) -> Result<Box<dyn Spool>> {
        Ok(Box::new(ObjectSpool::new(Arc::clone(&self.bucket), &self.budget)))
    }

    async fn put(&self, _: &StorageKey, _: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName> {
        let layout = Layout::parse(&spooled.spool).ok_or(Error::Missing)?;
        let since = waiting::take(layout.id()).ok_or(Error::Missing)?;
        if since.elapsed() < LONGEST_WAIT {
            return Ok(spooled.spool);
        }
        // Another worker may be taking it for an orphan.
        self.delete(std::slice::from_ref(&spooled.spool)).await?;
        Err(Error::unavailable(WHAT, "the chunk has waited for too long"))
    }

    async fn discard(&self, spooled: SpooledChunk) -> Result<()> {
        if let Some(layout) = Layout::parse(&spooled.spool) {
            waiting::take(layout.id());
        }
        self.delete(std::slice::from_ref(&spooled.spool)).await
    }

    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
        // Names of another store are in no bucket.
        let layout = Layout::parse(blob).ok_or(Error::Missing)?;
        offset.checked_add(length as u64).filter(|end| *end <= layout.length()).ok_or(Error::Missing)?;
        if length == 0 {
            self.bucket.look(&layout.last_key()).await?;
            return Ok(Bytes::new());
        }
        self.reading.read(layout, offset, length).await
    }

    async fn delete(&self, blobs: &[BlobName]) -> Result<()> {
        let mut keys = Vec::new();
        for blob in blobs {
            if let Some(layout) = Layout::parse(blob) {
                keys.extend(layout.keys());
            } else if let Some(id) = unfinished(blob) {
                keys.extend(listing::pieces_of(&self.bucket, id).await?);
            }
        }
        self.bucket.delete(&keys).await
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
        let now = self.trials.now(&self.bucket).await?;
        listing::page(&self.bucket, after, limit, now).await
    }

    async fn clear_spool(&self) -> Result<()> {
        self.trials.clear(&self.bucket).await
    }

    async fn probe(&self) -> Result<()> {
        self.trials.probe(&self.bucket).await
    }
}
