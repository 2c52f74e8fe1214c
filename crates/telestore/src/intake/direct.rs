//! A whole file in one request, whose client waits for the end.

use telestore_store::SpooledChunk;
use telestore_types::{ChunkIndex, FileName, Upload, UploadId, UploadKind, UploadState, UploadStatus};

use crate::intake::chunks::{FileInfo, detached};
use crate::intake::waiting::CallerWaits;
use crate::shared::access::{concerns, missing_token};
use crate::{Caller, Error, Result, Telestore, Watch};

/// A file that was sent in one request is in the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectReceipt {
    /// The message.
    pub message_id: i64,
    /// The documented `fileId`.
    pub file_id: String,
    /// The name that the document got.
    pub file_name: FileName,
}

/// What the ids of direct uploads begin with, for those who read them; 32 hexadecimal digits follow. That they are direct
/// stands in their rows.
const DIRECT: &str = "direct-";

const KEPT: &str =
    "worker is stopping; the file is kept and will be sent after the restart: do not send it again";

const UNKNOWN: &str = "worker is stopping and cannot tell what becomes of the file; look into the channel before you send it again";

const FORGOTTEN: &str = "upload is past its time and its end is not known any more; look into the channel before you send the file again";

impl Telestore {
    /// Takes a whole file in one request and waits until it is in the channel.
    ///
    /// A caller that goes away stops waiting; the file is sent all the same.
    ///
    /// # Errors
    /// [`Error::UploadFailed`] with the words of `/upload-progress`; [`Error::Invalid`], [`Error::TooLarge`], [`Error::NeedsSession`],
    /// [`Error::Unauthorized`], [`Error::InvalidToken`], [`Error::NotConfigured`], [`Error::BackendUnavailable`].
    pub async fn upload(
        &self,
        file_name: FileName,
        mime_type: Option<&str>,
        spooled: SpooledChunk,
        caller: impl Into<Caller<'_>>,
    ) -> Result<DirectReceipt> {
        let caller = caller.into();
        let (token, address) = (caller.token, caller.address);
        self.admit(token).await?;
        let token = token.ok_or_else(missing_token)?;
        let id = UploadId::new(format!("{DIRECT}{:032x}", rand::random::<u128>()))?;
        concerns(&id);
        let file = FileInfo { id, file_name, file_size: spooled.length, total_chunks: 1 };
        self.check_file(&file)?;
        let watch = Watch::from_now_on(self, &file.id);
        let (engine, token, mime_type) = (self.clone(), token.clone(), mime_type.map(str::to_owned));
        let caller_waits = CallerWaits::new(self);
        let waiting = caller_waits.waiting.clone();
        // Nobody else knows the id, so nobody could complete what a caller leaves behind half way.
        let upload = detached(async move {
            let caller = Caller { token: Some(&token), address };
            let created = engine.upload_of(&file, UploadKind::Direct, caller).await?;
            waiting.begun(&created);
            let queued = async {
                let index = ChunkIndex::new(0, 1)?;
                let upload = engine.keep(created.clone(), index, spooled, mime_type.as_deref()).await?;
                engine.complete_now(&upload).await?;
                Ok(upload)
            };
            let queued = queued.await;
            if queued.is_err() {
                engine.abandon(&created).await;
            } else if waiting.is_over() {
                engine.keep_quietly(&created).await;
            }
            queued
        });
        let upload = upload.await?;
        let answer = self.wait_for(watch, upload).await;
        caller_waits.answered();
        answer
    }

    pub(crate) async fn keep_quietly(&self, upload: &Upload) {
        if let Err(error) = self.0.sessions.keep(&upload.id, &upload.key).await {
            tracing::warn!(upload = %upload.id, %error, "could not write down that a client does not wait any more");
        }
    }

    async fn wait_for(&self, mut watch: Watch, upload: Upload) -> Result<DirectReceipt> {
        while let Some(event) = watch.next().await? {
            return match (event.status, event.message_id, event.file_id) {
                (UploadStatus::Uploading, ..) => continue,
                (UploadStatus::Completed, Some(message_id), Some(file_id)) => {
                    Ok(DirectReceipt { message_id, file_id, file_name: upload.file_name })
                }
                _ => Err(Error::UploadFailed(event.error.unwrap_or_else(|| "upload failed".to_owned()))),
            };
        }
        // Not `ShuttingDown`, which invites the client to send the same file again.
        if !self.0.shutdown.is_cancelled() {
            return Err(Error::UploadFailed(FORGOTTEN.to_owned()));
        }
        // It is kept before the client is told so.
        let why = match self.0.sessions.keep(&upload.id, &upload.key).await {
            Ok(Some(row)) if row.state == UploadState::Failed => {
                row.error.unwrap_or_else(|| UNKNOWN.to_owned())
            }
            Ok(Some(row)) if row.state != UploadState::Cancelled => KEPT.to_owned(),
            _ => UNKNOWN.to_owned(),
        };
        Err(Error::UploadFailed(why))
    }

    /// Ends an upload of which nobody knows the id, and which will never be whole.
    async fn abandon(&self, upload: &Upload) {
        if let Err(error) = self.0.sessions.cancel(&upload.id, &upload.key, self.now()).await {
            tracing::warn!(%error, "could not take a refused upload back; it goes when it is past its time");
        }
        self.delete_all_quietly(upload).await;
    }
}
