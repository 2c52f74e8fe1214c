//! Uploads whose bytes come one piece behind the other.

use super::{Completion, CompletionError, Upload, UploadKind, UploadState};
use crate::{ChunkIndex, MAX_CHUNKS, Outcome, Timestamp};

/// Why a file without bytes is not sent. Whoever streams one learns of its length too late to be refused.
const EMPTY: &str = "file is empty: Telegram takes no files without bytes";

/// Why bytes were not appended, or a length was not declared. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The file ends elsewhere: somebody else appended, or bytes that the client sent were never taken.
    #[error("the next byte of this upload is at offset {expected}")]
    Offset {
        /// Where the next byte goes.
        expected: u64,
    },
    /// With these bytes the file would be longer than declared, or a shorter length was declared than is there.
    #[error("the file is {declared} bytes long, and {received} would be there")]
    TooLong {
        /// The declared length, in bytes.
        declared: u64,
        /// How many bytes there would be.
        received: u64,
    },
    /// Another length was declared before.
    #[error("the length of this upload was declared as {declared} bytes")]
    Declared {
        /// The length, in bytes.
        declared: u64,
    },
    /// Its chunks have places of their own, or it came in one request.
    #[error("this upload is not appended to")]
    NotAppended,
    /// It came in as many pieces as an upload may have.
    #[error("an upload has at most {MAX_CHUNKS} pieces")]
    TooMany,
    /// Nothing comes after completion was asked for.
    #[error("this upload is complete")]
    Complete,
    /// The upload was cancelled.
    #[error("upload was cancelled: start again with a new id")]
    Cancelled,
}

impl Upload {
    /// Adds `length` bytes behind those that are there, if they end at `at`, and gives the place of the new piece. Of two
    /// that come for one offset, the second finds that the file ends elsewhere by then.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing has changed then.
    ///
    /// ```
    /// use telestore_types::{AppendError, FileName, NewUpload, StorageKey, Timestamp, Upload, UploadId};
    ///
    /// let (id, name) = (UploadId::new("a")?, FileName::new("a.bin")?);
    /// let (key, now) = (StorageKey::from_random([7; 16]), Timestamp::from_millis(0));
    /// let mut upload = Upload::new(NewUpload::new(id, key, name, now));
    /// assert_eq!(upload.append(0, 5, now).unwrap().get(), 0);
    /// assert_eq!(upload.append(0, 5, now), Err(AppendError::Offset { expected: 5 }));
    /// assert_eq!(upload.append(5, 3, now).unwrap().get(), 1);
    /// # Ok::<(), telestore_types::Error>(())
    /// ```
    pub fn append(&mut self, at: u64, length: u64, now: Timestamp) -> Result<ChunkIndex, AppendError> {
        self.check_appended_to()?;
        if at != self.received_bytes {
            return Err(AppendError::Offset { expected: self.received_bytes });
        }
        let received = self.received_bytes.saturating_add(length);
        if let Some(declared) = self.file_size.filter(|declared| received > *declared) {
            return Err(AppendError::TooLong { declared, received });
        }
        let index = ChunkIndex::new(self.received_chunks, MAX_CHUNKS).map_err(|_| AppendError::TooMany)?;
        (self.received_chunks, self.received_bytes) = (self.received_chunks + 1, received);
        self.updated_at = now;
        self.complete_by_itself(now);
        Ok(index)
    }

    /// Completes a [streamed](UploadKind::Streamed) or [concatenated](UploadKind::Concatenated) upload that has an owner and is
    /// as long as was declared. What appends
    /// to it, or declares its length, calls this; whoever makes one of no bytes calls it, too.
    pub fn complete_by_itself(&mut self, now: Timestamp) {
        let by_itself = matches!(self.kind, UploadKind::Streamed | UploadKind::Concatenated);
        let receives = self.state == UploadState::Receiving;
        if by_itself && receives && self.complete(now) == Ok(Completion::Queued) && self.file_size == Some(0)
        {
            self.fail(EMPTY, Outcome::Refused, now);
        }
    }

    /// Says how long the file is. Saying so again changes nothing.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing has changed then.
    pub fn declare_size(&mut self, size: u64, now: Timestamp) -> Result<(), AppendError> {
        match self.file_size {
            Some(declared) if declared == size => return Ok(()),
            Some(declared) => return Err(AppendError::Declared { declared }),
            None => self.check_appended_to()?,
        }
        if size < self.received_bytes {
            return Err(AppendError::TooLong { declared: size, received: self.received_bytes });
        }
        self.file_size = Some(size);
        self.updated_at = now;
        self.complete_by_itself(now);
        Ok(())
    }

    /// What is there can only grow: a failed one is completed again with the same bytes.
    fn check_appended_to(&self) -> Result<(), AppendError> {
        match self.state {
            _ if !self.kind.is_appended_to() => Err(AppendError::NotAppended),
            UploadState::Receiving => Ok(()),
            UploadState::Cancelled => Err(AppendError::Cancelled),
            _ => Err(AppendError::Complete),
        }
    }

