use sqlx::SqliteConnection;
use telestore_types::{ChunkVerdict, Upload};

use super::group::NewChunk;
use super::{database, row};
use crate::{BlobName, Recorded, Result};

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
        Ok(Judged::Store(upload, replaced)) => (upload, replaced),
        Ok(Judged::Not(refusal)) => return Ok(Ok(refusal)),
        // Nothing was written yet.
        Err(error) => return Ok(Err(error)),
    };
    match write(on, new, &upload).await {
        Ok(()) => Ok(Ok(Recorded::Stored { upload, replaced })),
        Err(error) => {
            let undo = sqlx::query("ROLLBACK TO chunk; RELEASE chunk");
            // SQLite gives some transactions up by itself (a full disk), and then there is no savepoint.
            if undo.execute(on).await.is_err() { Err(error) } else { Ok(Err(error)) }
        }
    }
}

enum Judged {
    /// It is to be written, and takes the place of these bytes.
    Store(Box<Upload>, Option<BlobName>),
    Not(Recorded),
}

async fn judge(on: &mut SqliteConnection, new: &NewChunk) -> Result<Judged> {
    let find = sqlx::query(FIND).bind(new.chunk.index.get()).bind(new.id.as_str()).bind(new.key.as_str());
    let Some(found) = find.fetch_optional(on).await.map_err(database)? else {
        return Ok(Judged::Not(Recorded::NotFound));
    };
    let mut upload = Box::new(row::upload(&found)?);
    let old = row::held(&found)?;
    let (before, bytes) = (old.as_ref().map(|(bytes, _)| *bytes), (new.chunk.length, new.chunk.crc32c));
    match upload.chunk_verdict(before, bytes) {
        ChunkVerdict::Store => {}
        verdict => return Ok(Judged::Not(Recorded::Refused { verdict, upload })),
    }
    upload.chunk_stored(before, bytes, new.now);
    upload.mime_type = upload.mime_type.or_else(|| new.mime_type.clone());
    if upload.received_bytes > new.max_bytes {
        return Ok(Judged::Not(Recorded::TooLarge { received: upload.received_bytes }));
    }
    Ok(Judged::Store(upload, old.map(|(_, blob)| blob)))
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
