//! Uploads in one SQLite file.

mod counts;
mod group;
mod moved;
mod outbox;
mod record;
mod row;
mod schema;
mod sweep;
#[cfg(test)]
mod tests;
mod tx;
mod usage;
mod wal;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row, SqliteConnection};
use telestore_types::{
    ChatId, LONGEST_PAUSE, Reading, Recovery, ResumeState, StorageKey, StoredFile, Timestamp, Upload,
    UploadId, UploadState, UserId,
};

use self::group::{Group, NewChunk};
use self::schema::MIGRATIONS;
use self::tx::Tx;
use crate::{
    BlobName, Cancelled, ChunkRecord, Claim, Completed, Counts, Created, Durability, Error, Expiry, Lease,
    Limits, Listing, More, NewEvent, OutboxEvent, OutboxKind, Owner, Recorded, Result, SessionStore, Subject,
    Usage, private,
};

/// Uploads in one SQLite file in WAL mode: one connection writes, a few read. Chunks that come at the same time are
/// recorded in one transaction.
///
/// A transaction that has been committed survives a killed process; a power cut may take back the last ones, unless it
/// was opened with [`Durability::Disk`]. What the contract of [`SessionStore`] calls flushed survives that, too.
#[derive(Clone)]
pub struct SqliteSessionStore {
    writer: SqlitePool,
    readers: SqlitePool,
    group: Group,
    durability: Durability,
    /// How many flushed transactions were begun.
    #[cfg(test)]
    flushed: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

pub use self::schema::Schema;

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
        Self::connect(path.as_ref(), durability, true).await
    }

    /// With `own`, the file is made where it is missing and its tables are brought up to date.
    async fn connect(path: &Path, durability: Durability, own: bool) -> Result<Self> {
        if own {
            // SQLite makes the files beside it with the mode of this one.
            private::file().create(true).append(true).open(path).map_err(database)?;
        }
        let synchronous = match durability {
            Durability::Process => SqliteSynchronous::Normal,
            Durability::Disk => SqliteSynchronous::Full,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(own)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(Duration::from_secs(10));
        // A connection in this process needs no question whether it is still there.
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).test_before_acquire(false);
        let writer = pool(1).connect_with(options.clone()).await.map_err(database)?;
        wal::assured(&writer).await?;
        if own {
            MIGRATIONS.run(&writer).await.map_err(database)?;
        }
        let readers = pool(4).connect_with(options.read_only(true)).await.map_err(database)?;
        let group = Group::start(writer.clone());
        Ok(Self {
            writer,
            readers,
            group,
            durability,
            #[cfg(test)]
            flushed: std::sync::Arc::default(),
        })
    }

    /// Closes the file; what was committed is in it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Tx> {
        Tx::begin(&self.writer).await
    }

    /// The same; what is committed survives a power cut, whatever the store was opened with.
    async fn begin_flushed(&self) -> Result<Tx> {
        #[cfg(test)]
        self.flushed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match self.durability {
            Durability::Disk => self.begin().await,
            Durability::Process => Tx::begin_flushed(&self.writer).await,
        }
    }

    /// Applies a transition to a leased upload; `false` where the lease is lost.
    async fn leased(
        &self,
        lease: &Lease,
        keep_lease: bool,
        change: impl FnOnce(&mut Upload) + Send,
    ) -> Result<bool> {
        let tx = self.begin().await?;
        Self::change(tx, lease, keep_lease, None, change).await
    }

    async fn change(
        mut tx: Tx,
        lease: &Lease,
        keep_lease: bool,
        event: Option<(&NewEvent, Timestamp)>,
        change: impl FnOnce(&mut Upload) + Send,
    ) -> Result<bool> {
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
            outbox::add(&mut tx, &upload.id, event, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

async fn end_lease(on: &mut SqliteConnection, key: &StorageKey) -> Result<()> {
    let end = sqlx::query("UPDATE uploads SET lease_token = NULL, lease_until = NULL WHERE key = ?");
    end.bind(key.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

/// Puts the upload's user behind all others.
async fn take_turn(on: &mut SqliteConnection, upload: &Upload) -> Result<()> {
    let turn = sqlx::query(
        "INSERT OR REPLACE INTO turns (user_id, turn) VALUES (?, (SELECT COALESCE(MAX(turn), 0) + 1 FROM turns))",
    );
    let user = upload.user_id.as_ref().map(UserId::as_str).unwrap_or_default();
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
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created> {
        let mut tx = self.begin().await?;
        if let Some(found) = row::load(&mut tx, &upload.id).await? {
            if !(anew && found.state.is_over()) {
                return tx.unchanged(Created::Exists(Box::new(found))).await;
            }
            delete_upload(&mut tx, &found.key).await?;
        }
        if let Err(exceeded) = usage::check(&mut tx, upload, limits, &More::UPLOAD, upload.created_at).await?
        {
            return tx.unchanged(Created::TooMuch(exceeded)).await;
        }
        if let Some(most) = limits.unowned.filter(|_| upload.user_id.is_none()) {
            sweep::make_room(&mut tx, most).await?;
        }
        row::insert(&mut tx, upload).await?;
        tx.commit().await?;
        Ok(Created::New)
    }

    async fn get(&self, id: &UploadId) -> Result<Option<Upload>> {
        let mut reader = self.readers.acquire().await.map_err(database)?;
        row::load(&mut reader, id).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>> {
        let rows = sqlx::query(
            "SELECT * FROM uploads WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR user_id = ?2) \
             ORDER BY updated_at DESC, id LIMIT ?3 OFFSET ?4",
        )
        .bind(listing.state.map(UploadState::as_str))
        .bind(listing.user.as_ref().map(UserId::as_str))
        .bind(listing.limit)
        .bind(listing.skip)
        .fetch_all(&self.readers)
        .await
        .map_err(database)?;
        rows.iter().map(row::upload).collect()
    }

    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load(&mut tx, id).await?.filter(|upload| upload.key == *key) else {
            return tx.unchanged(Claim::NotFound).await;
        };
        if upload.user_id.as_ref().is_some_and(|user| *user != owner.user_id) {
            return tx.unchanged(Claim::Foreign).await;
        }
        if upload.user_id.is_none() {
            let mine = Subject::User(&owner.user_id);
            let used = usage::usage(&mut tx, mine, upload.created_at).await?;
            let more = More { sessions: 1, ..More::default() };
            if let Err(exceeded) = limits.user.check(mine, &used, &more) {
                return tx.unchanged(Claim::TooMuch(exceeded)).await;
            }
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
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Recorded> {
        let chunk = NewChunk {
            id: id.clone(),
            key: key.clone(),
            chunk: chunk.clone(),
            mime_type: mime_type.map(str::to_owned),
            limits: *limits,
            now,
        };
        self.group.record(chunk).await
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
            "UPDATE uploads SET resume = ? WHERE id = ? AND key = ? AND state = 'receiving' AND resume IS ?",
        );
        let written = written.bind(&resume.0).bind(id.as_str()).bind(key.as_str());
        let written = written.bind(expected.map(|expected| &expected.0));
        Ok(written.execute(&self.writer).await.map_err(database)?.rows_affected() == 1)
    }

    async fn begin_early(&self, id: &UploadId, key: &StorageKey) -> Result<bool> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load_life(&mut tx, id, key).await? else {
            return tx.unchanged(false).await;
        };
        if !upload.begin_early() {
            return tx.unchanged(false).await;
        }
        row::save(&mut tx, &upload).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn end_early(&self, id: &UploadId, key: &StorageKey) -> Result<()> {
        let end = sqlx::query("UPDATE uploads SET early = 0 WHERE id = ? AND key = ? AND early");
        let end = end.bind(id.as_str()).bind(key.as_str());
        end.execute(&self.writer).await.map_err(database)?;
        Ok(())
    }

    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load_life(&mut tx, id, key).await? else {
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

    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled> {
        let mut tx = self.begin().await?;
        let Some(mut upload) = row::load_life(&mut tx, id, key).await? else {
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

    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
        let mut tx = self.begin_flushed().await?;
        let Some(mut upload) = row::load_life(&mut tx, id, key).await? else {
            return tx.unchanged(None).await;
        };
        upload.keep();
        row::save(&mut tx, &upload).await?;
        tx.commit().await?;
        Ok(Some(upload))
    }

    async fn lease(&self, now: Timestamp, until: Timestamp, except: &[UserId]) -> Result<Option<Lease>> {
        let mut tx = self.begin().await?;
        sweep::cut_off(&mut tx, now).await?;
        let row = sqlx::query(
            "SELECT uploads.* FROM uploads LEFT JOIN turns ON turns.user_id = uploads.user_id \
             WHERE ((state = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= ?1 OR next_attempt_at > ?2)) \
             OR (state = 'sending' AND (lease_until IS NULL OR lease_until <= ?1 OR lease_until > ?2))) \
             AND (uploads.user_id IS NULL OR uploads.user_id NOT IN (SELECT value FROM json_each(?3))) \
             ORDER BY COALESCE(turn, 0), queued_at, id LIMIT 1",
        )
        .bind(now.as_millis())
        .bind((now + LONGEST_PAUSE).as_millis())
        .bind(outbox::list(except.iter().map(UserId::as_str)))
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        let Some(row) = row else {
            tx.commit().await?;
            return Ok(None);
        };
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
            "SELECT MIN(COALESCE(CASE state WHEN 'queued' THEN next_attempt_at ELSE lease_until END, queued_at)) AS due \
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
        self.leased(lease, true, |upload| upload.checkpoint(progress, resume)).await
    }

    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool> {
        let tx = self.begin_flushed().await?;
        Self::change(tx, lease, true, None, |upload| upload.commit(progress, resume)).await
    }

    async fn uncommit(&self, lease: &Lease) -> Result<bool> {
        self.leased(lease, true, |upload| upload.maybe_sent = false).await
    }

    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Timestamp,
    ) -> Result<bool> {
        let event = event.map(|event| (event, now));
        let tx = self.begin_flushed().await?;
        Self::change(tx, lease, false, event, |upload| upload.finish(stored.clone(), now)).await
    }

    async fn fail(&self, lease: &Lease, error: &str, maybe_sent: bool, now: Timestamp) -> Result<bool> {
        self.leased(lease, false, |upload| upload.fail(error, maybe_sent, now)).await
    }

    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool> {
        self.leased(lease, false, |upload| upload.retry_later(at, counted, now)).await
    }

    async fn release_all(&self, now: Timestamp) -> Result<Vec<(Recovery, Upload)>> {
        let mut tx = self.begin().await?;
        let released = sweep::release_all(&mut tx, now).await?;
        tx.commit().await?;
        Ok(released)
    }

    async fn add_event(&self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()> {
        let mut tx = self.begin_flushed().await?;
        outbox::add(&mut tx, upload, event, now).await?;
        tx.commit().await
    }

    async fn outbox_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        limit: u32,
        except: &[UserId],
    ) -> Result<Vec<OutboxEvent>> {
        outbox::due(&self.readers, kind, now, limit, except).await
    }

    async fn outbox_next_due(&self) -> Result<Option<Timestamp>> {
        outbox::next_due(&self.readers).await
    }

    async fn outbox_done(&self, event_id: &str) -> Result<()> {
        outbox::done(&self.writer, event_id).await
    }

    async fn outbox_retry(&self, event_id: &str, at: Timestamp) -> Result<()> {
        outbox::retry(&self.writer, event_id, at).await
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

    async fn expire(&self, expiry: &Expiry<'_>) -> Result<Vec<Upload>> {
        let mut tx = self.begin().await?;
        let expired = sweep::expire(&mut tx, expiry).await?;
        tx.commit().await?;
        Ok(expired)
    }

    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>> {
        moved::find(&self.readers, user, chat).await
    }

    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()> {
        moved::save(&self.writer, user, chat, moved_to).await
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
