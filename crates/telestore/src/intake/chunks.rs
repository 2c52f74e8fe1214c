use std::sync::Arc;
use std::time::SystemTime;

use telestore_store::{BlobName, ChunkRecord, Created, NewChunk, Recorded, Spool, SpooledChunk};
use telestore_types::{
    ChunkIndex, ChunkVerdict, ContentDigest, NewUpload, StorageKey, Upload, UploadKind, UploadState,
    mime_type_of,
};

use crate::intake::{ChunkReceipt, FileInfo, IncomingChunk, InitReceipt, Intake};
use crate::shared::access::missing_token;
use crate::shared::bytes::Bytes;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};
use crate::shared::metrics::METRICS;
use crate::shared::tasks::detached;

/// There was space for new bytes a moment ago. Made by [`Telestore::check_intake`](crate::Telestore::check_intake).
#[derive(Debug)]
#[must_use]
pub struct Admission(Arc<Bytes>);

impl Admission {
    /// Begins to take bytes in, without a second look at the disk.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Storage`].
    pub async fn spool(self) -> Result<Box<dyn Spool>> {
        Ok(self.0.chunks.spool().await?)
    }
}

impl Intake {
    /// Creates an upload. Doing so again with the same words changes nothing.
    pub(crate) async fn init(&self, file: &FileInfo, caller: &Caller) -> Result<InitReceipt> {
        caller.concerns(&file.id);
        self.access.admit(caller).await?;
        self.check_file(file)?;
        let owned = self.owned_upload(file, UploadKind::Chunked, caller).await?;
        let mut upload = owned.unwrap_or_else(|| self.new_upload(file, UploadKind::Chunked, caller));
        // An explicit start may use the id of a cancelled upload again, but never wipes a result.
        let (anew, fresh) = match self.base.sessions.get(&file.id).await? {
            Some(found) if found.state == UploadState::Cancelled => {
                self.access.check_access(&found, caller).await?;
                (true, true)
            }
            Some(_) => (false, false),
            None => {
                // Rows take space too, and a caller that makes them needs no token.
                self.bytes.check_space().await?;
                (false, true)
            }
        };
        if fresh {
            self.look_for_duplicate(&mut upload, caller, file.thumbnail.is_some()).await;
        }
        let found = match self.base.sessions.create(&upload, anew, &self.base.limits()).await? {
            Created::New if upload.is_duplicate() => {
                self.tell_duplicate(&upload).await;
                return Ok(InitReceipt { duplicate: true });
            }
            Created::New => return Ok(InitReceipt::default()),
            Created::TooMuch(exceeded) => return Err(self.access.too_much(exceeded)),
            Created::Exists(found) => found,
        };
        self.check(&found, file, caller).await?;
        if caller.token().is_some() {
            self.access.claim(&found, caller).await?;
        }
        self.adopt(&found, &file.options, file.thumbnail.as_ref()).await?;
        Ok(InitReceipt { duplicate: found.is_duplicate() })
    }

    /// Begins to take in a chunk, or a whole file, whose bytes come before anything is known of them.
    pub(crate) async fn spool(&self) -> Result<Box<dyn Spool>> {
        self.check_intake().await?.spool().await
    }

    /// Whether new bytes are taken now, to be asked before a client sends them.
    pub(crate) async fn check_intake(&self) -> Result<Admission> {
        if self.base.shutdown.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        self.bytes.check_space().await?;
        Ok(Admission(Arc::clone(&self.bytes)))
    }

    /// Compares spooled bytes with a digest that only came after them. One that comes before is for
    /// [`Spool::expect`], which does not read them again.
    pub(crate) async fn verify(&self, spooled: &SpooledChunk, digest: ContentDigest) -> Result<()> {
        Ok(self.bytes.chunks.verify(spooled, digest).await?)
    }

    /// Takes spooled bytes away that are not to be a chunk.
    pub(crate) async fn discard(&self, spooled: SpooledChunk) {
        self.bytes.discard_quietly(spooled).await;
    }

