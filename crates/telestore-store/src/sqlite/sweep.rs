//! What a process finds at its start, and what goes when it is past its time.

use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};
use telestore_types::{Reading, Timestamp, Upload, UploadState};

use super::{database, outbox, row};
use crate::{Error, Expiry, Result};

/// Uploads that are past their time.
pub(super) async fn past(on: &mut SqliteConnection, expiry: &Expiry) -> Result<Vec<Upload>> {
    let rows = sqlx::query(
        "SELECT * FROM uploads WHERE state IN (SELECT value FROM json_each(?1)) AND updated_at < ?2 \
         AND (NOT ?3 OR user_id IS NULL) LIMIT ?4",
    );
    let rows = rows.bind(outbox::list(expiry.states.iter().copied().map(UploadState::as_str)));
    let rows = rows.bind(expiry.before.as_millis()).bind(expiry.unowned).bind(expiry.limit);
    let rows = rows.fetch_all(on).await.map_err(database)?;
    rows.iter().map(row::upload).collect()
}

/// Makes room for one more upload that nobody owns.
pub(super) async fn make_room(on: &mut SqliteConnection, most: u64) -> Result<()> {
    let count = "SELECT COUNT(*) AS unowned FROM uploads WHERE user_id IS NULL";
    let count = sqlx::query(count).fetch_one(&mut *on).await.map_err(database)?;
    let over = row::number::<u64>(&count, "unowned")?.saturating_add(1).saturating_sub(most);
    // Without an owner it has no chunk.
    let oldest = sqlx::query(
        "DELETE FROM uploads WHERE key IN \
         (SELECT key FROM uploads WHERE user_id IS NULL ORDER BY created_at, rowid LIMIT ?)",
    );
    if over > 0 {
        oldest.bind(row::signed(over)).execute(on).await.map_err(database)?;
    }
    Ok(())
}

pub(super) async fn clock(readers: &SqlitePool) -> Result<Option<Reading>> {
    let read =
        |row: &sqlx::sqlite::SqliteRow, column| row.try_get::<Option<i64>, _>(column).map_err(database);
    let saved = sqlx::query("SELECT at, wall FROM clock").fetch_optional(readers).await.map_err(database)?;
    if let Some(saved) = saved {
        let at = |column| read(&saved, column).and_then(|at| at.ok_or(Error::BadRow { column: "at" }));
        let (at, wall) = (Timestamp::from_millis(at("at")?), Timestamp::from_millis(at("wall")?));
        return Ok(Some(Reading { at, wall }));
    }
    // A row of an earlier version may have a time of a clock that was ahead: it must not make the others old.
    let latest =
        "SELECT MIN(MAX(updated_at), CAST(strftime('%s', 'now') AS INTEGER) * 1000) AS at FROM uploads";
    let latest = sqlx::query(latest).fetch_one(readers).await.map_err(database)?;
    let at = read(&latest, "at")?.map(Timestamp::from_millis);
    Ok(at.map(|at| Reading { at, wall: at }))
}

pub(super) async fn save_clock(writer: &SqlitePool, reading: Reading) -> Result<()> {
    let save = sqlx::query("INSERT OR REPLACE INTO clock (id, at, wall) VALUES (1, ?, ?)");
    let save = save.bind(reading.at.as_millis()).bind(reading.wall.as_millis());
    save.execute(writer).await.map_err(database)?;
    Ok(())
}
