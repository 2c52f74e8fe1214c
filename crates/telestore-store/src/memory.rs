mod chunks;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{
    ChatId, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState, StorageKey, StoredFile, Timestamp,
    Upload, UploadId, UploadOptions, UploadState, UserId, WorkerId,
};
use tokio::sync::{Mutex, MutexGuard, broadcast};

pub use self::chunks::MemoryChunkStore;
use self::state::{State, Waiting};
use crate::rules::{self, Admitted, Answer, NewChunk, NewExtent, Rows, Whose};
use crate::{
    Appended, BlobName, Cancelled, Change, Changes, ChunkRecord, Claim, Completed, Concatenated,
    Concatenation, Counts, Created, Declared, Expired, Expiry, FetchNote, FileListing, JoinedExtent,
    KnownWorker, Lease, Limits, Listing, NewEvent, OptionsSet, OutboxEvent, OutboxKind, Owner, Recorded,
    Released, Result, SessionStore, Subject, Usage, WorkerInfo,
};

/// How many changes a worker may leave unread before it is told that it has missed some.
const UNREAD: usize = 256;

/// The reference: uploads in a map. It shows what each method means, and forgets everything at the end.
#[derive(Debug, Clone)]
pub struct MemorySessionStore {
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<Change>,
}

impl Default for MemorySessionStore {
    fn default() -> Self {
        Self { state: Arc::default(), changes: broadcast::Sender::new(UNREAD) }
    }
}