    /// Makes spooled bytes a chunk. When it returns, the chunk survives a crash.
    ///
    /// The upload is created if it is not there. The same chunk may come again, also while the file is on its way;
    /// other bytes replace a chunk until completion was asked for.
    pub(crate) async fn write_chunk(
        &self,
        chunk: &IncomingChunk,
        spooled: SpooledChunk,
        caller: &Caller,
    ) -> Result<ChunkReceipt> {
        let (upload, index) = match self.admit_chunk(chunk, spooled.length, caller).await {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.bytes.discard_quietly(spooled).await;
                return Err(refusal);
            }
        };
        let upload = self.keep(upload, index, spooled, chunk.mime_type.as_deref()).await?;
        Ok(ChunkReceipt {
            index: chunk.index,
            received_chunks: upload.chunks_there(),
            total_chunks: chunk.file.total_chunks,
        })
    }

    /// The upload that a chunk of `length` bytes is for, and its place there.
    async fn admit_chunk(
        &self,
        chunk: &IncomingChunk,
        length: u64,
        caller: &Caller,
    ) -> Result<(Upload, ChunkIndex)> {
        caller.concerns(&chunk.file.id);
        self.access.admit(caller).await?;
        self.check_file(&chunk.file)?;
        let index = ChunkIndex::new(chunk.index, chunk.file.total_chunks)?;
        Upload::check_chunk_length(index, chunk.file.total_chunks, length)?;
        if length > self.base.config.max_chunk_bytes {
            return Err(Error::TooLarge { what: "chunk", limit: self.base.config.max_chunk_bytes });
        }
        if length > chunk.file.file_size {
            return Err(self.more_than_its_file(chunk, length, caller).await?);
        }
        Ok((self.upload_of(&chunk.file, UploadKind::Chunked, caller).await?, index))
    }

    /// Why a chunk that is longer than its file is refused: before a row is made for it, and whose the upload is comes
    /// first here, too.
    async fn more_than_its_file(&self, chunk: &IncomingChunk, length: u64, caller: &Caller) -> Result<Error> {
        match self.base.sessions.get(&chunk.file.id).await? {
            Some(found) => self.check(&found, &chunk.file, caller).await?,
            None => drop(caller.token().ok_or_else(missing_token)?),
        }
        Ok(Error::SizeMismatch { declared: chunk.file.file_size, received: length })
    }

    pub(crate) fn check_file(&self, file: &FileInfo) -> Result<()> {
        if file.file_size == 0 {
            return Err(telestore_types::Error::EmptyFile.into());
        }
        Upload::check_chunks_of(file.file_size, file.total_chunks)?;
        let limit = self.base.config.max_file_bytes;
        if file.file_size > limit { Err(Error::TooLarge { what: "file", limit }) } else { Ok(()) }
    }

    fn new_upload(&self, file: &FileInfo, kind: UploadKind, caller: &Caller) -> Upload {
        let key = StorageKey::from_random(rand::random());
        let new = NewUpload::new(file.id.clone(), key, file.file_name.clone(), self.base.now());
        let new = new.with_options(file.options.clone()).with_fingerprint(file.fingerprint.clone());
        let upload = Upload::new(match kind {
            UploadKind::Direct => new.direct(file.file_size),
            _ => new.in_chunks(file.file_size, file.total_chunks),
        });
        // Only this process has the client that waits for the end of a direct one.
        let worker = (kind == UploadKind::Direct).then(|| self.base.worker.clone());
        Upload { address: self.access.address_key(caller), worker, ..upload }
    }

    /// The same, with the token's user as its owner; `None` without a token.
    pub(super) async fn owned_upload(
        &self,
        file: &FileInfo,
        kind: UploadKind,
        caller: &Caller,
    ) -> Result<Option<Upload>> {
        let Some((user, token)) = self.access.user_of(caller).await? else { return Ok(None) };
        self.access.check_sendable_by(user, token, file.file_size).await?;
        let mut upload = self.new_upload(file, kind, caller);
        let owner = self.access.owner(&upload, token, user)?;
        (upload.user_id, upload.sealed_token) = (Some(owner.user_id), Some(owner.sealed_token));
        Ok(Some(upload))
    }

    /// The upload that a chunk is for, created if it is not there, and claimed for the token's user.
    pub(crate) async fn upload_of(
        &self,
        file: &FileInfo,
        kind: UploadKind,
        caller: &Caller,
    ) -> Result<Upload> {
        let found = match self.base.sessions.get(&file.id).await? {
            Some(found) => found,
            None => {
                let upload = self.owned_upload(file, kind, caller).await?.ok_or_else(missing_token)?;
                match self.base.sessions.create(&upload, false, &self.base.limits()).await? {
                    Created::New => {
                        // Its options are in its row.
                        if file.thumbnail.is_some() {
                            self.adopt(&upload, &file.options, file.thumbnail.as_ref()).await?;
                        }
                        return Ok(upload);
                    }
                    Created::TooMuch(exceeded) => return Err(self.access.too_much(exceeded)),
                    // Another chunk was quicker.
                    Created::Exists(found) => *found,
                }
            }
        };
        self.check(&found, file, caller).await?;
        self.access.claim(&found, caller).await?;
        self.adopt(&found, &file.options, file.thumbnail.as_ref()).await?;
        Ok(found)
    }

    /// Checks that a call may speak of an upload, and speaks of the same file. Only who passes may claim it.
    async fn check(&self, found: &Upload, file: &FileInfo, caller: &Caller) -> Result<()> {
        // Whose it is comes first: the difference would tell a stranger about it.
        self.access.check_access(found, caller).await?;
        // That it is cancelled comes before what it was: the next step is the same for the same file and for another.
        if found.state == UploadState::Cancelled {
            return Err(Error::Conflict(Conflict::Cancelled));
        }
        check_describes(found, file, caller.token().is_some())
    }

    /// Puts bytes in their place and records them.
    ///
    /// It goes on even if the caller does not: between the rename and the record, a dropped request would leave an
    /// orphan.
    pub(crate) async fn keep(
        &self,
        upload: Upload,
        index: ChunkIndex,
        spooled: SpooledChunk,
        mime_type: Option<&str>,
    ) -> Result<Upload> {
        let mime_type = mime_type.and_then(mime_type_of).map(str::to_owned);
        let intake = self.clone();
        detached(async move { intake.put_and_record(upload, index, spooled, mime_type).await }).await
    }

    async fn put_and_record(
        &self,
        upload: Upload,
        index: ChunkIndex,
        spooled: SpooledChunk,
        mime_type: Option<String>,
    ) -> Result<Upload> {
        let (length, crc32c, put_at) = (spooled.length, spooled.crc32c, SystemTime::now());
        let blob = self.bytes.chunks.put(&upload.key, index, spooled).await?;
        let chunk = ChunkRecord::new(index, length, crc32c, blob);
        let limits = self.base.limits();
        let new = NewChunk::new(upload.id.clone(), upload.key.clone(), chunk.clone(), self.base.now())
            .within(limits)
            .with_mime_type(mime_type);
        let recorded = self.base.sessions.record_chunk(new).await;
        // If the record failed, the bytes may or may not be named by it: the sweep for orphans will tell.
        let refusal = match recorded? {
            Recorded::Stored { upload, replaced } => {
                METRICS.chunks.increment(1);
                METRICS.received.increment(length);
                self.arrivals.arrived(&upload, &chunk);
                if let Some(replaced) = replaced {
                    self.bytes.delete_quietly(&[replaced]).await;
                }
                self.still_there(&chunk.blob, length, put_at).await?;
                return Ok(*upload);
            }
            Recorded::Refused { verdict: ChunkVerdict::Duplicate, upload } => Ok(*upload),
            Recorded::Refused { verdict: ChunkVerdict::Cancelled, .. } => {
                Err(Error::Conflict(Conflict::Cancelled))
            }
            Recorded::Refused { .. } => Err(Error::Conflict(Conflict::OtherChunk(chunk.index))),
            Recorded::TooLarge { .. } => Err(Error::TooLarge { what: "file", limit: limits.max_bytes }),
            Recorded::Unfit(error) => Err(error.into()),
            Recorded::TooMuch(exceeded) => Err(self.access.too_much(exceeded)),
            Recorded::NotFound => Err(Error::NotFound),
        };
        self.bytes.delete_quietly(&[chunk.blob]).await;
        refusal
    }
}

