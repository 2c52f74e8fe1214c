use telestore_types::{StorageKey, Timestamp, UploadId, UploadState};

use super::{Answer, Rows, check, counted};
use crate::{Appended, ChunkRecord, Declared, JoinedExtent, More, NewExtent, Result};

/// [`SessionStore::append`](crate::SessionStore::append).
///
/// # Errors
/// Those of the rows.
pub async fn append(rows: &mut dyn Rows, new: &NewExtent) -> Result<Answer<Appended>> {
    let Some(before) = rows.life(&new.id, &new.key).await? else {
        return Ok(Answer::Unchanged(Appended::NotFound));
    };
    let mut upload = before.clone();
    let index = match upload.append(new.at, new.length, new.now) {
        Ok(index) => index,
        Err(error) => return Ok(Answer::Unchanged(Appended::Refused(error, Box::new(before)))),
    };
    if upload.received_bytes > new.limits.max_bytes {
        return Ok(Answer::Unchanged(Appended::TooLarge { received: upload.received_bytes }));
    }
    let blob = new.blob.clone();
    let chunk = ChunkRecord { index, length: new.length, crc32c: new.crc32c, blob };
    // The rows still have the upload as it was before.
    if let Err(exceeded) =
        check(rows, &upload, &new.limits, &More::chunk(chunk.length, None), new.now).await?
    {
        return Ok(Answer::Unchanged(Appended::TooMuch(exceeded)));
    }
    for subject in counted(&upload, &new.limits) {
        rows.count(subject, new.length, new.now).await?;
    }
    rows.put_chunk(&new.key, &chunk).await?;
    rows.save(&upload).await?;
    Ok(Answer::Changed(Appended::Stored(Box::new(upload), chunk)))
}

/// [`SessionStore::join`](crate::SessionStore::join).
///
/// # Errors
/// Those of the rows.
pub async fn join(rows: &mut dyn Rows, join: &JoinedExtent) -> Result<Answer<bool>> {
    let (Some(mut upload), Some(joined)) = (rows.life(&join.id, &join.key).await?, join.record()) else {
        return Ok(Answer::Unchanged(false));
    };
    if upload.state != UploadState::Receiving || !upload.kind.is_appended_to() {
        return Ok(Answer::Unchanged(false));
    }
    let mut records = rows.records(&join.key).await?;
    records.retain(|record| !record.index.is_thumbnail());
    if !records.ends_with(&join.pieces) {
        return Ok(Answer::Unchanged(false));
    }
    for piece in &join.pieces {
        rows.delete_chunk(&join.key, piece.index).await?;
    }
    rows.put_chunk(&join.key, &joined).await?;
    upload.received_chunks = joined.index.get() + 1;
    rows.save(&upload).await?;
    Ok(Answer::Changed(true))
}

/// [`SessionStore::declare_size`](crate::SessionStore::declare_size).
///
/// # Errors
/// Those of the rows.
pub async fn declare_size(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
    size: u64,
    now: Timestamp,
) -> Result<Answer<Declared>> {
    let Some(mut upload) = rows.life(id, key).await? else {
        return Ok(Answer::Unchanged(Declared::NotFound));
    };
    let known = upload.file_size.is_some();
    match upload.declare_size(size, now) {
        Ok(()) if known => Ok(Answer::Unchanged(Declared::Known(Box::new(upload)))),
        Ok(()) => {
            rows.save(&upload).await?;
            Ok(Answer::Changed(Declared::Known(Box::new(upload))))
        }
        Err(error) => Ok(Answer::Unchanged(Declared::Refused(error))),
    }
}
