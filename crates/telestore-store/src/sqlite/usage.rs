use sqlx::SqliteConnection;
use telestore_types::{Timestamp, Upload};

use super::{database, row};
use crate::quota::day_of;
use crate::{Exceeded, Limits, More, Quota, Result, Subject, Usage};

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

/// Whether the owner of an upload, and the clients at its address, may take so much more; the outer result is the
/// database's.
pub(super) async fn check(
    on: &mut SqliteConnection,
    upload: &Upload,
    limits: &Limits,
    more: &More,
    now: Timestamp,
) -> Result<Result<(), Exceeded>> {
    for (subject, quota) in limits.of(upload.user_id.as_ref(), upload.address.as_ref()) {
        if more.sessions == 0 && !quota.limits_bytes() {
            continue;
        }
        let used = usage(on, subject, now).await?;
        if let Err(exceeded) = quota.check(subject, &used, more) {
            return Ok(Err(exceeded));
        }
    }
    Ok(Ok(()))
}

/// The subjects of an upload whose bytes of a day are limited, and so are counted.
pub(super) fn counted<'a>(upload: &'a Upload, limits: &Limits) -> Vec<Subject<'a>> {
    let quotas = limits.of(upload.user_id.as_ref(), upload.address.as_ref());
    let counted = |(_, quota): &(Subject<'_>, Quota)| quota.bytes_per_day.is_some();
    quotas.into_iter().filter(counted).map(|(subject, _)| subject).collect()
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
