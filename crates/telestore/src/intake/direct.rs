//! A whole file in one request, whose client waits for the end.

use std::time::Duration;

use telestore_store::{Cancelled, SpooledChunk};
use telestore_types::{ChunkIndex, FileName, Upload, UploadId, UploadKind};

use crate::intake::waiting::CallerWaits;
use crate::intake::{FileInfo, Intake};
use crate::shared::access::{concerns, missing_token};
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};
use crate::shared::tasks::detached;

/// What the ids of direct uploads begin with, for those who read them; 32 hexadecimal digits follow. That they are direct
/// stands in their rows.
const DIRECT: &str = "direct-";

/// The pause before a store that is away is told again that one is complete.
const COMPLETE_AGAIN: Duration = Duration::from_secs(1);

impl Intake {
    /// What a whole file of `length` bytes is called here, if the caller may send one.
    pub(crate) async fn direct_file(
        &self,
        file_name: FileName,
        length: u64,
        caller: &Caller,
    ) -> Result<FileInfo> {
        self.access.admit(caller).await?;
        caller.token().ok_or_else(missing_token)?;
        let id = UploadId::new(format!("{DIRECT}{:032x}", rand::random::<u128>()))?;
        concerns(&id);
        let file = FileInfo { id, file_name, file_size: length, total_chunks: 1 };
        self.check_file(&file)?;
        Ok(file)
    }

    /// Takes a whole file in and queues it. The caller may go away meanwhile.
    pub(crate) async fn queue_direct(
        &self,
        file: FileInfo,
        mime_type: Option<&str>,
        spooled: SpooledChunk,
        caller: &Caller,
        caller_waits: &CallerWaits,
    ) -> Result<Upload> {
        let (intake, caller, mime_type) = (self.clone(), caller.clone(), mime_type.map(str::to_owned));
        let waiting = caller_waits.waiting.clone();
        // Nobody else knows the id, so nobody could complete what a caller leaves behind half way.
        detached(async move {
            let created = intake.upload_of(&file, UploadKind::Direct, &caller).await?;
            waiting.begun(&created);
            let queued = async {
                let index = ChunkIndex::new(0, 1)?;
                let upload = intake.keep(created.clone(), index, spooled, mime_type.as_deref()).await?;
                intake.complete_surely(&upload).await?;
                Ok(upload)
            };
            let queued = queued.await;
            if queued.is_err() {
                intake.abandon(&created).await;
            } else if waiting.is_over() {
                intake.keep_quietly(&created).await;
            }
            queued
        })
        .await
    }

    /// Completes an upload whose bytes are safe. A store that is away is waited for: nobody could tell whether it was done,
    /// and a client that is told to come again would send the file a second time.
    async fn complete_surely(&self, upload: &Upload) -> Result<()> {
        loop {
            match self.complete_now(upload).await {
                Err(Error::StoreUnavailable(error)) if !self.base.shutdown.is_cancelled() => {
                    tracing::warn!(upload = %upload.id, %error, "could not queue a direct upload; trying again");
                    self.base.rest(COMPLETE_AGAIN, std::future::pending()).await;
                }
                done => return done,
            }
        }
    }

    pub(crate) async fn keep_quietly(&self, upload: &Upload) {
        if let Err(error) = self.base.sessions.keep(&upload.id, &upload.key).await {
            tracing::warn!(upload = %upload.id, %error, "could not write down that a client does not wait any more");
        }
    }

    /// Ends an upload of which nobody knows the id, and which will never be whole.
    async fn abandon(&self, upload: &Upload) {
        match self.base.sessions.cancel(&upload.id, &upload.key, self.base.now()).await {
            Ok(Cancelled::Now { blobs, .. }) => self.bytes.delete_quietly(&blobs).await,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "could not take a refused upload back; it goes when it is past its time");
            }
        }
    }
}
