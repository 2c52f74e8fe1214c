//! Stores that a test tells what to answer, and that tell it what they were asked.
//!
//! `mockall::automock` cannot read the traits: it names the lifetimes of borrowed options, and if the traits did, so would
//! every store that is written for them. So what is mocked are traits of the same methods, to which the mocks hand on.

use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{
    ChatId, ChunkIndex, ContentDigest, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState,
    StorageKey, StoredFile, Timestamp, Upload, UploadId, UploadOptions, UserId, WorkerId,
};

use crate::rules::NewExtent;
use crate::{
    Appended, Blob, BlobName, Cancelled, Changes, ChunkRecord, Claim, Completed, Concatenated, Concatenation,
    Counts, Created, Declared, Expired, Expiry, FetchNote, FileListing, JoinedExtent, KnownWorker, Lease,
    Limits, Listing, NewChunk, NewEvent, OptionsSet, OutboxEvent, OutboxKind, Owner, Recorded, Released,
    Result, Spool, SpooledChunk, Subject, Usage, WorkerInfo,
};

/// What a [`MockSessionStore`] is asked.
#[allow(unreachable_pub, reason = "the mock is as visible as its trait")]
#[mockall::automock]
#[async_trait]
pub trait SessionCalls: Send + Sync {
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created>;
    async fn get(&self, id: &UploadId) -> Result<Option<Upload>>;
    async fn get_all(&self, ids: &[UploadId]) -> Result<Vec<Upload>>;
    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>>;
    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim>;
    async fn record_chunk(&self, new: NewChunk) -> Result<Recorded>;
    async fn append(&self, new: &NewExtent) -> Result<Appended>;
    async fn join(&self, join: &JoinedExtent) -> Result<bool>;
    async fn concatenate(&self, new: &Concatenation) -> Result<Concatenated>;
    async fn declare_size(
        &self,
        id: &UploadId,
        key: &StorageKey,
        size: u64,
        now: Timestamp,
    ) -> Result<Declared>;
    async fn set_options<'a>(
        &self,
        id: &UploadId,
        key: &StorageKey,
        named: &UploadOptions,
        thumbnail: Option<&'a ChunkRecord>,
        now: Timestamp,
    ) -> Result<OptionsSet>;
    async fn usage<'a>(&self, of: Subject<'a>, now: Timestamp) -> Result<Usage>;
    async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>>;
    async fn checkpoint_early<'a>(
        &self,
        id: &UploadId,
        key: &StorageKey,
        expected: Option<&'a ResumeState>,
        resume: &ResumeState,
    ) -> Result<bool>;
    async fn begin_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool>;
    async fn end_early(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId) -> Result<()>;
    async fn begin_fetch(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Upload>>;
    async fn note_fetch(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        note: &FetchNote,
        now: Timestamp,
    ) -> Result<Option<Vec<BlobName>>>;
    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed>;
    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled>;
    async fn forget(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Vec<BlobName>>>;
    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>>;
    async fn lease(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Lease>>;
    async fn next_due(&self, worker: &WorkerId) -> Result<Option<Timestamp>>;
    async fn extend(&self, lease: &Lease, now: Timestamp, until: Timestamp) -> Result<bool>;
    async fn hold_account(
        &self,
        user: &UserId,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool>;
    async fn leave_account(&self, user: &UserId, worker: &WorkerId) -> Result<()>;
    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool>;
    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool>;
    async fn uncommit(&self, lease: &Lease) -> Result<bool>;
    async fn encode(&self, lease: &Lease, encoding: &Encoding) -> Result<bool>;
    async fn finish<'a>(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&'a NewEvent>,
        now: Reading,
    ) -> Result<bool>;
    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> Result<bool>;
    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool>;
    async fn beat(&self, worker: &WorkerId, until: Timestamp) -> Result<()>;
    async fn introduce(
        &self,
        worker: &WorkerId,
        info: &WorkerInfo,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()>;
    async fn workers(&self, now: Timestamp) -> Result<Vec<KnownWorker>>;
    async fn living<'a>(
        &self,
        now: Timestamp,
        after: Option<&'a WorkerId>,
        limit: u32,
    ) -> Result<Vec<WorkerId>>;
    async fn release(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>>;
    async fn release_gone(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>>;
    async fn add_event(
        &self,
        upload: &UploadId,
        event: &NewEvent,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<OutboxEvent>;
    async fn outbox_lease(
        &self,
        worker: &WorkerId,
        kind: OutboxKind,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
        except: &[UserId],
    ) -> Result<Vec<OutboxEvent>>;
    async fn outbox_due(&self, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>>;
    async fn outbox_next_due(&self) -> Result<Option<Timestamp>>;
    async fn outbox_done(&self, event: &OutboxEvent) -> Result<bool>;
    async fn outbox_later(&self, event: &OutboxEvent, at: Timestamp) -> Result<bool>;
    async fn outbox_list<'a>(
        &self,
        kind: OutboxKind,
        after: Option<&'a str>,
        limit: u32,
    ) -> Result<Vec<NewEvent>>;
    async fn files(&self, user: &UserId, listing: &FileListing) -> Result<Vec<IndexedFile>>;
    async fn file(&self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>>;
    async fn delete_file(
        &self,
        user: &UserId,
        id: &FileId,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Option<IndexedFile>>;
    async fn named(&self, blobs: &[BlobName]) -> Result<Vec<BlobName>>;
    async fn expire(&self, expiry: &Expiry) -> Result<Vec<Expired>>;
    async fn clock(&self) -> Result<Option<Reading>>;
    async fn save_clock(&self, reading: Reading) -> Result<()>;
    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>>;
    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()>;
    async fn bot_key(&self, key: &StorageKey) -> Result<Option<Vec<u8>>>;
    async fn save_bot_key(&self, key: &StorageKey, sealed: &[u8]) -> Result<()>;
    async fn counts(&self) -> Result<Counts>;
    fn changes(&self) -> Changes;
    async fn probe(&self) -> Result<()>;
}

/// What a [`MockChunkStore`] is asked.
#[allow(unreachable_pub, reason = "the mock is as visible as its trait")]
#[mockall::automock]
#[async_trait]
pub trait ChunkCalls: Send + Sync {
    async fn spool(&self) -> Result<Box<dyn Spool>>;
    async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()>;
    async fn put(&self, key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName>;
    async fn discard(&self, spooled: SpooledChunk) -> Result<()>;
    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes>;
    async fn delete(&self, blobs: &[BlobName]) -> Result<()>;
    async fn list<'a>(&self, after: Option<&'a BlobName>, limit: usize) -> Result<Vec<Blob>>;
    async fn free_bytes(&self) -> Result<Option<u64>>;
    async fn clear_spool(&self) -> Result<()>;
    async fn probe(&self) -> Result<()>;
}

/// A mock of a [`SessionStore`](crate::SessionStore).
///
/// ```
/// use telestore_store::{MockSessionStore, SessionStore};
/// use telestore_types::UploadId;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut store = MockSessionStore::new();
/// store.expect_get().withf(|id| id.as_str() == "a").times(1).returning(|_| Ok(None));
/// assert!(store.get(&UploadId::new("a")?).await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct MockSessionStore(MockSessionCalls);

impl MockSessionStore {
    /// What the calls are handed on to.
    pub(crate) fn calls(&self) -> &dyn SessionCalls {
        &self.0
    }

    /// A store that is to be asked nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Deref for MockSessionStore {
    type Target = MockSessionCalls;

    fn deref(&self) -> &MockSessionCalls {
        &self.0
    }
}

impl DerefMut for MockSessionStore {
    fn deref_mut(&mut self) -> &mut MockSessionCalls {
        &mut self.0
    }
}

/// A mock of a [`ChunkStore`](crate::ChunkStore). What it spools may be a spool of
/// [`MemoryChunkStore`](crate::MemoryChunkStore).
#[derive(Debug, Default)]
pub struct MockChunkStore(MockChunkCalls);

impl MockChunkStore {
    /// What the calls are handed on to.
    pub(crate) fn calls(&self) -> &dyn ChunkCalls {
        &self.0
    }

    /// A store that is to be asked nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Deref for MockChunkStore {
    type Target = MockChunkCalls;

    fn deref(&self) -> &MockChunkCalls {
        &self.0
    }
}

impl DerefMut for MockChunkStore {
    fn deref_mut(&mut self) -> &mut MockChunkCalls {
        &mut self.0
    }
}
