//! The files that completed uploads have become.

use sqlx::PgConnection;
use telestore_types::{FileId, IndexedFile, UserId};

use super::row::{self, Values};
use super::{database, sql};
use crate::row::FOLDED_AT_ONCE;
use crate::{FileListing, Result};

const LIST: &str = "SELECT * FROM files WHERE user_id = $1 AND ($2::BIGINT IS NULL OR place < $2) \
                    AND ($3::TEXT IS NULL OR position($3 IN folded) > 0) ORDER BY place DESC LIMIT $4";

/// The same of files with one digest and length: few, which their index gives.
const SAME: &str = "SELECT * FROM files WHERE user_id = $1 AND ($2::BIGINT IS NULL OR place < $2) \
                    AND ($3::TEXT IS NULL OR position($3 IN folded) > 0) AND sha256 = $5 AND size = $6 \
                    ORDER BY place DESC LIMIT $4";

pub(super) async fn put(on: &mut PgConnection, file: &IndexedFile) -> Result<()> {
    let put = sql(
        "INSERT INTO files (id, upload_id, user_id, file_name, folded, size, mime_type, sha256, stored, created_at, \
         encrypted, compressed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING",
    );
    row::bind_file(put, file)?.execute(on).await.map_err(database)?;
    Ok(())
}

pub(super) async fn take(on: &mut PgConnection, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
    let take = sql("DELETE FROM files WHERE id = $1 AND user_id = $2 RETURNING *");
    let taken = take.text(id.as_str()).text(user.as_str()).fetch_optional(on).await.map_err(database)?;
    taken.as_ref().map(row::file).transpose()
}

pub(super) async fn list(
    on: &mut PgConnection,
    user: &UserId,
    listing: &FileListing,
) -> Result<Vec<IndexedFile>> {
    let list = sql(if listing.content.is_some() { SAME } else { LIST });
    let list = list.text(user.as_str()).bind(listing.before.map(row::signed));
    let list = list.text(listing.search.as_deref()).bind(i64::from(listing.limit));
    let list = match &listing.content {
        Some((sha256, size)) => list.made(Some(sha256.to_string())).int(row::signed(*size)),
        None => list,
    };
    list.fetch_all(on).await.map_err(database)?.iter().map(row::file).collect()
}

pub(super) async fn find(on: &mut PgConnection, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>> {
    let find = sql("SELECT * FROM files WHERE id = $1 AND user_id = $2");
    let found = find.text(id.as_str()).text(user.as_str()).fetch_optional(on).await.map_err(database)?;
    found.as_ref().map(row::file).transpose()
}

/// Folds the names of files that a migration has made, some at a time. What a killed worker leaves is folded at the next start.
///
/// Workers that start together may fold the same rows, and do not get in each other's way: all lock them in one order.
pub(super) async fn fold(on: &mut PgConnection) -> Result<()> {
    loop {
        let some = sql("SELECT place, file_name FROM files WHERE folded IS NULL ORDER BY place LIMIT $1");
        let some = some.bind(FOLDED_AT_ONCE).fetch_all(&mut *on).await.map_err(database)?;
        if some.is_empty() {
            return Ok(());
        }
        let folded: Vec<_> = some.iter().map(row::folded).collect::<Result<_>>()?;
        let (places, names): (Vec<_>, Vec<_>) = folded.into_iter().unzip();
        let fold = sql(
            "WITH held AS (SELECT place FROM files WHERE place = ANY($1) ORDER BY place FOR UPDATE) \
             UPDATE files SET folded = made.folded FROM held, UNNEST($1::BIGINT[], $2::TEXT[]) AS made (place, folded) \
             WHERE files.place = held.place AND made.place = held.place",
        );
        let fold = fold.bind(places).bind(row::all_written(names.iter().map(String::as_str)));
        fold.execute(&mut *on).await.map_err(database)?;
    }
}
