mod chunks;
mod state;

use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{
    ChatId, Outcome, Reading, Recovery, ResumeState, StorageKey, StoredFile, Timestamp, Upload, UploadId,
    UserId, is_due,
};
use tokio::sync::{Mutex, MutexGuard};

pub use self::chunks::MemoryChunkStore;
use self::state::State;
use crate::rules::{self, Admitted, Answer, NewChunk, NewExtent, Rows};
use crate::{
    Appended, BlobName, Cancelled, ChunkRecord, Claim, Completed, Counts, Created, Declared, Expiry, Lease,
    Limits, Listing, NewEvent, OutboxEvent, OutboxKind, Owner, Recorded, Result, SessionStore, Subject,
    Usage,
};

/// The reference: uploads in a map. It shows what each method means, and forgets everything at the end.
#[derive(Debug, Clone, Default)]
pub struct MemorySessionStore(Arc<Mutex<State>>);

impl MemorySessionStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lock is the transaction: nothing in it waits, and the rules write last, so a caller that goes away leaves
    /// nothing half done.
    async fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().await
    }

    /// Applies a transition to a leased upload.
    async fn leased(
        &self,
        lease: &Lease,
        over: bool,
        change: impl FnOnce(&mut Upload) + Send,
    ) -> Result<bool> {
        let mut state = self.lock().await;
        Ok(done(rules::change_leased(&mut *state, lease, over, None, change).await?))
    }
}

/// There is nothing to commit.
fn done<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Changed(value) | Answer::Unchanged(value) => value,
    }
}

#[async_trait]
impl SessionStore for MemorySessionStore {
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created> {
        Ok(done(rules::create(&mut *self.lock().await, upload, anew, limits).await?))
    }

    async fn get(&self, id: &UploadId) -> Result<Option<Upload>> {
        self.lock().await.load(id).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>> {
        Ok(self.lock().await.list(listing))
    }

    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim> {
        Ok(done(rules::claim(&mut *self.lock().await, id, key, owner, limits).await?))
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
        let mut state = self.lock().await;
        let new = NewChunk::new(id.clone(), key.clone(), chunk.clone(), now)
            .within(*limits)
            .with_mime_type(mime_type.map(str::to_owned));
        let Admitted { upload, replaced } = match rules::admit_chunk(&mut *state, &new).await? {
            Ok(admitted) => admitted,
            Err(refused) => return Ok(refused),
        };
        for subject in rules::counted(&upload, limits) {
            state.count(subject, chunk.length, now).await?;
        }
        state.save(&upload).await?;
        state.put_chunk(key, chunk).await?;
        Ok(Recorded::Stored { upload, replaced })
    }

    async fn append(&self, new: &NewExtent) -> Result<Appended> {
        Ok(done(rules::append(&mut *self.lock().await, new).await?))
    }

    async fn declare_size(
        &self,
        id: &UploadId,
        key: &StorageKey,
        size: u64,
        now: Timestamp,
    ) -> Result<Declared> {
        Ok(done(rules::declare_size(&mut *self.lock().await, id, key, size, now).await?))
    }

    async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
        self.lock().await.usage(of, now).await
    }

