use async_trait::async_trait;
use telestore_types::{
    ChatId, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState, SenderId, StorageKey, StoredFile,
    Timestamp, Upload, UploadId, UploadOptions, UploadState, UserId, WorkerId,
};

use super::{
    SqliteSessionStore, bot_keys, counts, database, files, leases, moved, outbox, row, sweep, usage, workers,
};
use crate::rules::{self, NewChunk, NewExtent, Whose};
use crate::{
    Appended, BlobName, Cancelled, ChunkRecord, Claim, Completed, Concatenated, Concatenation, Counts,
    Created, Declared, Expired, Expiry, FetchNote, FileListing, JoinedExtent, KnownWorker, Lease, Limits,
    Listing, NewEvent, OptionsSet, OutboxEvent, OutboxKind, Owner, Recorded, Released, Result, SessionStore,
    Subject, Usage, WorkerInfo,
};

/// Reads the uploads of a list, by this index and condition.
macro_rules! listed {
    ($of:literal) => {
        concat!(
            "SELECT * FROM uploads ",
            $of,
            "(?1 IS NULL OR state = ?1) AND (?2 IS NULL OR user_id = ?2) \
             AND updated_at <= COALESCE(?5, 9223372036854775807) \
             AND (?5 IS NULL OR updated_at < ?5 OR id > ?6) \
             ORDER BY updated_at DESC, id LIMIT ?3 OFFSET ?4"
        )
    };
}

#[async_trait]
impl SessionStore for SqliteSessionStore {
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created> {
        let mut tx = self.begin().await?;
        let answer = rules::create(&mut *tx, upload, anew, limits).await?;
        tx.answer(answer).await
    }

    async fn get(&self, id: &UploadId) -> Result<Option<Upload>> {
        let mut reader = self.readers.acquire().await.map_err(database)?;
        row::load(&mut reader, id).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>> {
        // With the word itself, so that the index of these is used.
        let list = match (listing.handed_over, listing.state, &listing.user) {
            (true, ..) => listed!("WHERE resume_of = 'handed over' AND "),
            // Each page would be sorted out of all of them by another index.
            (false, Some(UploadState::Completed), None) => {
                listed!("INDEXED BY uploads_completed WHERE state = 'completed' AND ")
            }
            (false, ..) => listed!("WHERE "),
        };
        let rows = sqlx::query(list)
            .bind(listing.state.map(UploadState::as_str))
            .bind(listing.user.as_ref().map(UserId::as_str))
            .bind(listing.limit)
            .bind(listing.skip)
            .bind(listing.after.as_ref().map(|last| last.updated_at.as_millis()))
            .bind(listing.after.as_ref().map(|last| last.id.as_str()))
            .fetch_all(&self.readers)
            .await
            .map_err(database)?;
        rows.iter().map(row::upload).collect()
    }

    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim> {
        let mut tx = self.begin().await?;
        let answer = rules::claim(&mut *tx, id, key, owner, limits).await?;
        tx.answer(answer).await
    }

    async fn record_chunk(&self, new: NewChunk) -> Result<Recorded> {
        self.group.record(new).await
    }

    async fn append(&self, new: &NewExtent) -> Result<Appended> {
        let mut tx = self.begin().await?;
        let answer = rules::append(&mut *tx, new).await?;
        tx.answer(answer).await
    }

    async fn join(&self, join: &JoinedExtent) -> Result<bool> {
        let mut tx = self.begin().await?;
        let answer = rules::join(&mut *tx, join).await?;
        tx.answer(answer).await
    }

    async fn concatenate(&self, new: &Concatenation) -> Result<Concatenated> {
        let mut tx = self.begin().await?;
        let answer = rules::concatenate(&mut *tx, new).await?;
        tx.answer(answer).await
    }

    async fn declare_size(
        &self,
        id: &UploadId,
        key: &StorageKey,
        size: u64,
        now: Timestamp,
    ) -> Result<Declared> {
        let mut tx = self.begin().await?;
        let answer = rules::declare_size(&mut *tx, id, key, size, now).await?;
        tx.answer(answer).await
    }

    async fn set_options(
        &self,
        id: &UploadId,
        key: &StorageKey,
        named: &UploadOptions,
        thumbnail: Option<&ChunkRecord>,
        now: Timestamp,
    ) -> Result<OptionsSet> {
        let mut tx = self.begin().await?;
        let answer = rules::set_options(&mut *tx, id, key, named, thumbnail, now).await?;
        tx.answer(answer).await
    }

    async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
        let mut reader = self.readers.acquire().await.map_err(database)?;
        usage::usage(&mut reader, of, now).await
    }

