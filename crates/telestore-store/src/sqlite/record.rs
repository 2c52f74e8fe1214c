use sqlx::SqliteConnection;
use telestore_types::Upload;

use super::{database, row, usage};
use crate::rules::{self, Admitted, NewChunk};
use crate::{Recorded, Result, Subject};

/// One call into SQLite's thread for all four.
const WRITE: &str = concat!(
    "SAVEPOINT chunk; ",
    row::update_sql!(),
    "; INSERT OR REPLACE INTO chunks (key, idx, length, crc32c, blob) VALUES (?, ?, ?, ?, ?); RELEASE chunk"
);

/// Records a chunk in a transaction of several.
///
/// The inner result is the chunk's own: if it is an error, the transaction is as it was before. The outer one is an
/// error if the whole transaction is lost.
pub(super) async fn record(on: &mut SqliteConnection, new: &NewChunk) -> Result<Result<Recorded>> {
    let Admitted { upload, replaced } = match rules::admit_chunk(on, new).await {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(refused)) => return Ok(Ok(refused)),
        // Nothing was written yet.
        Err(error) => return Ok(Err(error)),
    };
    let counted = rules::counted(&upload, &new.limits);
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
