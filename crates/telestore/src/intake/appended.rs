//! Files whose bytes come one piece behind the other, and whose length may be said later.

use std::time::SystemTime;

use telestore_store::rules::NewExtent;
use telestore_store::{Appended, Created, Declared, SpooledChunk};
use telestore_types::{
    AppendError, ChunkIndex, NewUpload, StorageKey, Upload, UploadId, UploadKind, UploadState, mime_type_of,
};

use crate::intake::repeats::{fingerprint_of, is_there, same_request};
use crate::intake::{AppendReceipt, AppendStatus, Intake, NewFile};
use crate::shared::access::missing_token;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::metrics::METRICS;
use crate::shared::tasks::detached;

impl Intake {
    /// Begins a file that is appended to. Doing so again with the same words changes nothing.
    pub(crate) async fn begin(&self, file: &NewFile, caller: &Caller) -> Result<AppendReceipt> {
        caller.token().ok_or_else(missing_token)?;
        caller.concerns(&file.id);
        self.access.admit(caller).await?;
        self.check_size(file.size)?;
        let (user, token) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        self.access.check_sendable_by(user, token, file.size.unwrap_or(0)).await?;
        self.bytes.check_space().await?;
        let mut upload = self.of_owner(file, caller, file.size).await?;
        let found = self.base.sessions.get(&file.id).await?;
        let anew = match &found {
            Some(found) => self.makes_room(found, &upload, caller).await?,
            None => false,
        };
        let fresh = found.is_none() || anew;
        if fresh {
            self.look_for_duplicate(&mut upload, caller, file.thumbnail.is_some()).await;
        }
        upload.complete_by_itself(self.base.now());
        match self.base.sessions.create(&upload, anew, &self.base.limits()).await? {
            Created::New if upload.is_duplicate() => {
                self.tell_duplicate(&upload).await;
                Ok(self.receipt(&upload))
            }
            Created::New => {
                if file.thumbnail.is_some() {
                    self.adopt(&upload, &file.options, file.thumbnail.as_ref()).await?;
                }
                self.events.publish(&upload);
                Ok(self.receipt(&upload))
            }
            Created::TooMuch(exceeded) => Err(self.access.too_much(exceeded)),
            // It was ended in between.
            Created::Exists(found) if file.keyed && found.state == UploadState::Cancelled => {
                Err(Error::SendAgain)
            }
            Created::Exists(found) => {
                same_request(&found, upload.fingerprint.as_deref())?;
                self.is_the_same(&found, file, caller).await
            }
        }
    }

    /// Whether an upload that was there is over, so that one with its id may begin.
    pub(super) async fn makes_room(&self, found: &Upload, new: &Upload, caller: &Caller) -> Result<bool> {
        self.access.check_access(found, caller).await?;
        same_request(found, new.fingerprint.as_deref())?;
        if new.fingerprint.is_some() && found.state == UploadState::Failed {
            if is_there(found) {
                let (id, why) = (&found.id, found.error.as_deref().unwrap_or_default());
                let words =
                    format!("upload {id} of this key has failed: {why}; another message needs a new key");
                return Err(Conflict::State(words).into());
            }
            // Its bytes may be what was wrong with it. Who sees the failure of a life that is over ends no other one: each has a key of
            // its own.
            self.cancel_now(found).await?;
            return Ok(true);
        }
        // As with chunks: an explicit start may use the id of a cancelled upload again, but never wipes a result.
        Ok(found.state == UploadState::Cancelled)
    }

    /// A new upload that is the caller's.
    pub(super) async fn of_owner(
        &self,
        file: &NewFile,
        caller: &Caller,
        size: Option<u64>,
    ) -> Result<Upload> {
        let (user, token) = self.access.user_of(caller).await?.ok_or_else(missing_token)?;
        let key = StorageKey::from_random(rand::random());
        let new = NewUpload::new(file.id.clone(), key, file.file_name.clone(), self.base.now());
        let mime_type = file.mime_type.as_deref().and_then(mime_type_of).map(str::to_owned);
        let new = new.appended(size).of_kind(file.kind).with_mime_type(mime_type);
        let new = new.with_options(file.options.clone()).with_metadata(file.metadata.clone());
        let new = new.with_fingerprint(file.keyed.then(|| fingerprint_of(file)));
        let mut upload = Upload::new(new);
        let owner = self.access.owner(&upload, token, user)?;
        (upload.user_id, upload.sealed_token) = (Some(owner.user_id), Some(owner.sealed_token));
        upload.address = self.access.address_key(caller);
        Ok(upload)
    }

