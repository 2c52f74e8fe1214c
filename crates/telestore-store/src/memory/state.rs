use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use telestore_types::{
    ChatId, ChunkIndex, Reading, StorageKey, Timestamp, Upload, UploadId, UploadState, UserId, is_due,
};

use crate::quota::day_of;
use crate::rules::{Place, Rows};
use crate::{ChunkRecord, Counts, Expiry, Lease, Listing, NewEvent, OutboxEvent, Result, Subject, Usage};

/// The rows, as maps.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) uploads: HashMap<UploadId, Upload>,
    pub(super) chunks: HashMap<StorageKey, BTreeMap<ChunkIndex, ChunkRecord>>,
    /// The token of each lease, and until when it holds.
    pub(super) leases: HashMap<StorageKey, (String, Timestamp)>,
    pub(super) outbox: Vec<(OutboxEvent, Timestamp)>,
    next_token: u64,
    /// The day of the last chunk of a user or an address, and the bytes of that day.
    traffic: HashMap<String, (i64, u64)>,
    /// When each user was given a lease last.
    turns: HashMap<Option<UserId>, u64>,
    pub(super) clock: Option<Reading>,
    /// The chat that each user had, and what it has become.
    pub(super) moved_chats: HashMap<UserId, (ChatId, ChatId)>,
}

impl State {
    pub(super) fn find(&mut self, id: &UploadId, key: &StorageKey) -> Option<&mut Upload> {
        self.uploads.get_mut(id).filter(|upload| upload.key == *key)
    }

    /// A name for the next lease.
    pub(super) fn token(&mut self) -> String {
        self.next_token += 1;
        self.next_token.to_string()
    }

    fn has_run_out(&self, upload: &Upload, now: Timestamp) -> bool {
        self.leases.get(&upload.key).is_none_or(|(_, until)| *until <= now)
    }

    /// Whether it waits for a runner, or for one that is not the one that has gone.
    fn is_due(&self, upload: &Upload, now: Timestamp) -> bool {
        match upload.state {
            UploadState::Queued => upload.is_due(now),
            UploadState::Sending => self.leases.get(&upload.key).is_none_or(|(_, until)| is_due(*until, now)),
            _ => false,
        }
    }

    pub(super) fn list(&self, listing: &Listing) -> Vec<Upload> {
        let wanted = |upload: &&Upload| {
            listing.state.is_none_or(|state| upload.state == state)
                && listing.user.as_ref().is_none_or(|user| upload.user_id.as_ref() == Some(user))
        };
        let mut found: Vec<Upload> = self.uploads.values().filter(wanted).cloned().collect();
        found.sort_by_key(|upload| (Reverse(upload.updated_at), upload.id.clone()));
        found.into_iter().skip(listing.skip as usize).take(listing.limit as usize).collect()
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let due = |upload: &Upload| match upload.state {
            UploadState::Queued => upload.next_attempt_at.or(upload.queued_at),
            UploadState::Sending => self.leases.get(&upload.key).map(|(_, until)| *until),
            _ => None,
        };
        self.uploads.values().filter_map(due).min()
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts { outbox: self.outbox.len() as u64, ..Counts::default() };
        for upload in self.uploads.values() {
            *counts.uploads.entry(upload.state).or_default() += 1;
            if !upload.state.is_over() {
                counts.stored_bytes += upload.received_bytes;
            }
        }
        let queued = self.uploads.values().filter(|upload| upload.state == UploadState::Queued);
        counts.oldest_queued = queued.filter_map(|upload| upload.queued_at).min();
        counts
    }
}

#[async_trait]
impl Rows for State {
    async fn load(&mut self, id: &UploadId) -> Result<Option<Upload>> {
        Ok(self.uploads.get(id).cloned())
    }

    async fn insert(&mut self, upload: &Upload) -> Result<()> {
        self.save(upload).await
    }

    async fn save(&mut self, upload: &Upload) -> Result<()> {
        self.uploads.insert(upload.id.clone(), upload.clone());
        Ok(())
    }

    async fn delete(&mut self, key: &StorageKey) -> Result<()> {
        self.uploads.retain(|_, upload| upload.key != *key);
        self.leases.remove(key);
        self.delete_chunks(key).await
    }

