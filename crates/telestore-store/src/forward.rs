//! What holds a store is one: stores may be chosen at run time, and wrappers of any store hold an `Arc<dyn …>` as well.

use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{
    ChatId, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState, StorageKey, StoredFile, Timestamp,
    Upload, UploadId, UploadOptions, UserId, WorkerId,
};

use crate::rules::NewExtent;
use crate::{
    Appended, BlobName, Cancelled, Changes, ChunkRecord, Claim, Completed, Concatenated, Concatenation,
    Counts, Created, Declared, Expired, Expiry, FetchNote, FileListing, JoinedExtent, KnownWorker, Lease,
    Limits, Listing, NewChunk, NewEvent, OptionsSet, OutboxEvent, OutboxKind, Owner, Recorded, Released,
    Result, SessionStore, Subject, Usage, WorkerInfo,
};

/// A session store that hands every call on to `$inner`.
macro_rules! forward {
    (($($generics:tt)*) $holder:ty, $self:ident => $inner:expr) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl $($generics)* SessionStore for $holder {
            async fn create(&$self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created> {
                ($inner).create(upload, anew, limits).await
            }

            async fn get(&$self, id: &UploadId) -> Result<Option<Upload>> {
                ($inner).get(id).await
            }

            async fn get_all(&$self, ids: &[UploadId]) -> Result<Vec<Upload>> {
                ($inner).get_all(ids).await
            }

            async fn list(&$self, listing: &Listing) -> Result<Vec<Upload>> {
                ($inner).list(listing).await
            }

            async fn claim(
                &$self,
                id: &UploadId,
                key: &StorageKey,
                owner: &Owner,
                limits: &Limits,
            ) -> Result<Claim> {
                ($inner).claim(id, key, owner, limits).await
            }

            async fn record_chunk(&$self, new: NewChunk) -> Result<Recorded> {
                ($inner).record_chunk(new).await
            }

            async fn append(&$self, new: &NewExtent) -> Result<Appended> {
                ($inner).append(new).await
            }

            async fn join(&$self, join: &JoinedExtent) -> Result<bool> {
                ($inner).join(join).await
            }

            async fn concatenate(&$self, new: &Concatenation) -> Result<Concatenated> {
                ($inner).concatenate(new).await
            }

            async fn declare_size(
                &$self,
                id: &UploadId,
                key: &StorageKey,
                size: u64,
                now: Timestamp,
            ) -> Result<Declared> {
                ($inner).declare_size(id, key, size, now).await
            }

            async fn set_options(
                &$self,
                id: &UploadId,
                key: &StorageKey,
                named: &UploadOptions,
                thumbnail: Option<&ChunkRecord>,
                now: Timestamp,
            ) -> Result<OptionsSet> {
                ($inner).set_options(id, key, named, thumbnail, now).await
            }

            async fn usage(&$self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
                ($inner).usage(of, now).await
            }

            async fn chunks(&$self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
                ($inner).chunks(key).await
            }

            async fn checkpoint_early(
                &$self,
                id: &UploadId,
                key: &StorageKey,
                expected: Option<&ResumeState>,
                resume: &ResumeState,
            ) -> Result<bool> {
                ($inner).checkpoint_early(id, key, expected, resume).await
            }

            async fn begin_early(
                &$self,
                id: &UploadId,
                key: &StorageKey,
                worker: &WorkerId,
                now: Timestamp,
                until: Timestamp,
            ) -> Result<bool> {
                ($inner).begin_early(id, key, worker, now, until).await
            }

            async fn end_early(&$self, id: &UploadId, key: &StorageKey, worker: &WorkerId) -> Result<()> {
                ($inner).end_early(id, key, worker).await
            }

            async fn begin_fetch(
                &$self,
                worker: &WorkerId,
                now: Timestamp,
                except: &[UserId],
            ) -> Result<Option<Upload>> {
                ($inner).begin_fetch(worker, now, except).await
            }

            async fn note_fetch(
                &$self,
                id: &UploadId,
                key: &StorageKey,
                worker: &WorkerId,
                note: &FetchNote,
                now: Timestamp,
            ) -> Result<Option<Vec<BlobName>>> {
                ($inner).note_fetch(id, key, worker, note, now).await
            }

            async fn complete(&$self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
                ($inner).complete(id, key, now).await
            }

            async fn cancel(&$self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
                ($inner).cancel(id, key, now).await
            }

            async fn forget(&$self, id: &UploadId, key: &StorageKey) -> Result<Option<Vec<BlobName>>> {
                ($inner).forget(id, key).await
            }

            async fn keep(&$self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
                ($inner).keep(id, key).await
            }

            async fn lease(
                &$self,
                worker: &WorkerId,
                now: Timestamp,
                until: Timestamp,
                except: &[UserId],
            ) -> Result<Option<Lease>> {
                ($inner).lease(worker, now, until, except).await
            }

            async fn next_due(&$self, worker: &WorkerId) -> Result<Option<Timestamp>> {
                ($inner).next_due(worker).await
            }

            async fn extend(&$self, lease: &Lease, now: Timestamp, until: Timestamp) -> Result<bool> {
                ($inner).extend(lease, now, until).await
            }

            async fn hold_account(
                &$self,
                user: &UserId,
                worker: &WorkerId,
                now: Timestamp,
                until: Timestamp,
            ) -> Result<bool> {
                ($inner).hold_account(user, worker, now, until).await
            }

            async fn leave_account(&$self, user: &UserId, worker: &WorkerId) -> Result<()> {
                ($inner).leave_account(user, worker).await
            }

            async fn checkpoint(
                &$self,
                lease: &Lease,
                progress: u8,
                resume: Option<ResumeState>,
            ) -> Result<bool> {
                ($inner).checkpoint(lease, progress, resume).await
            }

            async fn commit(&$self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
                ($inner).commit(lease, progress, resume).await
            }

            async fn uncommit(&$self, lease: &Lease) -> Result<bool> {
                ($inner).uncommit(lease).await
            }

            async fn encode(&$self, lease: &Lease, encoding: &Encoding) -> Result<bool> {
                ($inner).encode(lease, encoding).await
            }

            async fn finish(
                &$self,
                lease: &Lease,
                stored: &StoredFile,
                event: Option<&NewEvent>,
                now: Reading,
            ) -> Result<bool> {
                ($inner).finish(lease, stored, event, now).await
            }

            async fn fail(
                &$self,
                lease: &Lease,
                error: &str,
                outcome: Outcome,
                now: Timestamp,
            ) -> Result<bool> {
                ($inner).fail(lease, error, outcome, now).await
            }

            async fn retry_later(
                &$self,
                lease: &Lease,
                at: Timestamp,
                counted: bool,
                now: Timestamp,
            ) -> Result<bool> {
                ($inner).retry_later(lease, at, counted, now).await
            }

            async fn beat(&$self, worker: &WorkerId, until: Timestamp) -> Result<()> {
                ($inner).beat(worker, until).await
            }

            async fn introduce(
                &$self,
                worker: &WorkerId,
                info: &WorkerInfo,
                now: Timestamp,
                until: Timestamp,
            ) -> Result<()> {
                ($inner).introduce(worker, info, now, until).await
            }

            async fn workers(&$self, now: Timestamp) -> Result<Vec<KnownWorker>> {
                ($inner).workers(now).await
            }

            async fn living(
                &$self,
                now: Timestamp,
                after: Option<&WorkerId>,
                limit: u32,
            ) -> Result<Vec<WorkerId>> {
                ($inner).living(now, after, limit).await
            }

            async fn release(&$self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>> {
                ($inner).release(worker, now, limit).await
            }

            async fn release_gone(
                &$self,
                worker: &WorkerId,
                now: Timestamp,
                limit: u32,
            ) -> Result<Vec<Released>> {
                ($inner).release_gone(worker, now, limit).await
            }

            async fn add_event(
                &$self,
                upload: &UploadId,
                event: &NewEvent,
                worker: &WorkerId,
                now: Timestamp,
                until: Timestamp,
            ) -> Result<OutboxEvent> {
                ($inner).add_event(upload, event, worker, now, until).await
            }

            async fn outbox_lease(
                &$self,
                worker: &WorkerId,
                kind: OutboxKind,
                now: Timestamp,
                until: Timestamp,
                limit: u32,
                except: &[UserId],
            ) -> Result<Vec<OutboxEvent>> {
                ($inner).outbox_lease(worker, kind, now, until, limit, except).await
            }

            async fn outbox_due(&$self, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>> {
                ($inner).outbox_due(now).await
            }

            async fn outbox_next_due(&$self) -> Result<Option<Timestamp>> {
                ($inner).outbox_next_due().await
            }

            async fn outbox_done(&$self, event: &OutboxEvent) -> Result<bool> {
                ($inner).outbox_done(event).await
            }

            async fn outbox_later(&$self, event: &OutboxEvent, at: Timestamp) -> Result<bool> {
                ($inner).outbox_later(event, at).await
            }

            async fn outbox_list(
                &$self,
                kind: OutboxKind,
                after: Option<&str>,
                limit: u32,
            ) -> Result<Vec<NewEvent>> {
                ($inner).outbox_list(kind, after, limit).await
            }

            async fn named(&$self, blobs: &[BlobName]) -> Result<Vec<BlobName>> {
                ($inner).named(blobs).await
            }

            async fn expire(&$self, expiry: &Expiry) -> Result<Vec<Expired>> {
                ($inner).expire(expiry).await
            }

            async fn clock(&$self) -> Result<Option<Reading>> {
                ($inner).clock().await
            }

            async fn save_clock(&$self, reading: Reading) -> Result<()> {
                ($inner).save_clock(reading).await
            }

            async fn moved_chat(&$self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
                ($inner).moved_chat(user, chat).await
            }

            async fn save_moved_chat(&$self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
                ($inner).save_moved_chat(user, chat, moved_to).await
            }

            async fn bot_key(&$self, key: &StorageKey) -> Result<Option<Vec<u8>>> {
                ($inner).bot_key(key).await
            }

            async fn save_bot_key(&$self, key: &StorageKey, sealed: &[u8]) -> Result<()> {
                ($inner).save_bot_key(key, sealed).await
            }

            async fn files(&$self, user: &UserId, listing: &FileListing) -> Result<Vec<IndexedFile>> {
                ($inner).files(user, listing).await
            }

            async fn file(&$self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
                ($inner).file(user, id).await
            }

            async fn delete_file(
                &$self,
                user: &UserId,
                id: &FileId,
                events: &[NewEvent],
                now: Timestamp,
            ) -> Result<Option<IndexedFile>> {
                ($inner).delete_file(user, id, events, now).await
            }

            async fn counts(&$self) -> Result<Counts> {
                ($inner).counts().await
            }

            fn changes(&$self) -> Changes {
                ($inner).changes()
            }

            async fn probe(&$self) -> Result<()> {
                ($inner).probe().await
            }
        }
    };
}

forward!((<T: SessionStore + ?Sized>) Arc<T>, self => **self);
forward!((<T: SessionStore + ?Sized>) Box<T>, self => **self);
#[cfg(feature = "mock")]
forward!(() crate::MockSessionStore, self => *self.calls());
#[cfg(feature = "testsuite")]
forward!(() crate::testsuite::InTurn, self => *self.next());
