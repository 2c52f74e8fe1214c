mod chunks;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use telestore_types::{
    ChatId, ChunkIndex, Reading, Recovery, ResumeState, StorageKey, StoredFile, Timestamp, Upload, UploadId,
    UploadState, UserId, is_due,
};

pub use self::chunks::MemoryChunkStore;
use crate::admit::admit;
use crate::quota::day_of;
use crate::{
    BlobName, Cancelled, ChunkRecord, Claim, Completed, Counts, Created, Exceeded, Expiry, Lease, Limits,
    Listing, More, NewEvent, OutboxEvent, OutboxKind, Owner, Quota, Recorded, Result, SessionStore, Subject,
    Usage,
};

/// The reference: uploads in a map. It shows what each method means, and forgets everything at the end.
#[derive(Debug, Clone, Default)]
pub struct MemorySessionStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    uploads: HashMap<UploadId, Upload>,
    chunks: HashMap<StorageKey, BTreeMap<ChunkIndex, ChunkRecord>>,
    leases: HashMap<StorageKey, (String, Timestamp)>,
    outbox: Vec<(OutboxEvent, Timestamp)>,
    next_token: u64,
    /// The day of the last chunk of a user or an address, and the bytes of that day.
    traffic: HashMap<String, (i64, u64)>,
    /// When each user was given a lease last.
    turns: HashMap<Option<UserId>, u64>,
    clock: Option<Reading>,
    /// The chat that each user had, and what it has become.
    moved_chats: HashMap<UserId, (ChatId, ChatId)>,
}

impl State {
    fn find(&mut self, id: &UploadId, key: &StorageKey) -> Option<&mut Upload> {
        self.uploads.get_mut(id).filter(|upload| upload.key == *key)
    }

    /// The upload of a lease, while it is held.
    fn leased(&mut self, lease: &Lease) -> Option<&mut Upload> {
        let held = self.leases.get(&lease.upload.key).is_some_and(|(token, _)| *token == lease.token);
        if held { self.find(&lease.upload.id, &lease.upload.key) } else { None }
    }

    /// Changes the upload of a lease; says whether it was held.
    fn change(&mut self, lease: &Lease, change: impl FnOnce(&mut Upload)) -> bool {
        self.leased(lease).map(change).is_some()
    }

    /// The same, as the last thing under this lease.
    fn end(&mut self, lease: &Lease, change: impl FnOnce(&mut Upload)) -> bool {
        let held = self.change(lease, change);
        if held {
            self.leases.remove(&lease.upload.key);
        }
        held
    }

    fn add_event(&mut self, upload: &UploadId, event: &NewEvent, now: Timestamp) {
        let event =
            OutboxEvent { event: event.clone(), upload_id: upload.clone(), attempt: 0, created_at: now };
        self.outbox.push((event, now));
    }

    /// Makes room for one more upload that nobody owns.
    fn make_room(&mut self, most: u64) {
        let unowned = |uploads: &HashMap<UploadId, Upload>| {
            uploads.values().filter(|upload| upload.user_id.is_none()).count() as u64
        };
        while unowned(&self.uploads) >= most.max(1) {
            let unowned = self.uploads.values().filter(|upload| upload.user_id.is_none());
            let oldest = unowned.min_by_key(|upload| upload.created_at).map(|upload| upload.id.clone());
            let Some(oldest) = oldest else { return };
            self.uploads.remove(&oldest);
        }
    }

    fn usage(&self, of: Subject<'_>, now: Timestamp) -> Usage {
        let is_of = |upload: &&Upload| match of {
            Subject::User(user) => upload.user_id.as_ref() == Some(user),
            Subject::Address(address) => upload.address.as_ref() == Some(address),
        };
        let today = self.traffic.get(&of.name()).filter(|(day, _)| *day == day_of(now));
        let mut usage = Usage { bytes_today: today.map_or(0, |(_, bytes)| *bytes), ..Usage::default() };
        for upload in self.uploads.values().filter(|upload| !upload.state.is_over()).filter(is_of) {
            usage.sessions += 1;
            usage.stored_bytes += upload.received_bytes;
        }
        usage
    }

    fn check_one(&self, of: Subject<'_>, quota: &Quota, more: &More, now: Timestamp) -> Result<(), Exceeded> {
        quota.check(of, &self.usage(of, now), more)
    }

