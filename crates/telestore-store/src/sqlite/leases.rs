//! Who sends what, and who is next.

use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};
use telestore_types::{LONGEST_PAUSE, StorageKey, Timestamp, Upload, UserId, WorkerId};

use super::{database, outbox, row};
use crate::{Lease, Result};

/// The upload of a lease, if that is held.
pub(super) async fn held(on: &mut SqliteConnection, lease: &Lease) -> Result<Option<Upload>> {
    let held = sqlx::query("SELECT * FROM uploads WHERE id = ? AND key = ? AND lease_token = ?")
        .bind(lease.upload.id.as_str())
        .bind(lease.upload.key.as_str())
        .bind(&lease.token);
    let found = held.fetch_optional(on).await.map_err(database)?;
    found.as_ref().map(row::upload).transpose()
}

/// Writes the lease down, and puts its user behind all others.
pub(super) async fn begin(on: &mut SqliteConnection, lease: &Lease) -> Result<()> {
    sqlx::query("UPDATE uploads SET lease_token = ?, lease_until = ? WHERE key = ?")
        .bind(&lease.token)
        .bind(lease.until.as_millis())
        .bind(lease.upload.key.as_str())
        .execute(&mut *on)
        .await
        .map_err(database)?;
    let turn = sqlx::query(
        "INSERT OR REPLACE INTO turns (user_id, turn) VALUES (?, (SELECT COALESCE(MAX(turn), 0) + 1 FROM turns))",
    );
    let user = lease.upload.user_id.as_ref().map(UserId::as_str).unwrap_or_default();
    turn.bind(user).execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn end(on: &mut SqliteConnection, key: &StorageKey) -> Result<()> {
    let end = sqlx::query("UPDATE uploads SET lease_token = NULL, lease_until = NULL WHERE key = ?");
    end.bind(key.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

/// Those that may be in the channel and whose lease has run out.
pub(super) async fn abandoned(on: &mut SqliteConnection, now: Timestamp) -> Result<Vec<Upload>> {
    let rows = sqlx::query(
        "SELECT * FROM uploads WHERE state = 'sending' AND maybe_sent \
         AND (lease_until IS NULL OR lease_until <= ? OR lease_until > ?)",
    );
    let rows = rows.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let rows = rows.fetch_all(on).await.map_err(database)?;
    rows.iter().map(row::upload).collect()
}

/// The one that this worker is to send next.
pub(super) async fn next(
    on: &mut SqliteConnection,
    worker: &WorkerId,
    now: Timestamp,
    except: &[UserId],
) -> Result<Option<Upload>> {
    let next = sqlx::query(
        "SELECT uploads.* FROM uploads LEFT JOIN turns ON turns.user_id = uploads.user_id \
         WHERE ((state = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= ?1 OR next_attempt_at > ?2)) \
         OR (state = 'sending' AND (lease_until IS NULL OR lease_until <= ?1 OR lease_until > ?2))) \
         AND (uploads.user_id IS NULL OR uploads.user_id NOT IN (SELECT value FROM json_each(?3))) \
         AND NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.user_id = uploads.user_id AND accounts.worker != ?4 \
              AND accounts.until > ?1 AND accounts.until <= ?2) \
         ORDER BY COALESCE(turn, 0), queued_at, id LIMIT 1",
    )
    .bind(now.as_millis())
    .bind((now + LONGEST_PAUSE).as_millis())
    .bind(outbox::list(except.iter().map(UserId::as_str)))
    .bind(worker.as_str());
    let found = next.fetch_optional(on).await.map_err(database)?;
    found.as_ref().map(row::upload).transpose()
}

/// When the next one will be due that this worker may send.
pub(super) async fn next_due(readers: &SqlitePool, worker: &WorkerId) -> Result<Option<Timestamp>> {
    let row = sqlx::query(
        "SELECT MIN(MAX(COALESCE(CASE state WHEN 'queued' THEN next_attempt_at ELSE lease_until END, queued_at), \
         COALESCE(accounts.until, queued_at))) AS due FROM uploads \
         LEFT JOIN accounts ON accounts.user_id = uploads.user_id AND accounts.worker != ? \
         WHERE state IN ('queued', 'sending')",
    );
    let row = row.bind(worker.as_str()).fetch_one(readers).await.map_err(database)?;
    Ok(row.try_get::<Option<i64>, _>("due").map_err(database)?.map(Timestamp::from_millis))
}

pub(super) async fn extend(on: &mut SqliteConnection, key: &StorageKey, until: Timestamp) -> Result<()> {
    let extend = sqlx::query("UPDATE uploads SET lease_until = ? WHERE key = ?");
    extend.bind(until.as_millis()).bind(key.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

/// The one that is to be fetched next.
pub(super) async fn next_fetch(
    on: &mut SqliteConnection,
    now: Timestamp,
    except: &[UserId],
) -> Result<Option<Upload>> {
    let next = sqlx::query(
        "SELECT * FROM uploads WHERE state = 'receiving' AND source IS NOT NULL AND worker IS NULL \
         AND (next_attempt_at IS NULL OR next_attempt_at <= ?1 OR next_attempt_at > ?2) \
         AND (user_id IS NULL OR user_id NOT IN (SELECT value FROM json_each(?3))) ORDER BY created_at, id LIMIT 1",
    );
    let next = next.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let next = next.bind(outbox::list(except.iter().map(UserId::as_str)));
    next.fetch_optional(on).await.map_err(database)?.as_ref().map(row::upload).transpose()
}
