//! What is to be done about uploads that are over.

use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};
use telestore_types::{LONGEST_PAUSE, Timestamp, UploadId, UserId};

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

pub(super) async fn due(
    readers: &SqlitePool,
    kind: OutboxKind,
    now: Timestamp,
    limit: u32,
    except: &[UserId],
) -> Result<Vec<OutboxEvent>> {
    let due = sqlx::query(
        "SELECT * FROM outbox WHERE kind = ?5 AND (due_at <= ?1 OR due_at > ?2) \
         AND (user_id IS NULL OR user_id NOT IN (SELECT value FROM json_each(?3))) \
         ORDER BY due_at, rowid LIMIT ?4",
    );
    let due = due.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let rows = due
        .bind(list(except.iter().map(UserId::as_str)))
        .bind(limit)
        .bind(kind.as_str())
        .fetch_all(readers)
        .await
        .map_err(database)?;
    rows.iter().map(row::event).collect()
}

pub(super) async fn next_due(readers: &SqlitePool) -> Result<Option<Timestamp>> {
    let row = sqlx::query("SELECT MIN(due_at) AS due FROM outbox").fetch_one(readers).await;
    let due: Option<i64> = row.map_err(database)?.try_get("due").map_err(database)?;
    Ok(due.map(Timestamp::from_millis))
}

pub(super) async fn done(writer: &SqlitePool, event_id: &str) -> Result<()> {
    let done = sqlx::query("DELETE FROM outbox WHERE event_id = ?").bind(event_id);
    done.execute(writer).await.map_err(database)?;
    Ok(())
}

pub(super) async fn retry(writer: &SqlitePool, event_id: &str, at: Timestamp) -> Result<()> {
    let retry = sqlx::query("UPDATE outbox SET attempt = attempt + 1, due_at = ? WHERE event_id = ?");
    retry.bind(at.as_millis()).bind(event_id).execute(writer).await.map_err(database)?;
    Ok(())
}

/// A list of texts as one value of a query, for `json_each`.
pub(super) fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    // Texts always make JSON.
    serde_json::to_string(&texts.collect::<Vec<_>>()).unwrap_or_default()
}
