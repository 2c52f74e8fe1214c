//! Waiting for the end of a file that came in one request.

use std::time::Duration;

use telestore_types::{FileName, StoredFile, Upload, UploadEvent, UploadState, UploadStatus};

use crate::shared::error::{Error, Result};
use crate::watching::Watching;
use crate::watching::watch::Watch;

/// A file that was sent in one request is in the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectReceipt {
    /// The messages that hold it.
    pub stored: StoredFile,
    /// The name that the document got.
    pub file_name: FileName,
}

const KEPT: &str =
    "worker is stopping; the file is kept and will be sent after the restart: do not send it again";

const UNKNOWN: &str = "worker is stopping and cannot tell what becomes of the file; look into the channel before you send it again";

const FORGOTTEN: &str = "upload is past its time and its end is not known any more; look into the channel before you send the file again";

/// The pause before a store that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Watching {
    /// The next state. A store that is away is waited for: the file is on its way, and a client that is told to come again
    /// would send it a second time.
    async fn next_of(&self, watch: &mut Watch) -> Result<Option<UploadEvent>> {
        loop {
            match watch.next().await {
                Err(Error::StoreUnavailable(error)) if !self.base.shutdown.is_cancelled() => {
                    tracing::debug!(%error, "could not look how a direct upload is; looking again");
                    self.base.rest(ASK_AGAIN, std::future::pending()).await;
                }
                next => return next,
            }
        }
    }

    pub(crate) async fn wait_for(&self, mut watch: Watch, upload: Upload) -> Result<DirectReceipt> {
        while let Some(event) = self.next_of(&mut watch).await? {
            return match (event.status, event.stored) {
                (UploadStatus::Uploading, _) => continue,
                (UploadStatus::Completed, Some(stored)) => {
                    Ok(DirectReceipt { stored, file_name: upload.file_name })
                }
                _ => {
                    let why = event.error.unwrap_or_else(|| "upload failed".to_owned());
                    Err(Error::upload_failed(why, event.outcome))
                }
            };
        }
        // Not `ShuttingDown`, which invites the client to send the same file again.
        if !self.base.shutdown.is_cancelled() {
            return Err(Error::upload_failed(FORGOTTEN, None));
        }
        // It is kept before the client is told so.
        Err(match self.base.sessions.keep(&upload.id, &upload.key).await {
            Ok(Some(row)) if row.state == UploadState::Failed => {
                Error::upload_failed(row.error.unwrap_or_else(|| UNKNOWN.to_owned()), row.outcome)
            }
            Ok(Some(row)) if row.state != UploadState::Cancelled => Error::upload_failed(KEPT, None),
            _ => Error::upload_failed(UNKNOWN, None),
        })
    }
}