    async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
        let rows = sqlx::query("SELECT * FROM chunks WHERE key = ? ORDER BY idx")
            .bind(key.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(database)?;
        rows.iter().map(row::chunk).collect()
    }

    async fn checkpoint_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        expected: Option<&ResumeState>,
        resume: &ResumeState,
    ) -> Result<bool> {
        // `checkpoint_early` of the upload as one statement: no row has to be read and written back for it.
        let written = sqlx::query(
            "UPDATE uploads SET resume = ?, resume_of = ?, resume_sender = ? WHERE id = ? AND key = ? AND state = 'receiving' \
             AND resume IS ? AND (resume IS NULL OR (resume_of = ? AND resume_sender IS ?))",
        );
        let written = written.bind(&resume.bytes).bind(&resume.backend);
        let written =
            written.bind(resume.sender.as_ref().map(SenderId::as_str)).bind(id.as_str()).bind(key.as_str());
        let written = written.bind(expected.map(|expected| &expected.bytes));
        let written = written.bind(expected.map(|expected| &expected.backend));
        let sender = expected.and_then(|expected| expected.sender.as_ref()).map(SenderId::as_str);
        let written = written.bind(sender);
        Ok(written.execute(&self.writer).await.map_err(database)?.rows_affected() == 1)
    }

    async fn begin_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let answer = rules::begin_early(&mut *tx, id, key, worker, now, until).await?;
        tx.answer(answer).await
    }

    async fn end_early(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId) -> Result<()> {
        let end =
            sqlx::query("UPDATE uploads SET early = 0 WHERE id = ? AND key = ? AND worker = ? AND early");
        let end = end.bind(id.as_str()).bind(key.as_str()).bind(worker.as_str());
        end.execute(&self.writer).await.map_err(database)?;
        Ok(())
    }

    async fn begin_fetch(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Upload>> {
        let mut tx = self.begin().await?;
        let answer = rules::begin_fetch(&mut *tx, worker, now, except).await?;
        tx.answer(answer).await
    }

    async fn note_fetch(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        note: &FetchNote,
        now: Timestamp,
    ) -> Result<Option<Vec<BlobName>>> {
        let mut tx = self.begin().await?;
        let answer = rules::note_fetch(&mut *tx, id, key, worker, note, now).await?;
        tx.answer(answer).await
    }

    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
        let mut tx = self.begin().await?;
        let answer = rules::complete(&mut *tx, id, key, now).await?;
        tx.answer(answer).await
    }

    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
        let mut tx = self.begin().await?;
        let answer = rules::cancel(&mut *tx, id, key, now).await?;
        tx.answer(answer).await
    }

    async fn forget(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Vec<BlobName>>> {
        let mut tx = self.begin().await?;
        let answer = rules::forget(&mut *tx, id, key).await?;
        tx.answer(answer).await
    }

    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
        let mut tx = self.begin_flushed().await?;
        let answer = rules::keep(&mut *tx, id, key).await?;
        tx.answer(answer).await
    }

    async fn lease(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Lease>> {
        let mut tx = self.begin().await?;
        let answer = rules::lease(&mut *tx, worker, now, until, except).await?;
        tx.answer(answer).await
    }

    async fn next_due(&self, worker: &WorkerId) -> Result<Option<Timestamp>> {
        leases::next_due(&self.readers, worker).await
    }

    async fn extend(&self, lease: &Lease, now: Timestamp, until: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        let answer = rules::extend(&mut *tx, lease, now, until).await?;
        tx.answer(answer).await
    }

    async fn hold_account(
        &self,
        user: &UserId,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let answer = rules::hold_account(&mut *tx, user, worker, now, until).await?;
        tx.answer(answer).await
    }

    async fn leave_account(&self, user: &UserId, worker: &WorkerId) -> Result<()> {
        workers::leave(&self.writer, user, worker).await
    }

    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        self.leased(lease, false, |upload| upload.checkpoint(progress, resume)).await
    }

    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        let mut tx = self.begin_flushed().await?;
        let commit = |upload: &mut Upload| upload.commit(progress, resume);
        let answer = rules::change_leased(&mut *tx, lease, false, commit).await?;
        tx.answer(answer).await
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
        let mut tx = self.begin_flushed().await?;
        let answer = rules::finish(&mut *tx, lease, stored, event, now).await?;
        tx.answer(answer).await
    }

    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> Result<bool> {
        self.leased(lease, true, |upload| upload.fail(error, outcome, now)).await
    }

    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool> {
        self.leased(lease, true, |upload| upload.retry_later(at, counted, now)).await
    }

    async fn beat(&self, worker: &WorkerId, until: Timestamp) -> Result<()> {
        let mut writer = self.writer.acquire().await.map_err(database)?;
        workers::beat(&mut writer, worker, until).await
    }

    async fn introduce(
        &self,
        worker: &WorkerId,
        info: &WorkerInfo,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        let mut writer = self.writer.acquire().await.map_err(database)?;
        workers::introduce(&mut writer, worker, info, now, until).await
    }

    async fn workers(&self, now: Timestamp) -> Result<Vec<KnownWorker>> {
        workers::known(&self.readers, now).await
    }

    async fn living(&self, now: Timestamp, after: Option<&WorkerId>, limit: u32) -> Result<Vec<WorkerId>> {
        workers::living(&self.readers, now, after, limit).await
    }

    async fn release(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>> {
        let mut tx = self.begin().await?;
        let answer = rules::release(&mut *tx, Whose::Own(worker), now, limit).await?;
        tx.answer(answer).await
    }

    async fn release_gone(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>> {
        let mut tx = self.begin().await?;
        let answer = rules::release(&mut *tx, Whose::Gone(worker), now, limit).await?;
        tx.answer(answer).await
    }

    async fn add_event(
        &self,
        upload: &UploadId,
        event: &NewEvent,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<OutboxEvent> {
        let mut tx = self.begin_flushed().await?;
        let answer = rules::add_event(&mut *tx, upload, event, worker, now, until).await?;
        tx.answer(answer).await
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
        let mut tx = self.begin().await?;
        let answer = rules::outbox_lease(&mut *tx, worker, kind, now, until, limit, except).await?;
        tx.answer(answer).await
    }

    async fn outbox_due(&self, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>> {
        outbox::due(&self.readers, now).await
    }

    async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
        outbox::next_due(&self.readers).await
    }

    async fn outbox_done(&self, event: &OutboxEvent) -> Result<bool> {
        outbox::done(&self.writer, event).await
    }

    async fn outbox_later(&self, event: &OutboxEvent, at: Timestamp) -> Result<bool> {
        outbox::later(&self.writer, event, at).await
    }

    async fn outbox_list(&self, kind: OutboxKind, after: Option<&str>, limit: u32) -> Result<Vec<NewEvent>> {
        outbox::listed(&self.readers, kind, after, limit).await
    }

    async fn files(&self, user: &UserId, listing: &FileListing) -> Result<Vec<IndexedFile>> {
        files::list(&self.readers, user, listing).await
    }

    async fn file(&self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
        files::find(&self.readers, user, id).await
    }

    async fn delete_file(
        &self,
        user: &UserId,
        id: &FileId,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Option<IndexedFile>> {
        let mut tx = self.begin_flushed().await?;
        let answer = rules::delete_file(&mut *tx, user, id, events, now).await?;
        tx.answer(answer).await
    }

    async fn named(&self, blobs: &[BlobName]) -> Result<Vec<BlobName>> {
        let named = sqlx::query(
            "SELECT DISTINCT blob FROM chunks JOIN uploads ON uploads.key = chunks.key \
             WHERE blob IN (SELECT value FROM json_each(?)) AND state NOT IN ('completed', 'cancelled')",
        );
        let named = named.bind(outbox::list(blobs.iter().map(BlobName::as_str)));
        let rows = named.fetch_all(&self.readers).await.map_err(database)?;
        rows.iter().map(row::blob).collect()
    }

    async fn expire(&self, expiry: &Expiry) -> Result<Vec<Expired>> {
        let mut tx = self.begin().await?;
        let answer = rules::expire(&mut *tx, expiry).await?;
        tx.answer(answer).await
    }

    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
        moved::find(&self.readers, user, chat).await
    }

    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
        moved::save(&self.writer, user, chat, moved_to).await
    }

    async fn bot_key(&self, key: &StorageKey) -> Result<Option<Vec<u8>>> {
        bot_keys::find(&self.readers, key).await
    }

    async fn save_bot_key(&self, key: &StorageKey, sealed: &[u8]) -> Result<()> {
        bot_keys::save(&self.writer, key, sealed).await
    }

    async fn clock(&self) -> Result<Option<Reading>> {
        sweep::clock(&self.readers).await
    }

    async fn save_clock(&self, reading: Reading) -> Result<()> {
        sweep::save_clock(&self.writer, reading).await
    }

    async fn counts(&self) -> Result<Counts> {
        counts::counts(&self.readers).await
    }

    async fn probe(&self) -> Result<()> {
        counts::probe(&self.writer).await
    }
}
