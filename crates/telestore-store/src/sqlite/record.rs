use sqlx::SqliteConnection;
use telestore_types::Upload;

use super::group::NewChunk;
use super::{database, row, usage};
use crate::admit::admit;
use crate::{BlobName, More, Recorded, Result, Subject};

/// An upload, and what one of its places holds.
const FIND: &str = "SELECT uploads.*, chunks.length, chunks.crc32c, chunks.blob FROM uploads LEFT JOIN chunks \
                    ON chunks.key = uploads.key AND chunks.idx = ? WHERE uploads.id = ? AND uploads.key = ?";

/// One call into SQLite's thread for all four.
const WRITE: &str = concat!(
    "SAVEPOINT chunk; ",
    row::update_sql!(),
    "; INSERT OR REPLACE INTO chunks (key, idx, length, crc32c, blob) VALUES (?, ?, ?, ?, ?); RELEASE chunk"
);

/// Records a chunk in a transaction of several.
///
/// The inner result is the chunk's own: where it is an error, the transaction is as it was before. The outer one is an
/// error where the whole transaction is lost.
pub(super) async fn record(on: &mut SqliteConnection, new: &NewChunk) -> Result<Result<Recorded>> {
    let (upload, replaced) = match judge(on, new).await {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(refused)) => return Ok(Ok(refused)),
        // Nothing was written yet.
        Err(error) => return Ok(Err(error)),
    };
    let counted = usage::counted(&upload, &new.limits);
    let (written, undo) = if counted.is_empty() {
        (write(on, new, &upload).await, "ROLLBACK TO chunk; RELEASE chunk")
    } else {
        (write_and_count(on, new, &upload, &counted).await, "ROLLBACK TO counted; RELEASE counted")
    };
    match written {
        Ok(()) => Ok(Ok(Recorded::Stored { upload, replaced })),
        Err(error) => {
            let undo = sqlx::query(undo);
            // SQLite gives some transactions up by itself (a full disk), and then there is no savepoint.
            if undo.execute(on).await.is_err() { Err(error) } else { Ok(Err(error)) }
        }
    }
}

/// The upload with the chunk, and the blob that loses its place to it; or why it is not recorded.
type Judged = std::result::Result<(Box<Upload>, Option<BlobName>), Recorded>;

async fn judge(on: &mut SqliteConnection, new: &NewChunk) -> Result<Judged> {
    let find = sqlx::query(FIND).bind(new.chunk.index.get()).bind(new.id.as_str()).bind(new.key.as_str());
    let Some(found) = find.fetch_optional(&mut *on).await.map_err(database)? else {
        return Ok(Err(Recorded::NotFound));
    };
    let upload = Box::new(row::upload(&found)?);
    let (held, replaced) = row::held(&found)?.unzip();
    let more = More::chunk(&new.chunk, held.map(|(length, _)| length));
    match admit(upload, held, &new.chunk, new.mime_type.as_deref(), new.limits.max_bytes, new.now) {
        Err(refused) => Ok(Err(refused)),
        // The database still has the upload as it was before.
        Ok(upload) => match usage::check(on, &upload, &new.limits, &more, new.now).await? {
            Err(exceeded) => Ok(Err(Recorded::TooMuch(exceeded))),
            Ok(()) => Ok(Ok((upload, replaced))),
        },
    }
}

async fn write_and_count(
    on: &mut SqliteConnection,
    new: &NewChunk,
    upload: &Upload,
    counted: &[Subject<'_>],
) -> Result<()> {
    sqlx::query("SAVEPOINT counted").execute(&mut *on).await.map_err(database)?;
    for subject in counted {
        usage::count(on, *subject, new.chunk.length, new.now).await?;
    }
    write(on, new, upload).await?;
    sqlx::query("RELEASE counted").execute(on).await.map_err(database)?;
    Ok(())
}

async fn write(on: &mut SqliteConnection, new: &NewChunk, upload: &Upload) -> Result<()> {
    let write = row::bind_update(sqlx::query(WRITE), upload)?
        .bind(new.key.as_str())
        .bind(new.chunk.index.get())
        .bind(row::signed(new.chunk.length))
        .bind(new.chunk.crc32c)
        .bind(new.chunk.blob.as_str());
    write.execute(on).await.map_err(database)?;
    Ok(())
}
