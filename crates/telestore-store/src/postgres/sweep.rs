//! What a process finds at its start, and what goes when it is past its time.

use sqlx::PgConnection;
use telestore_types::{Reading, Timestamp, Upload, UploadState};

use super::row;
use super::{database, lock, sql};
use crate::{Expiry, Result};

/// Uploads that are past their time. Those that somebody is busy with are not.
pub(super) async fn past(on: &mut PgConnection, expiry: &Expiry) -> Result<Vec<Upload>> {
    let states: Vec<&str> = expiry.states.iter().copied().map(UploadState::as_str).collect();
    let rows = sql(
        "SELECT * FROM uploads WHERE state = ANY($1) AND updated_at < $2 AND (NOT $3 OR user_id IS NULL) LIMIT $4 \
         FOR UPDATE SKIP LOCKED",
    );
    let rows = rows.bind(states).bind(expiry.before.as_millis()).bind(expiry.unowned);
    let rows = rows.bind(i64::from(expiry.limit)).fetch_all(on).await.map_err(database)?;
    rows.iter().map(row::upload).collect()
}

/// Makes room for one more upload that nobody owns. Those that somebody is just about to claim stay.
pub(super) async fn make_room(on: &mut PgConnection, most: u64) -> Result<()> {
    lock::wait_for(on, lock::of_unowned()).await?;
    let count = sql("SELECT COUNT(*) AS unowned FROM uploads WHERE user_id IS NULL");
    let count = count.fetch_one(&mut *on).await.map_err(database)?;
    let over = row::number::<u64>(&count, "unowned")?.saturating_add(1).saturating_sub(most);
    // Without an owner it has no chunk.
    let oldest = sql(
        "DELETE FROM uploads WHERE key IN (SELECT key FROM uploads WHERE user_id IS NULL ORDER BY created_at, key \
         LIMIT $1 FOR UPDATE SKIP LOCKED)",
    );
    if over > 0 {
        oldest.bind(row::signed(over)).execute(on).await.map_err(database)?;
    }
    Ok(())
}

/// Forgets the turns of users without uploads. A turn that is just being given stays.
pub(super) async fn forget_turns(on: &mut PgConnection) -> Result<()> {
    let forget = sql("DELETE FROM turns WHERE user_id IN (SELECT user_id FROM turns \
         WHERE NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.user_id = turns.user_id) FOR UPDATE SKIP LOCKED)");
    forget.execute(on).await.map_err(database)?;
    Ok(())
}

/// What tells the time of the last process.
pub(super) enum Found {
    /// What it wrote down.
    Saved(Reading),
    /// The latest row, by the database's clock.
    Latest(Timestamp),
}

pub(super) async fn clock(on: &mut PgConnection) -> Result<Option<Found>> {
    let saved = sql("SELECT at, wall FROM clock").fetch_optional(&mut *on).await.map_err(database)?;
    if let Some(saved) = saved {
        let (at, wall) = (row::time(&saved, "at")?, row::time(&saved, "wall")?);
        return Ok(Some(Found::Saved(Reading { at, wall })));
    }
    // A row may have a time of a clock that was ahead: it must not make the others old.
    let latest = sql(
        "SELECT LEAST(MAX(updated_at), (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT) AS at FROM uploads \
         HAVING COUNT(*) > 0",
    );
    let Some(latest) = latest.fetch_optional(on).await.map_err(database)? else { return Ok(None) };
    Ok(row::optional_time(&latest, "at")?.map(Found::Latest))
}

pub(super) async fn save_clock(on: &mut PgConnection, reading: Reading) -> Result<()> {
    let save = sql(
        "INSERT INTO clock (id, at, wall) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET at = $1, wall = $2",
    );
    let save = save.bind(reading.at.as_millis()).bind(reading.wall.as_millis());
    save.execute(on).await.map_err(database)?;
    Ok(())
}
