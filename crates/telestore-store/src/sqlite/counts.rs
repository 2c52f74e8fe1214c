use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use telestore_types::{Timestamp, UploadState};

use super::{database, row};
use crate::{Counts, Error, Result};

pub(super) async fn counts(readers: &SqlitePool) -> Result<Counts> {
    let mut counts = Counts::default();
    let states = sqlx::query(
        "SELECT state, COUNT(*) AS uploads, SUM(received_bytes) AS bytes, MIN(queued_at) AS oldest \
         FROM uploads GROUP BY state",
    );
    for found in &states.fetch_all(readers).await.map_err(database)? {
        let name: String = found.try_get("state").map_err(database)?;
        let state = UploadState::parse(&name).ok_or(Error::BadRow { column: "state" })?;
        counts.uploads.insert(state, row::number(found, "uploads")?);
        if !state.is_over() {
            counts.stored_bytes += row::number::<u64>(found, "bytes")?;
        }
        if state == UploadState::Queued {
            let oldest: Option<i64> = found.try_get("oldest").map_err(database)?;
            counts.oldest_queued = oldest.map(Timestamp::from_millis);
        }
    }
    let outbox = sqlx::query("SELECT COUNT(*) AS events FROM outbox").fetch_one(readers).await;
    counts.outbox = row::number(&outbox.map_err(database)?, "events")?;
    Ok(counts)
}

/// Sets a number that nobody uses to what it is. It is in the database's header, so this reaches the disk as any other
/// transaction does.
pub(super) async fn probe(writer: &SqlitePool) -> Result<()> {
    sqlx::query("PRAGMA user_version = 0").execute(writer).await.map_err(database)?;
    Ok(())
}
