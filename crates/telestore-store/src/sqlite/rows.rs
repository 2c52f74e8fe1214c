use async_trait::async_trait;
use sqlx::SqliteConnection;
use telestore_types::{
    ChunkIndex, FileId, IndexedFile, StorageKey, Timestamp, Upload, UploadId, UserId, WorkerId,
};

use super::{database, files, leases, outbox, row, sweep, usage, workers};
use crate::rules::{Holder, Place, Rows, Whose};
use crate::{
    BlobName, ChunkRecord, Expiry, Lease, NewEvent, OutboxEvent, OutboxKind, Result, Subject, Usage,
};

/// An upload, and what one of its places holds, in one question.
const FIND: &str = "SELECT uploads.*, chunks.idx, chunks.length, chunks.crc32c, chunks.blob FROM uploads LEFT JOIN chunks \
                    ON chunks.key = uploads.key AND chunks.idx = ? WHERE uploads.id = ? AND uploads.key = ?";

/// The rows within the transaction that is open on this connection.
#[async_trait]
impl Rows for SqliteConnection {
    async fn load(&mut self, id: &UploadId) -> Result<Option<Upload>> {
        row::load(self, id).await
    }

    async fn insert(&mut self, upload: &Upload) -> Result<()> {
        row::insert(self, upload).await
    }

    async fn save(&mut self, upload: &Upload) -> Result<()> {
        row::save(self, upload).await
    }

    async fn delete(&mut self, key: &StorageKey) -> Result<()> {
        let delete = sqlx::query("DELETE FROM uploads WHERE key = ?").bind(key.as_str());
        delete.execute(self).await.map_err(database)?;
        Ok(())
    }

    async fn place(&mut self, id: &UploadId, key: &StorageKey, index: ChunkIndex) -> Result<Option<Place>> {
        let find = sqlx::query(FIND).bind(index.get()).bind(id.as_str()).bind(key.as_str());
        let found = find.fetch_optional(self).await.map_err(database)?;
        found.map(|row| Ok(Place { upload: row::upload(&row)?, held: row::held(&row)? })).transpose()
    }

    async fn put_chunk(&mut self, key: &StorageKey, chunk: &ChunkRecord) -> Result<()> {
        let put = sqlx::query(
            "INSERT OR REPLACE INTO chunks (key, idx, length, crc32c, blob) VALUES (?, ?, ?, ?, ?)",
        );
        let put = put.bind(key.as_str()).bind(chunk.index.get()).bind(row::signed(chunk.length));
        put.bind(chunk.crc32c).bind(chunk.blob.as_str()).execute(self).await.map_err(database)?;
        Ok(())
    }

    async fn records(&mut self, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
        let rows = sqlx::query("SELECT * FROM chunks WHERE key = ? ORDER BY idx").bind(key.as_str());
        rows.fetch_all(self).await.map_err(database)?.iter().map(row::chunk).collect()
    }

    async fn delete_chunk(&mut self, key: &StorageKey, index: ChunkIndex) -> Result<()> {
        let delete = sqlx::query("DELETE FROM chunks WHERE key = ? AND idx = ?");
        delete.bind(key.as_str()).bind(index.get()).execute(self).await.map_err(database)?;
        Ok(())
    }

    async fn count(&mut self, of: Subject<'_>, bytes: u64, now: Timestamp) -> Result<()> {
        usage::count(self, of, bytes, now).await
    }

    async fn delete_chunks(&mut self, key: &StorageKey) -> Result<Vec<BlobName>> {
        let delete = sqlx::query("DELETE FROM chunks WHERE key = ? RETURNING blob").bind(key.as_str());
        let rows = delete.fetch_all(self).await.map_err(database)?;
        rows.iter().map(row::blob).collect()
    }

    async fn make_room(&mut self, most: u64) -> Result<()> {
        sweep::make_room(self, most).await
    }

    async fn usage(&mut self, of: Subject<'_>, now: Timestamp) -> Result<Usage> {
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
        let forget = "DELETE FROM turns WHERE NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.user_id = turns.user_id)";
        sqlx::query(forget).execute(self).await.map_err(database)?;
        Ok(())
    }
}
