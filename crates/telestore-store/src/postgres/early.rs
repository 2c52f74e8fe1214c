//! Uploads that are sent while they arrive.

use sqlx::PgConnection;
use telestore_types::{ResumeState, SenderId, StorageKey, UploadId, WorkerId};

use super::row::Values;
use super::{database, sql};
use crate::Result;

/// `checkpoint_early` of the upload as one statement: no row has to be read and written back for it.
pub(super) async fn checkpoint(
    on: &mut PgConnection,
    id: &UploadId,
    key: &StorageKey,
    expected: Option<&ResumeState>,
    resume: &ResumeState,
) -> Result<bool> {
    let sender = |state: &ResumeState| state.sender.as_ref().map(|sender| sender.as_str().to_owned());
    let written =
        sql("UPDATE uploads SET resume = $1, resume_of = $2, resume_sender = $3 WHERE id = $4 AND key = $5 \
         AND state = 'receiving' AND resume IS NOT DISTINCT FROM $6 \
         AND (resume IS NULL OR (resume_of = $7 AND resume_sender IS NOT DISTINCT FROM $8))");
    let written = written.bytes(Some(&resume.bytes)).text(resume.backend.as_str());
    let written =
        written.text(resume.sender.as_ref().map(SenderId::as_str)).bind(id.as_str()).bind(key.as_str());
    let written = written.bytes(expected.map(|expected| expected.bytes.as_slice()));
    let written = written.text(expected.map(|expected| expected.backend.as_str()));
    let written = written.made(expected.and_then(sender));
    Ok(written.execute(on).await.map_err(database)?.rows_affected() == 1)
}

pub(super) async fn end(
    on: &mut PgConnection,
    id: &UploadId,
    key: &StorageKey,
    worker: &WorkerId,
) -> Result<()> {
    let end = sql("UPDATE uploads SET early = FALSE WHERE id = $1 AND key = $2 AND worker = $3 AND early");
    let end = end.bind(id.as_str()).bind(key.as_str()).bind(worker.as_str());
    end.execute(on).await.map_err(database)?;
    Ok(())
}
