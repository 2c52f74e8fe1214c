//! Which workers there are, what they have in hand, and whose accounts they hold.

use sqlx::{PgConnection, Row};
use telestore_types::{LONGEST_PAUSE, Timestamp, Upload, UserId, WorkerId};

use super::row::{self, Values};
use super::tx::Tx;
use super::{database, sql};
use crate::rules::{Holder, Whose};
use crate::{KnownWorker, Result, WorkerInfo};

pub(super) async fn beat(on: &mut PgConnection, worker: &WorkerId, until: Timestamp) -> Result<()> {
    let beat =
        sql("INSERT INTO workers (id, until) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET until = $2");
    beat.bind(worker.as_str()).bind(until.as_millis()).execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn introduce(
    on: &mut PgConnection,
    worker: &WorkerId,
    info: &WorkerInfo,
    now: Timestamp,
    until: Timestamp,
) -> Result<()> {
    let introduce = sql("INSERT INTO workers (id, until, version, host, since) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET until = $2, version = $3, host = $4, since = $5");
    let introduce = introduce.bind(worker.as_str()).bind(until.as_millis());
    let introduce = introduce.text(&*info.version).text(info.host.as_deref()).bind(now.as_millis());
    introduce.execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn known(on: &mut PgConnection, now: Timestamp) -> Result<Vec<KnownWorker>> {
    let rows = sql("SELECT * FROM workers ORDER BY id").fetch_all(&mut *on).await.map_err(database)?;
    let mut known = rows.iter().map(|found| row::known(found, now)).collect::<Result<Vec<_>>>()?;
    let held = sql("SELECT user_id, worker FROM accounts WHERE until > $1 AND until <= $2 ORDER BY user_id");
    let held = held.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    row::hand_out(&mut known, &held.fetch_all(on).await.map_err(database)?)?;
    Ok(known)
}

pub(super) async fn living(
    on: &mut PgConnection,
    now: Timestamp,
    after: Option<&WorkerId>,
    limit: u32,
) -> Result<Vec<WorkerId>> {
    let living = sql(
        "SELECT id FROM workers WHERE until > $1 AND until <= $2 AND ($3::TEXT IS NULL OR id > $3) ORDER BY id LIMIT $4",
    );
    let living = living.bind(now.as_millis()).bind((now + LONGEST_PAUSE).as_millis());
    let living = living.bind(after.map(WorkerId::as_str)).bind(i64::from(limit));
    let rows = living.fetch_all(on).await.map_err(database)?;
    rows.iter().map(|row| row::worker(row, "id")).collect()
}

/// Who holds the account of a user. A caller that goes on to write it has locked the account before.
pub(super) async fn holder(on: &mut PgConnection, user: &UserId) -> Result<Option<Holder>> {
    let holder = sql("SELECT worker, until FROM accounts WHERE user_id = $1").text(user.as_str());
    let Some(found) = holder.fetch_optional(on).await.map_err(database)? else { return Ok(None) };
    let until = row::time(&found, "until")?;
    Ok(Some(Holder { worker: row::worker(&found, "worker")?, until }))
}

pub(super) async fn hold(on: &mut PgConnection, user: &UserId, holder: &Holder) -> Result<()> {
    let hold = sql("INSERT INTO accounts (user_id, worker, until) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET worker = $2, until = $3");
    let hold = hold.text(user.as_str()).bind(holder.worker.as_str()).bind(holder.until.as_millis());
    hold.execute(on).await.map_err(database)?;
    Ok(())
}

/// Whether the worker held it, and another one may be waiting for it.
pub(super) async fn leave(tx: &mut Tx, user: &UserId, worker: &WorkerId) -> Result<bool> {
    let leave = sql("DELETE FROM accounts WHERE user_id = $1 AND worker = $2");
    let left = leave.text(user.as_str()).bind(worker.as_str()).execute(&mut **tx).await.map_err(database)?;
    if left.rows_affected() == 0 {
        return Ok(false);
    }
    let waiting =
        sql("SELECT EXISTS (SELECT 1 FROM uploads WHERE user_id = $1 AND state = 'queued') AS waiting");
    let waiting = waiting.text(user.as_str()).fetch_one(&mut **tx).await;
    waiting.and_then(|row| row.try_get("waiting")).map_err(database)
}

/// What an end of these workers may have left in the middle of something; in one order, so that no two wait for each other.
pub(super) async fn unfinished(
    on: &mut PgConnection,
    whose: Whose<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Upload>> {
    let rows = match whose {
        Whose::Own(own) => {
            sql("SELECT * FROM uploads WHERE (state = 'sending' OR (state = 'queued' AND kind = 'direct') \
             OR (state = 'receiving' AND (early OR kind IN ('direct', 'kept') \
             OR (source IS NOT NULL AND worker IS NOT NULL)))) AND (worker IS NULL OR worker = $1) \
             ORDER BY id LIMIT $2 FOR UPDATE")
            .bind(own.as_str())
            .bind(i64::from(limit))
        }
        Whose::Gone(own) => sql("SELECT * FROM uploads WHERE ((state = 'queued' AND kind = 'direct') \
             OR (state = 'receiving' AND (early OR kind IN ('direct', 'kept') \
             OR (source IS NOT NULL AND worker IS NOT NULL)))) AND worker <> $1 \
             AND worker NOT IN (SELECT id FROM workers WHERE until > $2 AND until <= $3) \
             ORDER BY id LIMIT $4 FOR UPDATE")
        .bind(own.as_str())
        .bind(now.as_millis())
        .bind((now + LONGEST_PAUSE).as_millis())
        .bind(i64::from(limit)),
    };
    let rows = rows.fetch_all(on).await.map_err(database)?;
    rows.iter().map(row::upload).collect()
}

/// Ends the claims and the holds of these workers, and forgets that they lived.
pub(super) async fn let_go(on: &mut PgConnection, whose: Whose<'_>, now: Timestamp) -> Result<()> {
    let long_ago = (now - LONGEST_PAUSE).as_millis();
    let (now, far) = (now.as_millis(), (now + LONGEST_PAUSE).as_millis());
    match whose {
        Whose::Own(own) => {
            for end in [
                "UPDATE outbox SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = $1",
                "DELETE FROM accounts WHERE worker = $1",
                "DELETE FROM workers WHERE id = $1",
            ] {
                sql(end).bind(own.as_str()).execute(&mut *on).await.map_err(database)?;
            }
        }
        Whose::Gone(own) => {
            let claims =
                sql("UPDATE outbox SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by <> $1 \
                 AND claimed_by NOT IN (SELECT id FROM workers WHERE until > $2 AND until <= $3)");
            claims.bind(own.as_str()).bind(now).bind(far).execute(&mut *on).await.map_err(database)?;
            let accounts = sql("DELETE FROM accounts WHERE until <= $2 OR until > $3 OR (worker <> $1 \
                 AND worker NOT IN (SELECT id FROM workers WHERE until > $2 AND until <= $3))");
            accounts.bind(own.as_str()).bind(now).bind(far).execute(&mut *on).await.map_err(database)?;
            // Those who operate it see for a day who is gone.
            let workers = sql("DELETE FROM workers WHERE until <= $1 OR until > $2");
            workers.bind(long_ago).bind(far).execute(&mut *on).await.map_err(database)?;
        }
    }
    Ok(())
}