impl MemorySessionStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lock is the transaction: nothing in it waits, and the rules write last, so a caller that goes away leaves
    /// nothing half done.
    async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// Tells those who listen.
    fn tell(&self, change: Change) {
        // Nobody may listen.
        let _ = self.changes.send(change);
    }

    /// Tells of an upload that has completed itself.
    fn tell_queued(&self, upload: &Upload) {
        if upload.state == UploadState::Queued {
            self.tell(Change::Queued);
        }
    }

    /// Applies a transition to a leased upload.
    async fn leased(
        &self,
        lease: &Lease,
        over: bool,
        change: impl FnOnce(&mut Upload) + Send,
    ) -> Result<bool> {
        let mut state = self.lock().await;
        Ok(done(rules::change_leased(&mut *state, lease, over, change).await?))
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

    async fn record_chunk(&self, new: NewChunk) -> Result<Recorded> {
        let mut state = self.lock().await;
        let Admitted { upload, replaced } = match rules::admit_chunk(&mut *state, &new).await? {
            Ok(admitted) => admitted,
            Err(refused) => return Ok(refused),
        };
        for subject in rules::counted(&upload, &new.limits) {
            state.count(subject, new.chunk.length, new.now).await?;
        }
        state.save(&upload).await?;
        state.put_chunk(&new.key, &new.chunk).await?;
        Ok(Recorded::Stored { upload, replaced })
    }

    async fn append(&self, new: &NewExtent) -> Result<Appended> {
        let appended = done(rules::append(&mut *self.lock().await, new).await?);
        if let Appended::Stored(upload, _) = &appended {
            self.tell_queued(upload);
        }
        Ok(appended)
    }

    async fn join(&self, join: &JoinedExtent) -> Result<bool> {
        Ok(done(rules::join(&mut *self.lock().await, join).await?))
    }

    async fn concatenate(&self, new: &Concatenation) -> Result<Concatenated> {
        let made = done(rules::concatenate(&mut *self.lock().await, new).await?);
        if let Concatenated::Made(upload) = &made {
            self.tell_queued(upload);
        }
        Ok(made)
    }

    async fn declare_size(
        &self,
        id: &UploadId,
        key: &StorageKey,
        size: u64,
        now: Timestamp,
    ) -> Result<Declared> {
        let declared = done(rules::declare_size(&mut *self.lock().await, id, key, size, now).await?);
        if let Declared::Known(upload) = &declared {
            self.tell_queued(upload);
        }
        Ok(declared)
    }

    async fn set_options(
        &self,
        id: &UploadId,
        key: &StorageKey,
        named: &UploadOptions,
        thumbnail: Option<&ChunkRecord>,
        now: Timestamp,
    ) -> Result<OptionsSet> {
        Ok(done(rules::set_options(&mut *self.lock().await, id, key, named, thumbnail, now).await?))
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

    async fn begin_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        Ok(done(rules::begin_early(&mut *self.lock().await, id, key, worker, now, until).await?))
    }

    async fn end_early(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId) -> Result<()> {
        let mut state = self.lock().await;
        if let Some(upload) = state.find(id, key).filter(|upload| upload.worker.as_ref() == Some(worker)) {
            upload.early = false;
        }
        Ok(())
    }

    async fn begin_fetch(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Upload>> {
        Ok(done(rules::begin_fetch(&mut *self.lock().await, worker, now, except).await?))
    }

    async fn note_fetch(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        note: &FetchNote,
        now: Timestamp,
    ) -> Result<Option<Vec<BlobName>>> {
        Ok(done(rules::note_fetch(&mut *self.lock().await, id, key, worker, note, now).await?))
    }

    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
        let completed = done(rules::complete(&mut *self.lock().await, id, key, now).await?);
        if matches!(completed, Completed::Accepted(telestore_types::Completion::Queued, _)) {
            self.tell(Change::Queued);
        }
        Ok(completed)
    }

    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
        let cancelled = done(rules::cancel(&mut *self.lock().await, id, key, now).await?);
        if matches!(cancelled, Cancelled::Now { .. }) {
            self.tell(Change::Cancelled(key.clone()));
        }
        Ok(cancelled)
    }

    async fn forget(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Vec<BlobName>>> {
        Ok(done(rules::forget(&mut *self.lock().await, id, key).await?))
    }

    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
        Ok(done(rules::keep(&mut *self.lock().await, id, key).await?))
    }

    async fn lease(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Lease>> {
        let mut state = self.lock().await;
        Ok(done(rules::lease(&mut *state, worker, now, until, except).await?))
    }

    async fn next_due(&self, worker: &WorkerId) -> Result<Option<Timestamp>> {
        Ok(self.lock().await.next_due(worker))
    }

    async fn extend(&self, lease: &Lease, now: Timestamp, until: Timestamp) -> Result<bool> {
        Ok(done(rules::extend(&mut *self.lock().await, lease, now, until).await?))
    }

    async fn hold_account(
        &self,
        user: &UserId,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        Ok(done(rules::hold_account(&mut *self.lock().await, user, worker, now, until).await?))
    }

    async fn leave_account(&self, user: &UserId, worker: &WorkerId) -> Result<()> {
        self.lock().await.leave_account(user, worker);
        Ok(())
    }

    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        self.leased(lease, false, |upload| upload.checkpoint(progress, resume)).await
    }

    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        self.leased(lease, false, |upload| upload.commit(progress, resume)).await
    }

    async fn uncommit(&self, lease: &Lease) -> Result<bool> {
        self.leased(lease, false, Upload::uncommit).await
    }

    async fn encode(&self, lease: &Lease, encoding: &Encoding) -> Result<bool> {
        self.leased(lease, false, |upload| upload.encode(encoding.clone())).await
    }

    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Reading,
    ) -> Result<bool> {
        let finished = {
            let mut state = self.lock().await;
            done(rules::finish(&mut *state, lease, stored, event, now).await?)
        };
        if finished && event.is_some() {
            self.tell(Change::Event);
        }
        Ok(finished)
    }

    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> Result<bool> {
        self.leased(lease, true, |upload| upload.fail(error, outcome, now)).await
    }

    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool> {
        self.leased(lease, true, |upload| upload.retry_later(at, counted, now)).await
    }

    async fn beat(&self, worker: &WorkerId, until: Timestamp) -> Result<()> {
        self.lock().await.beat(worker, until).await
    }

    async fn introduce(
        &self,
        worker: &WorkerId,
        info: &WorkerInfo,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        let mut known = KnownWorker::new(worker.clone(), until, true);
        (known.info, known.since) = (Some(info.clone()), Some(now));
        self.lock().await.workers.insert(worker.clone(), known);
        Ok(())
    }

    async fn workers(&self, now: Timestamp) -> Result<Vec<KnownWorker>> {
        Ok(self.lock().await.known(now))
    }

    async fn living(&self, now: Timestamp, after: Option<&WorkerId>, limit: u32) -> Result<Vec<WorkerId>> {
        let state = self.lock().await;
        let living = state.living(now).filter(|worker| after.is_none_or(|after| *worker > after));
        Ok(living.take(limit as usize).cloned().collect())
    }

    async fn release(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>> {
        Ok(done(rules::release(&mut *self.lock().await, Whose::Own(worker), now, limit).await?))
    }

    async fn release_gone(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>> {
        Ok(done(rules::release(&mut *self.lock().await, Whose::Gone(worker), now, limit).await?))
    }

    async fn add_event(
        &self,
        upload: &UploadId,
        event: &NewEvent,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<OutboxEvent> {
        let mut state = self.lock().await;
        Ok(done(rules::add_event(&mut *state, upload, event, worker, now, until).await?))
    }

    async fn outbox_lease(
        &self,
        worker: &WorkerId,
        kind: OutboxKind,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
        except: &[UserId],
    ) -> Result<Vec<OutboxEvent>> {
        let mut state = self.lock().await;
        Ok(done(rules::outbox_lease(&mut *state, worker, kind, now, until, limit, except).await?))
    }

    async fn outbox_due(&self, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>> {
        let mut due = BTreeMap::new();
        for waiting in self.lock().await.outbox.iter().filter(|waiting| waiting.is_due(now)) {
            let first = due.entry(waiting.event.event.kind).or_insert(waiting.due);
            *first = waiting.due.min(*first);
        }
        Ok(due.into_iter().collect())
    }

    async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.lock().await.outbox.iter().map(Waiting::free_at).min())
    }

    async fn outbox_done(&self, event: &OutboxEvent) -> Result<bool> {
        let mut state = self.lock().await;
        let before = state.outbox.len();
        state.outbox.retain(|waiting| !waiting.is(event));
        Ok(state.outbox.len() < before)
    }

    async fn outbox_later(&self, event: &OutboxEvent, at: Timestamp) -> Result<bool> {
        let mut state = self.lock().await;
        let Some(waiting) = state.outbox.iter_mut().find(|waiting| waiting.is(event)) else {
            return Ok(false);
        };
        waiting.event.attempt += 1;
        waiting.event.event.body.clone_from(&event.event.body);
        (waiting.due, waiting.claimed) = (at, None);
        Ok(true)
    }

    async fn outbox_list(&self, kind: OutboxKind, after: Option<&str>, limit: u32) -> Result<Vec<NewEvent>> {
        let state = self.lock().await;
        let all = state.outbox.iter().map(|waiting| (&*waiting.event.event.event_id, &waiting.event.event));
        let all: BTreeMap<_, _> = all.filter(|(id, event)| event.kind == kind && Some(*id) > after).collect();
        Ok(all.into_values().take(limit as usize).cloned().collect())
    }

    async fn files(&self, user: &UserId, listing: &FileListing) -> Result<Vec<IndexedFile>> {
        Ok(self.lock().await.files(user, listing))
    }

    async fn file(&self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
        let state = self.lock().await;
        Ok(state.files.iter().find(|file| file.user_id == *user && file.id == *id).cloned())
    }

    async fn delete_file(
        &self,
        user: &UserId,
        id: &FileId,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Option<IndexedFile>> {
        let deleted = done(rules::delete_file(&mut *self.lock().await, user, id, events, now).await?);
        if deleted.is_some() && !events.is_empty() {
            self.tell(Change::Event);
        }
        Ok(deleted)
    }

    async fn named(&self, blobs: &[BlobName]) -> Result<Vec<BlobName>> {
        let state = self.lock().await;
        let live = state.uploads.values().filter(|upload| !upload.state.is_over());
        let named =
            live.filter_map(|upload| state.chunks.get(&upload.key)).flat_map(|chunks| chunks.values());
        let named: BTreeSet<&BlobName> = named.map(|chunk| &chunk.blob).collect();
        Ok(blobs.iter().filter(|blob| named.contains(blob)).cloned().collect())
    }

    async fn expire(&self, expiry: &Expiry) -> Result<Vec<Expired>> {
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

    async fn bot_key(&self, key: &StorageKey) -> Result<Option<Vec<u8>>> {
        Ok(self.lock().await.bot_keys.get(key).cloned())
    }

    async fn save_bot_key(&self, key: &StorageKey, sealed: &[u8]) -> Result<()> {
        self.lock().await.bot_keys.insert(key.clone(), sealed.to_vec());
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

    fn changes(&self) -> Changes {
        self.changes.subscribe().into()
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}
