use telestore_store::{Cancelled, Completed};
use telestore_types::{Completion, Upload, UploadEvent, UploadId, UploadState};

use crate::intake::Intake;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};
use crate::shared::metrics::METRICS;
use crate::shared::tasks::detached;

impl Intake {
    /// Asks for the file to be sent, in the background. Asking again changes nothing, except after a failure: then it
    /// starts over with what is there.
    pub(crate) async fn complete(&self, id: &UploadId, caller: &Caller) -> Result<()> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        if caller.token().is_some() {
            // A caller whose completion is refused owns nothing by it.
            upload.may_complete()?;
            self.access.claim(&upload, caller).await?;
        }
        self.complete_now(&upload).await
    }

    /// Queues this life of an upload, without asking who wants it.
    pub(crate) async fn complete_now(&self, upload: &Upload) -> Result<()> {
        match self.base.sessions.complete(&upload.id, &upload.key, self.base.now()).await? {
            Completed::NotFound => Err(Error::NotFound),
            Completed::Refused(error) => Err(error.into()),
            Completed::Accepted(completion, upload) => {
                if completion == Completion::Queued {
                    tracing::info!("[{}] Upload queued", upload.id);
                    self.events.publish_queued(&upload).await;
                    self.base.work.notify_one();
                }
                Ok(())
            }
        }
    }

    /// Stops an upload and deletes its chunks. Cancelling again, or what is not there, is a success.
    ///
    /// Gives the upload's last event if it was too late: the message is in the channel.
    pub(crate) async fn cancel(&self, id: &UploadId, caller: &Caller) -> Result<Option<UploadEvent>> {
        let Some(upload) = self.access.find(id, caller).await? else {
            return Ok(None);
        };
        // A page that is closed cancels and hangs up: what was begun must not stop in the middle.
        let intake = self.clone();
        detached(async move { intake.cancel_now(&upload).await }).await
    }

    pub(crate) async fn cancel_now(&self, upload: &Upload) -> Result<Option<UploadEvent>> {
        self.sends.early.forget(&upload.key);
        // First the send, so that a message that was already accepted is recorded and not disowned.
        self.sends.stop(&upload.key).await;
        match self.base.sessions.cancel(&upload.id, &upload.key, self.base.now()).await? {
            Cancelled::NotFound => Ok(None),
            Cancelled::Over(upload) if upload.state == UploadState::Completed => {
                Ok(upload.event(self.base.now()))
            }
            Cancelled::Over(_) => Ok(None),
            Cancelled::Now { upload, blobs } => {
                METRICS.cancelled.increment(1);
                tracing::info!("[{}] Upload cancelled", upload.id);
                // Not before: if the store did not answer, the file would be fetched by nobody.
                self.fetches.stop(&upload.key);
                self.sends.early.forget(&upload.key);
                // A runner may have leased it again in between.
                self.sends.stop(&upload.key).await;
                self.events.publish(&upload);
                // It is cancelled whatever becomes of the bytes.
                self.bytes.delete_of(&upload, &blobs).await;
                Ok(None)
            }
        }
    }
}
