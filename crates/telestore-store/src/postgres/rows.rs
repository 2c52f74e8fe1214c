use async_trait::async_trait;
use telestore_types::{
    ChunkIndex, FileId, IndexedFile, StorageKey, Timestamp, Upload, UploadId, UserId, WorkerId,
};

use super::row::{self, Values};
use super::tx::Tx;
use super::{database, files, leases, lock, outbox, record, sql, sweep, usage, workers};
use crate::rules::{Holder, Place, Rows, Whose};
use crate::{
    BlobName, ChunkRecord, Expiry, Lease, NewEvent, OutboxEvent, OutboxKind, Result, Subject, Usage,
};

/// An upload, and what one of its places holds, in one question.
const FIND: &str = "SELECT uploads.*, chunks.idx, chunks.length, chunks.crc32c, chunks.blob FROM uploads LEFT JOIN chunks \
                    ON chunks.key = uploads.key AND chunks.idx = $1 WHERE uploads.id = $2 AND uploads.key = $3 \
                    FOR UPDATE OF uploads";

/// The rows within a transaction; see [`lock`] for what is locked, and in which order.
#[async_trait]
impl Rows for Tx {
    async fn load(&mut self, id: &UploadId) -> Result<Option<Upload>> {
        row::load(self, id, true).await
    }

    async fn insert(&mut self, upload: &Upload) -> Result<()> {
        row::insert(self, upload).await
    }

    async fn save(&mut self, upload: &Upload) -> Result<()> {
        row::save(self, upload).await
    }

    async fn delete(&mut self, key: &StorageKey) -> Result<()> {
        let delete = sql("DELETE FROM uploads WHERE key = $1").bind(key.as_str());
        delete.execute(&mut **self).await.map_err(database)?;
        Ok(())
    }

    async fn place(&mut self, id: &UploadId, key: &StorageKey, index: ChunkIndex) -> Result<Option<Place>> {
        let find = sql(FIND).bind(i64::from(index.get())).bind(id.as_str()).bind(key.as_str());
        let found = find.fetch_optional(&mut **self).await.map_err(database)?;
        found.map(|row| Ok(Place { upload: row::upload(&row)?, held: row::held(&row)? })).transpose()
    }

    async fn put_chunk(&mut self, key: &StorageKey, chunk: &ChunkRecord) -> Result<()> {
        let put = sql("INSERT INTO chunks (key, idx, length, crc32c, blob) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (key, idx) DO UPDATE SET length = $3, crc32c = $4, blob = $5");
        let put = put.bind(key.as_str()).bind(i64::from(chunk.index.get())).bind(row::signed(chunk.length));
        let put = put.bind(i64::from(chunk.crc32c)).text(chunk.blob.as_str());
        put.execute(&mut **self).await.map_err(database)?;
        Ok(())
    }

    async fn records(&mut self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
        record::of(self, key).await
    }

    async fn delete_chunk(&mut self, key: &StorageKey, index: ChunkIndex) -> Result<()> {
        let delete = sql("DELETE FROM chunks WHERE key = $1 AND idx = $2").bind(key.as_str());
        delete.bind(i64::from(index.get())).execute(&mut **self).await.map_err(database)?;
        Ok(())
    }

    async fn count(&mut self, of: Subject<'_>, bytes: u64, now: Timestamp) -> Result<()> {
        usage::count(self, of, bytes, now).await
    }

    async fn delete_chunks(&mut self, key: &StorageKey) -> Result<Vec<BlobName>> {
        let delete = sql("DELETE FROM chunks WHERE key = $1 RETURNING blob").bind(key.as_str());
        let rows = delete.fetch_all(&mut **self).await.map_err(database)?;
        rows.iter().map(row::blob).collect()
    }

    async fn make_room(&mut self, most: u64) -> Result<()> {
        sweep::make_room(self, most).await
    }

    async fn usage(&mut self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
        // Others that take more of it wait, also those with other uploads.
        lock::wait_for(self, lock::of_subject(of)).await?;
        usage::usage(self, of, now).await
    }

    async fn leased(&mut self, lease: &Lease) -> Result<Option<Upload>> {
        leases::held(self, lease).await
    }

    async fn begin_lease(&mut self, lease: &Lease) -> Result<()> {
        leases::begin(self, lease).await
    }

    async fn extend_lease(&mut self, key: &StorageKey, until: Timestamp) -> Result<()> {
        leases::extend(self, key, until).await
    }

    async fn end_lease(&mut self, key: &StorageKey) -> Result<()> {
        leases::end(self, key).await
    }

    async fn abandoned(&mut self, now: Timestamp) -> Result<Vec<Upload>> {
        leases::abandoned(self, now).await
    }

    async fn next(&mut self, worker: &WorkerId, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>> {
        leases::next(self, worker, now, except).await
    }

    async fn next_fetch(&mut self, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>> {
        leases::next_fetch(self, now, except).await
    }

    async fn holder(&mut self, user: &UserId) -> Result<Option<Holder>> {
        if !self.lock_account(user).await? {
            lock::wait_for(self, lock::of_account(user)).await?;
        }
        workers::holder(self, user).await
    }

    async fn hold(&mut self, user: &UserId, holder: &Holder) -> Result<()> {
        workers::hold(self, user, holder).await
    }

    async fn beat(&mut self, worker: &WorkerId, until: Timestamp) -> Result<()> {
        workers::beat(self, worker, until).await
    }

    async fn unfinished(&mut self, whose: Whose<'_>, now: Timestamp, limit: u32) -> Result<Vec<Upload>> {
        workers::unfinished(self, whose, now, limit).await
    }

    async fn let_go(&mut self, whose: Whose<'_>, now: Timestamp) -> Result<()> {
        workers::let_go(self, whose, now).await
    }

    async fn add_event(&mut self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
        outbox::add(self, upload, event, now).await
    }

    async fn next_event(
        &mut self,
        worker: &WorkerId,
        kind: OutboxKind,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<OutboxEvent>> {
        outbox::next(self, worker, kind, now, except).await
    }

    async fn claim_event(&mut self, event: &OutboxEvent, worker: &WorkerId, until: Timestamp) -> Result<()> {
        outbox::claim(self, event, worker, until).await
    }

    async fn past(&mut self, expiry: &Expiry) -> Result<Vec<Upload>> {
        sweep::past(self, expiry).await
    }

    async fn put_file(&mut self, file: &IndexedFile) -> Result<()> {
        files::put(self, file).await
    }

    async fn take_file(&mut self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
        files::take(self, user, id).await
    }

    async fn forget_days(&mut self, before: Timestamp) -> Result<()> {
        usage::forget(self, before).await
    }

    async fn forget_turns(&mut self) -> Result<()> {
        sweep::forget_turns(self).await
    }
}
