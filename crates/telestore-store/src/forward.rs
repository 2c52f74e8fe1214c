//! What holds a store is one: stores may be chosen at run time, and wrappers of any store hold an `Arc<dyn …>` as well.

use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{
    ChatId, Outcome, Reading, Recovery, ResumeState, StorageKey, StoredFile, Timestamp, Upload, UploadId,
    UserId,
};

use crate::rules::NewExtent;
use crate::{
    Appended, BlobName, Cancelled, ChunkRecord, Claim, Completed, Counts, Created, Declared, Expiry, Lease,
    Limits, Listing, NewEvent, OutboxEvent, OutboxKind, Owner, Recorded, Result, SessionStore, Subject,
    Usage,
};

macro_rules! forward {
    ($holder:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: SessionStore + ?Sized> SessionStore for $holder<T> {
            async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created> {
                (**self).create(upload, anew, limits).await
            }

            async fn get(&self, id: &UploadId) -> Result<Option<Upload>> {
                (**self).get(id).await
            }

            async fn list(&self, listing: &Listing) -> Result<Vec<Upload>> {
                (**self).list(listing).await
            }

            async fn claim(
                &self,
                id: &UploadId,
                key: &StorageKey,
                owner: &Owner,
                limits: &Limits,
            ) -> Result<Claim> {
                (**self).claim(id, key, owner, limits).await
            }

            async fn record_chunk(
                &self,
                id: &UploadId,
                key: &StorageKey,
                chunk: &ChunkRecord,
                mime_type: Option<&str>,
                limits: &Limits,
                now: Timestamp,
            ) -> Result<Recorded> {
                (**self).record_chunk(id, key, chunk, mime_type, limits, now).await
            }

            async fn append(&self, new: &NewExtent) -> Result<Appended> {
                (**self).append(new).await
            }

            async fn declare_size(
                &self,
                id: &UploadId,
                key: &StorageKey,
                size: u64,
                now: Timestamp,
            ) -> Result<Declared> {
                (**self).declare_size(id, key, size, now).await
            }

            async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
                (**self).usage(of, now).await
            }

            async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
                (**self).chunks(key).await
            }

            async fn checkpoint_early(
                &self,
                id: &UploadId,
                key: &StorageKey,
                expected: Option<&ResumeState>,
                resume: &ResumeState,
            ) -> Result<bool> {
                (**self).checkpoint_early(id, key, expected, resume).await
            }

            async fn begin_early(&self, id: &UploadId, key: &StorageKey) -> Result<bool> {
                (**self).begin_early(id, key).await
            }

            async fn end_early(&self, id: &UploadId, key: &StorageKey) -> Result<()> {
                (**self).end_early(id, key).await
            }

            async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
                (**self).complete(id, key, now).await
            }

            async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
                (**self).cancel(id, key, now).await
            }

            async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
                (**self).keep(id, key).await
            }

            async fn lease(
                &self,
                now: Timestamp,
                until: Timestamp,
                except: &[UserId],
            ) -> Result<Option<Lease>> {
                (**self).lease(now, until, except).await
            }

            async fn next_due(&self) -> Result<Option<Timestamp>> {
                (**self).next_due().await
            }

            async fn extend(&self, lease: &Lease, until: Timestamp) -> Result<bool> {
                (**self).extend(lease, until).await
            }

            async fn checkpoint(
                &self,
                lease: &Lease,
                progress: u8,
                resume: Option<ResumeState>,
            ) -> Result<bool> {
                (**self).checkpoint(lease, progress, resume).await
            }

            async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
                (**self).commit(lease, progress, resume).await
            }

            async fn uncommit(&self, lease: &Lease) -> Result<bool> {
                (**self).uncommit(lease).await
            }

            async fn finish(
                &self,
                lease: &Lease,
                stored: &StoredFile,
                event: Option<&NewEvent>,
                now: Timestamp,
            ) -> Result<bool> {
                (**self).finish(lease, stored, event, now).await
            }

            async fn fail(
                &self,
                lease: &Lease,
                error: &str,
                outcome: Outcome,
                now: Timestamp,
            ) -> Result<bool> {
                (**self).fail(lease, error, outcome, now).await
            }

            async fn retry_later(
                &self,
                lease: &Lease,
                at: Timestamp,
                counted: bool,
                now: Timestamp,
            ) -> Result<bool> {
                (**self).retry_later(lease, at, counted, now).await
            }

            async fn release_all(&self, now: Timestamp) -> Result<Vec<(Recovery, Upload)>> {
                (**self).release_all(now).await
            }

            async fn add_event(&self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
                (**self).add_event(upload, event, now).await
            }

            async fn outbox_due(
                &self,
                kind: OutboxKind,
                now: Timestamp,
                limit: u32,
                except: &[UserId],
            ) -> Result<Vec<OutboxEvent>> {
                (**self).outbox_due(kind, now, limit, except).await
            }

            async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
                (**self).outbox_next_due().await
            }

            async fn outbox_done(&self, event_id: &str) -> Result<()> {
                (**self).outbox_done(event_id).await
            }

            async fn outbox_retry(&self, event_id: &str, at: Timestamp) -> Result<()> {
                (**self).outbox_retry(event_id, at).await
            }

            async fn live_keys(&self) -> Result<Vec<StorageKey>> {
                (**self).live_keys().await
            }

            async fn live_blobs(&self, key: &StorageKey) -> Result<Vec<BlobName>> {
                (**self).live_blobs(key).await
            }

            async fn expire(&self, expiry: &Expiry<'_>) -> Result<Vec<Upload>> {
                (**self).expire(expiry).await
            }

            async fn clock(&self) -> Result<Option<Reading>> {
                (**self).clock().await
            }

            async fn save_clock(&self, reading: Reading) -> Result<()> {
                (**self).save_clock(reading).await
            }

            async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
                (**self).moved_chat(user, chat).await
            }

            async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
                (**self).save_moved_chat(user, chat, moved_to).await
            }

            async fn counts(&self) -> Result<Counts> {
                (**self).counts().await
            }

            async fn probe(&self) -> Result<()> {
                (**self).probe().await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
