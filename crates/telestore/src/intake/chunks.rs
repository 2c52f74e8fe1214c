use std::future::Future;

use telestore_store::{BlobName, Cancelled, ChunkRecord, Completed, Created, Recorded, Spool, SpooledChunk};
use telestore_types::{
    ChunkIndex, ChunkVerdict, Completion, ContentDigest, FileName, NewUpload, Secret, StorageKey, Upload,
    UploadEvent, UploadId, UploadKind, UploadState, UserId, mime_type_of,
};
use tracing::Instrument;

use crate::shared::access::{concerns, missing_token};
use crate::shared::metrics::METRICS;
use crate::{Caller, Error, Result, Telestore};

/// What a client says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// The client's name for the upload.
    pub id: UploadId,
    /// The name of the file.
    pub file_name: FileName,
    /// Its length in bytes.
    pub file_size: u64,
    /// How many chunks it comes in.
    pub total_chunks: u32,
}

/// What a client says of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingChunk {
    /// The file that it is of.
    pub file: FileInfo,
    /// Its place, counted from 0.
    pub index: u32,
    /// The declared content type of the chunk, if any.
    pub mime_type: Option<String>,
}

/// A chunk is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkReceipt {
    /// Its place.
    pub index: u32,
    /// How many distinct chunks are there now.
    pub received_chunks: u32,
    /// How many there should be.
    pub total_chunks: u32,
}

impl ChunkReceipt {
    /// Whether all are there.
    pub fn is_complete(&self) -> bool {
        self.received_chunks >= self.total_chunks
    }
}

const CANCELLED: &str = "upload was cancelled: start again with a new uploadId";

/// Runs to its end what must not stop where its caller goes away.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work.in_current_span()).await.map_err(|error| Error::Storage(Box::new(error)))?
}

impl Telestore {
    /// Creates an upload. Doing so again with the same words changes nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the id stands for another file, [`Error::Forbidden`] where it is somebody else's;
    /// [`Error::InvalidToken`], and in strict mode [`Error::Unauthorized`] without a token;
    /// [`Error::Invalid`], [`Error::TooLarge`] and [`Error::NeedsSession`] for values that are not allowed.
    pub async fn init(&self, file: &FileInfo, caller: impl Into<Caller<'_>>) -> Result<()> {
        let caller = caller.into();
        let token = caller.token;
        concerns(&file.id);
        self.admit(token).await?;
        self.check_file(file)?;
        let upload = match token {
            Some(token) => self.owned_upload(file, UploadKind::Chunked, token, caller).await?,
            None => self.new_upload(file, UploadKind::Chunked, caller),
        };
        // An explicit start may use the id of a cancelled upload again, but never wipes a result.
        let anew = match self.0.sessions.get(&file.id).await? {
            Some(found) if found.state == UploadState::Cancelled => {
                self.check_access(&found, token).await?;
                true
            }
            Some(_) => false,
            None => {
                // Rows take space too, and whoever makes them needs no token.
                self.check_space().await?;
                false
            }
        };
        let found = match self.0.sessions.create(&upload, anew, &self.limits()).await? {
            Created::New => return Ok(()),
            Created::TooMuch(exceeded) => return Err(self.too_much(exceeded)),
            Created::Exists(found) => found,
        };
        self.check(&found, file, token).await?;
        if token.is_some() { self.claim(&found, token).await } else { Ok(()) }
    }

    /// Begins to take in a chunk, or a whole file, whose bytes come before anything is known of them.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Storage`], [`Error::ShuttingDown`].
    pub async fn spool(&self) -> Result<Box<dyn Spool>> {
        self.check_intake().await?;
        Ok(self.0.chunks.spool().await?)
    }

    /// Whether new bytes are taken now, to be asked before a client sends them.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Storage`], [`Error::ShuttingDown`].
    pub async fn check_intake(&self) -> Result<()> {
        if self.0.shutdown.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        self.check_space().await
    }

