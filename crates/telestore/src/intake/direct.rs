//! A whole file in one request, whose client waits for the end.

use telestore_store::{Cancelled, SpooledChunk};
use telestore_types::{ChunkIndex, Upload, UploadId, UploadState};

use crate::intake::repeats::{DIRECT, Place, Taken};
use crate::intake::waiting::CallerWaits;
use crate::intake::{DirectFile, FileInfo, Intake};
use crate::shared::access::missing_token;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::tasks::detached;

impl Intake {
    /// What a whole file of bytes of this length and CRC-32C is called here, if the caller may send one.
    pub(crate) async fn direct_file(
        &self,
        direct: &DirectFile,
        bytes: (u64, u32),
        caller: &Caller,
    ) -> Result<FileInfo> {
        self.access.admit(caller).await?;
        caller.token().ok_or_else(missing_token)?;
        let (id, fingerprint) = match self.known_by(direct, bytes, caller).await? {
            Some((id, fingerprint)) => (id, Some(fingerprint)),
            None => (UploadId::new(format!("{DIRECT}{:032x}", rand::random::<u128>()))?, None),
        };
        caller.concerns(&id);
        let mut options = direct.options.clone();
        options.sha256 = direct.sha256.or(options.sha256);
        let file = FileInfo::new(id, direct.file_name.clone(), bytes.0, 1)
            .with_thumbnail(direct.thumbnail.clone())
            .with_options(options);
        let file = FileInfo { fingerprint, ..file };
        self.check_file(&file)?;
        Ok(file)
    }

    /// Takes a whole file in and queues it, unless an earlier request has. The caller may go away meanwhile.
    pub(crate) async fn queue_direct(
        &self,
        file: FileInfo,
        mime_type: Option<&str>,
        spooled: SpooledChunk,
        caller: &Caller,
        caller_waits: &CallerWaits,
    ) -> Result<Taken> {
        let (intake, caller, mime_type) = (self.clone(), caller.clone(), mime_type.map(str::to_owned));
        let waiting = caller_waits.waiting.clone();
        // Nobody else knows the id, so nobody could complete what a caller leaves behind half way.
        detached(async move {
            let place = match intake.place_for(&file, &caller).await {
                Ok(place) => place,
                Err(refusal) => {
                    intake.discard(spooled).await;
                    return Err(refusal);
                }
            };
            let (upload, is_new) = match place {
                Place::New(upload) => (upload, true),
                Place::Again(upload) => (upload, false),
                Place::There(upload) => {
                    intake.discard(spooled).await;
                    return Ok(Taken::There(upload));
                }
            };
            waiting.begun(&upload);
            let queued = intake.fill_and_queue(&upload, mime_type.as_deref(), spooled).await;
            if queued.is_err() && is_new {
                intake.abandon(&upload).await;
            } else if waiting.is_over() {
                intake.keep_quietly(&upload).await;
            }
            queued.map(Taken::Begun).map_err(|error| match error {
                // An earlier request had made it, on a worker that is gone, and was put in order meanwhile.
                Error::NotFound | Error::Conflict(Conflict::Cancelled) if !is_new => Error::SendAgain,
                error => error,
            })
        })
        .await
    }

    async fn fill_and_queue(
        &self,
        upload: &Upload,
        mime_type: Option<&str>,
        spooled: SpooledChunk,
    ) -> Result<Upload> {
        let index = ChunkIndex::new(0, 1)?;
        let upload = self.keep(upload.clone(), index, spooled, mime_type).await?;
        // Its bytes are safe, and nobody could tell whether it was done.
        loop {
            let completed = self.complete_now(&upload).await;
            if !self.base.is_to_ask_again(&completed).await {
                completed?;
                return Ok(upload);
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
        // Unless a repeat of its request has filled it meanwhile.
        if upload.fingerprint.is_some()
            && let Ok(Some(now)) = self.base.sessions.get(&upload.id).await
            && (now.key != upload.key || now.state != UploadState::Receiving)
        {
            return;
        }
        match self.base.sessions.cancel(&upload.id, &upload.key, self.base.now()).await {
            Ok(Cancelled::Now { blobs, .. }) => self.bytes.delete_quietly(&blobs).await,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "could not take a refused upload back; it goes when it is past its time");
            }
        }
    }
}
