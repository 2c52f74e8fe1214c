use async_trait::async_trait;
use telestore_types::{
    ChatId, Completion, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState, StorageKey, StoredFile,
    Timestamp, Upload, UploadId, UploadOptions, UserId, WorkerId,
};

use super::again::{ask, transact};
use super::clock::Times as _;
use super::tx::{Ending, written};
use super::{
    PostgresSessionStore, bot_keys, counts, early, files, leases, moved, outbox, record, row, sweep, usage,
    workers,
};
use crate::rules::{self, Answer, NewChunk, NewExtent, Whose};
use crate::{
    Appended, BlobName, Cancelled, Change, Changes, ChunkRecord, Claim, Completed, Concatenated,
    Concatenation, Counts, Created, Declared, Expired, Expiry, FetchNote, FileListing, JoinedExtent,
    KnownWorker, Lease, Limits, Listing, NewEvent, OptionsSet, OutboxEvent, OutboxKind, Owner, Recorded,
    Released, Result, SessionStore, Subject, Usage, WorkerInfo,
};

#[async_trait]
impl SessionStore for PostgresSessionStore {
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created> {
        let created = transact!(self, Ending::PLAIN, Some(upload.created_at), |tx| {
            let mut kept = upload.clone();
            kept.shift(tx.ahead());
            rules::create(tx, &kept, anew, limits).await
        })?;
        Ok(self.skew.told(created))
    }

    async fn get(&self, id: &UploadId) -> Result<Option<Upload>> {
        Ok(self.skew.told(ask!(self, |on| row::load(on, id, false).await)?))
    }

