use telestore_types::{StorageKey, Timestamp, Upload, UploadId, UserId, WorkerId};

use super::{Answer, Rows};
use crate::{BlobName, FetchNote, Result};

/// [`SessionStore::begin_fetch`](crate::SessionStore::begin_fetch).
///
/// # Errors
/// Those of the rows.
pub async fn begin_fetch(
    rows: &mut dyn Rows,
    worker: &WorkerId,
    now: Timestamp,
    except: &[UserId],
) -> Result<Answer<Option<Upload>>> {
    let Some(mut upload) = rows.next_fetch(now, except).await? else {
        return Ok(Answer::Unchanged(None));
    };
    upload.begin_fetch(worker.clone(), now);
    rows.save(&upload).await?;
    Ok(Answer::Changed(Some(upload)))
}

/// [`SessionStore::note_fetch`](crate::SessionStore::note_fetch).
///
/// # Errors
/// Those of the rows.
pub async fn note_fetch(
    rows: &mut dyn Rows,
    id: &UploadId,
    key: &StorageKey,
    worker: &WorkerId,
    note: &FetchNote,
    now: Timestamp,
) -> Result<Answer<Option<Vec<BlobName>>>> {
    let Some(mut upload) = rows.life(id, key).await?.filter(|upload| upload.is_fetched_by(worker)) else {
        return Ok(Answer::Unchanged(None));
    };
    let mut blobs = Vec::new();
    match note {
        FetchNote::GoesOn { source, file_name, mime_type } => {
            upload.fetch_goes_on(source.clone(), file_name.clone(), mime_type.clone());
        }
        FetchNote::Later { source, at } => upload.fetch_later(source.clone(), *at, now),
        FetchNote::Failed { error, outcome } => {
            upload.fail_fetch(error, *outcome, now);
            blobs = rows.delete_chunks(key).await?;
        }
    }
    rows.save(&upload).await?;
    Ok(Answer::Changed(Some(blobs)))
}
