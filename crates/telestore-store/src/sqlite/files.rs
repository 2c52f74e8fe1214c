//! The files that completed uploads have become.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;
use telestore_types::{FileId, IndexedFile, UserId};

use super::tx::Tx;
use super::{database, row};
use crate::row::FOLDED_AT_ONCE;
use crate::{FileListing, Result};

/// `instr` knows no wildcards: whatever is looked for is meant as it is. The inner question is answered by the index alone.
const LIST: &str = "SELECT * FROM files WHERE place IN \
                    (SELECT place FROM files WHERE user_id = ?1 AND place < ?2 AND (?3 IS NULL OR instr(folded, ?3) > 0) \
                     ORDER BY place DESC LIMIT ?4) ORDER BY place DESC";

/// The same of files with one digest and length: few, which their index gives.
const SAME: &str = "SELECT * FROM files WHERE user_id = ?1 AND sha256 = ?5 AND size = ?6 AND place < ?2 \
                    AND (?3 IS NULL OR instr(folded, ?3) > 0) ORDER BY place DESC LIMIT ?4";

pub(super) async fn put(on: &mut SqliteConnection, file: &IndexedFile) -> Result<()> {
    let put = sqlx::query(
        "INSERT INTO files (id, upload_id, user_id, file_name, folded, size, mime_type, sha256, stored, created_at, \
         encrypted, compressed) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
    );
    row::bind_file(put, file)?.execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn take(
    on: &mut SqliteConnection,
    user: &UserId,
    id: &FileId,
) -> Result<Option<IndexedFile>> {
    let take = sqlx::query("DELETE FROM files WHERE id = ? AND user_id = ? RETURNING *");
    let taken = take.bind(id.as_str()).bind(user.as_str()).fetch_optional(on).await.map_err(database)?;
    taken.as_ref().map(row::file).transpose()
}

pub(super) async fn list(
    readers: &SqlitePool,
    user: &UserId,
    listing: &FileListing,
) -> Result<Vec<IndexedFile>> {
    let list = sqlx::query(if listing.content.is_some() { SAME } else { LIST });
    let list = list.bind(user.as_str()).bind(listing.before.map_or(i64::MAX, row::signed));
    let list = list.bind(listing.search.as_deref()).bind(listing.limit);
    let list = match &listing.content {
        Some((sha256, size)) => list.bind(sha256.to_string()).bind(row::signed(*size)),
        None => list,
    };
    list.fetch_all(readers).await.map_err(database)?.iter().map(row::file).collect()
}

pub(super) async fn find(readers: &SqlitePool, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
    let find = sqlx::query("SELECT * FROM files WHERE id = ? AND user_id = ?");
    let found = find.bind(id.as_str()).bind(user.as_str()).fetch_optional(readers).await.map_err(database)?;
    found.as_ref().map(row::file).transpose()
}

/// Folds the names of files that a migration has made, some at a time. What a killed worker leaves is folded at the next start.
pub(super) async fn fold(writer: &SqlitePool) -> Result<()> {
    loop {
        let some =
            sqlx::query("SELECT place, file_name FROM files WHERE folded IS NULL ORDER BY place LIMIT ?");
        let some = some.bind(FOLDED_AT_ONCE).fetch_all(writer).await.map_err(database)?;
        if some.is_empty() {
            return Ok(());
        }
        let mut tx = Tx::begin(writer).await?;
        for one in &some {
            let (place, folded) = row::folded(one)?;
            let fold = sqlx::query("UPDATE files SET folded = ? WHERE place = ?").bind(folded).bind(place);
            fold.execute(&mut *tx).await.map_err(database)?;
        }
        tx.commit().await?;
    }
}
