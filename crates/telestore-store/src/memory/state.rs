use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use telestore_types::{
    ChatId, ChunkIndex, FileId, IndexedFile, LONGEST_PAUSE, Reading, StorageKey, Timestamp, Upload, UploadId,
    UploadKind, UploadState, UserId, WorkerId, is_due,
};

use crate::quota::day_of;
use crate::rules::{Holder, Place, Rows, Whose};
use crate::{
    BlobName, ChunkRecord, Counts, Expiry, FileListing, KnownWorker, Lease, Listing, NewEvent, OutboxEvent,
    OutboxKind, Result, Subject, Usage,
};

/// The rows, as maps.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) uploads: HashMap<UploadId, Upload>,
    pub(super) chunks: HashMap<StorageKey, BTreeMap<ChunkIndex, ChunkRecord>>,
    /// The token of each lease, and until when it holds.
    pub(super) leases: HashMap<StorageKey, (String, Timestamp)>,
    pub(super) outbox: Vec<Waiting>,
    accounts: HashMap<UserId, Holder>,
    pub(super) workers: BTreeMap<WorkerId, KnownWorker>,
    /// The day of the last chunk of a user or an address, and the bytes of that day.
    traffic: HashMap<String, (i64, u64)>,
    /// When each user was given a lease last.
    turns: HashMap<Option<UserId>, u64>,
    pub(super) clock: Option<Reading>,
    /// The chat that each user had, and what it has become.
    pub(super) moved_chats: HashMap<UserId, (ChatId, ChatId)>,
    /// What each bot has signed in with, sealed.
    pub(super) bot_keys: HashMap<StorageKey, Vec<u8>>,
    /// The files, the newest last.
    pub(super) files: Vec<IndexedFile>,
    /// How many files there ever were.
    placed: u64,
}

/// An event of the outbox.
#[derive(Debug)]
pub(super) struct Waiting {
    /// With the name of its last claim.
    pub(super) event: OutboxEvent,
    pub(super) due: Timestamp,
    /// Who works on it, and until when.
    pub(super) claimed: Option<Holder>,
}

impl Waiting {
    /// Whether it is this one, under the same claim.
    pub(super) fn is(&self, event: &OutboxEvent) -> bool {
        self.event.event.event_id == event.event.event_id && self.event.claim == event.claim
    }

    /// Whether it is due, and nobody has claimed it.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        is_due(self.due, now) && self.claimed.as_ref().is_none_or(|claimed| is_due(claimed.until, now))
    }

    /// When it will be due that nobody has claimed, or whose claim runs out.
    pub(super) fn free_at(&self) -> Timestamp {
        self.claimed.as_ref().map_or(self.due, |claimed| claimed.until.max(self.due))
    }
}

impl State {
    pub(super) fn find(&mut self, id: &UploadId, key: &StorageKey) -> Option<&mut Upload> {
        self.uploads.get_mut(id).filter(|upload| upload.key == *key)
    }

    /// Until when another worker than this one holds the account of an upload's owner.
    fn held_by_another(&self, user: Option<&UserId>, worker: &WorkerId) -> Option<Timestamp> {
        let holder = self.accounts.get(user?).filter(|holder| holder.worker != *worker)?;
        Some(holder.until)
    }

    /// Whether this worker may do something with the account of an upload's owner.
    fn may_use(&self, user: Option<&UserId>, worker: &WorkerId, now: Timestamp) -> bool {
        self.held_by_another(user, worker).is_none_or(|until| is_due(until, now))
    }

    pub(super) fn leave_account(&mut self, user: &UserId, worker: &WorkerId) {
        if self.accounts.get(user).is_some_and(|holder| holder.worker == *worker) {
            self.accounts.remove(user);
        }
    }

    /// Each worker, and the accounts that it holds.
    pub(super) fn known(&self, now: Timestamp) -> Vec<KnownWorker> {
        let told = |known: &KnownWorker| {
            let held = |holder: &Holder| holder.worker == known.id && !is_due(holder.until, now);
            let accounts = self.accounts.iter().filter(|(_, holder)| held(holder));
            let mut accounts: Vec<_> = accounts.map(|(user, _)| user.clone()).collect();
            accounts.sort();
            KnownWorker { alive: !is_due(known.until, now), accounts, ..known.clone() }
        };
        self.workers.values().map(told).collect()
    }

    pub(super) fn living(&self, now: Timestamp) -> impl Iterator<Item = &WorkerId> {
        self.workers.values().filter(move |worker| !is_due(worker.until, now)).map(|worker| &worker.id)
    }

    fn is_of(&self, worker: Option<&WorkerId>, whose: Whose<'_>, now: Timestamp) -> bool {
        match whose {
            Whose::Own(own) => worker.is_none_or(|worker| worker == own),
            Whose::Gone(own) => worker.is_some_and(|worker| {
                worker != own && self.workers.get(worker).is_none_or(|known| is_due(known.until, now))
            }),
        }
    }

    fn has_run_out(&self, upload: &Upload, now: Timestamp) -> bool {
        self.leases.get(&upload.key).is_none_or(|(_, until)| is_due(*until, now))
    }

