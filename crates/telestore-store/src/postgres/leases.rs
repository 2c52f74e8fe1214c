//! Who sends what, and who is next.

use sqlx::PgConnection;
use telestore_types::{LONGEST_PAUSE, StorageKey, Timestamp, Upload, UserId, WorkerId, is_due};

use super::row::{self, Values};
use super::tx::Tx;
use super::{database, sql, workers};
use crate::{Lease, Result};

/// The upload of a lease, if that is held; locked.
pub(super) async fn held(on: &mut PgConnection, lease: &Lease) -> Result<Option<Upload>> {
    let held = sql("SELECT * FROM uploads WHERE id = $1 AND key = $2 AND lease_token = $3 FOR UPDATE")
        .bind(lease.upload.id.as_str())
        .bind(lease.upload.key.as_str())
        .bind(lease.token.as_str());
    let found = held.fetch_optional(on).await.map_err(database)?;
    found.as_ref().map(row::upload).transpose()
}

/// Writes the lease down, and puts its user behind all others.
pub(super) async fn begin(on: &mut PgConnection, lease: &Lease) -> Result<()> {
    sql("UPDATE uploads SET lease_token = $1, lease_until = $2 WHERE key = $3")
        .bind(lease.token.as_str())
        .bind(lease.until.as_millis())
        .bind(lease.upload.key.as_str())
        .execute(&mut *on)
        .await
        .map_err(database)?;
    let turn = sql("INSERT INTO turns (user_id, turn) VALUES ($1, nextval('turn')) \
         ON CONFLICT (user_id) DO UPDATE SET turn = EXCLUDED.turn");
    let user = lease.upload.user_id.as_ref().map(UserId::as_str).unwrap_or_default();
    turn.text(user).execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn end(on: &mut PgConnection, key: &StorageKey) -> Result<()> {
    let end = sql("UPDATE uploads SET lease_token = NULL, lease_until = NULL WHERE key = $1");
    end.bind(key.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

/// Those that may be in the channel and whose lease has run out. Those that another worker looks at are its own.
pub(super) async fn abandoned(on: &mut PgConnection, now: Timestamp) -> Result<Vec<Upload>> {
    let rows = sql("SELECT * FROM uploads WHERE state = 'sending' AND maybe_sent \
         AND (lease_until IS NULL OR lease_until <= $1 OR lease_until > $2) FOR UPDATE SKIP LOCKED");
    let rows = rows.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let rows = rows.fetch_all(on).await.map_err(database)?;
    rows.iter().map(row::upload).collect()
}

/// The one that this worker is to send next, whose account is locked and free for it.
///
/// Two workers that look at the same time find two uploads, but maybe of one user: the account is locked, and looked at
/// again by what is true then.
pub(super) async fn next(
    tx: &mut Tx,
    worker: &WorkerId,
    now: Timestamp,
    except: &[UserId],
) -> Result<Option<Upload>> {
    let mut except = row::all_written(except.iter().map(UserId::as_str));
    loop {
        let Some(upload) = candidate(tx, worker, now, &except).await? else { return Ok(None) };
        let Some(user) = &upload.user_id else { return Ok(Some(upload)) };
        if is_free(tx, user, worker, now).await? {
            return Ok(Some(upload));
        }
        except.push(row::written(user.as_str()).into_owned());
    }
}

/// Locks the account of a user, and tells whether no other worker holds it.
pub(super) async fn is_free(tx: &mut Tx, user: &UserId, worker: &WorkerId, now: Timestamp) -> Result<bool> {
    if !tx.lock_account(user).await? {
        return Ok(false);
    }
    let holder = workers::holder(tx, user).await?;
    Ok(holder.is_none_or(|holder| holder.worker == *worker || is_due(holder.until, now)))
}

async fn candidate(
    on: &mut PgConnection,
    worker: &WorkerId,
    now: Timestamp,
    except: &[String],
) -> Result<Option<Upload>> {
    let next = sql(
        "SELECT uploads.* FROM uploads LEFT JOIN turns ON turns.user_id = uploads.user_id \
         WHERE ((state = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= $1 OR next_attempt_at > $2)) \
         OR (state = 'sending' AND (lease_until IS NULL OR lease_until <= $1 OR lease_until > $2))) \
         AND (uploads.user_id IS NULL OR uploads.user_id <> ALL($3)) \
         AND NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.user_id = uploads.user_id AND accounts.worker <> $4 \
              AND accounts.until > $1 AND accounts.until <= $2) \
         ORDER BY COALESCE(turn, 0), queued_at, id LIMIT 1 FOR UPDATE OF uploads SKIP LOCKED",
    )
    .bind(now.as_millis())
    .bind((now + LONGEST_PAUSE).as_millis())
    .bind(except)
    .bind(worker.as_str());
    let found = next.fetch_optional(on).await.map_err(database)?;
    found.as_ref().map(row::upload).transpose()
}

/// When the next one will be due that this worker may send.
pub(super) async fn next_due(on: &mut PgConnection, worker: &WorkerId) -> Result<Option<Timestamp>> {
    let row = sql(
        "SELECT MIN(GREATEST(COALESCE(CASE state WHEN 'queued' THEN next_attempt_at ELSE lease_until END, queued_at), \
         accounts.until)) AS due FROM uploads \
         LEFT JOIN accounts ON accounts.user_id = uploads.user_id AND accounts.worker <> $1 \
         WHERE state IN ('queued', 'sending')",
    );
    let row = row.bind(worker.as_str()).fetch_one(on).await.map_err(database)?;
    row::optional_time(&row, "due")
}

pub(super) async fn extend(on: &mut PgConnection, key: &StorageKey, until: Timestamp) -> Result<()> {
    let extend = sql("UPDATE uploads SET lease_until = $1 WHERE key = $2");
    extend.bind(until.as_millis()).bind(key.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

/// The one that is to be fetched next. Those that another worker looks at are its own.
pub(super) async fn next_fetch(
    on: &mut PgConnection,
    now: Timestamp,
    except: &[UserId],
) -> Result<Option<Upload>> {
    let next =
        sql("SELECT * FROM uploads WHERE state = 'receiving' AND source IS NOT NULL AND worker IS NULL \
         AND (next_attempt_at IS NULL OR next_attempt_at <= $1 OR next_attempt_at > $2) \
         AND (user_id IS NULL OR user_id <> ALL($3)) ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED");
    let next = next.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let next = next.bind(row::all_written(except.iter().map(UserId::as_str)));
    next.fetch_optional(on).await.map_err(database)?.as_ref().map(row::upload).transpose()
}
