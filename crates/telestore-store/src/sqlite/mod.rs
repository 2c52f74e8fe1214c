//! Uploads in one SQLite file.

mod row;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row, Sqlite, SqliteConnection};
use telestore_types::{
    ChunkVerdict, ResumeState, StorageKey, StoredFile, Timestamp, Upload, UploadId, UploadState,
};

use crate::{
    BlobName, Cancelled, ChunkRecord, Claim, Completed, Created, Durability, Error, Lease, NewEvent,
    OutboxEvent, Owner, Recorded, Result, SessionStore,
};

/// Uploads in one SQLite file in WAL mode: one connection writes, a few read.
///
/// A transaction that has been committed survives a killed process; a power cut may take back the last ones, unless it
/// was opened with [`Durability::Disk`].
#[derive(Clone)]
pub struct SqliteSessionStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl fmt::Debug for SqliteSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteSessionStore")
    }
}

fn database(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    let full = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    // SQLITE_FULL
    if full.and_then(|error| error.code()).is_some_and(|code| code == "13") {
        return Error::NoSpace(std::io::ErrorKind::StorageFull.into());
    }
    Error::Database(error)
}

impl SqliteSessionStore {
    /// Opens the file at `path`, makes it where there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Database`] where it cannot be opened or was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_durable(path, Durability::default()).await
    }

    /// The same, with what a committed transaction is to survive.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_durable(path: impl AsRef<Path>, durability: Durability) -> Result<Self> {
        let synchronous = match durability {
            Durability::Process => SqliteSynchronous::Normal,
            Durability::Disk => SqliteSynchronous::Full,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await;
        let writer = writer.map_err(database)?;
        sqlx::migrate!("./migrations").run(&writer).await.map_err(database)?;
        let readers = SqlitePoolOptions::new().max_connections(4).connect_with(options.read_only(true)).await;
        Ok(Self { writer, readers: readers.map_err(database)? })
    }

    /// Closes the file; what was committed is in it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Tx> {
        let connection = self.writer.acquire().await.map_err(database)?;
        let mut tx = Tx { connection, ended: false };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *tx).await.map_err(database)?;
        Ok(tx)
    }

    /// Applies a transition to a leased upload; `false` where the lease is lost.
    async fn leased(
        &self,
        lease: &Lease,
        keep_lease: bool,
        event: Option<(&NewEvent, Timestamp)>,
        change: impl FnOnce(&mut Upload) + Send,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT * FROM uploads WHERE id = ? AND key = ? AND lease_token = ?")
            .bind(lease.upload.id.as_str())
            .bind(lease.upload.key.as_str())
            .bind(&lease.token)
            .fetch_optional(&mut *tx)
            .await
            .map_err(database)?;
        let Some(row) = row else { return tx.unchanged(false).await };
        let mut upload = row::upload(&row)?;
        change(&mut upload);
        row::save(&mut tx, &upload).await?;
        if !keep_lease {
            end_lease(&mut tx, &upload.key).await?;
        }
        if let Some((event, now)) = event {
            add_event(&mut tx, &upload.id, event, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// A transaction on the writing connection.
///
/// Where it does not end in order, the connection goes with it and the pool opens another: a COMMIT that fails (a full
/// disk) leaves SQLite inside of the transaction, and whoever gets that connection next could not begin one.
struct Tx {
    connection: PoolConnection<Sqlite>,
    ended: bool,
}

impl Tx {
    async fn commit(mut self) -> Result<()> {
        sqlx::query("COMMIT").execute(&mut *self).await.map_err(database)?;
        self.ended = true;
        Ok(())
    }

    /// Ends it without a change, with `value` as the answer.
    async fn unchanged<T>(mut self, value: T) -> Result<T> {
        sqlx::query("ROLLBACK").execute(&mut *self).await.map_err(database)?;
        self.ended = true;
        Ok(value)
    }
}

impl Deref for Tx {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

async fn end_lease(on: &mut SqliteConnection, key: &StorageKey) -> Result<()> {
    let end = sqlx::query("UPDATE uploads SET lease_token = NULL, lease_until = NULL WHERE key = ?");
    end.bind(key.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

async fn add_event(on: &mut SqliteConnection, id: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
    let add = sqlx::query(
        "INSERT INTO outbox (event_id, upload_id, body, attempt, due_at, created_at) VALUES (?, ?, ?, 0, ?, ?)",
    );
    let add = add.bind(&event.event_id).bind(id.as_str()).bind(&event.body);
    add.bind(now.as_millis()).bind(now.as_millis()).execute(on).await.map_err(database)?;
    Ok(())
}

/// Puts the upload's user behind all others.
async fn take_turn(on: &mut SqliteConnection, upload: &Upload) -> Result<()> {
    let turn = sqlx::query(
        "INSERT OR REPLACE INTO turns (user_id, turn) VALUES (?, (SELECT COALESCE(MAX(turn), 0) + 1 FROM turns))",
    );
    let user = upload.user_id.as_ref().map(telestore_types::UserId::as_str).unwrap_or_default();
    turn.bind(user).execute(on).await.map_err(database)?;
    Ok(())
}

async fn delete_chunks(on: &mut SqliteConnection, key: &StorageKey) -> Result<()> {
    sqlx::query("DELETE FROM chunks WHERE key = ?").bind(key.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

async fn delete_upload(on: &mut SqliteConnection, key: &StorageKey) -> Result<()> {
    delete_chunks(on, key).await?;
    sqlx::query("DELETE FROM uploads WHERE key = ?")
        .bind(key.as_str())
        .execute(on)
        .await
        .map_err(database)?;
    Ok(())
}

#[async_trait]
impl SessionStore for SqliteSessionStore {
    async fn create(&self, upload: &Upload, anew: bool) -> Result<Created> {
        let mut tx = self.begin().await?;
        if let Some(found) = row::load(&mut tx, &upload.id).await? {
            if !(anew && found.state.is_over()) {
                return tx.unchanged(Created::Exists(Box::new(found))).await;
            }
            delete_upload(&mut tx, &found.key).await?;
        }
        row::insert(&mut tx, upload).await?;
        tx.commit().await?;
        Ok(Created::New)
    }

    async fn get(&self, id: &UploadId) -> Result<Option<Upload>> {
        let mut reader = self.readers.acquire().await.map_err(database)?;
        row::load(&mut reader, id).await
    }

    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner) -> Result<Claim> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load(&mut tx, id).await?.filter(|upload| upload.key == *key) else {
            return tx.unchanged(Claim::NotFound).await;
        };
        if upload.user_id.as_ref().is_some_and(|user| *user != owner.user_id) {
            return tx.unchanged(Claim::Foreign).await;
        }
        upload.user_id = Some(owner.user_id.clone());
        if !upload.state.is_over() {
            upload.sealed_token = Some(owner.sealed_token.clone());
        }
        row::save(&mut tx, &upload).await?;
        tx.commit().await?;
        Ok(Claim::Owned)
    }

    async fn record_chunk(
        &self,
        id: &UploadId,
        key: &StorageKey,
        chunk: &ChunkRecord,
        mime_type: Option<&str>,
        max_bytes: u64,
        now: Timestamp,
    ) -> Result<Recorded> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load(&mut tx, id).await?.filter(|upload| upload.key == *key) else {
            return tx.unchanged(Recorded::NotFound).await;
        };
        let old = sqlx::query("SELECT * FROM chunks WHERE key = ? AND idx = ?")
            .bind(key.as_str())
            .bind(chunk.index.get())
            .fetch_optional(&mut *tx)
            .await
            .map_err(database)?;
        let old = old.as_ref().map(row::chunk).transpose()?;
        let (before, new) = (old.as_ref().map(|old| (old.length, old.crc32c)), (chunk.length, chunk.crc32c));
        match upload.chunk_verdict(before, new) {
            ChunkVerdict::Store => {}
            verdict => {
                return tx.unchanged(Recorded::Refused { verdict, upload: Box::new(upload) }).await;
            }
        }
        upload.chunk_stored(before, new, now);
        upload.mime_type = upload.mime_type.or_else(|| mime_type.map(str::to_owned));
        if upload.received_bytes > max_bytes {
            return tx.unchanged(Recorded::TooLarge { received: upload.received_bytes }).await;
        }
        row::save(&mut tx, &upload).await?;
        sqlx::query("INSERT OR REPLACE INTO chunks (key, idx, length, crc32c, blob) VALUES (?, ?, ?, ?, ?)")
            .bind(key.as_str())
            .bind(chunk.index.get())
            .bind(row::signed(chunk.length))
            .bind(chunk.crc32c)
            .bind(chunk.blob.as_str())
            .execute(&mut *tx)
            .await
            .map_err(database)?;
        tx.commit().await?;
        Ok(Recorded::Stored { upload: Box::new(upload), replaced: old.map(|old| old.blob) })
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
            "UPDATE uploads SET resume = ? WHERE id = ? AND key = ? AND state = 'receiving' AND resume IS ?",
        );
        let written = written.bind(&resume.0).bind(id.as_str()).bind(key.as_str());
        let written = written.bind(expected.map(|expected| &expected.0));
        Ok(written.execute(&self.writer).await.map_err(database)?.rows_affected() == 1)
    }

    async fn complete(&self, id: &UploadId, now: Timestamp) -> Result<Completed> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load(&mut tx, id).await? else {
            return tx.unchanged(Completed::NotFound).await;
        };
        let completion = match upload.complete(now) {
            Ok(completion) => completion,
            Err(error) => return tx.unchanged(Completed::Refused(error)).await,
        };
        row::save(&mut tx, &upload).await?;
        tx.commit().await?;
        Ok(Completed::Accepted(completion, Box::new(upload)))
    }

    async fn cancel(&self, id: &UploadId, now: Timestamp) -> Result<Cancelled> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load(&mut tx, id).await? else {
            return tx.unchanged(Cancelled::NotFound).await;
        };
        if !upload.cancel(now) {
            return tx.unchanged(Cancelled::Over(Box::new(upload))).await;
        }
        row::save(&mut tx, &upload).await?;
        end_lease(&mut tx, &upload.key).await?;
        delete_chunks(&mut tx, &upload.key).await?;
        tx.commit().await?;
        Ok(Cancelled::Now(Box::new(upload)))
    }

    async fn lease(&self, now: Timestamp, until: Timestamp) -> Result<Option<Lease>> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "SELECT uploads.* FROM uploads LEFT JOIN turns ON turns.user_id = uploads.user_id \
             WHERE (state = 'queued' AND next_attempt_at <= ?1) \
             OR (state = 'sending' AND (lease_until IS NULL OR lease_until <= ?1)) \
             ORDER BY COALESCE(turn, 0), queued_at, id LIMIT 1",
        )
        .bind(now.as_millis())
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        let Some(row) = row else { return tx.unchanged(None).await };
        let mut upload = row::upload(&row)?;
        upload.start_attempt(now);
        row::save(&mut tx, &upload).await?;
        let token = format!("{:032x}", rand::random::<u128>());
        sqlx::query("UPDATE uploads SET lease_token = ?, lease_until = ? WHERE key = ?")
            .bind(&token)
            .bind(until.as_millis())
            .bind(upload.key.as_str())
            .execute(&mut *tx)
            .await
            .map_err(database)?;
        take_turn(&mut tx, &upload).await?;
        tx.commit().await?;
        Ok(Some(Lease { upload, token, until }))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query(
            "SELECT MIN(CASE state WHEN 'queued' THEN next_attempt_at ELSE lease_until END) AS due \
             FROM uploads WHERE state IN ('queued', 'sending')",
        );
        let row = row.fetch_one(&self.readers).await.map_err(database)?;
        Ok(row.try_get::<Option<i64>, _>("due").map_err(database)?.map(Timestamp::from_millis))
    }

    async fn extend(&self, lease: &Lease, until: Timestamp) -> Result<bool> {
        let extended = sqlx::query("UPDATE uploads SET lease_until = ? WHERE key = ? AND lease_token = ?")
            .bind(until.as_millis())
            .bind(lease.upload.key.as_str())
            .bind(&lease.token)
            .execute(&self.writer)
            .await
            .map_err(database)?;
        Ok(extended.rows_affected() == 1)
    }

    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        self.leased(lease, true, None, |upload| upload.checkpoint(progress, resume)).await
    }

    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Timestamp,
    ) -> Result<bool> {
        let event = event.map(|event| (event, now));
        self.leased(lease, false, event, |upload| upload.finish(stored.clone(), now)).await
    }

    async fn fail(&self, lease: &Lease, error: &str, now: Timestamp) -> Result<bool> {
        self.leased(lease, false, None, |upload| upload.fail(error, now)).await
    }

    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool> {
        self.leased(lease, false, None, |upload| upload.retry_later(at, counted, now)).await
    }

    async fn release_all(&self, now: Timestamp) -> Result<u64> {
        // Being killed is no fault of the file, so the attempt is not counted.
        let released = sqlx::query(
            "UPDATE uploads SET state = 'queued', next_attempt_at = ?1, attempt = MAX(attempt - 1, 0), \
             lease_token = NULL, lease_until = NULL, updated_at = ?1 WHERE state = 'sending'",
        );
        let released = released.bind(now.as_millis()).execute(&self.writer).await.map_err(database)?;
        Ok(released.rows_affected())
    }

    async fn outbox_due(&self, now: Timestamp, limit: u32) -> Result<Vec<OutboxEvent>> {
        let rows = sqlx::query("SELECT * FROM outbox WHERE due_at <= ? ORDER BY due_at, rowid LIMIT ?")
            .bind(now.as_millis())
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(database)?;
        rows.iter().map(row::event).collect()
    }

    async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query("SELECT MIN(due_at) AS due FROM outbox").fetch_one(&self.readers).await;
        let due: Option<i64> = row.map_err(database)?.try_get("due").map_err(database)?;
        Ok(due.map(Timestamp::from_millis))
    }

    async fn outbox_done(&self, event_id: &str) -> Result<()> {
        let done = sqlx::query("DELETE FROM outbox WHERE event_id = ?").bind(event_id);
        done.execute(&self.writer).await.map_err(database)?;
        Ok(())
    }

    async fn outbox_retry(&self, event_id: &str, at: Timestamp) -> Result<()> {
        let retry = sqlx::query("UPDATE outbox SET attempt = attempt + 1, due_at = ? WHERE event_id = ?");
        retry.bind(at.as_millis()).bind(event_id).execute(&self.writer).await.map_err(database)?;
        Ok(())
    }

    async fn live_keys(&self) -> Result<Vec<StorageKey>> {
        let rows = sqlx::query("SELECT key FROM uploads WHERE state NOT IN ('completed', 'cancelled')");
        let rows = rows.fetch_all(&self.readers).await.map_err(database)?;
        rows.iter().map(row::key).collect()
    }

    async fn live_blobs(&self, key: &StorageKey) -> Result<Vec<BlobName>> {
        let rows = sqlx::query("SELECT blob FROM chunks WHERE key = ?").bind(key.as_str());
        let rows = rows.fetch_all(&self.readers).await.map_err(database)?;
        rows.iter().map(row::blob).collect()
    }

    async fn expire(&self, states: &[UploadState], before: Timestamp) -> Result<Vec<Upload>> {
        let mut tx = self.begin().await?;
        let mut expired = Vec::new();
        for state in states {
            let rows = sqlx::query("SELECT * FROM uploads WHERE state = ? AND updated_at < ?")
                .bind(state.as_str())
                .bind(before.as_millis())
                .fetch_all(&mut *tx)
                .await
                .map_err(database)?;
            for row in &rows {
                let upload = row::upload(row)?;
                delete_upload(&mut tx, &upload.key).await?;
                expired.push(upload);
            }
        }
        // Who has no upload left counts as new when he comes back.
        let forget = "DELETE FROM turns WHERE NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.user_id = turns.user_id)";
        sqlx::query(forget).execute(&mut *tx).await.map_err(database)?;
        tx.commit().await?;
        Ok(expired)
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::{FileName, NewUpload};

    use super::*;

    fn upload(name: &str, key: u8) -> Upload {
        Upload::new(NewUpload {
            id: UploadId::new(name).unwrap(),
            key: StorageKey::from_random([key; 16]),
            file_name: FileName::new("a.bin").unwrap(),
            file_size: 1,
            total_chunks: 1,
            mime_type: None,
            now: Timestamp::from_millis(5),
        })
    }

    #[tokio::test]
    async fn a_commit_that_fails_harms_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteSessionStore::open(dir.path().join("telestore.db")).await.unwrap();
        // A foreign key that is checked at the end makes the COMMIT itself fail, as a full disk does.
        for statement in [
            "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
            "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TRIGGER fails AFTER INSERT ON uploads BEGIN INSERT INTO child VALUES (7); END",
        ] {
            sqlx::query(statement).execute(&store.writer).await.unwrap();
        }
        let (first, second) = (upload("a", 1), upload("b", 2));
        for _ in 0..3 {
            assert!(matches!(store.create(&first, false).await, Err(Error::Database(_))));
        }
        sqlx::query("DROP TRIGGER fails").execute(&store.writer).await.unwrap();
        assert_eq!(store.create(&second, false).await.unwrap(), Created::New);
        assert_eq!(store.get(&first.id).await.unwrap(), None);
        assert_eq!(store.get(&second.id).await.unwrap(), Some(second));
    }
}
