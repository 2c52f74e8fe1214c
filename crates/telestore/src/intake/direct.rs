//! A whole file in one request, whose client waits for the end.

use telestore_store::{Cancelled, SpooledChunk};
use telestore_types::{ChunkIndex, Upload, UploadId, UploadKind};

use crate::intake::waiting::CallerWaits;
use crate::intake::{DirectFile, FileInfo, Intake};
use crate::shared::access::{concerns, missing_token};
use crate::shared::caller::Caller;
use crate::shared::error::Result;
use crate::shared::tasks::detached;

/// What the ids of direct uploads begin with, for those who read them; 32 hexadecimal digits follow. That they are direct
/// stands in their rows.
const DIRECT: &str = "direct-";

impl Intake {
    /// What a whole file of `length` bytes is called here, if the caller may send one.
    pub(crate) async fn direct_file(
        &self,
        direct: &DirectFile,
        length: u64,
        caller: &Caller,
    ) -> Result<FileInfo> {
        self.access.admit(caller).await?;
        caller.token().ok_or_else(missing_token)?;
        let id = UploadId::new(format!("{DIRECT}{:032x}", rand::random::<u128>()))?;
        concerns(&id);
        let file = FileInfo::new(id, direct.file_name.clone(), length, 1)
            .with_thumbnail(direct.thumbnail.clone())
            .with_options(direct.options.clone());
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
                // Its bytes are safe, and nobody could tell whether it was done.
                loop {
                    let completed = intake.complete_now(&upload).await;
                    if !intake.base.is_to_ask_again(&completed).await {
                        break completed?;
                    }
                }
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