    async fn get_all(&self, ids: &[UploadId]) -> Result<Vec<Upload>> {
        Ok(self.skew.told(ask!(self, |on| row::load_all(on, ids).await)?))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>> {
        let after = listing.after.as_ref().map(|last| self.skew.cursor(last));
        Ok(self.skew.told(ask!(self, |on| counts::list(on, listing, after.as_ref()).await)?))
    }

    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim> {
        transact!(self, Ending::PLAIN, None, |tx| rules::claim(tx, id, key, owner, limits).await)
    }

    async fn record_chunk(&self, new: NewChunk) -> Result<Recorded> {
        let recorded = transact!(self, Ending::PLAIN, Some(new.now), |tx| {
            let new = NewChunk { now: tx.now(), ..new.clone() };
            record::record(tx, &new).await
        })?;
        Ok(self.skew.told(recorded))
    }

    async fn append(&self, new: &NewExtent) -> Result<Appended> {
        let appended = transact!(self, Ending::PLAIN, Some(new.now), |tx| {
            let new = NewExtent { now: tx.now(), ..new.clone() };
            let answer = rules::append(tx, &new).await;
            if let Ok(Answer::Changed(Appended::Stored(upload, _))) = &answer {
                tx.tell_queued(upload);
            }
            answer
        })?;
        Ok(self.skew.told(appended))
    }

    async fn join(&self, join: &JoinedExtent) -> Result<bool> {
        transact!(self, Ending::PLAIN, None, |tx| rules::join(tx, join).await)
    }

    async fn concatenate(&self, new: &Concatenation) -> Result<Concatenated> {
        let made = transact!(self, Ending::PLAIN, Some(new.upload.created_at), |tx| {
            let mut kept = new.clone();
            kept.upload.shift(tx.ahead());
            let answer = rules::concatenate(tx, &kept).await;
            if let Ok(Answer::Changed(Concatenated::Made(upload))) = &answer {
                tx.tell_queued(upload);
            }
            answer
        })?;
        Ok(self.skew.told(made))
    }

    async fn declare_size(
        &self,
        id: &UploadId,
        key: &StorageKey,
        size: u64,
        now: Timestamp,
    ) -> Result<Declared> {
        let declared = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let now = tx.now();
            let answer = rules::declare_size(tx, id, key, size, now).await;
            if let Ok(Answer::Changed(Declared::Known(upload))) = &answer {
                tx.tell_queued(upload);
            }
            answer
        })?;
        Ok(self.skew.told(declared))
    }

    async fn set_options(
        &self,
        id: &UploadId,
        key: &StorageKey,
        named: &UploadOptions,
        thumbnail: Option<&ChunkRecord>,
        now: Timestamp,
    ) -> Result<OptionsSet> {
        let set = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let now = tx.now();
            rules::set_options(tx, id, key, named, thumbnail, now).await
        })?;
        Ok(self.skew.told(set))
    }

    async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
        let now = self.skew.kept(now);
        ask!(self, |on| usage::usage(on, of, now).await)
    }

    async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
        ask!(self, |on| record::of(on, key).await)
    }

    async fn checkpoint_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        expected: Option<&ResumeState>,
        resume: &ResumeState,
    ) -> Result<bool> {
        transact!(self, Ending::PLAIN, None, |tx| {
            early::checkpoint(tx, id, key, expected, resume).await.map(written)
        })
    }

    async fn begin_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        transact!(self, Ending::PLAIN, Some(now), |tx| {
            let (now, until) = (tx.now(), tx.at(until));
            rules::begin_early(tx, id, key, worker, now, until).await
        })
    }

    async fn end_early(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId) -> Result<()> {
        transact!(self, Ending::PLAIN, None, |tx| early::end(tx, id, key, worker).await.map(Answer::Changed))
    }

    async fn begin_fetch(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Upload>> {
        let begun = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let now = tx.now();
            rules::begin_fetch(tx, worker, now, except).await
        })?;
        Ok(self.skew.told(begun))
    }

    async fn note_fetch(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        note: &FetchNote,
        now: Timestamp,
    ) -> Result<Option<Vec<BlobName>>> {
        transact!(self, Ending::PLAIN, Some(now), |tx| {
            let (note, now) = (note.clone().moved(|at| tx.at(at)), tx.now());
            rules::note_fetch(tx, id, key, worker, &note, now).await
        })
    }

    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
        let completed = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let now = tx.now();
            let answer = rules::complete(tx, id, key, now).await;
            if let Ok(Answer::Changed(Completed::Accepted(Completion::Queued, _))) = &answer {
                tx.tell(Change::Queued);
            }
            answer
        })?;
        Ok(self.skew.told(completed))
    }

    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
        let cancelled = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let now = tx.now();
            let answer = rules::cancel(tx, id, key, now).await;
            tx.tell(Change::Cancelled(key.clone()));
            answer
        })?;
        Ok(self.skew.told(cancelled))
    }

    async fn forget(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Vec<BlobName>>> {
        transact!(self, Ending::PLAIN, None, |tx| rules::forget(tx, id, key).await)
    }

    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
        let kept = transact!(self, Ending::FLUSHED, None, |tx| rules::keep(tx, id, key).await)?;
        Ok(self.skew.told(kept))
    }

    async fn lease(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Lease>> {
        let leased = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let (now, until) = (tx.now(), tx.at(until));
            rules::lease(tx, worker, now, until, except).await
        })?;
        // Not as it is read back, which may be a little off: its holder reckons by it how long it may go on.
        Ok(self.skew.told(leased).map(|lease| Lease { until, ..lease }))
    }

    async fn next_due(&self, worker: &WorkerId) -> Result<Option<Timestamp>> {
        Ok(self.skew.told(ask!(self, |on| leases::next_due(on, worker).await)?))
    }

    async fn extend(&self, lease: &Lease, now: Timestamp, until: Timestamp) -> Result<bool> {
        transact!(self, Ending::PLAIN, Some(now), |tx| {
            let (now, until) = (tx.now(), tx.at(until));
            rules::extend(tx, lease, now, until).await
        })
    }

    async fn hold_account(
        &self,
        user: &UserId,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        transact!(self, Ending::PLAIN, Some(now), |tx| {
            let (now, until) = (tx.now(), tx.at(until));
            rules::hold_account(tx, user, worker, now, until).await
        })
    }

    async fn leave_account(&self, user: &UserId, worker: &WorkerId) -> Result<()> {
        transact!(self, Ending::PLAIN, None, |tx| {
            let waiting = workers::leave(tx, user, worker).await;
            if let Ok(true) = &waiting {
                tx.tell(Change::Queued);
            }
            waiting.map(|_| Answer::Changed(()))
        })
    }

    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        transact!(self, Ending::PLAIN, None, |tx| {
            let checkpoint = |upload: &mut Upload| upload.checkpoint(progress, resume.clone());
            rules::change_leased(tx, lease, false, checkpoint).await
        })
    }

    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        transact!(self, Ending::FLUSHED, None, |tx| {
            let commit = |upload: &mut Upload| upload.commit(progress, resume.clone());
            rules::change_leased(tx, lease, false, commit).await
        })
    }

    async fn uncommit(&self, lease: &Lease) -> Result<bool> {
        transact!(self, Ending::PLAIN, None, |tx| {
            rules::change_leased(tx, lease, false, Upload::uncommit).await
        })
    }

    async fn encode(&self, lease: &Lease, encoding: &Encoding) -> Result<bool> {
        transact!(self, Ending::PLAIN, None, |tx| {
            rules::change_leased(tx, lease, false, |upload| upload.encode(encoding.clone())).await
        })
    }

    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Reading,
    ) -> Result<bool> {
        transact!(self, Ending::FLUSHED_AND_CERTAIN, Some(now.at), |tx| {
            let now = Reading { at: tx.now(), wall: now.wall };
            if event.is_some() {
                tx.tell(Change::Event);
            }
            rules::finish(tx, lease, stored, event, now).await
        })
    }

    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> Result<bool> {
        transact!(self, Ending::CERTAIN, Some(now), |tx| {
            let now = tx.now();
            rules::change_leased(tx, lease, true, |upload| upload.fail(error, outcome, now)).await
        })
    }

    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool> {
        transact!(self, Ending::CERTAIN, Some(now), |tx| {
            let (now, at) = (tx.now(), tx.at(at));
            if at <= now {
                tx.tell(Change::Queued);
            }
            rules::change_leased(tx, lease, true, |upload| upload.retry_later(at, counted, now)).await
        })
    }

    async fn beat(&self, worker: &WorkerId, until: Timestamp) -> Result<()> {
        let until = self.skew.kept(until);
        transact!(self, Ending::PLAIN, None, |tx| {
            workers::beat(tx, worker, until).await.map(Answer::Changed)
        })
    }

    async fn introduce(
        &self,
        worker: &WorkerId,
        info: &WorkerInfo,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        transact!(self, Ending::PLAIN, Some(now), |tx| {
            let (now, until) = (tx.now(), tx.at(until));
            workers::introduce(tx, worker, info, now, until).await.map(Answer::Changed)
        })
    }

    async fn workers(&self, now: Timestamp) -> Result<Vec<KnownWorker>> {
        let known = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let now = tx.now();
            workers::known(tx, now).await.map(Answer::Unchanged)
        })?;
        Ok(self.skew.told(known))
    }

    async fn living(&self, now: Timestamp, after: Option<&WorkerId>, limit: u32) -> Result<Vec<WorkerId>> {
        let now = self.skew.kept(now);
        ask!(self, |on| workers::living(on, now, after, limit).await)
    }

    async fn release(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>> {
        self.release_of(Whose::Own(worker), now, limit).await
    }

    async fn release_gone(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>> {
        self.release_of(Whose::Gone(worker), now, limit).await
    }

    async fn add_event(
        &self,
        upload: &UploadId,
        event: &NewEvent,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<OutboxEvent> {
        let added = transact!(self, Ending::FLUSHED, Some(now), |tx| {
            let (now, until) = (tx.now(), tx.at(until));
            rules::add_event(tx, upload, event, worker, now, until).await
        })?;
        Ok(self.skew.told(added))
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
        let leased = transact!(self, Ending::PLAIN, Some(now), |tx| {
            let (now, until) = (tx.now(), tx.at(until));
            rules::outbox_lease(tx, worker, kind, now, until, limit, except).await
        })?;
        Ok(self.skew.told(leased))
    }

    async fn outbox_due(&self, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>> {
        let now = self.skew.kept(now);
        Ok(self.skew.told(ask!(self, |on| outbox::due(on, now).await)?))
    }

    async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.skew.told(ask!(self, |on| outbox::next_due(on).await)?))
    }

    async fn outbox_done(&self, event: &OutboxEvent) -> Result<bool> {
        transact!(self, Ending::CERTAIN, None, |tx| outbox::done(tx, event).await.map(written))
    }

    async fn outbox_later(&self, event: &OutboxEvent, at: Timestamp) -> Result<bool> {
        let at = self.skew.kept(at);
        transact!(self, Ending::CERTAIN, None, |tx| outbox::later(tx, event, at).await.map(written))
    }

    async fn outbox_list(&self, kind: OutboxKind, after: Option<&str>, limit: u32) -> Result<Vec<NewEvent>> {
        ask!(self, |on| outbox::listed(on, kind, after, limit).await)
    }

    async fn files(&self, user: &UserId, listing: &FileListing) -> Result<Vec<IndexedFile>> {
        ask!(self, |on| files::list(on, user, listing).await)
    }

    async fn file(&self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
        ask!(self, |on| files::find(on, user, id).await)
    }

    async fn delete_file(
        &self,
        user: &UserId,
        id: &FileId,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Option<IndexedFile>> {
        transact!(self, Ending::FLUSHED_AND_CERTAIN, Some(now), |tx| {
            let now = tx.now();
            if !events.is_empty() {
                tx.tell(Change::Event);
            }
            rules::delete_file(tx, user, id, events, now).await
        })
    }

    async fn named(&self, blobs: &[BlobName]) -> Result<Vec<BlobName>> {
        ask!(self, |on| record::named(on, blobs).await)
    }

    async fn expire(&self, expiry: &Expiry) -> Result<Vec<Expired>> {
        let expiry = Expiry { before: self.skew.kept(expiry.before), ..expiry.clone() };
        let expired = transact!(self, Ending::PLAIN, None, |tx| rules::expire(tx, &expiry).await)?;
        Ok(self.skew.told(expired))
    }

    async fn clock(&self) -> Result<Option<Reading>> {
        let found = ask!(self, |on| sweep::clock(on).await)?;
        // What was written down is the workers' own clock; a row has the database's.
        match found {
            Some(sweep::Found::Saved(reading)) => Ok(Some(reading)),
            Some(sweep::Found::Latest(at)) => {
                let at = self.skew.told(at);
                Ok(Some(Reading { at, wall: at }))
            }
            None => Ok(None),
        }
    }

    async fn save_clock(&self, reading: Reading) -> Result<()> {
        transact!(self, Ending::PLAIN, None, |tx| sweep::save_clock(tx, reading).await.map(Answer::Changed))
    }

    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
        ask!(self, |on| moved::find(on, user, chat).await)
    }

    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
        transact!(self, Ending::PLAIN, None, |tx| {
            moved::save(tx, user, chat, moved_to).await.map(Answer::Changed)
        })
    }

    async fn bot_key(&self, key: &StorageKey) -> Result<Option<Vec<u8>>> {
        ask!(self, |on| bot_keys::find(on, key).await)
    }

    async fn save_bot_key(&self, key: &StorageKey, sealed: &[u8]) -> Result<()> {
        transact!(self, Ending::PLAIN, None, |tx| bot_keys::save(tx, key, sealed).await.map(Answer::Changed))
    }

    async fn counts(&self) -> Result<Counts> {
        Ok(self.skew.told(ask!(self, |on| counts::counts(on).await)?))
    }

    fn changes(&self) -> Changes {
        self.ear().changes()
    }

    async fn probe(&self) -> Result<()> {
        transact!(self, Ending::PLAIN, None, |tx| counts::probe(tx).await.map(Answer::Changed))
    }
}