    /// Whether it waits for a runner, or for one that is not the one that has gone.
    fn is_due(&self, upload: &Upload, now: Timestamp) -> bool {
        match upload.state {
            UploadState::Queued => upload.is_due(now),
            UploadState::Sending => self.has_run_out(upload, now),
            _ => false,
        }
    }

    pub(super) fn list(&self, listing: &Listing) -> Vec<Upload> {
        let wanted = |upload: &&Upload| {
            listing.state.is_none_or(|state| upload.state == state)
                && listing.user.as_ref().is_none_or(|user| upload.user_id.as_ref() == Some(user))
                && (!listing.handed_over || upload.handed_over().is_some())
                && listing.after.as_ref().is_none_or(|last| {
                    (Reverse(upload.updated_at), &upload.id) > (Reverse(last.updated_at), &last.id)
                })
        };
        let mut found: Vec<Upload> = self.uploads.values().filter(wanted).cloned().collect();
        found.sort_by_key(|upload| (Reverse(upload.updated_at), upload.id.clone()));
        found.into_iter().skip(listing.skip as usize).take(listing.limit as usize).collect()
    }

    pub(super) fn files(&self, user: &UserId, listing: &FileListing) -> Vec<IndexedFile> {
        let wanted = |file: &&IndexedFile| {
            file.user_id == *user
                && listing.before.is_none_or(|place| file.place < place)
                && listing
                    .content
                    .is_none_or(|(sha256, size)| (file.sha256, file.size) == (Some(sha256), size))
                && listing.search.as_ref().is_none_or(|search| file.folded_name().contains(search))
        };
        self.files.iter().rev().filter(wanted).take(listing.limit as usize).cloned().collect()
    }

