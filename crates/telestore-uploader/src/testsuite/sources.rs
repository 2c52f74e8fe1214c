//! Files that fail, block or count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ByteSource, BytesSource, SourceError};
use tokio::sync::watch;

/// A file that fails once a read passes an offset.
#[derive(Debug)]
pub struct FailingSource {
    inner: BytesSource,
    at: u64,
    error: SourceError,
}

impl FailingSource {
    /// Serves `bytes`, and answers reads that pass `at` with `error`.
    pub fn new(bytes: Bytes, at: u64, error: SourceError) -> Arc<Self> {
        Arc::new(Self { inner: BytesSource::new(bytes), at, error })
    }
}

#[async_trait]
impl ByteSource for FailingSource {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        if offset + length as u64 > self.at {
            return Err(self.error.clone());
        }
        self.inner.read_at(offset, length).await
    }
}

/// A file that blocks once a read passes an offset, until it is opened.
#[derive(Debug)]
pub struct BlockingSource {
    inner: BytesSource,
    at: u64,
    reached: watch::Sender<bool>,
    open: watch::Sender<bool>,
}

impl BlockingSource {
    /// Serves `bytes`, and blocks reads that pass `at`.
    pub fn new(bytes: Bytes, at: u64) -> Arc<Self> {
        let (reached, open) = (watch::Sender::new(false), watch::Sender::new(false));
        Arc::new(Self { inner: BytesSource::new(bytes), at, reached, open })
    }

    /// Waits until a read is blocked.
    pub async fn reached(&self) {
        // The sender lives as long as `self`.
        let _ = self.reached.subscribe().wait_for(|reached| *reached).await;
    }

    /// Lets every read pass from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

#[async_trait]
impl ByteSource for BlockingSource {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        if offset + length as u64 > self.at {
            self.reached.send_replace(true);
            let _ = self.open.subscribe().wait_for(|open| *open).await;
        }
        self.inner.read_at(offset, length).await
    }
}

/// A file that counts the bytes that were read.
#[derive(Debug)]
pub struct CountingSource {
    inner: BytesSource,
    read: AtomicU64,
}

impl CountingSource {
    /// Serves `bytes`.
    pub fn new(bytes: Bytes) -> Arc<Self> {
        Arc::new(Self { inner: BytesSource::new(bytes), read: AtomicU64::new(0) })
    }

    /// How many bytes were read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ByteSource for CountingSource {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        self.read.fetch_add(length as u64, Ordering::SeqCst);
        self.inner.read_at(offset, length).await
    }
}