impl Intake {
    /// A worker whose machine was suspended between the put and the record may find that another worker has taken the
    /// bytes for an orphan meanwhile. Its client must not be told that they are safe, and sends them again.
    pub(super) async fn still_there(&self, blob: &BlobName, length: u64, put_at: SystemTime) -> Result<()> {
        // A clock that was set back tells nothing.
        if put_at.elapsed().is_ok_and(|took| took < self.base.config.orphan_grace / 2) {
            return Ok(());
        }
        self.bytes.chunks.read_at(blob, 0, usize::from(length > 0)).await?;
        Ok(())
    }
}

/// Who shows no token learns nothing of what the upload is: with that, its chunks could be replaced.
fn check_describes(upload: &Upload, file: &FileInfo, known: bool) -> Result<()> {
    if upload.describes(&file.file_name, file.file_size, file.total_chunks) {
        return Ok(());
    }
    if !known {
        return Err(Error::Conflict(Conflict::OtherFile(upload.id.clone())));
    }
    let but = match upload.file_name.is_same(&file.file_name) {
        true => String::new(),
        false => format!(", and not {}", file.file_name.apart_from(&upload.file_name)),
    };
    let of = format!(
        "{} with {} bytes in {} chunks{but}",
        upload.file_name.apart_from(&file.file_name),
        upload.size(),
        upload.total_chunks.unwrap_or(upload.received_chunks)
    );
    Err(Error::Conflict(Conflict::KnownFile { id: upload.id.clone(), of }))
}