    async fn is_the_same(&self, found: &Upload, file: &NewFile, caller: &Caller) -> Result<AppendReceipt> {
        self.access.check_access(found, caller).await?;
        let size = file.size.is_none() || file.size == found.file_size;
        if found.kind != file.kind || !found.file_name.is_same(&file.file_name) || !size {
            return Err(Error::Conflict(Conflict::OtherFile(found.id.clone())));
        }
        self.access.claim(found, caller).await?;
        self.adopt(found, &file.options, file.thumbnail.as_ref()).await?;
        Ok(AppendReceipt { repeated: true, ..self.receipt(found) })
    }

    pub(super) fn receipt(&self, upload: &Upload) -> AppendReceipt {
        let config = &self.base.config;
        let kept = match upload.state {
            UploadState::Receiving => config.session_ttl,
            UploadState::Failed => config.failed_ttl,
            _ => config.result_ttl,
        };
        let (offset, size, duplicate) = (upload.offset(), upload.file_size, upload.is_duplicate());
        AppendReceipt { offset, size, kept_until: upload.updated_at + kept, duplicate, repeated: false }
    }

    /// How far a file is that is appended to. What has come by a request that is not over is recorded first.
    pub(crate) async fn append_status(&self, id: &UploadId, caller: &Caller) -> Result<AppendStatus> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        if let Some(running) = self.streams.of(&upload.key) {
            running.record().await;
        }
        self.recorded_status(id, caller).await
    }

    /// The same of what is recorded.
    pub(crate) async fn recorded_status(&self, id: &UploadId, caller: &Caller) -> Result<AppendStatus> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        if !upload.kind.is_appended_to() && upload.kind != UploadKind::Concatenated {
            return Err(Error::NotFound);
        }
        let (kind, state) = (upload.kind, upload.state);
        Ok(AppendStatus { receipt: self.receipt(&upload), kind, state, metadata: upload.metadata })
    }

    /// Ends a file that is appended to, and forgets it if it is in the channel already; the message stays.
    pub(crate) async fn terminate(&self, id: &UploadId, caller: &Caller) -> Result<()> {
        let upload = self.access.find(id, caller).await?.ok_or(Error::NotFound)?;
        let ours = upload.kind.is_appended_to() || upload.kind == UploadKind::Concatenated;
        if !ours || upload.state == UploadState::Cancelled {
            return Err(Error::NotFound);
        }
        let intake = self.clone();
        detached(async move {
            if let Some(running) = intake.streams.of(&upload.key) {
                running.stop().await;
            }
            if intake.cancel_now(&upload).await?.is_none() {
                return Ok(());
            }
            let blobs = intake.base.sessions.forget(&upload.id, &upload.key).await?.unwrap_or_default();
            intake.bytes.delete_of(&upload, &blobs).await;
            intake.events.bus.forget(&upload.id);
            Ok(())
        })
        .await
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
                return other.map(|(upload, _)| self.receipt(&upload));
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
                self.completed_itself(&upload).await;
                self.join_small(&upload).await;
                return Ok(self.receipt(&upload));
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
        Ok(self.receipt(&self.declare_now(&upload, size).await?))
    }

    /// Says how long this life of an upload is, without asking who says so.
    pub(super) async fn declare_now(&self, upload: &Upload, size: u64) -> Result<Upload> {
        self.check_size(Some(size))?;
        match self.base.sessions.declare_size(&upload.id, &upload.key, size, self.base.now()).await? {
            Declared::Known(upload) => {
                self.completed_itself(&upload).await;
                Ok(*upload)
            }
            Declared::Refused(error) => Err(error.into()),
            Declared::NotFound => Err(Error::NotFound),
        }
    }

    /// Tells of an upload whose last byte has completed it.
    pub(super) async fn completed_itself(&self, upload: &Upload) {
        match upload.state {
            UploadState::Queued => {
                tracing::info!("[{}] Upload queued", upload.id);
                self.events.publish_queued(upload).await;
                self.base.work.notify_one();
            }
            UploadState::Failed => self.events.publish(upload),
            _ => {}
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
