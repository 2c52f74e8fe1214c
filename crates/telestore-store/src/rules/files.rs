use telestore_types::{FileId, IndexedFile, Timestamp, UserId};

use super::{Answer, Rows, forget};
use crate::{NewEvent, Result};

/// [`SessionStore::delete_file`](crate::SessionStore::delete_file).
///
/// # Errors
/// Those of the rows.
pub async fn delete_file(
    rows: &mut dyn Rows,
    user: &UserId,
    id: &FileId,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<Answer<Option<IndexedFile>>> {
    let Some(file) = rows.take_file(user, id).await? else { return Ok(Answer::Unchanged(None)) };
    // A request that comes again is answered from the row of its upload: that the file was sent is not true any more.
    // The bytes of a completed upload are nobody's: whatever is left of them is an orphan, upload or not.
    let _ = forget(rows, &file.upload_id, id.key()).await?;
    for event in events {
        rows.add_event(&file.upload_id, event, now).await?;
    }
    Ok(Answer::Changed(Some(file)))
}
