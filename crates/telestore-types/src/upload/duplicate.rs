//! Uploads of files that are in the channel already.

use super::{Completion, Encoding, Upload};
use crate::{Encoded, StoredMessage, Timestamp};

impl Upload {
    /// Completes an upload whose file is in the channel already: its message is to show the document of this one, which holds the file
    /// in this form. Says no, and changes nothing, if it cannot be completed now, or has bytes of its own.
    pub fn duplicate(&mut self, of: StoredMessage, encoded: Encoded, now: Timestamp) -> bool {
        let mut made = self.clone();
        made.encoding = Encoding::of_copy(of.size, encoded);
        made.duplicate_of = Some(of);
        let done = self.received_chunks == 0
            && self.file_size.is_some_and(|size| size > 0)
            && made.complete(now) == Ok(Completion::Queued);
        if done {
            *self = made;
        }
        done
    }

    /// No message of it can come of the document that was there: it is an upload like any other, of which nothing has come.
    pub(super) fn needs_its_bytes(&mut self) {
        if self.duplicate_of.take().is_some() {
            (self.encoding, self.resume) = (None, None);
        }
    }

    /// Whether its message shows the document of an [earlier one](Self::duplicate_of), so that no bytes are needed.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate_of.is_some()
    }

    /// Up to where the file is there, in bytes: all of a [duplicate](Self::is_duplicate) is, and nothing of it is kept.
    pub fn offset(&self) -> u64 {
        if self.is_duplicate() { self.size() } else { self.received_bytes }
    }

    /// How many chunks need not come any more: all of a [duplicate](Self::is_duplicate).
    pub fn chunks_there(&self) -> u32 {
        match self.total_chunks {
            Some(total) if self.is_duplicate() => total,
            _ => self.received_chunks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::NOW;
    use crate::{
        AppendError, ChunkVerdict, Completion, CompletionError, Encoded, FileName, NewUpload, Outcome,
        StorageKey, StoredAs, StoredMessage, Upload, UploadId, UploadKind, UploadState, UserId,
    };

    fn duplicate(encoded: Encoded) -> Upload {
        let (id, name) = (UploadId::new("a").unwrap(), FileName::new("a.bin").unwrap());
        let message = StoredMessage::new(7, StoredAs::Mtproto { document_id: 70 }, 6);
        let new = NewUpload::new(id, StorageKey::from_random([0; 16]), name, NOW).in_chunks(10, 2);
        let mut upload = Upload::new(new);
        assert!(!upload.duplicate(message.clone(), encoded, NOW), "nobody's");
        assert_eq!(upload.duplicate_of, None);
        upload.user_id = Some(UserId::new("u"));
        assert!(upload.duplicate(message, encoded, NOW));
        upload
    }

    #[test]
    fn it_is_whole_without_a_byte() {
        let upload = duplicate(Encoded { encrypted: false, compressed: true });
        assert_eq!((upload.offset(), upload.chunks_there()), (10, 2));
        assert_eq!((upload.received_bytes, upload.received_chunks), (0, 0), "nothing is stored");
        assert_eq!((upload.size(), upload.sent_size()), (10, 6), "the channel has another form of it");
        assert_eq!(upload.state, UploadState::Queued);
        let part = Upload { kind: UploadKind::Partial, state: UploadState::Receiving, ..upload };
        let message = StoredMessage::new(7, StoredAs::Mtproto { document_id: 70 }, 10);
        assert!(!part.clone().duplicate(message, Encoded::default(), NOW), "it is never sent");
        assert_eq!(duplicate(Encoded::default()).encoding, None);
    }

    #[test]
    fn bytes_that_come_all_the_same_are_dropped_as_long_as_it_does_not_fail() {
        let mut upload = duplicate(Encoded::default());
        for state in [UploadState::Queued, UploadState::Sending, UploadState::Completed] {
            upload.state = state;
            assert_eq!(upload.chunk_verdict(None, (5, 1)), ChunkVerdict::Duplicate, "{state:?}");
            assert_eq!(upload.append(0, 5, NOW), Err(AppendError::NotAppended));
        }
        let mut unclear = upload.clone();
        unclear.fail("no answer came", Outcome::Ambiguous, NOW);
        assert_eq!(unclear.chunk_verdict(None, (5, 1)), ChunkVerdict::Conflict, "its message may be there");
        assert_eq!(unclear.may_complete(), Ok(Completion::Queued));
        assert!(unclear.cancel(NOW));
        assert_eq!(unclear.chunk_verdict(None, (5, 1)), ChunkVerdict::Cancelled);
        upload.fail("gone", Outcome::Refused, NOW);
        assert!(!upload.is_duplicate());
        assert_eq!((upload.offset(), upload.chunks_there(), upload.sent_size()), (0, 0, 10));
        assert_eq!(upload.chunk_verdict(None, (5, 1)), ChunkVerdict::Store, "it is sent as ever");
        let missing = CompletionError::MissingChunks { received: 0, total: 2 };
        assert_eq!(upload.may_complete(), Err(missing));
    }
}
