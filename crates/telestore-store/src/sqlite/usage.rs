use sqlx::SqliteConnection;
use telestore_types::Timestamp;

use super::{database, row};
use crate::quota::day_of;
use crate::{Result, Subject, Usage};

/// What is taken now.
pub(super) async fn usage(on: &mut SqliteConnection, subject: Subject<'_>, now: Timestamp) -> Result<Usage> {
    let open = match subject {
        Subject::User(_) => {
            "SELECT COUNT(*) AS sessions, COALESCE(SUM(received_bytes), 0) AS bytes FROM uploads \
             WHERE user_id = ? AND state NOT IN ('completed', 'cancelled')"
        }
        Subject::Address(_) => {
            "SELECT COUNT(*) AS sessions, COALESCE(SUM(received_bytes), 0) AS bytes FROM uploads \
             WHERE address = ? AND state NOT IN ('completed', 'cancelled')"
        }
    };
    let id = match subject {
        Subject::User(user) => user.as_str(),
        Subject::Address(address) => address.as_str(),
    };
    let open = sqlx::query(open).bind(id).fetch_one(&mut *on).await.map_err(database)?;
    let traffic = sqlx::query("SELECT bytes FROM traffic WHERE subject = ? AND day = ?");
    let traffic =
        traffic.bind(subject.name()).bind(day_of(now)).fetch_optional(on).await.map_err(database)?;
    Ok(Usage {
        sessions: row::number(&open, "sessions")?,
        stored_bytes: row::number(&open, "bytes")?,
        bytes_today: traffic.map_or(Ok(0), |traffic| row::number(&traffic, "bytes"))?,
    })
}

/// Counts bytes of today.
pub(super) async fn count(
    on: &mut SqliteConnection,
    subject: Subject<'_>,
    bytes: u64,
    now: Timestamp,
) -> Result<()> {
    let count = sqlx::query(
        "INSERT INTO traffic (subject, day, bytes) VALUES (?1, ?2, ?3) \
         ON CONFLICT (subject, day) DO UPDATE SET bytes = bytes + ?3",
    );
    let count = count.bind(subject.name()).bind(day_of(now)).bind(row::signed(bytes));
    count.execute(on).await.map_err(database)?;
    Ok(())
}

/// Forgets the bytes of days before `before`.
pub(super) async fn forget(on: &mut SqliteConnection, before: Timestamp) -> Result<()> {
    let forget = sqlx::query("DELETE FROM traffic WHERE day < ?").bind(day_of(before));
    forget.execute(on).await.map_err(database)?;
    Ok(())
}
