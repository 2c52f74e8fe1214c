//! What there is, for those who look at all of it.

use sqlx::PgConnection;
use telestore_types::{Upload, UploadState, UserId};

use super::row::{self, Values};
use super::{database, sql};
use crate::{Counts, Cursor, Error, Listing, Result};

/// Reads the uploads of a list, of those that a condition holds for.
macro_rules! listed {
    ($condition:literal) => {
        concat!(
            "SELECT * FROM uploads WHERE ",
            $condition,
            "($1::TEXT IS NULL OR state = $1) AND ($2::TEXT IS NULL OR user_id = $2) \
             AND updated_at <= COALESCE($5::BIGINT, 9223372036854775807) \
             AND ($5::BIGINT IS NULL OR updated_at < $5 OR id > $6) \
             ORDER BY updated_at DESC, id LIMIT $3 OFFSET $4"
        )
    };
}

/// The uploads of a list, behind `after`, which is by the database's clock.
pub(super) async fn list(
    on: &mut PgConnection,
    listing: &Listing,
    after: Option<&Cursor>,
) -> Result<Vec<Upload>> {
    // With the word itself, so that the index of these is used.
    let list = sql(match (listing.handed_over, listing.state) {
        (true, _) => listed!("resume_of = 'handed over' AND "),
        (false, Some(UploadState::Completed)) => listed!("state = 'completed' AND "),
        (false, _) => listed!(""),
    });
    let list = list.bind(listing.state.map(UploadState::as_str));
    let list = list.text(listing.user.as_ref().map(UserId::as_str));
    let list = list.bind(i64::from(listing.limit)).bind(i64::from(listing.skip));
    let list = list.bind(after.map(|last| last.updated_at.as_millis()));
    let list = list.bind(after.map(|last| last.id.as_str()));
    list.fetch_all(on).await.map_err(database)?.iter().map(row::upload).collect()
}

pub(super) async fn counts(on: &mut PgConnection) -> Result<Counts> {
    let mut counts = Counts::default();
    let states = sql(
        "SELECT state, COUNT(*) AS uploads, SUM(received_bytes)::BIGINT AS bytes, MIN(queued_at) AS oldest \
         FROM uploads GROUP BY state",
    );
    for found in &states.fetch_all(&mut *on).await.map_err(database)? {
        let state =
            UploadState::parse(&row::text(found, "state")?).ok_or(Error::BadRow { column: "state" })?;
        counts.uploads.insert(state, row::number(found, "uploads")?);
        if !state.is_over() {
            counts.stored_bytes += row::number::<u64>(found, "bytes")?;
        }
        if state == UploadState::Queued {
            counts.oldest_queued = row::optional_time(found, "oldest")?;
        }
    }
    let outbox = sql("SELECT COUNT(*) AS events FROM outbox").fetch_one(on).await;
    counts.outbox = row::number(&outbox.map_err(database)?, "events")?;
    Ok(counts)
}

/// Writes a row that nobody reads.
pub(super) async fn probe(on: &mut PgConnection) -> Result<()> {
    let probe = sql(
        "INSERT INTO checks (name, value) VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = ''",
    );
    probe.execute(on).await.map_err(database)?;
    Ok(())
}
