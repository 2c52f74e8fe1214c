use telestore_types::{FileName, UploadEvent, UploadId, UploadState};

use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};
use crate::watching::Watching;

/// Which chunks of an upload are there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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

impl Watching {
    /// Which chunks are there.
    pub(crate) async fn status(&self, id: &UploadId, caller: &Caller) -> Result<ChunkStatus> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        if upload.state == UploadState::Cancelled {
            return Err(Error::NotFound);
        }
        let received = match upload.is_duplicate() {
            true => (0..upload.chunks_there()).collect(),
            false => {
                let chunks = self.base.file_chunks(&upload.key).await?;
                chunks.iter().map(|chunk| chunk.index.get()).collect()
            }
        };
        Ok(ChunkStatus {
            upload_id: upload.id,
            file_name: upload.file_name,
            total_chunks: upload.total_chunks.unwrap_or(upload.received_chunks),
            received,
        })
    }

    /// How far an upload is.
    pub(crate) async fn progress(&self, id: &UploadId, caller: &Caller) -> Result<UploadEvent> {
        let read = self.events.moment();
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotStarted)?;
        self.events.event_now(read, upload).await?.ok_or(Error::NotStarted)
    }
}