    pub(super) fn next_due(&self, worker: &WorkerId) -> Option<Timestamp> {
        let own = |upload: &Upload| match upload.state {
            UploadState::Queued => upload.next_attempt_at.or(upload.queued_at),
            UploadState::Sending => self.leases.get(&upload.key).map(|(_, until)| *until),
            _ => None,
        };
        let due = |upload: &Upload| {
            own(upload).max(own(upload).and(self.held_by_another(upload.user_id.as_ref(), worker)))
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
        Ok(())
    }

    async fn place(&mut self, id: &UploadId, key: &StorageKey, index: ChunkIndex) -> Result<Option<Place>> {
        let held = self.chunks.get(key).and_then(|chunks| chunks.get(&index)).cloned();
        Ok(self.find(id, key).map(|upload| Place { upload: upload.clone(), held }))
    }

    async fn put_chunk(&mut self, key: &StorageKey, chunk: &ChunkRecord) -> Result<()> {
        self.chunks.entry(key.clone()).or_default().insert(chunk.index, chunk.clone());
        Ok(())
    }

    async fn records(&mut self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
        Ok(self.chunks.get(key).into_iter().flat_map(BTreeMap::values).cloned().collect())
    }

    async fn delete_chunk(&mut self, key: &StorageKey, index: ChunkIndex) -> Result<()> {
        if let Some(chunks) = self.chunks.get_mut(key) {
            chunks.remove(&index);
        }
        Ok(())
    }

    async fn count(&mut self, of: Subject<'_>, bytes: u64, now: Timestamp) -> Result<()> {
        let today = day_of(now);
        let (day, counted) = self.traffic.entry(of.name()).or_default();
        *counted = if *day == today { *counted + bytes } else { bytes };
        *day = today;
        Ok(())
    }

    async fn delete_chunks(&mut self, key: &StorageKey) -> Result<Vec<BlobName>> {
        let chunks = self.chunks.remove(key).unwrap_or_default();
        Ok(chunks.into_values().map(|chunk| chunk.blob).collect())
    }

    async fn make_room(&mut self, most: u64) -> Result<()> {
        let mut unowned: Vec<_> = self.uploads.values().filter(|upload| upload.user_id.is_none()).collect();
        unowned.sort_by_key(|upload| upload.created_at);
        let over = (unowned.len() as u64).saturating_add(1).saturating_sub(most.max(1));
        let over = usize::try_from(over).unwrap_or(usize::MAX);
        let oldest: Vec<_> = unowned.into_iter().take(over).map(|upload| upload.id.clone()).collect();
        for id in oldest {
            // Without an owner it has no chunk.
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

    async fn extend_lease(&mut self, key: &StorageKey, until: Timestamp) -> Result<()> {
        if let Some(lease) = self.leases.get_mut(key) {
            lease.1 = until;
        }
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

    async fn next(&mut self, worker: &WorkerId, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>> {
        let turn = |upload: &Upload| self.turns.get(&upload.user_id).copied().unwrap_or(0);
        let may = |upload: &Upload| {
            upload.user_id.as_ref().is_none_or(|user| !except.contains(user))
                && self.may_use(upload.user_id.as_ref(), worker, now)
        };
        let due = self.uploads.values().filter(|upload| self.is_due(upload, now) && may(upload));
        Ok(due.min_by_key(|upload| (turn(upload), upload.queued_at, upload.id.clone())).cloned())
    }

    async fn next_fetch(&mut self, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>> {
        let wanted = |upload: &&Upload| {
            upload.is_to_fetch()
                && upload.worker.is_none()
                && upload.is_due(now)
                && upload.user_id.as_ref().is_none_or(|user| !except.contains(user))
        };
        let found = self.uploads.values().filter(wanted);
        Ok(found.min_by_key(|upload| (upload.created_at, upload.id.clone())).cloned())
    }

    async fn holder(&mut self, user: &UserId) -> Result<Option<Holder>> {
        Ok(self.accounts.get(user).cloned())
    }

    async fn hold(&mut self, user: &UserId, holder: &Holder) -> Result<()> {
        self.accounts.insert(user.clone(), holder.clone());
        Ok(())
    }

    async fn beat(&mut self, worker: &WorkerId, until: Timestamp) -> Result<()> {
        let unknown = || KnownWorker::new(worker.clone(), until, true);
        self.workers.entry(worker.clone()).or_insert_with(unknown).until = until;
        Ok(())
    }

    async fn unfinished(&mut self, whose: Whose<'_>, now: Timestamp, limit: u32) -> Result<Vec<Upload>> {
        let unfinished = |upload: &&Upload| match upload.state {
            UploadState::Sending => matches!(whose, Whose::Own(_)),
            UploadState::Queued => upload.kind == UploadKind::Direct,
            UploadState::Receiving => {
                upload.early
                    || matches!(upload.kind, UploadKind::Direct | UploadKind::Kept)
                    || (upload.source.is_some() && upload.worker.is_some())
            }
            _ => false,
        };
        let of = |upload: &&Upload| self.is_of(upload.worker.as_ref(), whose, now);
        let found = self.uploads.values().filter(unfinished).filter(of);
        Ok(found.take(limit as usize).cloned().collect())
    }

    async fn let_go(&mut self, whose: Whose<'_>, now: Timestamp) -> Result<()> {
        let mut outbox = std::mem::take(&mut self.outbox);
        for event in &mut outbox {
            event.claimed.take_if(|claimed| self.is_of(Some(&claimed.worker), whose, now));
        }
        let mut accounts = std::mem::take(&mut self.accounts);
        let mut workers = std::mem::take(&mut self.workers);
        match whose {
            Whose::Own(own) => {
                accounts.retain(|_, holder| holder.worker != *own);
                workers.remove(own);
            }
            Whose::Gone(own) => {
                let lives =
                    |worker: &WorkerId| workers.get(worker).is_some_and(|known| !is_due(known.until, now));
                accounts.retain(|_, holder| {
                    !is_due(holder.until, now) && (holder.worker == *own || lives(&holder.worker))
                });
                // Those who operate it see for a day who is gone.
                let recent = (now - LONGEST_PAUSE, now + LONGEST_PAUSE);
                workers.retain(|_, known| known.until > recent.0 && known.until <= recent.1);
            }
        }
        (self.outbox, self.accounts, self.workers) = (outbox, accounts, workers);
        Ok(())
    }

    async fn add_event(&mut self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
        let event = OutboxEvent::new(event.clone(), upload.clone(), "", now);
        self.outbox.push(Waiting { event, due: now, claimed: None });
        Ok(())
    }

    async fn next_event(
        &mut self,
        worker: &WorkerId,
        kind: OutboxKind,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<OutboxEvent>> {
        let may = |event: &NewEvent| {
            let user = event.user_id.as_ref();
            user.is_none_or(|user| !except.contains(user))
                && (!kind.needs_account() || self.may_use(user, worker, now))
        };
        let due = self.outbox.iter().filter(|waiting| {
            waiting.event.event.kind == kind && waiting.is_due(now) && may(&waiting.event.event)
        });
        Ok(due.min_by_key(|waiting| waiting.due).map(|waiting| waiting.event.clone()))
    }

    async fn claim_event(&mut self, event: &OutboxEvent, worker: &WorkerId, until: Timestamp) -> Result<()> {
        let same = |waiting: &&mut Waiting| waiting.event.event.event_id == event.event.event_id;
        if let Some(waiting) = self.outbox.iter_mut().find(same) {
            waiting.event.claim.clone_from(&event.claim);
            waiting.claimed = Some(Holder { worker: worker.clone(), until });
        }
        Ok(())
    }

    async fn past(&mut self, expiry: &Expiry) -> Result<Vec<Upload>> {
        let past = |upload: &&Upload| {
            expiry.states.contains(&upload.state)
                && upload.updated_at < expiry.before
                && (!expiry.unowned || upload.user_id.is_none())
        };
        Ok(self.uploads.values().filter(past).take(expiry.limit as usize).cloned().collect())
    }

    async fn put_file(&mut self, file: &IndexedFile) -> Result<()> {
        if !self.files.iter().any(|known| known.id == file.id) {
            self.placed += 1;
            self.files.push(IndexedFile { place: self.placed, ..file.clone() });
        }
        Ok(())
    }

    async fn take_file(&mut self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
        let at = self.files.iter().position(|file| file.user_id == *user && file.id == *id);
        Ok(at.map(|at| self.files.remove(at)))
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
