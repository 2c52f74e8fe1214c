use sqlx::PgConnection;
use telestore_types::StorageKey;

use super::row::{self, Values};
use super::tx::Tx;
use super::{database, sql, usage};
use crate::rules::{self, Admitted, Answer, NewChunk};
use crate::{BlobName, ChunkRecord, Recorded, Result};

/// The row of the upload and the record of its chunk in one statement.
const WRITE: &str = concat!(
    "WITH written AS (",
    row::update_sql!(),
    ") INSERT INTO chunks (key, idx, length, crc32c, blob) VALUES ($34, $35, $36, $37, $38) \
     ON CONFLICT (key, idx) DO UPDATE SET length = EXCLUDED.length, crc32c = EXCLUDED.crc32c, blob = EXCLUDED.blob"
);

/// Records a chunk.
pub(super) async fn record(tx: &mut Tx, new: &NewChunk) -> Result<Answer<Recorded>> {
    let Admitted { upload, replaced } = match rules::admit_chunk(tx, new).await? {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(Answer::Unchanged(refused)),
    };
    for subject in rules::counted(&upload, &new.limits) {
        usage::count(tx, subject, new.chunk.length, new.now).await?;
    }
    let write = row::bind_update(sql(WRITE), &upload)?
        .bind(new.key.as_str())
        .bind(i64::from(new.chunk.index.get()))
        .bind(row::signed(new.chunk.length))
        .bind(i64::from(new.chunk.crc32c))
        .text(new.chunk.blob.as_str());
    write.execute(&mut **tx).await.map_err(database)?;
    Ok(Answer::Changed(Recorded::Stored { upload, replaced }))
}

/// The chunks of an upload in order.
pub(super) async fn of(on: &mut PgConnection, key: &StorageKey) -> Result<Vec<ChunkRecord>> {
    let chunks = sql("SELECT * FROM chunks WHERE key = $1 ORDER BY idx").bind(key.as_str());
    chunks.fetch_all(on).await.map_err(database)?.iter().map(row::chunk).collect()
}

/// Those of these blobs that are of use.
pub(super) async fn named(on: &mut PgConnection, blobs: &[BlobName]) -> Result<Vec<BlobName>> {
    let names: Vec<&str> = blobs.iter().map(BlobName::as_str).collect();
    let named = sql("SELECT DISTINCT blob FROM chunks JOIN uploads ON uploads.key = chunks.key \
         WHERE blob = ANY($1) AND state NOT IN ('completed', 'cancelled')");
    named.bind(names).fetch_all(on).await.map_err(database)?.iter().map(row::blob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_in_the_order_in_which_they_are_bound() {
        let numbers = WRITE.split('$').skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse::<usize>().unwrap()
        });
        assert!(numbers.clone().eq(1..=numbers.count()), "{WRITE}");
    }
}
