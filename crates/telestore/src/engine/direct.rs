//! The façade of whole files, each in one request.

use telestore_store::SpooledChunk;
use telestore_types::FileName;

use super::{Rooms, Telestore};
use crate::intake::DirectFile;
use crate::intake::waiting::CallerWaits;
use crate::shared::caller::Caller;
use crate::shared::error::Result;
use crate::watching::ending::DirectReceipt;

impl Telestore {
    /// Takes a whole file in one request and waits until it is in the channel.
    ///
    /// A caller that goes away stops waiting; the file is sent all the same.
    ///
    /// # Errors
    /// [`Error::UploadFailed`](crate::Error::UploadFailed) with the words of `/upload-progress`;
    /// [`Invalid`](crate::Error::Invalid), [`TooLarge`](crate::Error::TooLarge), [`NeedsSession`](crate::Error::NeedsSession),
    /// [`Unauthorized`](crate::Error::Unauthorized), [`InvalidToken`](crate::Error::InvalidToken),
    /// [`NotConfigured`](crate::Error::NotConfigured), [`BackendUnavailable`](crate::Error::BackendUnavailable).
    pub async fn upload(
        &self,
        file_name: FileName,
        mime_type: Option<&str>,
        spooled: SpooledChunk,
        caller: &Caller,
    ) -> Result<DirectReceipt> {
        let file = DirectFile::new(file_name).with_mime_type(mime_type.map(str::to_owned));
        self.upload_file(file, spooled, caller).await
    }

    /// The same for a file that more is known of, such as how its message is to be.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub async fn upload_file(
        &self,
        direct: DirectFile,
        spooled: SpooledChunk,
        caller: &Caller,
    ) -> Result<DirectReceipt> {
        let Rooms { intake, watching, .. } = &*self.0;
        let file = match intake.direct_file(&direct, spooled.length, caller).await {
            Ok(file) => file,
            Err(refusal) => {
                intake.discard(spooled).await;
                return Err(refusal);
            }
        };
        let watch = watching.listen(&file.id);
        let caller_waits = CallerWaits::new(intake);
        let mime_type = direct.mime_type.as_deref();
        let upload = intake.queue_direct(file, mime_type, spooled, caller, &caller_waits).await?;
        let answer = watching.wait_for(watch, upload).await;
        caller_waits.answered();
        answer
    }
}