    fn check(&self, upload: &Upload, limits: &Limits, more: &More, now: Timestamp) -> Result<(), Exceeded> {
        let mut quotas = limits.of(upload.user_id.as_ref(), upload.address.as_ref()).into_iter();
        quotas.try_for_each(|(subject, quota)| self.check_one(subject, &quota, more, now))
    }

    fn count(&mut self, upload: &Upload, limits: &Limits, bytes: u64, now: Timestamp) {
        let today = day_of(now);
        for (subject, quota) in limits.of(upload.user_id.as_ref(), upload.address.as_ref()) {
            if quota.bytes_per_day.is_some() {
                let (day, counted) = self.traffic.entry(subject.name()).or_default();
                *counted = if *day == today { *counted + bytes } else { bytes };
                *day = today;
            }
        }
    }
}

impl MemorySessionStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for MemorySessionStore {
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created> {
        let mut state = self.lock();
        if let Some(found) = state.uploads.get(&upload.id).filter(|found| !(anew && found.state.is_over())) {
            return Ok(Created::Exists(Box::new(found.clone())));
        }
        if let Err(exceeded) = state.check(upload, limits, &More::UPLOAD, upload.created_at) {
            return Ok(Created::TooMuch(exceeded));
        }
        if let Some(over) = state.uploads.remove(&upload.id) {
            state.chunks.remove(&over.key);
        }
        if let Some(most) = limits.unowned.filter(|_| upload.user_id.is_none()) {
            state.make_room(most);
        }
        state.uploads.insert(upload.id.clone(), upload.clone());
        Ok(Created::New)
    }

    async fn get(&self, id: &UploadId) -> Result<Option<Upload>> {
        Ok(self.lock().uploads.get(id).cloned())
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>> {
        let state = self.lock();
        let wanted = |upload: &&Upload| {
            listing.state.is_none_or(|state| upload.state == state)
                && listing.user.as_ref().is_none_or(|user| upload.user_id.as_ref() == Some(user))
        };
        let mut found: Vec<Upload> = state.uploads.values().filter(wanted).cloned().collect();
        found.sort_by_key(|upload| (std::cmp::Reverse(upload.updated_at), upload.id.clone()));
        Ok(found.into_iter().skip(listing.skip as usize).take(listing.limit as usize).collect())
    }

    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim> {
        let mut state = self.lock();
        if let Some(free) =
            state.find(id, key).filter(|upload| upload.user_id.is_none()).map(|free| free.created_at)
        {
            let more = More { sessions: 1, ..More::default() };
            if let Err(exceeded) = state.check_one(Subject::User(&owner.user_id), &limits.user, &more, free) {
                return Ok(Claim::TooMuch(exceeded));
            }
        }
        let Some(upload) = state.find(id, key) else {
            return Ok(Claim::NotFound);
        };
        if upload.user_id.as_ref().is_some_and(|user| *user != owner.user_id) {
            return Ok(Claim::Foreign);
        }
        upload.user_id = Some(owner.user_id.clone());
        if !upload.state.is_over() {
            upload.sealed_token = Some(owner.sealed_token.clone());
        }
        Ok(Claim::Owned)
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
        let mut state = self.lock();
        let old = state.chunks.get(key).and_then(|chunks| chunks.get(&chunk.index)).cloned();
        let Some(upload) = state.find(id, key) else {
            return Ok(Recorded::NotFound);
        };
        let held = old.as_ref().map(|old| (old.length, old.crc32c));
        let before = upload.clone();
        let after = match admit(Box::new(before.clone()), held, chunk, mime_type, limits.max_bytes, now) {
            Ok(after) => after,
            Err(refused) => return Ok(refused),
        };
        let more = More::chunk(chunk, held.map(|(length, _)| length));
        if let Err(exceeded) = state.check(&before, limits, &more, now) {
            return Ok(Recorded::TooMuch(exceeded));
        }
        state.count(&before, limits, chunk.length, now);
        state.uploads.insert(id.clone(), (*after).clone());
        state.chunks.entry(key.clone()).or_default().insert(chunk.index, chunk.clone());
        Ok(Recorded::Stored { upload: after, replaced: old.map(|old| old.blob) })
    }

    async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
        Ok(self.lock().usage(of, now))
    }

