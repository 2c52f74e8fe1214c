//! What is to be done about uploads that are over.

use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};
use telestore_types::{LONGEST_PAUSE, Timestamp, UploadId, UserId, WorkerId};

use super::{database, row};
use crate::{NewEvent, OutboxEvent, OutboxKind, Result};

pub(super) async fn add(
    on: &mut SqliteConnection,
    id: &UploadId,
    event: &NewEvent,
    now: Timestamp,
) -> Result<()> {
    let add = sqlx::query(
        "INSERT INTO outbox (event_id, upload_id, kind, user_id, sealed_token, body, attempt, due_at, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)",
    );
    let add = add.bind(&event.event_id).bind(id.as_str()).bind(event.kind.as_str());
    let add = add.bind(event.user_id.as_ref().map(UserId::as_str)).bind(event.sealed_token.as_deref());
    let add = add.bind(&event.body).bind(now.as_millis()).bind(now.as_millis());
    add.execute(on).await.map_err(database)?;
    Ok(())
}

/// The oldest event that this worker may claim, of none whose account another worker holds, if it is needed.
pub(super) async fn next(
    on: &mut SqliteConnection,
    worker: &WorkerId,
    kind: OutboxKind,
    now: Timestamp,
    except: &[UserId],
) -> Result<Option<OutboxEvent>> {
    let next = sqlx::query(
        "SELECT * FROM outbox WHERE kind = ?1 AND (due_at <= ?2 OR due_at > ?3) \
         AND (claimed_until IS NULL OR claimed_until <= ?2 OR claimed_until > ?3) \
         AND (user_id IS NULL OR user_id NOT IN (SELECT value FROM json_each(?4))) \
         AND (NOT ?6 OR NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.user_id = outbox.user_id \
              AND worker != ?5 AND until > ?2 AND until <= ?3)) \
         ORDER BY due_at, rowid LIMIT 1",
    )
    .bind(kind.as_str())
    .bind(now.as_millis())
    .bind((now + LONGEST_PAUSE).as_millis())
    .bind(list(except.iter().map(UserId::as_str)))
    .bind(worker.as_str())
    .bind(kind.needs_account());
    let found = next.fetch_optional(on).await.map_err(database)?;
    found.as_ref().map(row::event).transpose()
}

pub(super) async fn claim(
    on: &mut SqliteConnection,
    event: &OutboxEvent,
    worker: &WorkerId,
    until: Timestamp,
) -> Result<()> {
    let claim =
        sqlx::query("UPDATE outbox SET claim = ?, claimed_by = ?, claimed_until = ? WHERE event_id = ?");
    let claim = claim.bind(&event.claim).bind(worker.as_str()).bind(until.as_millis());
    claim.bind(&event.event.event_id).execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn due(readers: &SqlitePool, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>> {
    // Two ranges of the index: what is due, and what an odd clock has put off for longer than anything is.
    let due = sqlx::query(
        "SELECT kinds.value AS kind, COALESCE( \
           (SELECT MIN(due_at) FROM outbox WHERE kind = kinds.value AND due_at <= ?1 \
            AND (claimed_until IS NULL OR claimed_until <= ?1 OR claimed_until > ?2)), \
           (SELECT MIN(due_at) FROM outbox WHERE kind = kinds.value AND due_at > ?2 \
            AND (claimed_until IS NULL OR claimed_until <= ?1 OR claimed_until > ?2))) AS due \
         FROM json_each(?3) AS kinds",
    );
    let due = due.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let due = due.bind(list(OutboxKind::ALL.map(OutboxKind::as_str).into_iter()));
    let rows = due.fetch_all(readers).await.map_err(database)?;
    rows.iter().filter_map(|row| row::due(row).transpose()).collect()
}

pub(super) async fn next_due(readers: &SqlitePool) -> Result<Option<Timestamp>> {
    let row = sqlx::query("SELECT MIN(MAX(due_at, COALESCE(claimed_until, due_at))) AS due FROM outbox");
    let row = row.fetch_one(readers).await.map_err(database)?;
    let due: Option<i64> = row.try_get("due").map_err(database)?;
    Ok(due.map(Timestamp::from_millis))
}

pub(super) async fn done(writer: &SqlitePool, event: &OutboxEvent) -> Result<bool> {
    let done = sqlx::query("DELETE FROM outbox WHERE event_id = ? AND claim = ?");
    let done = done.bind(&event.event.event_id).bind(&event.claim);
    Ok(done.execute(writer).await.map_err(database)?.rows_affected() == 1)
}

pub(super) async fn later(writer: &SqlitePool, event: &OutboxEvent, at: Timestamp) -> Result<bool> {
    let later = sqlx::query(
        "UPDATE outbox SET attempt = attempt + 1, due_at = ?, body = ?, claimed_by = NULL, claimed_until = NULL \
         WHERE event_id = ? AND claim = ?",
    );
    let later = later.bind(at.as_millis()).bind(&event.event.body);
    let later = later.bind(&event.event.event_id).bind(&event.claim);
    Ok(later.execute(writer).await.map_err(database)?.rows_affected() == 1)
}

pub(super) async fn listed(
    readers: &SqlitePool,
    kind: OutboxKind,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<NewEvent>> {
    // `+`: by the index of the ids, so that each event is read once, and not all of a kind for each page.
    let listed =
        sqlx::query("SELECT * FROM outbox WHERE +kind = ? AND event_id > ? ORDER BY event_id LIMIT ?");
    let listed = listed.bind(kind.as_str()).bind(after.unwrap_or_default()).bind(limit);
    let rows = listed.fetch_all(readers).await.map_err(database)?;
    rows.iter().map(|row| Ok(row::event(row)?.event)).collect()
}

/// A list of texts as one value of a query, for `json_each`.
pub(super) fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    // Texts always make JSON.
    serde_json::to_string(&texts.collect::<Vec<_>>()).unwrap_or_default()
}
