//! Files whose bytes come one piece behind the other, and whose length may be said later.

use std::time::SystemTime;

use telestore_store::rules::NewExtent;
use telestore_store::{Appended, Created, Declared, SpooledChunk};
use telestore_types::{
    AppendError, ChunkIndex, NewUpload, StorageKey, Upload, UploadId, UploadKind, UploadState, mime_type_of,
};

use crate::intake::{AppendReceipt, Intake, NewFile};
use crate::shared::access::{concerns, missing_token};
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::metrics::METRICS;
use crate::shared::tasks::detached;

impl Intake {
    /// Begins a file that is appended to. Doing so again with the same words changes nothing.
    pub(crate) async fn begin(&self, file: &NewFile, caller: &Caller) -> Result<AppendReceipt> {
        caller.token().ok_or_else(missing_token)?;
        concerns(&file.id);
        self.access.admit(caller).await?;
        self.check_size(file.size)?;
        let (user, token) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        self.access.check_sendable_by(user, token, file.size.unwrap_or(0)).await?;
        self.bytes.check_space().await?;
        let found = self.base.sessions.get(&file.id).await?;
        if let Some(found) = &found {
            self.access.check_access(found, caller).await?;
        }
        // As with chunks: an explicit start may use the id of a cancelled upload again, but never wipes a result.
        let anew = found.is_some_and(|found| found.state == UploadState::Cancelled);
        let key = StorageKey::from_random(rand::random());
        let new = NewUpload::new(file.id.clone(), key, file.file_name.clone(), self.base.now());
        let mime_type = file.mime_type.as_deref().and_then(mime_type_of).map(str::to_owned);
        let new = new.appended(file.size).with_mime_type(mime_type);
        let new = new.with_options(file.options.clone()).with_metadata(file.metadata.clone());
        let mut upload = Upload::new(new);
        let owner = self.access.owner(&upload, token, user)?;
        (upload.user_id, upload.sealed_token) = (Some(owner.user_id), Some(owner.sealed_token));
        upload.address = self.access.address_key(caller);
        match self.base.sessions.create(&upload, anew, &self.base.limits()).await? {
            Created::New => Ok(AppendReceipt::of(&upload)),
            Created::TooMuch(exceeded) => Err(self.access.too_much(exceeded)),
            Created::Exists(found) => self.is_the_same(&found, file, caller).await,
        }
    }

    async fn is_the_same(&self, found: &Upload, file: &NewFile, caller: &Caller) -> Result<AppendReceipt> {
        self.access.check_access(found, caller).await?;
        let size = file.size.is_none() || file.size == found.file_size;
        if found.kind != UploadKind::Appended || !found.file_name.is_same(&file.file_name) || !size {
            return Err(Error::Conflict(Conflict::OtherFile(found.id.clone())));
        }
        self.access.claim(found, caller).await?;
        self.adopt(found, &file.options, None).await?;
        Ok(AppendReceipt::of(found))
    }

    /// Makes spooled bytes the next ones of a file. When it returns, they survive a crash.
    pub(crate) async fn append(
        &self,
        id: &UploadId,
        offset: u64,
        spooled: SpooledChunk,
        caller: &Caller,
    ) -> Result<AppendReceipt> {
        let (upload, index) = match self.admit_append(id, offset, spooled.length, caller).await {
            Ok(admitted) if spooled.length > 0 => admitted,
            other => {
                self.bytes.discard_quietly(spooled).await;
                return other.map(|(upload, _)| AppendReceipt::of(&upload));
            }
        };
        // It goes on even if the caller does not: between the bytes and their record, a dropped request would leave an
        // orphan.
        let intake = self.clone();
        detached(async move { intake.put_and_append(upload, offset, index, spooled).await }).await
    }

    /// The upload that `length` more bytes are for, and their place there.
    async fn admit_append(
        &self,
        id: &UploadId,
        offset: u64,
        length: u64,
        caller: &Caller,
    ) -> Result<(Upload, ChunkIndex)> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        let limit = self.base.config.max_chunk_bytes;
        if length > limit {
            return Err(Error::TooLarge { what: "chunk", limit });
        }
        // Nothing is written for what is refused anyway; the store looks again.
        let index = upload.clone().append(offset, length, self.base.now())?;
        self.access.claim(&upload, caller).await?;
        Ok((upload, index))
    }

    pub(super) async fn put_and_append(
        &self,
        upload: Upload,
        offset: u64,
        index: ChunkIndex,
        spooled: SpooledChunk,
    ) -> Result<AppendReceipt> {
        let (length, crc32c, put_at) = (spooled.length, spooled.crc32c, SystemTime::now());
        let blob = self.bytes.chunks.put(&upload.key, index, spooled).await?;
        let (id, key, limits) = (upload.id.clone(), upload.key.clone(), self.base.limits());
        let extent = NewExtent::new(id, key, offset, blob.clone(), self.base.now());
        let appended = self.base.sessions.append(&extent.of(length, crc32c).within(limits)).await;
        // If the record failed, the bytes may or may not be named by it: the sweep for orphans will tell.
        let refusal = match appended? {
            Appended::Stored(upload, chunk) => {
                METRICS.chunks.increment(1);
                METRICS.received.increment(length);
                self.arrivals.arrived(&upload, &chunk);
                self.still_there(&blob, length, put_at).await?;
                return Ok(AppendReceipt::of(&upload));
            }
            Appended::Refused(error, _) => error.into(),
            Appended::TooLarge { .. } => Error::TooLarge { what: "file", limit: limits.max_bytes },
            Appended::TooMuch(exceeded) => self.access.too_much(exceeded),
            Appended::NotFound => Error::NotFound,
        };
        self.bytes.delete_quietly(&[blob]).await;
        Err(refusal)
    }

    /// Says how long a file is that began without saying so.
    pub(crate) async fn declare_size(
        &self,
        id: &UploadId,
        size: u64,
        caller: &Caller,
    ) -> Result<AppendReceipt> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        self.check_size(Some(size))?;
        self.access.claim(&upload, caller).await?;
        if let Some((user, token)) = self.access.user_of(caller).await? {
            self.access.check_sendable_by(user, token, size).await?;
        }
        Ok(AppendReceipt::of(&self.declare_now(&upload, size).await?))
    }

    /// Says how long this life of an upload is, without asking who says so.
    pub(super) async fn declare_now(&self, upload: &Upload, size: u64) -> Result<Upload> {
        self.check_size(Some(size))?;
        match self.base.sessions.declare_size(&upload.id, &upload.key, size, self.base.now()).await? {
            Declared::Known(upload) => Ok(*upload),
            Declared::Refused(error) => Err(error.into()),
            Declared::NotFound => Err(Error::NotFound),
        }
    }

    fn check_size(&self, size: Option<u64>) -> Result<()> {
        let limit = self.base.config.max_file_bytes;
        if size.is_some_and(|size| size > limit) {
            return Err(Error::TooLarge { what: "file", limit });
        }
        Ok(())
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Offset { expected } => Self::Offset { expected },
            AppendError::TooLong { declared, received } => Self::SizeMismatch { declared, received },
            AppendError::TooMany => Self::Invalid(format!("{error}: send larger ones")),
            AppendError::Cancelled => Self::Conflict(Conflict::Cancelled),
            error => Self::Conflict(Conflict::Append(error)),
        }
    }
}
