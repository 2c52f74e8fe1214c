//! What is to be done about uploads that are over.

use sqlx::PgConnection;
use telestore_types::{LONGEST_PAUSE, Timestamp, UploadId, UserId, WorkerId};

use super::row::{self, Values};
use super::tx::Tx;
use super::{database, leases, sql};
use crate::{Change, NewEvent, OutboxEvent, OutboxKind, Result};

/// Adds it once: a caller that does not know whether it was added may add it again.
pub(super) async fn add(
    on: &mut PgConnection,
    id: &UploadId,
    event: &NewEvent,
    now: Timestamp,
) -> Result<()> {
    let add = sql(
        "INSERT INTO outbox (event_id, upload_id, kind, user_id, sealed_token, body, attempt, due_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $7) ON CONFLICT (event_id) DO NOTHING",
    );
    let add = add.text(event.event_id.as_str()).bind(id.as_str()).bind(event.kind.as_str());
    let add = add.text(event.user_id.as_ref().map(UserId::as_str)).bytes(event.sealed_token.as_deref());
    let add = add.text(event.body.as_str()).bind(now.as_millis());
    add.execute(on).await.map_err(database)?;
    Ok(())
}

/// The oldest event that this worker may claim; if it needs an account, that is locked and free for it.
pub(super) async fn next(
    tx: &mut Tx,
    worker: &WorkerId,
    kind: OutboxKind,
    now: Timestamp,
    except: &[UserId],
) -> Result<Option<OutboxEvent>> {
    let mut except = row::all_written(except.iter().map(UserId::as_str));
    loop {
        let Some(found) = candidate(tx, worker, kind, now, &except).await? else { return Ok(None) };
        let Some(user) = found.event.user_id.as_ref().filter(|_| kind.needs_account()) else {
            return Ok(Some(found));
        };
        if leases::is_free(tx, user, worker, now).await? {
            return Ok(Some(found));
        }
        except.push(row::written(user.as_str()).into_owned());
    }
}

async fn candidate(
    on: &mut PgConnection,
    worker: &WorkerId,
    kind: OutboxKind,
    now: Timestamp,
    except: &[String],
) -> Result<Option<OutboxEvent>> {
    let next = sql("SELECT * FROM outbox WHERE kind = $1 AND (due_at <= $2 OR due_at > $3) \
         AND (claimed_until IS NULL OR claimed_until <= $2 OR claimed_until > $3) \
         AND (user_id IS NULL OR user_id <> ALL($4)) \
         AND (NOT $6 OR NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.user_id = outbox.user_id \
              AND worker <> $5 AND until > $2 AND until <= $3)) \
         ORDER BY due_at, seq LIMIT 1 FOR UPDATE OF outbox SKIP LOCKED")
    .bind(kind.as_str())
    .bind(now.as_millis())
    .bind((now + LONGEST_PAUSE).as_millis())
    .bind(except)
    .bind(worker.as_str())
    .bind(kind.needs_account());
    let found = next.fetch_optional(on).await.map_err(database)?;
    found.as_ref().map(row::event).transpose()
}

pub(super) async fn claim(
    on: &mut PgConnection,
    event: &OutboxEvent,
    worker: &WorkerId,
    until: Timestamp,
) -> Result<()> {
    let claim = sql("UPDATE outbox SET claim = $1, claimed_by = $2, claimed_until = $3 WHERE event_id = $4");
    let claim = claim.bind(event.claim.as_str()).bind(worker.as_str()).bind(until.as_millis());
    claim.text(event.event.event_id.as_str()).execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn due(on: &mut PgConnection, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>> {
    // Two ranges of the index: what is due, and what an odd clock has put off for longer than anything is.
    let due = sql("SELECT kinds.kind, COALESCE( \
           (SELECT MIN(due_at) FROM outbox WHERE outbox.kind = kinds.kind AND due_at <= $1 \
            AND (claimed_until IS NULL OR claimed_until <= $1 OR claimed_until > $2)), \
           (SELECT MIN(due_at) FROM outbox WHERE outbox.kind = kinds.kind AND due_at > $2 \
            AND (claimed_until IS NULL OR claimed_until <= $1 OR claimed_until > $2))) AS due \
         FROM unnest($3) AS kinds (kind)");
    let due = due.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let due = due.bind(OutboxKind::ALL.map(OutboxKind::as_str));
    let rows = due.fetch_all(on).await.map_err(database)?;
    rows.iter().filter_map(|row| row::due(row).transpose()).collect()
}

pub(super) async fn next_due(on: &mut PgConnection) -> Result<Option<Timestamp>> {
    let row = sql("SELECT MIN(GREATEST(due_at, claimed_until)) AS due FROM outbox");
    let row = row.fetch_one(on).await.map_err(database)?;
    row::optional_time(&row, "due")
}

pub(super) async fn done(on: &mut PgConnection, event: &OutboxEvent) -> Result<bool> {
    let done = sql("DELETE FROM outbox WHERE event_id = $1 AND claim = $2");
    let done = done.text(event.event.event_id.as_str()).bind(event.claim.as_str());
    Ok(done.execute(on).await.map_err(database)?.rows_affected() == 1)
}

/// Says so to the other workers if it is due at once.
pub(super) async fn later(tx: &mut Tx, event: &OutboxEvent, at: Timestamp) -> Result<bool> {
    if at <= tx.now() {
        tx.tell(Change::Event);
    }
    let later = sql(
        "UPDATE outbox SET attempt = attempt + 1, due_at = $1, body = $2, claimed_by = NULL, claimed_until = NULL \
         WHERE event_id = $3 AND claim = $4",
    );
    let later = later.bind(at.as_millis()).text(event.event.body.as_str());
    let later = later.text(event.event.event_id.as_str()).bind(event.claim.as_str());
    Ok(later.execute(&mut **tx).await.map_err(database)?.rows_affected() == 1)
}

pub(super) async fn listed(
    on: &mut PgConnection,
    kind: OutboxKind,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<NewEvent>> {
    let listed = sql("SELECT * FROM outbox WHERE kind = $1 AND event_id > $2 ORDER BY event_id LIMIT $3");
    let listed = listed.bind(kind.as_str()).text(after.unwrap_or_default()).bind(i64::from(limit));
    let rows = listed.fetch_all(on).await.map_err(database)?;
    rows.iter().map(|row| Ok(row::event(row)?.event)).collect()
}
