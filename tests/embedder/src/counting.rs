//! A session store that wraps another one and counts what it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use telestore::store::rules::{Concatenation, JoinedExtent, NewChunk, NewExtent};
use telestore::store::*;
use telestore::types::{
    ChatId, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState, StorageKey, StoredFile, Timestamp,
    Upload, UploadId, UploadOptions, UserId, WorkerId,
};

/// How often each method was called.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Calls {
    /// How often `method` was called.
    pub fn of(&self, method: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(method).copied().unwrap_or(0)
    }

    fn count(&self, method: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(method).or_default() += 1;
    }
}

/// Counts the calls of the store in it, and changes nothing.
#[derive(Debug, Clone)]
pub struct CountingSessions<S> {
    inner: S,
    calls: Calls,
}

impl<S> CountingSessions<S> {
    /// Around `inner`; the calls are counted in `calls`.
    pub fn new(inner: S, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

macro_rules! forward {
    ($(async fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $answer:ty;)*) => {
        // Nothing is left to a default: that would change what the store does.
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: SessionStore> SessionStore for CountingSessions<S> {
            $(async fn $name(&self $(, $argument: $kind)*) -> Result<$answer> {
                self.calls.count(stringify!($name));
                self.inner.$name($($argument),*).await
            })*

            fn changes(&self) -> Changes {
                self.calls.count("changes");
                self.inner.changes()
            }
        }
    };
}

forward! {
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Created;
    async fn get(&self, id: &UploadId) -> Option<Upload>;
    async fn get_all(&self, ids: &[UploadId]) -> Vec<Upload>;
    async fn list(&self, listing: &Listing) -> Vec<Upload>;
    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Claim;
    async fn record_chunk(&self, new: NewChunk) -> Recorded;
    async fn append(&self, new: &NewExtent) -> Appended;
    async fn join(&self, join: &JoinedExtent) -> bool;
    async fn concatenate(&self, new: &Concatenation) -> Concatenated;
    async fn declare_size(&self, id: &UploadId, key: &StorageKey, size: u64, now: Timestamp) -> Declared;
    async fn set_options(&self, id: &UploadId, key: &StorageKey, named: &UploadOptions, thumbnail: Option<&ChunkRecord>, now: Timestamp) -> OptionsSet;
    async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Usage;
    async fn chunks(&self, key: &StorageKey) -> Vec<ChunkRecord>;
    async fn checkpoint_early(&self, id: &UploadId, key: &StorageKey, expected: Option<&ResumeState>, resume: &ResumeState) -> bool;
    async fn begin_early(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId, now: Timestamp, until: Timestamp) -> bool;
    async fn end_early(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId) -> ();
    async fn begin_fetch(&self, worker: &WorkerId, now: Timestamp, except: &[UserId]) -> Option<Upload>;
    async fn note_fetch(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId, note: &FetchNote, now: Timestamp) -> Option<Vec<BlobName>>;
    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Completed;
    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Cancelled;
    async fn forget(&self, id: &UploadId, key: &StorageKey) -> Option<Vec<BlobName>>;
    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Option<Upload>;
    async fn lease(&self, worker: &WorkerId, now: Timestamp, until: Timestamp, except: &[UserId]) -> Option<Lease>;
    async fn next_due(&self, worker: &WorkerId) -> Option<Timestamp>;
    async fn extend(&self, lease: &Lease, now: Timestamp, until: Timestamp) -> bool;
    async fn hold_account(&self, user: &UserId, worker: &WorkerId, now: Timestamp, until: Timestamp) -> bool;
    async fn leave_account(&self, user: &UserId, worker: &WorkerId) -> ();
    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> bool;
    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> bool;
    async fn uncommit(&self, lease: &Lease) -> bool;
    async fn encode(&self, lease: &Lease, encoding: &Encoding) -> bool;
    async fn finish(&self, lease: &Lease, stored: &StoredFile, event: Option<&NewEvent>, now: Reading) -> bool;
    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> bool;
    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> bool;
    async fn beat(&self, worker: &WorkerId, until: Timestamp) -> ();
    async fn introduce(&self, worker: &WorkerId, info: &WorkerInfo, now: Timestamp, until: Timestamp) -> ();
    async fn workers(&self, now: Timestamp) -> Vec<KnownWorker>;
    async fn living(&self, now: Timestamp, after: Option<&WorkerId>, limit: u32) -> Vec<WorkerId>;
    async fn release(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Vec<Released>;
    async fn release_gone(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Vec<Released>;
    async fn add_event(&self, upload: &UploadId, event: &NewEvent, worker: &WorkerId, now: Timestamp, until: Timestamp) -> OutboxEvent;
    async fn outbox_lease(&self, worker: &WorkerId, kind: OutboxKind, now: Timestamp, until: Timestamp, limit: u32, except: &[UserId]) -> Vec<OutboxEvent>;
    async fn outbox_due(&self, now: Timestamp) -> Vec<(OutboxKind, Timestamp)>;
    async fn outbox_next_due(&self) -> Option<Timestamp>;
    async fn outbox_done(&self, event: &OutboxEvent) -> bool;
    async fn outbox_later(&self, event: &OutboxEvent, at: Timestamp) -> bool;
    async fn outbox_list(&self, kind: OutboxKind, after: Option<&str>, limit: u32) -> Vec<NewEvent>;
    async fn named(&self, blobs: &[BlobName]) -> Vec<BlobName>;
    async fn expire(&self, expiry: &Expiry) -> Vec<Expired>;
    async fn clock(&self) -> Option<Reading>;
    async fn save_clock(&self, reading: Reading) -> ();
    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Option<ChatId>;
    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> ();
    async fn bot_key(&self, key: &StorageKey) -> Option<Vec<u8>>;
    async fn save_bot_key(&self, key: &StorageKey, sealed: &[u8]) -> ();
    async fn files(&self, user: &UserId, listing: &FileListing) -> Vec<IndexedFile>;
    async fn file(&self, user: &UserId, id: &FileId) -> Option<IndexedFile>;
    async fn delete_file(&self, user: &UserId, id: &FileId, events: &[NewEvent], now: Timestamp) -> Option<IndexedFile>;
    async fn counts(&self) -> Counts;
    async fn probe(&self) -> ();
}
