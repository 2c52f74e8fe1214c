//! Waiting for the end of a file that came in one request.

use telestore_types::{
    Encoded, FileDigest, FileId, FileName, StoredFile, TopicId, Upload, UploadId, UploadState, UploadStatus,
};

use crate::shared::error::{Error, Result};
use crate::watching::Watching;
use crate::watching::watch::Watch;

/// A file that was sent in one request is in the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectReceipt {
    /// The worker's name for its upload.
    pub upload_id: UploadId,
    /// The messages that hold it.
    pub stored: StoredFile,
    /// The topic that they are in, if the chat is a forum.
    pub topic_id: Option<TopicId>,
    /// The name of the file.
    pub file_name: FileName,
    /// The file that it has become.
    pub file: Option<FileId>,
    /// The SHA-256 of the file, if its client has said it; it was compared.
    pub sha256: Option<FileDigest>,
    /// What the messages hold: the file's bytes, or another form of them.
    pub encoded: Encoded,
}

const KEPT: &str =
    "worker is stopping; the file is kept and will be sent after the restart: do not send it again";

const UNKNOWN: &str = "worker is stopping and cannot tell what becomes of the file; look into the channel before you send it again";

const FORGOTTEN: &str = "upload is past its time and its end is not known any more; look into the channel before you send the file again";

impl Watching {
    pub(crate) async fn wait_for(&self, mut watch: Watch, upload: Upload) -> Result<DirectReceipt> {
        loop {
            let next = watch.next().await;
            if self.base.is_to_ask_again(&next).await {
                continue;
            }
            let Some(event) = next? else { break };
            return match (event.status, event.stored) {
                (UploadStatus::Uploading, _) => continue,
                (UploadStatus::Completed, Some(stored)) => Ok(DirectReceipt {
                    upload_id: upload.id,
                    topic_id: upload.options.topic_id.or(self.base.config.message.topic_id),
                    stored,
                    file_name: upload.file_name,
                    file: event.file,
                    sha256: event.sha256,
                    encoded: event.encoded,
                }),
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