    /// Checks that all of the file is there.
    pub(super) fn check_whole(&self) -> Result<(), CompletionError> {
        if self.is_duplicate() {
            return Ok(());
        }
        let received = self.received_bytes;
        let declared = self.file_size.ok_or(CompletionError::SizeUnknown { received })?;
        if let Some(total) = self.total_chunks.filter(|total| self.received_chunks < *total) {
            return Err(CompletionError::MissingChunks { received: self.received_chunks, total });
        }
        if received != declared {
            return Err(CompletionError::SizeMismatch { declared, received });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::NOW;
    use super::*;
    use crate::{Completion, FileName, NewUpload, StorageKey, UploadId, UserId};

    fn upload(size: Option<u64>) -> Upload {
        let (id, name) = (UploadId::new("a").unwrap(), FileName::new("a.bin").unwrap());
        let new = NewUpload::new(id, StorageKey::from_random([0; 16]), name, NOW).appended(size);
        Upload { user_id: Some(UserId::new("u")), ..Upload::new(new) }
    }

    #[test]
    fn pieces_follow_each_other_without_gaps() {
        let mut upload = upload(Some(10));
        assert_eq!(upload.append(1, 4, NOW), Err(AppendError::Offset { expected: 0 }));
        assert_eq!(upload.append(0, 4, NOW).map(ChunkIndex::get), Ok(0));
        assert_eq!(upload.append(0, 4, NOW), Err(AppendError::Offset { expected: 4 }));
        let long = AppendError::TooLong { declared: 10, received: 11 };
        assert_eq!(upload.append(4, 7, NOW), Err(long));
        let missing = CompletionError::SizeMismatch { declared: 10, received: 4 };
        assert_eq!(upload.complete(NOW), Err(missing));
        assert_eq!(upload.append(4, 6, NOW).map(ChunkIndex::get), Ok(1));
        assert_eq!(upload.complete(NOW), Ok(Completion::Queued));
        assert_eq!(upload.total_chunks, Some(2));
        assert_eq!(upload.append(10, 0, NOW), Err(AppendError::Complete));
        assert!(upload.cancel(NOW));
        assert_eq!(upload.append(10, 0, NOW), Err(AppendError::Cancelled));
    }

    #[test]
    fn a_length_that_nobody_has_said_completes_nothing() {
        let mut upload = upload(None);
        upload.append(0, 4, NOW).unwrap();
        assert_eq!(upload.complete(NOW), Err(CompletionError::SizeUnknown { received: 4 }));
        let short = AppendError::TooLong { declared: 3, received: 4 };
        assert_eq!(upload.declare_size(3, NOW), Err(short));
        assert_eq!(upload.declare_size(4, NOW), Ok(()));
        assert_eq!(upload.declare_size(4, NOW), Ok(()));
        assert_eq!(upload.declare_size(5, NOW), Err(AppendError::Declared { declared: 4 }));
        assert_eq!(upload.complete(NOW), Ok(Completion::Queued));
        upload.fail("no", crate::Outcome::GaveUp, NOW);
        assert_eq!(upload.complete(NOW), Ok(Completion::Queued), "with what is there");
    }

    #[test]
    fn the_last_byte_completes_what_is_streamed() {
        let streamed = |size| Upload { kind: UploadKind::Streamed, ..upload(size) };
        let mut whole = streamed(Some(10));
        whole.append(0, 4, NOW).unwrap();
        assert_eq!(whole.state, UploadState::Receiving);
        assert_eq!(whole.append(4, 6, NOW).map(ChunkIndex::get), Ok(1));
        assert_eq!((whole.state, whole.total_chunks), (UploadState::Queued, Some(2)));
        assert_eq!(whole.append(10, 0, NOW), Err(AppendError::Complete));
        let mut deferred = streamed(None);
        deferred.append(0, 4, NOW).unwrap();
        deferred.declare_size(4, NOW).unwrap();
        assert_eq!(deferred.state, UploadState::Queued);
        let mut empty = streamed(Some(0));
        empty.complete_by_itself(NOW);
        assert_eq!((empty.state, empty.outcome), (UploadState::Failed, Some(Outcome::Refused)));
        let mut nobodys = Upload { user_id: None, ..streamed(Some(4)) };
        nobodys.append(0, 4, NOW).unwrap();
        assert_eq!(nobodys.state, UploadState::Receiving, "nobody is known to send it for");
        let mut part = Upload { kind: UploadKind::Partial, ..upload(Some(4)) };
        part.append(0, 4, NOW).unwrap();
        assert_eq!(part.state, UploadState::Receiving);
        assert_eq!(part.complete(NOW), Err(CompletionError::Partial), "it is never sent by itself");
    }

    #[test]
    fn what_comes_in_chunks_is_not_appended_to_and_the_other_way_round() {
        let mut chunked = super::super::tests::upload();
        assert_eq!(chunked.append(0, 1, NOW), Err(AppendError::NotAppended));
        let appended = upload(Some(10));
        assert_eq!(appended.chunk_verdict(None, (1, 1)), crate::ChunkVerdict::Conflict);
    }
}
