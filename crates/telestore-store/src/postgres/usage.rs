use sqlx::PgConnection;
use telestore_types::Timestamp;

use super::row::{self, Values};
use super::{database, sql};
use crate::quota::day_of;
use crate::{Result, Subject, Usage};

/// What is taken now. A caller that goes on to take more has locked the subject before.
pub(super) async fn usage(on: &mut PgConnection, subject: Subject<'_>, now: Timestamp) -> Result<Usage> {
    let taken = match subject {
        Subject::User(_) => {
            "SELECT COUNT(*) AS sessions, COALESCE(SUM(received_bytes), 0)::BIGINT AS bytes, \
             COALESCE((SELECT bytes FROM traffic WHERE subject = $2 AND day = $3), 0) AS today FROM uploads \
             WHERE user_id = $1 AND state NOT IN ('completed', 'cancelled')"
        }
        Subject::Address(_) => {
            "SELECT COUNT(*) AS sessions, COALESCE(SUM(received_bytes), 0)::BIGINT AS bytes, \
             COALESCE((SELECT bytes FROM traffic WHERE subject = $2 AND day = $3), 0) AS today FROM uploads \
             WHERE address = $1 AND state NOT IN ('completed', 'cancelled')"
        }
    };
    let id = match subject {
        Subject::User(user) => user.as_str(),
        Subject::Address(address) => address.as_str(),
    };
    let taken = sql(taken).text(id).made(Some(subject.name())).bind(day_of(now));
    let taken = taken.fetch_one(on).await.map_err(database)?;
    Ok(Usage {
        sessions: row::number(&taken, "sessions")?,
        stored_bytes: row::number(&taken, "bytes")?,
        bytes_today: row::number(&taken, "today")?,
    })
}

/// Counts bytes of today.
pub(super) async fn count(
    on: &mut PgConnection,
    subject: Subject<'_>,
    bytes: u64,
    now: Timestamp,
) -> Result<()> {
    let count = sql("INSERT INTO traffic (subject, day, bytes) VALUES ($1, $2, $3) \
         ON CONFLICT (subject, day) DO UPDATE SET bytes = traffic.bytes + $3");
    let count = count.made(Some(subject.name())).bind(day_of(now)).bind(row::signed(bytes));
    count.execute(on).await.map_err(database)?;
    Ok(())
}

/// Forgets the bytes of days before `before`.
pub(super) async fn forget(on: &mut PgConnection, before: Timestamp) -> Result<()> {
    let forget = sql("DELETE FROM traffic WHERE day < $1").bind(day_of(before));
    forget.execute(on).await.map_err(database)?;
    Ok(())
}
