//! Files that are put together of parts, which came each by itself.

use telestore_store::{ChunkRecord, Concatenated, Concatenation};
use telestore_types::{AppendError, Thumbnail, ThumbnailMark, Upload, UploadId, UploadKind};

use crate::intake::repeats::same_request;
use crate::intake::{AppendReceipt, Intake, NewFile};
use crate::shared::access::missing_token;
use crate::shared::bytes::PARTS;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::tasks::detached;

impl Intake {
    /// Puts a file together of parts, and queues it.
    pub(crate) async fn concatenate(
        &self,
        file: &NewFile,
        parts: &[UploadId],
        caller: &Caller,
    ) -> Result<AppendReceipt> {
        caller.concerns(&file.id);
        self.access.admit(caller).await?;
        let (user, token) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        let mut bytes = 0_u64;
        for id in parts {
            let part = self.base.sessions.get(id).await?;
            bytes = bytes.saturating_add(part.map_or(0, |part| part.received_bytes));
        }
        self.access.check_sendable_by(user, token, bytes).await?;
        let names: Vec<_> = parts.iter().map(UploadId::as_str).collect();
        let mut file = NewFile { kind: UploadKind::Concatenated, ..file.clone() };
        file.metadata.insert(PARTS.to_owned(), names.join(" "));
        let mut upload = self.of_owner(&file, caller, None).await?;
        // Before its parts are looked at: they go once it is in the channel.
        if let Some(found) = self.base.sessions.get(&file.id).await?
            && !self.makes_room(&found, &upload, caller).await?
        {
            return self.made_before(&upload).await;
        }
        let (intake, parts) = (self.clone(), parts.to_vec());
        // If it is there, its listeners and a runner must hear of it.
        detached(async move {
            let limits = intake.base.limits();
            let thumbnail = intake.pictured(&mut upload, file.thumbnail.as_ref()).await?;
            let unused = thumbnail.clone();
            let new = Concatenation::new(upload.clone(), parts).with_thumbnail(thumbnail).within(limits);
            let made = intake.base.sessions.concatenate(&new).await?;
            if let (Some(record), false) = (unused, matches!(made, Concatenated::Made(_))) {
                intake.bytes.delete_quietly(&[record.blob]).await;
            }
            let upload = match made {
                Concatenated::Made(upload) => upload,
                Concatenated::Exists => return intake.made_before(&upload).await,
                Concatenated::NoPart(id) => {
                    return Err(Error::Invalid(format!(
                        "there is no part {id}: a part is a partial upload of the same user that is not over yet"
                    )));
                }
                Concatenated::Unfinished(id) => {
                    return Err(Error::Invalid(format!(
                        "part {id} is not whole: send its bytes first, and put the file together then"
                    )));
                }
                Concatenated::TooMany => return Err(AppendError::TooMany.into()),
                Concatenated::TooLarge { .. } => {
                    return Err(Error::TooLarge { what: "file", limit: limits.max_bytes });
                }
                Concatenated::TooMuch(exceeded) => return Err(intake.access.too_much(exceeded)),
            };
            intake.completed_itself(&upload).await;
            Ok(intake.receipt(&upload))
        })
        .await
    }

    /// Puts the picture of a new upload, and says in it that there is one.
    async fn pictured(
        &self,
        upload: &mut Upload,
        picture: Option<&Thumbnail>,
    ) -> Result<Option<ChunkRecord>> {
        let Some(picture) = picture else { return Ok(None) };
        let record = self.put_thumbnail(upload, picture.bytes().clone()).await?;
        let (length, crc32c) = (record.length, record.crc32c);
        upload.options.thumbnail = Some(ThumbnailMark { length, crc32c });
        Ok(Some(record))
    }

    /// The answer of a request that comes again.
    async fn made_before(&self, new: &Upload) -> Result<AppendReceipt> {
        if new.fingerprint.is_none() {
            return Err(Conflict::OtherFile(new.id.clone()).into());
        }
        let found = self.base.sessions.get(&new.id).await?.ok_or(Error::SendAgain)?;
        same_request(&found, new.fingerprint.as_deref())?;
        Ok(AppendReceipt { repeated: true, ..self.receipt(&found) })
    }
}
