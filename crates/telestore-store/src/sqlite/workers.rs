//! Which workers there are, what they have in hand, and whose accounts they hold.

use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};
use telestore_types::{LONGEST_PAUSE, Timestamp, Upload, UserId, WorkerId};

use super::{database, row};
use crate::rules::{Holder, Whose};
use crate::{KnownWorker, Result, WorkerInfo};

pub(super) async fn beat(on: &mut SqliteConnection, worker: &WorkerId, until: Timestamp) -> Result<()> {
    let beat = sqlx::query(
        "INSERT INTO workers (id, until) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET until = ?2",
    );
    beat.bind(worker.as_str()).bind(until.as_millis()).execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn introduce(
    on: &mut SqliteConnection,
    worker: &WorkerId,
    info: &WorkerInfo,
    now: Timestamp,
    until: Timestamp,
) -> Result<()> {
    let introduce = "INSERT OR REPLACE INTO workers (id, until, version, host, since) VALUES (?, ?, ?, ?, ?)";
    let introduce = sqlx::query(introduce).bind(worker.as_str()).bind(until.as_millis());
    let introduce = introduce.bind(&info.version).bind(&info.host).bind(now.as_millis());
    introduce.execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn known(readers: &SqlitePool, now: Timestamp) -> Result<Vec<KnownWorker>> {
    let rows = sqlx::query("SELECT * FROM workers ORDER BY id").fetch_all(readers).await.map_err(database)?;
    let mut known = rows.iter().map(|found| row::known(found, now)).collect::<Result<Vec<_>>>()?;
    let held =
        sqlx::query("SELECT user_id, worker FROM accounts WHERE until > ?1 AND until <= ?2 ORDER BY user_id");
    let held = held.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let held = held.fetch_all(readers).await.map_err(database)?;
    row::hand_out(&mut known, &held)?;
    Ok(known)
}

pub(super) async fn living(
    readers: &SqlitePool,
    now: Timestamp,
    after: Option<&WorkerId>,
    limit: u32,
) -> Result<Vec<WorkerId>> {
    let living = sqlx::query(
        "SELECT id FROM workers WHERE until > ?1 AND until <= ?2 AND (?3 IS NULL OR id > ?3) ORDER BY id LIMIT ?4",
    );
    let living = living.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let living = living.bind(after.map(WorkerId::as_str)).bind(limit);
    let rows = living.fetch_all(readers).await.map_err(database)?;
    rows.iter().map(|row| row::worker(row, "id")).collect()
}

pub(super) async fn holder(on: &mut SqliteConnection, user: &UserId) -> Result<Option<Holder>> {
    let holder = sqlx::query("SELECT worker, until FROM accounts WHERE user_id = ?").bind(user.as_str());
    let Some(found) = holder.fetch_optional(on).await.map_err(database)? else { return Ok(None) };
    let until = Timestamp::from_millis(found.try_get("until").map_err(database)?);
    Ok(Some(Holder { worker: row::worker(&found, "worker")?, until }))
}

pub(super) async fn hold(on: &mut SqliteConnection, user: &UserId, holder: &Holder) -> Result<()> {
    let hold = sqlx::query("INSERT OR REPLACE INTO accounts (user_id, worker, until) VALUES (?, ?, ?)");
    let hold = hold.bind(user.as_str()).bind(holder.worker.as_str()).bind(holder.until.as_millis());
    hold.execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn leave(writer: &SqlitePool, user: &UserId, worker: &WorkerId) -> Result<()> {
    let leave = sqlx::query("DELETE FROM accounts WHERE user_id = ? AND worker = ?");
    leave.bind(user.as_str()).bind(worker.as_str()).execute(writer).await.map_err(database)?;
    Ok(())
}

/// What an end of these workers may have left in the middle of something.
pub(super) async fn unfinished(
    on: &mut SqliteConnection,
    whose: Whose<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Upload>> {
    let rows = match whose {
        Whose::Own(own) => sqlx::query(
            "SELECT * FROM uploads WHERE (state = 'sending' OR (state = 'queued' AND kind = 'direct') \
             OR (state = 'receiving' AND (early OR kind IN ('direct', 'kept') \
             OR (source IS NOT NULL AND worker IS NOT NULL)))) AND (worker IS NULL OR worker = ?) LIMIT ?",
        )
        .bind(own.as_str())
        .bind(limit),
        Whose::Gone(own) => sqlx::query(
            "SELECT * FROM uploads WHERE ((state = 'queued' AND kind = 'direct') \
             OR (state = 'receiving' AND (early OR kind IN ('direct', 'kept') \
             OR (source IS NOT NULL AND worker IS NOT NULL)))) AND worker != ?1 \
             AND worker NOT IN (SELECT id FROM workers WHERE until > ?2 AND until <= ?3) LIMIT ?4",
        )
        .bind(own.as_str())
        .bind(now.as_millis())
        .bind((now + LONGEST_PAUSE).as_millis())
        .bind(limit),
    };
    let rows = rows.fetch_all(on).await.map_err(database)?;
    rows.iter().map(row::upload).collect()
}

/// Ends the claims and the holds of these workers, and forgets that they lived.
pub(super) async fn let_go(on: &mut SqliteConnection, whose: Whose<'_>, now: Timestamp) -> Result<()> {
    let long_ago = (now - LONGEST_PAUSE).as_millis();
    let (now, far) = (now.as_millis(), (now + LONGEST_PAUSE).as_millis());
    match whose {
        Whose::Own(own) => {
            for end in [
                "UPDATE outbox SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = ?",
                "DELETE FROM accounts WHERE worker = ?",
                "DELETE FROM workers WHERE id = ?",
            ] {
                sqlx::query(end).bind(own.as_str()).execute(&mut *on).await.map_err(database)?;
            }
        }
        Whose::Gone(own) => {
            let claims = sqlx::query(
                "UPDATE outbox SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by != ?1 \
                 AND claimed_by NOT IN (SELECT id FROM workers WHERE until > ?2 AND until <= ?3)",
            );
            claims.bind(own.as_str()).bind(now).bind(far).execute(&mut *on).await.map_err(database)?;
            let accounts = sqlx::query(
                "DELETE FROM accounts WHERE until <= ?2 OR until > ?3 OR (worker != ?1 \
                 AND worker NOT IN (SELECT id FROM workers WHERE until > ?2 AND until <= ?3))",
            );
            accounts.bind(own.as_str()).bind(now).bind(far).execute(&mut *on).await.map_err(database)?;
            // Those who operate it see for a day who is gone.
            let workers = sqlx::query("DELETE FROM workers WHERE until <= ?1 OR until > ?2");
            workers.bind(long_ago).bind(far).execute(&mut *on).await.map_err(database)?;
        }
    }
    Ok(())
}
