//! Files that are put together of parts, which came each by itself.

use telestore_store::{Concatenated, Concatenation};
use telestore_types::{AppendError, Thumbnail, ThumbnailMark, UploadId, UploadKind};

use crate::intake::{AppendReceipt, Intake, NewFile};
use crate::shared::access::{concerns, missing_token};
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
        concerns(&file.id);
        self.access.admit(caller).await?;
        let (user, token) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        let mut bytes = 0_u64;
        for id in parts {
            let part = self.base.sessions.get(id).await?;
            bytes = bytes.saturating_add(part.map_or(0, |part| part.received_bytes));
        }
        self.access.check_sendable_by(user, token, bytes).await?;
        let file = NewFile { kind: UploadKind::Concatenated, ..file.clone() };
        let mut upload = self.of_owner(&file, caller, None).await?;
        let names: Vec<_> = parts.iter().map(UploadId::as_str).collect();
        upload.metadata.insert(PARTS.to_owned(), names.join(" "));
        let (intake, parts) = (self.clone(), parts.to_vec());
        // If it is there, its listeners and a runner must hear of it.
        detached(async move {
            let limits = intake.base.limits();
            let mut thumbnail = None;
            if let Some(bytes) = file.thumbnail.as_ref().map(Thumbnail::bytes) {
                let record = intake.put_thumbnail(&upload, bytes.clone()).await?;
                let (length, crc32c) = (record.length, record.crc32c);
                upload.options.thumbnail = Some(ThumbnailMark { length, crc32c });
                thumbnail = Some(record);
            }
            let (id, unused) = (upload.id.clone(), thumbnail.clone());
            let new = Concatenation::new(upload, parts).with_thumbnail(thumbnail).within(limits);
            let made = intake.base.sessions.concatenate(&new).await?;
            if let (Some(record), false) = (unused, matches!(made, Concatenated::Made(_))) {
                intake.bytes.delete_quietly(&[record.blob]).await;
            }
            let upload = match made {
                Concatenated::Made(upload) => upload,
                Concatenated::Exists => return Err(Conflict::OtherFile(id).into()),
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
}
