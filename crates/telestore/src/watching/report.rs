use telestore_progress::Subscription;
use telestore_types::{FileName, Secret, Upload, UploadEvent, UploadId, UploadState};

use crate::{Error, Result, Telestore};

/// Which chunks of an upload are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkStatus {
    /// The client's name for the upload.
    pub upload_id: UploadId,
    /// The name of the file.
    pub file_name: FileName,
    /// How many chunks there should be.
    pub total_chunks: u32,
    /// Those that are there, in order.
    pub received: Vec<u32>,
}

impl Telestore {
    /// Which chunks are there.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an upload that is not there or was cancelled, [`Error::Forbidden`], [`Error::InvalidToken`];
    /// in strict mode [`Error::Unauthorized`] without a token.
    pub async fn status(&self, id: &UploadId, token: Option<&Secret>) -> Result<ChunkStatus> {
        let upload = self.find(id, token).await?.ok_or(Error::NotFound)?;
        if upload.state == UploadState::Cancelled {
            return Err(Error::NotFound);
        }
        let received = self.0.sessions.chunks(&upload.key).await?;
        Ok(ChunkStatus {
            upload_id: upload.id,
            file_name: upload.file_name,
            total_chunks: upload.total_chunks,
            received: received.iter().map(|chunk| chunk.index.get()).collect(),
        })
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`Error::NotStarted`] for an upload that is not there or was not completed yet, [`Error::Forbidden`],
    /// [`Error::InvalidToken`]; in strict mode [`Error::Unauthorized`] without a token.
    pub async fn progress(&self, id: &UploadId, token: Option<&Secret>) -> Result<UploadEvent> {
        let upload = self.find(id, token).await?.ok_or(Error::NotStarted)?;
        self.event_now(upload).await?.ok_or(Error::NotStarted)
    }

    /// What listeners are told of an upload that has just been read; nothing before completion was asked for.
    ///
    /// Where it was being sent then, and the bus does not know of that any more, it has come to its end in between: an
    /// older percentage must not come behind a newer one.
    pub(crate) async fn event_now(&self, mut upload: Upload) -> Result<Option<UploadEvent>> {
        let live = self.0.bus.latest(&upload.id).filter(|live| !live.is_final());
        if upload.state == UploadState::Sending && live.is_none() {
            let now = self.0.sessions.get(&upload.id).await?;
            upload = now.filter(|now| now.key == upload.key).unwrap_or(upload);
        }
        let Some(stored) = upload.event(self.now()) else { return Ok(None) };
        // The store has the truth about the end; the bus is ahead of it on the way there.
        Ok(Some(match live {
            Some(live) if upload.state == UploadState::Sending => {
                UploadEvent { progress: live.progress.max(stored.progress), ..live }
            }
            _ => stored,
        }))
    }

    /// Listens to an upload from now on. [`watch`](Self::watch) also tells the state before that, and the end.
    pub fn subscribe(&self, id: &UploadId) -> Subscription {
        self.0.bus.subscribe(id)
    }
}
