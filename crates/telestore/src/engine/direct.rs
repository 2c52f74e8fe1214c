//! The façade of whole files, each in one request.

use telestore_store::{Spool, SpooledChunk};
use telestore_types::FileName;

use super::{Rooms, Telestore};
use crate::intake::DirectFile;
use crate::intake::repeats::{IdempotencyKey, Taken, counting};
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
    /// If the file has a [key](DirectFile::key), or else a [digest](DirectFile::sha256), and an earlier request of the same user
    /// had it, no second message is made: the answer is that of the earlier one, which is waited for. One that has failed is
    /// begun anew, unless its message may be in the channel. That holds for as long as results are kept
    /// ([`EngineConfig::result_ttl`](crate::EngineConfig::result_ttl)).
    ///
    /// # Errors
    /// As [`upload`](Self::upload); [`OtherRequest`](crate::Error::OtherRequest) if the key was used for another file, or with
    /// other options.
    pub async fn upload_file(
        &self,
        direct: DirectFile,
        spooled: SpooledChunk,
        caller: &Caller,
    ) -> Result<DirectReceipt> {
        let Rooms { intake, watching, .. } = &*self.0;
        let file = match intake.direct_file(&direct, (spooled.length, spooled.crc32c), caller).await {
            Ok(file) => file,
            Err(refusal) => {
                intake.discard(spooled).await;
                return Err(refusal);
            }
        };
        let mut watch = watching.listen(&file.id);
        let caller_waits = CallerWaits::new(intake);
        let mime_type = direct.mime_type.as_deref();
        let upload = match intake.queue_direct(file, mime_type, spooled, caller, &caller_waits).await? {
            Taken::Begun(upload) => upload,
            Taken::There(upload) => {
                watching.look(&mut watch, &upload).await?;
                upload
            }
        };
        let answer = watching.wait_for(watch, upload).await;
        caller_waits.answered();
        answer
    }

    /// Whether the file of an earlier request with this key is there, so that the bytes of a repeat need not be kept: they go to
    /// [`counting`](Self::counting), and then to [`upload_again`](Self::upload_again).
    ///
    /// # Errors
    /// [`InvalidToken`](crate::Error::InvalidToken), [`NotConfigured`](crate::Error::NotConfigured),
    /// [`BackendUnavailable`](crate::Error::BackendUnavailable), [`Storage`](crate::Error::Storage).
    pub async fn has_file_of(&self, key: &IdempotencyKey, caller: &Caller) -> Result<bool> {
        self.0.intake.has_file_of(key, caller).await
    }

    /// Takes in bytes that are there already. They are counted and compared with digests, and not kept: what it gives is for
    /// [`upload_again`](Self::upload_again) only.
    pub fn counting(&self) -> Box<dyn Spool> {
        counting()
    }

    /// Answers a repeat whose bytes were [counted](Self::counting) only: with the answer of the request that it repeats, which
    /// is waited for.
    ///
    /// # Errors
    /// As [`upload_file`](Self::upload_file); [`SendAgain`](crate::Error::SendAgain) if the earlier one has failed meanwhile, so
    /// that the bytes are needed.
    pub async fn upload_again(
        &self,
        direct: DirectFile,
        counted: SpooledChunk,
        caller: &Caller,
    ) -> Result<DirectReceipt> {
        let Rooms { intake, watching, .. } = &*self.0;
        let file = intake.direct_file(&direct, (counted.length, counted.crc32c), caller).await?;
        let mut watch = watching.listen(&file.id);
        let upload = intake.file_of_before(&file, caller).await?;
        watching.look(&mut watch, &upload).await?;
        watching.wait_for(watch, upload).await
    }
}