    async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
        Ok(self.lock().chunks.get(key).map(|chunks| chunks.values().cloned().collect()).unwrap_or_default())
    }

    async fn checkpoint_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        expected: Option<&ResumeState>,
        resume: &ResumeState,
    ) -> Result<bool> {
        let mut state = self.lock();
        Ok(state.find(id, key).is_some_and(|upload| upload.checkpoint_early(expected, resume)))
    }

    async fn begin_early(&self, id: &UploadId, key: &StorageKey) -> Result<bool> {
        Ok(self.lock().find(id, key).is_some_and(Upload::begin_early))
    }

    async fn end_early(&self, id: &UploadId, key: &StorageKey) -> Result<()> {
        if let Some(upload) = self.lock().find(id, key) {
            upload.early = false;
        }
        Ok(())
    }

    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
        let mut state = self.lock();
        let Some(upload) = state.find(id, key) else {
            return Ok(Completed::NotFound);
        };
        Ok(match upload.complete(now) {
            Ok(completion) => Completed::Accepted(completion, Box::new(upload.clone())),
            Err(error) => Completed::Refused(error),
        })
    }

    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
        let mut state = self.lock();
        let Some(upload) = state.find(id, key) else {
            return Ok(Cancelled::NotFound);
        };
        if !upload.cancel(now) {
            return Ok(Cancelled::Over(Box::new(upload.clone())));
        }
        let upload = upload.clone();
        state.leases.remove(&upload.key);
        state.chunks.remove(&upload.key);
        Ok(Cancelled::Now(Box::new(upload)))
    }

    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
        let mut state = self.lock();
        let Some(upload) = state.find(id, key) else { return Ok(None) };
        upload.keep();
        Ok(Some(upload.clone()))
    }

    async fn lease(&self, now: Timestamp, until: Timestamp, except: &[UserId]) -> Result<Option<Lease>> {
        let mut state = self.lock();
        let State { uploads, leases, turns, next_token, .. } = &mut *state;
        for upload in uploads.values_mut() {
            let expired = leases.get(&upload.key).is_none_or(|(_, until)| *until <= now);
            if upload.state == UploadState::Sending && upload.maybe_sent && expired {
                upload.cut_off(now);
                leases.remove(&upload.key);
            }
        }
        let due = |upload: &Upload| match upload.state {
            UploadState::Queued => upload.is_due(now),
            UploadState::Sending => leases.get(&upload.key).is_none_or(|(_, until)| is_due(*until, now)),
            _ => false,
        };
        let turn = |upload: &Upload| turns.get(&upload.user_id).copied().unwrap_or(0);
        let may = |upload: &Upload| upload.user_id.as_ref().is_none_or(|user| !except.contains(user));
        let due = uploads.values_mut().filter(|upload| due(upload) && may(upload));
        let next = due.min_by_key(|upload| (turn(upload), upload.queued_at, upload.id.clone()));
        let Some(upload) = next else {
            return Ok(None);
        };
        *next_token += 1;
        turns.insert(upload.user_id.clone(), *next_token);
        let token = next_token.to_string();
        upload.start_attempt(now);
        leases.insert(upload.key.clone(), (token.clone(), until));
        Ok(Some(Lease { upload: upload.clone(), token, until }))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        let state = self.lock();
        Ok(state
            .uploads
            .values()
            .filter_map(|upload| match upload.state {
                UploadState::Queued => upload.next_attempt_at.or(upload.queued_at),
                UploadState::Sending => state.leases.get(&upload.key).map(|(_, until)| *until),
                _ => None,
            })
            .min())
    }

    async fn extend(&self, lease: &Lease, until: Timestamp) -> Result<bool> {
        let mut state = self.lock();
        if state.leased(lease).is_none() {
            return Ok(false);
        }
        state.leases.insert(lease.upload.key.clone(), (lease.token.clone(), until));
        Ok(true)
    }

    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        Ok(self.lock().change(lease, |upload| upload.checkpoint(progress, resume)))
    }

    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        Ok(self.lock().change(lease, |upload| upload.commit(progress, resume)))
    }

    async fn uncommit(&self, lease: &Lease) -> Result<bool> {
        Ok(self.lock().change(lease, |upload| upload.maybe_sent = false))
    }

    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Timestamp,
    ) -> Result<bool> {
        let mut state = self.lock();
        let held = state.end(lease, |upload| upload.finish(stored.clone(), now));
        if let Some(event) = event.filter(|_| held) {
            state.add_event(&lease.upload.id, event, now);
        }
        Ok(held)
    }

    async fn fail(&self, lease: &Lease, error: &str, maybe_sent: bool, now: Timestamp) -> Result<bool> {
        Ok(self.lock().end(lease, |upload| upload.fail(error, maybe_sent, now)))
    }

    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool> {
        Ok(self.lock().end(lease, |upload| upload.retry_later(at, counted, now)))
    }

    async fn release_all(&self, now: Timestamp) -> Result<Vec<(Recovery, Upload)>> {
        let mut state = self.lock();
        let State { uploads, leases, chunks, .. } = &mut *state;
        leases.clear();
        let mut changed = Vec::new();
        for upload in uploads.values_mut() {
            let recovery = upload.recover(now);
            if recovery == Recovery::Abandoned {
                chunks.remove(&upload.key);
            }
            if recovery != Recovery::Untouched {
                changed.push((recovery, upload.clone()));
            }
        }
        Ok(changed)
    }

    async fn add_event(&self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
        self.lock().add_event(upload, event, now);
        Ok(())
    }

    async fn outbox_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        limit: u32,
        except: &[UserId],
    ) -> Result<Vec<OutboxEvent>> {
        let state = self.lock();
        let may = |event: &NewEvent| event.user_id.as_ref().is_none_or(|user| !except.contains(user));
        let due = state
            .outbox
            .iter()
            .filter(|(event, at)| event.event.kind == kind && is_due(*at, now) && may(&event.event));
        Ok(due.map(|(event, _)| event.clone()).take(limit as usize).collect())
    }

    async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.lock().outbox.iter().map(|(_, at)| *at).min())
    }

    async fn outbox_done(&self, event_id: &str) -> Result<()> {
        self.lock().outbox.retain(|(event, _)| event.event.event_id != event_id);
        Ok(())
    }

    async fn outbox_retry(&self, event_id: &str, at: Timestamp) -> Result<()> {
        for (event, due) in &mut self.lock().outbox {
            if event.event.event_id == event_id {
                event.attempt += 1;
                *due = at;
            }
        }
        Ok(())
    }

    async fn live_keys(&self) -> Result<Vec<StorageKey>> {
        let state = self.lock();
        Ok(state
            .uploads
            .values()
            .filter(|upload| !upload.state.is_over())
            .map(|upload| upload.key.clone())
            .collect())
    }

    async fn live_blobs(&self, key: &StorageKey) -> Result<Vec<BlobName>> {
        Ok(self.chunks(key).await?.into_iter().map(|chunk| chunk.blob).collect())
    }

    async fn expire(&self, expiry: &Expiry<'_>) -> Result<Vec<Upload>> {
        let mut state = self.lock();
        let expired: Vec<Upload> = state
            .uploads
            .values()
            .filter(|upload| expiry.states.contains(&upload.state) && upload.updated_at < expiry.before)
            .filter(|upload| !expiry.unowned || upload.user_id.is_none())
            .take(expiry.limit as usize)
            .cloned()
            .collect();
        for upload in &expired {
            state.uploads.remove(&upload.id);
            state.chunks.remove(&upload.key);
        }
        Ok(expired)
    }

    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
        let state = self.lock();
        let moved = state.moved_chats.get(user).filter(|(from, _)| from == chat);
        Ok(moved.map(|(_, to)| to.clone()))
    }

    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
        self.lock().moved_chats.insert(user.clone(), (chat.clone(), moved_to.clone()));
        Ok(())
    }

    async fn clock(&self) -> Result<Option<Reading>> {
        let state = self.lock();
        let latest = state.uploads.values().map(|upload| upload.updated_at).max();
        Ok(state.clock.or(latest.map(|at| Reading { at, wall: at })))
    }

    async fn save_clock(&self, reading: Reading) -> Result<()> {
        self.lock().clock = Some(reading);
        Ok(())
    }

    async fn counts(&self) -> Result<Counts> {
        let state = self.lock();
        let mut counts = Counts { outbox: state.outbox.len() as u64, ..Counts::default() };
        for upload in state.uploads.values() {
            *counts.uploads.entry(upload.state).or_default() += 1;
            if !upload.state.is_over() {
                counts.stored_bytes += upload.received_bytes;
            }
        }
        let queued = state.uploads.values().filter(|upload| upload.state == UploadState::Queued);
        counts.oldest_queued = queued.filter_map(|upload| upload.queued_at).min();
        Ok(counts)
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}
