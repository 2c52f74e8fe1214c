//! How the message of an upload is to be. What is named first counts.

use bytes::Bytes;
use telestore_store::{ChunkRecord, Digest, OptionsSet};
use telestore_types::{ChunkIndex, Thumbnail, ThumbnailMark, Upload, UploadId, UploadOptions};

use crate::intake::Intake;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::tasks::detached;

impl Intake {
    /// Names options for an upload that is there.
    pub(crate) async fn set_options(
        &self,
        id: &UploadId,
        named: &UploadOptions,
        caller: &Caller,
    ) -> Result<()> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        self.adopt(&upload, named, None).await
    }

    /// Writes down what is named for an upload that the caller may speak of. Nothing is written if nothing is new.
    pub(crate) async fn adopt(
        &self,
        upload: &Upload,
        named: &UploadOptions,
        thumbnail: Option<&Thumbnail>,
    ) -> Result<()> {
        let Some(bytes) = thumbnail.map(Thumbnail::bytes) else {
            // Of most chunks, which name nothing.
            if *named == UploadOptions::default() {
                return Ok(());
            }
            return self.adopt_now(upload, named, None).await;
        };
        let (length, crc32c) = (bytes.len() as u64, Digest::of(bytes));
        let mut named = named.clone();
        named.thumbnail = Some(ThumbnailMark { length, crc32c });
        if upload.options.thumbnail.is_some() {
            return self.adopt_now(upload, &named, None).await;
        }
        // As with chunks: between the bytes and their record, a dropped request would leave an orphan.
        let (intake, upload, bytes) = (self.clone(), upload.clone(), bytes.clone());
        detached(async move {
            let record = intake.put_thumbnail(&upload, bytes).await?;
            intake.adopt_now(&upload, &named, Some(record)).await
        })
        .await
    }

    /// Puts the bytes of a thumbnail.
    pub(super) async fn put_thumbnail(&self, upload: &Upload, bytes: Bytes) -> Result<ChunkRecord> {
        let mut spool = self.bytes.chunks.spool().await?;
        spool.write(bytes).await?;
        let spooled = spool.finish().await?;
        let (length, crc32c) = (spooled.length, spooled.crc32c);
        let blob = self.bytes.chunks.put(&upload.key, ChunkIndex::THUMBNAIL, spooled).await?;
        Ok(ChunkRecord::new(ChunkIndex::THUMBNAIL, length, crc32c, blob))
    }

    async fn adopt_now(
        &self,
        upload: &Upload,
        named: &UploadOptions,
        thumbnail: Option<ChunkRecord>,
    ) -> Result<()> {
        let now = self.base.now();
        let named_before = upload.clone().set_options(named, now).map(|is_new| !is_new);
        let answer = match named_before {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let (id, key) = (&upload.id, &upload.key);
                self.base.sessions.set_options(id, key, named, thumbnail.as_ref(), now).await?
            }
            Err(error) => OptionsSet::Refused(error),
        };
        if !matches!(answer, OptionsSet::Known { thumbnail: true, .. })
            && let Some(unused) = thumbnail
        {
            self.bytes.delete_quietly(&[unused.blob]).await;
        }
        match answer {
            OptionsSet::Known { .. } => Ok(()),
            OptionsSet::Refused(error) => Err(Conflict::Options(error).into()),
            OptionsSet::NotFound => Err(Error::NotFound),
        }
    }
}