    /// Compares spooled bytes with a digest that only came after them. One that comes before is for
    /// [`Spool::expect`], which does not read them again.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are other bytes, [`Error::Storage`].
    pub async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
        Ok(self.0.chunks.verify(spooled, digest).await?)
    }

    /// Makes spooled bytes a chunk. When it returns, the chunk survives a crash.
    ///
    /// The upload is created where it is not there. The same chunk may come again, also while the file is on its way;
    /// other bytes replace a chunk until completion was asked for.
    ///
    /// # Errors
    /// Nothing was recorded then. [`Error::Unauthorized`] without a token for a new upload, [`Error::InvalidToken`],
    /// [`Error::Forbidden`], [`Error::Conflict`], [`Error::Invalid`], [`Error::TooLarge`], [`Error::NeedsSession`]; [`Error::TooManyRequests`] and
    /// [`Error::QuotaFull`] where the user or the address may have no more.
    pub async fn write_chunk(
        &self,
        chunk: &IncomingChunk,
        spooled: SpooledChunk,
        caller: impl Into<Caller<'_>>,
    ) -> Result<ChunkReceipt> {
        let caller = caller.into();
        let token = caller.token;
        concerns(&chunk.file.id);
        self.admit(token).await?;
        self.check_file(&chunk.file)?;
        let index = ChunkIndex::new(chunk.index, chunk.file.total_chunks)?;
        Upload::check_chunk_length(index, chunk.file.total_chunks, spooled.length)?;
        if spooled.length > self.config().max_chunk_bytes {
            return Err(Error::TooLarge { what: "chunk", limit: self.config().max_chunk_bytes });
        }
        if spooled.length > chunk.file.file_size {
            return Err(self.more_than_its_file(chunk, spooled.length, token).await?);
        }
        let upload = self.upload_of(&chunk.file, UploadKind::Chunked, caller).await?;
        let upload = self.keep(upload, index, spooled, chunk.mime_type.as_deref()).await?;
        Ok(ChunkReceipt {
            index: chunk.index,
            received_chunks: upload.received_chunks,
            total_chunks: upload.total_chunks,
        })
    }

    /// Why a chunk that is longer than its file is refused: before a row is made for it, and whose the upload is comes
    /// first here, too.
    async fn more_than_its_file(
        &self,
        chunk: &IncomingChunk,
        length: u64,
        token: Option<&Secret>,
    ) -> Result<Error> {
        match self.0.sessions.get(&chunk.file.id).await? {
            Some(found) => self.check(&found, &chunk.file, token).await?,
            None => drop(token.ok_or_else(missing_token)?),
        }
        Ok(Error::SizeMismatch { declared: chunk.file.file_size, received: length })
    }

    /// Asks for the file to be sent, in the background. Asking again changes nothing, except after a failure, where it
    /// starts over with what is there.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::MissingChunks`], [`Error::SizeMismatch`], [`Error::Forbidden`],
    /// [`Error::Unauthorized`] where nobody is known to send it for, [`Error::Conflict`] after a cancel.
    pub async fn complete(&self, id: &UploadId, token: Option<&Secret>) -> Result<()> {
        let upload = self.find(id, token).await?.ok_or(Error::NotFound)?;
        if let Some(token) = token {
            // Who is refused owns nothing.
            let mut owned = Upload { user_id: Some(UserId::new("")), ..upload.clone() };
            owned.complete(self.now())?;
            self.claim(&upload, Some(token)).await?;
        }
        self.complete_now(&upload).await
    }

    /// Queues this life of an upload, whoever asks.
    pub(crate) async fn complete_now(&self, upload: &Upload) -> Result<()> {
        match self.0.sessions.complete(&upload.id, &upload.key, self.now()).await? {
            Completed::NotFound => Err(Error::NotFound),
            Completed::Refused(error) => Err(error.into()),
            Completed::Accepted(completion, upload) => {
                if completion == Completion::Queued {
                    tracing::info!("[{}] Upload queued", upload.id);
                    self.publish_queued(&upload).await;
                    self.0.work.notify_one();
                }
                Ok(())
            }
        }
    }

    /// Stops an upload and deletes its chunks. Cancelling again, or what is not there, is a success.
    ///
    /// Gives the upload's last event where it was too late: the message is in the channel.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::InvalidToken`]; in strict mode [`Error::Unauthorized`] without a token.
    pub async fn cancel(&self, id: &UploadId, token: Option<&Secret>) -> Result<Option<UploadEvent>> {
        let Some(upload) = self.find(id, token).await? else {
            return Ok(None);
        };
        // A page that is closed cancels and hangs up: what was begun must not stop in the middle.
        let engine = self.clone();
        detached(async move { engine.cancel_now(&upload).await }).await
    }

    pub(crate) async fn cancel_now(&self, upload: &Upload) -> Result<Option<UploadEvent>> {
        self.forget_early(&upload.key);
        // First the send, so that a message that was already accepted is recorded and not disowned.
        self.stop_sending(&upload.key).await;
        match self.0.sessions.cancel(&upload.id, &upload.key, self.now()).await? {
            Cancelled::NotFound => Ok(None),
            Cancelled::Over(upload) if upload.state == UploadState::Completed => Ok(upload.event(self.now())),
            Cancelled::Over(_) => Ok(None),
            Cancelled::Now(upload) => {
                METRICS.cancelled.increment(1);
                tracing::info!("[{}] Upload cancelled", upload.id);
                self.forget_early(&upload.key);
                // A runner may have leased it again in between.
                self.stop_sending(&upload.key).await;
                self.publish(&upload);
                self.0.bus.forget(&upload.id);
                // It is cancelled whatever becomes of the bytes.
                self.delete_all_quietly(&upload).await;
                Ok(None)
            }
        }
    }

    pub(crate) fn check_file(&self, file: &FileInfo) -> Result<()> {
        if file.file_size == 0 {
            return Err(Error::Invalid("file is empty: fileSize must be at least 1".to_owned()));
        }
        Upload::check_chunks_of(file.file_size, file.total_chunks)?;
        let limit = self.config().max_file_bytes;
        if file.file_size > limit { Err(Error::TooLarge { what: "file", limit }) } else { Ok(()) }
    }

    fn new_upload(&self, file: &FileInfo, kind: UploadKind, caller: Caller<'_>) -> Upload {
        let upload = Upload::new(NewUpload {
            id: file.id.clone(),
            key: StorageKey::from_random(rand::random()),
            file_name: file.file_name.clone(),
            file_size: file.file_size,
            total_chunks: file.total_chunks,
            mime_type: None,
            kind,
            now: self.now(),
        });
        Upload { address: self.address_key(caller.address), ..upload }
    }

    /// The same, with the token's user as its owner.
    async fn owned_upload(
        &self,
        file: &FileInfo,
        kind: UploadKind,
        token: &Secret,
        caller: Caller<'_>,
    ) -> Result<Upload> {
        let user = self.authenticate(token).await?;
        self.check_sendable_by(&user, token, file.file_size).await?;
        let mut upload = self.new_upload(file, kind, caller);
        let owner = self.owner(&upload, token, &user)?;
        (upload.user_id, upload.sealed_token) = (Some(owner.user_id), Some(owner.sealed_token));
        Ok(upload)
    }

    /// The upload that a chunk is for, created where it is not there, and claimed for the token's user.
    pub(crate) async fn upload_of(
        &self,
        file: &FileInfo,
        kind: UploadKind,
        caller: Caller<'_>,
    ) -> Result<Upload> {
        let token = caller.token;
        let found = match self.0.sessions.get(&file.id).await? {
            Some(found) => found,
            None => {
                let token = token.ok_or_else(missing_token)?;
                let upload = self.owned_upload(file, kind, token, caller).await?;
                match self.0.sessions.create(&upload, false, &self.limits()).await? {
                    Created::New => return Ok(upload),
                    Created::TooMuch(exceeded) => return Err(self.too_much(exceeded)),
                    // Another chunk was quicker.
                    Created::Exists(found) => *found,
                }
            }
        };
        self.check(&found, file, token).await?;
        self.claim(&found, token).await?;
        Ok(found)
    }

    /// Checks that a call may speak of an upload, and speaks of the same file. Only who passes may claim it.
    async fn check(&self, found: &Upload, file: &FileInfo, token: Option<&Secret>) -> Result<()> {
        // Whose it is comes first: the difference would tell a stranger about it.
        self.check_access(found, token).await?;
        // That it is cancelled comes before what it was: the next step is the same for the same file and for another.
        if found.state == UploadState::Cancelled {
            return Err(Error::Conflict(CANCELLED.to_owned()));
        }
        check_describes(found, file, token.is_some())
    }

    /// Puts bytes in their place and records them.
    ///
    /// It goes on where the caller does not: between the rename and the record, a dropped request would leave an
    /// orphan.
    pub(crate) async fn keep(
        &self,
        upload: Upload,
        index: ChunkIndex,
        spooled: SpooledChunk,
        mime_type: Option<&str>,
    ) -> Result<Upload> {
        let mime_type = mime_type.and_then(mime_type_of).map(str::to_owned);
        let engine = self.clone();
        detached(async move { engine.put_and_record(upload, index, spooled, mime_type).await }).await
    }

    async fn put_and_record(
        &self,
        upload: Upload,
        index: ChunkIndex,
        spooled: SpooledChunk,
        mime_type: Option<String>,
    ) -> Result<Upload> {
        let (length, crc32c) = (spooled.length, spooled.crc32c);
        let blob = self.0.chunks.put(&upload.key, index, spooled).await?;
        let chunk = ChunkRecord { index, length, crc32c, blob };
        let limits = self.limits();
        let recorded = self
            .0
            .sessions
            .record_chunk(&upload.id, &upload.key, &chunk, mime_type.as_deref(), &limits, self.now())
            .await;
        // Where the record failed, the bytes may or may not be named by it: the next start's sweep will tell.
        let refusal = match recorded? {
            Recorded::Stored { upload, replaced } => {
                METRICS.chunks.increment(1);
                METRICS.received.increment(length);
                self.send_early(&upload, &chunk);
                if let Some(replaced) = replaced {
                    self.delete_quietly(&replaced).await;
                }
                return Ok(*upload);
            }
            Recorded::Refused { verdict: ChunkVerdict::Duplicate, upload } => Ok(*upload),
            Recorded::Refused { verdict: ChunkVerdict::Cancelled, .. } => {
                Err(Error::Conflict(CANCELLED.to_owned()))
            }
            Recorded::Refused { .. } => Err(Error::Conflict(format!(
                "chunk {index} differs from the one that is already on its way: use a new uploadId for another file"
            ))),
            Recorded::TooLarge { .. } => Err(Error::TooLarge { what: "file", limit: limits.max_bytes }),
            Recorded::Unfit(error) => Err(error.into()),
            Recorded::TooMuch(exceeded) => Err(self.too_much(exceeded)),
            Recorded::NotFound => Err(Error::NotFound),
        };
        self.delete_quietly(&chunk.blob).await;
        if !matches!(
            refusal,
            Err(Error::TooLarge { .. }
                | Error::SizeMismatch { .. }
                | Error::TooManyRequests { .. }
                | Error::QuotaFull { .. })
        ) {
            self.remove_if_over(&upload).await;
        }
        refusal
    }

    async fn delete_quietly(&self, blob: &BlobName) {
        if let Err(error) = self.0.chunks.delete(blob).await {
            tracing::warn!(%error, "could not delete a chunk; the next start will");
        }
    }

    /// Deletes all bytes of an upload that no record needs any more.
    pub(crate) async fn delete_all_quietly(&self, upload: &Upload) {
        if let Err(error) = self.0.chunks.delete_all(&upload.key).await {
            tracing::warn!(upload = %upload.id, %error, "could not delete chunks; the next start will");
        }
    }

    /// A chunk that came too late has made the upload's place again.
    async fn remove_if_over(&self, upload: &Upload) {
        // Where the store does not say, the bytes may be needed.
        let Ok(now) = self.0.sessions.get(&upload.id).await else {
            return;
        };
        let living = now.is_some_and(|now| now.key == upload.key && !now.state.is_over());
        if !living {
            self.delete_all_quietly(upload).await;
        }
    }

    /// Tells that an upload waits, unless a runner was quicker: what that has told is newer.
    async fn publish_queued(&self, upload: &Upload) {
        let now = self.0.sessions.get(&upload.id).await;
        if now.is_ok_and(|now| now.is_some_and(|now| now.state == UploadState::Queued)) {
            self.publish(upload);
        }
    }

    pub(crate) fn publish(&self, upload: &Upload) {
        if let Some(event) = upload.event(self.now()) {
            self.0.bus.publish(event);
        }
    }
}

/// Who shows no token learns nothing of what the upload is: with that, its chunks could be replaced.
fn check_describes(upload: &Upload, file: &FileInfo, known: bool) -> Result<()> {
    if upload.describes(&file.file_name, file.file_size, file.total_chunks) {
        return Ok(());
    }
    if !known {
        return Err(Error::Conflict(format!(
            "fileName, fileSize or totalChunks contradict upload {}: use a new uploadId for another file",
            upload.id
        )));
    }
    let but = match upload.file_name.is_same(&file.file_name) {
        true => String::new(),
        false => format!(", and not {}", file.file_name.apart_from(&upload.file_name)),
    };
    Err(Error::Conflict(format!(
        "fileName, fileSize or totalChunks contradict upload {}, which is {} with {} bytes in {} chunks{but}: \
         use a new uploadId for another file",
        upload.id,
        upload.file_name.apart_from(&file.file_name),
        upload.file_size,
        upload.total_chunks
    )))
}