    async fn place(&mut self, id: &UploadId, key: &StorageKey, index: ChunkIndex) -> Result<Option<Place>> {
        let held = self.chunks.get(key).and_then(|chunks| chunks.get(&index)).cloned();
        Ok(self.find(id, key).map(|upload| Place { upload: upload.clone(), held }))
    }

    async fn put_chunk(&mut self, key: &StorageKey, chunk: &ChunkRecord) -> Result<()> {
        self.chunks.entry(key.clone()).or_default().insert(chunk.index, chunk.clone());
        Ok(())
    }

    async fn count(&mut self, of: Subject<'_>, bytes: u64, now: Timestamp) -> Result<()> {
        let today = day_of(now);
        let (day, counted) = self.traffic.entry(of.name()).or_default();
        *counted = if *day == today { *counted + bytes } else { bytes };
        *day = today;
        Ok(())
    }

    async fn delete_chunks(&mut self, key: &StorageKey) -> Result<()> {
        self.chunks.remove(key);
        Ok(())
    }

    async fn make_room(&mut self, most: u64) -> Result<()> {
        let mut unowned: Vec<_> = self.uploads.values().filter(|upload| upload.user_id.is_none()).collect();
        unowned.sort_by_key(|upload| upload.created_at);
        let over = (unowned.len() as u64).saturating_add(1).saturating_sub(most.max(1));
        let over = usize::try_from(over).unwrap_or(usize::MAX);
        let oldest: Vec<_> = unowned.into_iter().take(over).map(|upload| upload.id.clone()).collect();
        for id in oldest {
            self.uploads.remove(&id);
        }
        Ok(())
    }

    async fn usage(&mut self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
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
        Ok(usage)
    }

    async fn leased(&mut self, lease: &Lease) -> Result<Option<Upload>> {
        let held = self.leases.get(&lease.upload.key).is_some_and(|(token, _)| *token == lease.token);
        Ok(self.find(&lease.upload.id, &lease.upload.key).filter(|_| held).cloned())
    }

    async fn begin_lease(&mut self, lease: &Lease) -> Result<()> {
        self.leases.insert(lease.upload.key.clone(), (lease.token.clone(), lease.until));
        let turn = self.turns.values().max().map_or(1, |last| last + 1);
        self.turns.insert(lease.upload.user_id.clone(), turn);
        Ok(())
    }

    async fn end_lease(&mut self, key: &StorageKey) -> Result<()> {
        self.leases.remove(key);
        Ok(())
    }

    async fn abandoned(&mut self, now: Timestamp) -> Result<Vec<Upload>> {
        let sent = self.uploads.values().filter(|upload| upload.state == UploadState::Sending);
        Ok(sent.filter(|upload| upload.maybe_sent && self.has_run_out(upload, now)).cloned().collect())
    }

    async fn next(&mut self, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>> {
        let turn = |upload: &Upload| self.turns.get(&upload.user_id).copied().unwrap_or(0);
        let may = |upload: &Upload| upload.user_id.as_ref().is_none_or(|user| !except.contains(user));
        let due = self.uploads.values().filter(|upload| self.is_due(upload, now) && may(upload));
        Ok(due.min_by_key(|upload| (turn(upload), upload.queued_at, upload.id.clone())).cloned())
    }

    async fn unfinished(&mut self) -> Result<Vec<Upload>> {
        Ok(self.uploads.values().filter(|upload| !upload.state.is_over()).cloned().collect())
    }

    async fn add_event(&mut self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
        let event =
            OutboxEvent { event: event.clone(), upload_id: upload.clone(), attempt: 0, created_at: now };
        self.outbox.push((event, now));
        Ok(())
    }

    async fn past(&mut self, expiry: &Expiry<'_>) -> Result<Vec<Upload>> {
        let past = |upload: &&Upload| {
            expiry.states.contains(&upload.state)
                && upload.updated_at < expiry.before
                && (!expiry.unowned || upload.user_id.is_none())
        };
        Ok(self.uploads.values().filter(past).take(expiry.limit as usize).cloned().collect())
    }

    async fn forget_days(&mut self, before: Timestamp) -> Result<()> {
        self.traffic.retain(|_, (day, _)| *day >= day_of(before));
        Ok(())
    }

    async fn forget_turns(&mut self) -> Result<()> {
        let uploads = &self.uploads;
        self.turns.retain(|user, _| uploads.values().any(|upload| upload.user_id == *user));
        Ok(())
    }
}
