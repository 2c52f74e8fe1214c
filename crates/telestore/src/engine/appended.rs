//! The façade of files whose bytes come one piece behind the other.

use telestore_store::SpooledChunk;
use telestore_types::{ContentDigest, UploadId};

use super::Telestore;
use crate::intake::appending::Appending;
use crate::intake::repeats::IdempotencyKey;
use crate::intake::{AppendReceipt, AppendStatus, NewFile};
use crate::shared::caller::Caller;
use crate::shared::error::Result;

impl Telestore {
    /// Begins a file whose bytes come one piece behind the other, and whose length may be said later. Doing so again with
    /// the same words changes nothing.
    ///
    /// Whether it was there is said in [`AppendReceipt::repeated`]. With an [id of a key](Self::id_for), one that has failed is carried
    /// out anew.
    ///
    /// # Errors
    /// [`Error::OtherRequest`](crate::Error::OtherRequest) if the key was used for another file, or with other options;
    /// as [`init`](Self::init); [`Error::Unauthorized`](crate::Error::Unauthorized) without a token.
    pub async fn begin(&self, file: &NewFile, caller: &Caller) -> Result<AppendReceipt> {
        self.0.intake.begin(file, caller).await
    }

    /// The id of what this caller [begins](Self::begin) or [puts together](Self::concatenate) with a key: the same for the same user and
    /// key, so that a request that comes again finds what the first one has begun. For files that are [`keyed`](NewFile::keyed).
    ///
    /// # Errors
    /// [`Error::Unauthorized`](crate::Error::Unauthorized) without a token; [`InvalidToken`](crate::Error::InvalidToken),
    /// [`BackendUnavailable`](crate::Error::BackendUnavailable).
    pub async fn id_for(&self, key: &IdempotencyKey, caller: &Caller) -> Result<UploadId> {
        self.0.intake.id_for(key, caller).await
    }

    /// Makes spooled bytes the next ones of a file that was [begun](Self::begin), if it ends at `offset`. When it returns,
    /// they survive a crash. Of two calls for one offset, one is refused.
    ///
    /// # Errors
    /// Nothing was recorded then. [`Error::Offset`](crate::Error::Offset) if the file ends elsewhere, [`Error::SizeMismatch`](crate::Error::SizeMismatch) if it would
    /// be longer than declared, [`Error::Conflict`](crate::Error::Conflict) if nothing can be appended (any more); [`Error::NotFound`](crate::Error::NotFound),
    /// [`Error::Forbidden`](crate::Error::Forbidden), [`Error::InvalidToken`](crate::Error::InvalidToken), [`Error::TooLarge`](crate::Error::TooLarge), [`Error::TooManyRequests`](crate::Error::TooManyRequests),
    /// [`Error::QuotaFull`](crate::Error::QuotaFull).
    pub async fn append(
        &self,
        id: &UploadId,
        offset: u64,
        spooled: SpooledChunk,
        caller: &Caller,
    ) -> Result<AppendReceipt> {
        self.0.intake.append(id, offset, spooled, caller).await
    }

    /// Says how long a file is that was [begun](Self::begin) without. It cannot be completed before.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) if another length was said before, [`Error::SizeMismatch`](crate::Error::SizeMismatch) if more is there;
    /// [`Error::NotFound`](crate::Error::NotFound), [`Error::Forbidden`](crate::Error::Forbidden), [`Error::InvalidToken`](crate::Error::InvalidToken), [`Error::TooLarge`](crate::Error::TooLarge), [`Error::NeedsSession`](crate::Error::NeedsSession).
    pub async fn declare_size(&self, id: &UploadId, bytes: u64, caller: &Caller) -> Result<AppendReceipt> {
        self.0.intake.declare_size(id, bytes, caller).await
    }

    /// Begins to append what comes by one request, at `offset`: it is recorded piece by piece as it comes. If digests are
    /// `expected`, nothing is recorded before the bytes turn out to have them, and they are a chunk's at most.
    ///
    /// Of an upload that another request of this process appends to, that request is ended: its client may have gone away
    /// without anybody knowing. What it has sent and was not recorded is left, since it comes again. If the file ends
    /// elsewhere, it goes on.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`Conflict::TakenOver`](crate::Conflict::TakenOver) if another request cannot be ended,
    /// or was quicker.
    pub async fn appending(
        &self,
        id: &UploadId,
        offset: u64,
        expected: Vec<ContentDigest>,
        caller: &Caller,
    ) -> Result<Appending> {
        self.0.intake.appending(id, offset, expected, caller).await
    }

    /// How far a file is that is appended to, or was put together of parts. What has come by a request that is not over is
    /// recorded first.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound), also for an upload of another kind;
    /// [`Error::Forbidden`](crate::Error::Forbidden), [`Error::InvalidToken`](crate::Error::InvalidToken).
    pub async fn append_status(&self, id: &UploadId, caller: &Caller) -> Result<AppendStatus> {
        self.0.intake.append_status(id, caller).await
    }

    /// The same, of what is recorded now: a request that is not over is left alone.
    ///
    /// # Errors
    /// As [`append_status`](Self::append_status).
    pub async fn recorded_status(&self, id: &UploadId, caller: &Caller) -> Result<AppendStatus> {
        self.0.intake.recorded_status(id, caller).await
    }

    /// Puts a file together of [parts](NewFile::partial) of the same user, in this order, and queues it. They share their
    /// bytes, and may be used again until the file is in the channel.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a part that is not there or not whole; those of [`begin`](Self::begin).
    pub async fn concatenate(
        &self,
        file: &NewFile,
        parts: &[UploadId],
        caller: &Caller,
    ) -> Result<AppendReceipt> {
        self.0.intake.concatenate(file, parts, caller).await
    }

    /// Ends a file that is appended to, wherever it is in its life, and deletes its bytes. One that is in the channel is
    /// forgotten, and its message stays.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for one that is not there, of another kind, or ended before;
    /// [`Error::Forbidden`](crate::Error::Forbidden), [`Error::InvalidToken`](crate::Error::InvalidToken).
    pub async fn terminate(&self, id: &UploadId, caller: &Caller) -> Result<()> {
        self.0.intake.terminate(id, caller).await
    }
}