    async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
        let state = self.lock().await;
        Ok(state.chunks.get(key).map(|chunks| chunks.values().cloned().collect()).unwrap_or_default())
    }

    async fn checkpoint_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        expected: Option<&ResumeState>,
        resume: &ResumeState,
    ) -> Result<bool> {
        let mut state = self.lock().await;
        Ok(state.find(id, key).is_some_and(|upload| upload.checkpoint_early(expected, resume)))
    }

    async fn begin_early(&self, id: &UploadId, key: &StorageKey) -> Result<bool> {
        Ok(done(rules::begin_early(&mut *self.lock().await, id, key).await?))
    }

    async fn end_early(&self, id: &UploadId, key: &StorageKey) -> Result<()> {
        if let Some(upload) = self.lock().await.find(id, key) {
            upload.early = false;
        }
        Ok(())
    }

    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
        Ok(done(rules::complete(&mut *self.lock().await, id, key, now).await?))
    }

    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
        Ok(done(rules::cancel(&mut *self.lock().await, id, key, now).await?))
    }

    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
        Ok(done(rules::keep(&mut *self.lock().await, id, key).await?))
    }

    async fn lease(&self, now: Timestamp, until: Timestamp, except: &[UserId]) -> Result<Option<Lease>> {
        let mut state = self.lock().await;
        let token = state.token();
        Ok(done(rules::lease(&mut *state, token, now, until, except).await?))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.lock().await.next_due())
    }

    async fn extend(&self, lease: &Lease, until: Timestamp) -> Result<bool> {
        let mut state = self.lock().await;
        let held = state.leased(lease).await?.is_some();
        if held {
            state.leases.insert(lease.upload.key.clone(), (lease.token.clone(), until));
        }
        Ok(held)
    }

    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        self.leased(lease, false, |upload| upload.checkpoint(progress, resume)).await
    }

    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        self.leased(lease, false, |upload| upload.commit(progress, resume)).await
    }

    async fn uncommit(&self, lease: &Lease) -> Result<bool> {
        self.leased(lease, false, |upload| upload.maybe_sent = false).await
    }

    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Timestamp,
    ) -> Result<bool> {
        let event = event.map(|event| (event, now));
        let finish = |upload: &mut Upload| upload.finish(stored.clone(), now);
        let mut state = self.lock().await;
        Ok(done(rules::change_leased(&mut *state, lease, true, event, finish).await?))
    }

    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> Result<bool> {
        self.leased(lease, true, |upload| upload.fail(error, outcome, now)).await
    }

    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool> {
        self.leased(lease, true, |upload| upload.retry_later(at, counted, now)).await
    }

    async fn release_all(&self, now: Timestamp) -> Result<Vec<(Recovery, Upload)>> {
        Ok(done(rules::release_all(&mut *self.lock().await, now).await?))
    }

    async fn add_event(&self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
        self.lock().await.add_event(upload, event, now).await
    }

    async fn outbox_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        limit: u32,
        except: &[UserId],
    ) -> Result<Vec<OutboxEvent>> {
        let state = self.lock().await;
        let may = |event: &NewEvent| event.user_id.as_ref().is_none_or(|user| !except.contains(user));
        let due = state
            .outbox
            .iter()
            .filter(|(event, at)| event.event.kind == kind && is_due(*at, now) && may(&event.event));
        Ok(due.map(|(event, _)| event.clone()).take(limit as usize).collect())
    }

    async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.lock().await.outbox.iter().map(|(_, at)| *at).min())
    }

    async fn outbox_done(&self, event_id: &str) -> Result<()> {
        self.lock().await.outbox.retain(|(event, _)| event.event.event_id != event_id);
        Ok(())
    }

    async fn outbox_retry(&self, event_id: &str, at: Timestamp) -> Result<()> {
        for (event, due) in &mut self.lock().await.outbox {
            if event.event.event_id == event_id {
                event.attempt += 1;
                *due = at;
            }
        }
        Ok(())
    }

    async fn live_keys(&self) -> Result<Vec<StorageKey>> {
        let state = self.lock().await;
        let live = state.uploads.values().filter(|upload| !upload.state.is_over());
        Ok(live.map(|upload| upload.key.clone()).collect())
    }

    async fn live_blobs(&self, key: &StorageKey) -> Result<Vec<BlobName>> {
        Ok(self.chunks(key).await?.into_iter().map(|chunk| chunk.blob).collect())
    }

    async fn expire(&self, expiry: &Expiry<'_>) -> Result<Vec<Upload>> {
        Ok(done(rules::expire(&mut *self.lock().await, expiry).await?))
    }

    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
        let state = self.lock().await;
        let moved = state.moved_chats.get(user).filter(|(from, _)| from == chat);
        Ok(moved.map(|(_, to)| to.clone()))
    }

    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
        self.lock().await.moved_chats.insert(user.clone(), (chat.clone(), moved_to.clone()));
        Ok(())
    }

    async fn clock(&self) -> Result<Option<Reading>> {
        let state = self.lock().await;
        let latest = state.uploads.values().map(|upload| upload.updated_at).max();
        Ok(state.clock.or(latest.map(|at| Reading { at, wall: at })))
    }

    async fn save_clock(&self, reading: Reading) -> Result<()> {
        self.lock().await.clock = Some(reading);
        Ok(())
    }

    async fn counts(&self) -> Result<Counts> {
        Ok(self.lock().await.counts())
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}
