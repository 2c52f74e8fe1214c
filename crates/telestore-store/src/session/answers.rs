//! What a session store answers.
//!
//! The enums are exhaustive. The engine must do something about each answer, and so must a wrapper that looks at answers:
//! with one more, the compiler names the places. A store of one's own is not concerned, since [`rules`](crate::rules) make
//! the answers.

use std::collections::HashMap;
use std::fmt;

use telestore_types::{
    AppendError, ChunkIndex, ChunkVerdict, Completion, CompletionError, OptionError, Recovery, Timestamp,
    Upload, UploadId, UploadState, UserId,
};

use crate::{BlobName, Digest, Exceeded};

/// A chunk that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkRecord {
    /// Its place.
    pub index: ChunkIndex,
    /// How many bytes.
    pub length: u64,
    /// Their CRC-32C.
    pub crc32c: u32,
    /// Where they are.
    pub blob: BlobName,
}

impl ChunkRecord {
    /// The chunk at place `index`: so many bytes, with this CRC-32C, which are there.
    pub fn new(index: ChunkIndex, length: u64, crc32c: u32, blob: BlobName) -> Self {
        Self { index, length, crc32c, blob }
    }

    /// The chunk that holds the bytes of all of these, which follow each other, at the place of the first one; `None` if there
    /// are none.
    pub fn joined(chunks: &[Self], blob: BlobName) -> Option<Self> {
        let (first, rest) = chunks.split_first()?;
        let mut joined = Self { blob, ..first.clone() };
        for chunk in rest {
            joined.crc32c = Digest::joined(joined.crc32c, chunk.crc32c, chunk.length);
            joined.length += chunk.length;
        }
        Some(joined)
    }
}

/// Who an upload belongs to.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The user that the backend named.
    pub user_id: UserId,
    /// The token that the file will be sent with, sealed. A token may expire while its upload waits: that upload fails, and
    /// goes on with the next one that its user shows for it.
    pub sealed_token: Vec<u8>,
}

impl Owner {
    /// This user, with this token, sealed.
    pub fn new(user_id: UserId, sealed_token: Vec<u8>) -> Self {
        Self { user_id, sealed_token }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// What creating an upload found.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is new.
    New,
    /// There is one with this id: this one. Nothing has changed.
    Exists(Box<Upload>),
    /// There may be no more. Nothing has changed.
    TooMuch(Exceeded),
}

/// What claiming an upload found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It belongs to the user, newly or as before.
    Owned,
    /// It belongs to somebody else. Nothing has changed.
    Foreign,
    /// The user may have no more. Nothing has changed.
    TooMuch(Exceeded),
    /// There is no such upload.
    NotFound,
}

/// What naming options did.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionsSet {
    /// They hold, newly or as before.
    Known {
        /// The upload afterwards.
        upload: Box<Upload>,
        /// Whether the thumbnail that came along is the upload's now; if not, its bytes are of no use.
        thumbnail: bool,
    },
    /// They were not taken over, for this reason. Nothing has changed.
    Refused(OptionError),
    /// There is no such upload (any more). Nothing has changed.
    NotFound,
}

/// What recording a chunk did.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// It is acknowledged.
    Stored {
        /// The upload afterwards.
        upload: Box<Upload>,
        /// The bytes whose place it took; to be deleted now.
        replaced: Option<BlobName>,
    },
    /// It was not recorded, for this reason; its bytes are to be deleted. Nothing has changed.
    Refused {
        /// Why.
        verdict: ChunkVerdict,
        /// The upload as it is.
        upload: Box<Upload>,
    },
    /// With it, the upload would be larger than allowed. Nothing has changed.
    TooLarge {
        /// How many bytes the upload would have.
        received: u64,
    },
    /// With it, the chunks [cannot be the file](Upload::check_sum). Nothing has changed.
    Unfit(CompletionError),
    /// With it, its owner or the clients at its address would have more than they may. Nothing has changed.
    TooMuch(Exceeded),
    /// There is no such upload (any more). Nothing has changed.
    NotFound,
}

/// What appending to an upload did.
#[derive(Debug, Clone, PartialEq)]
pub enum Appended {
    /// The bytes are acknowledged.
    Stored(Box<Upload>, ChunkRecord),
    /// They were not recorded, for this reason; they are to be deleted. The upload is as it is. Nothing has changed.
    Refused(AppendError, Box<Upload>),
    /// With them, the upload would be larger than allowed. Nothing has changed.
    TooLarge {
        /// How many bytes the upload would have.
        received: u64,
    },
    /// With them, its owner or the clients at its address would have more than they may. Nothing has changed.
    TooMuch(Exceeded),
    /// There is no such upload (any more). Nothing has changed.
    NotFound,
}

/// What putting an upload together of parts did.
#[derive(Debug, Clone, PartialEq)]
pub enum Concatenated {
    /// It is there, and waits to be sent.
    Made(Box<Upload>),
    /// There is an upload with its id. Nothing has changed.
    Exists,
    /// There is no such part of this owner. Nothing has changed.
    NoPart(UploadId),
    /// This part is not whole. Nothing has changed.
    Unfinished(UploadId),
    /// The parts have more pieces than an upload may have. Nothing has changed.
    TooMany,
    /// It would be larger than allowed. Nothing has changed.
    TooLarge {
        /// How many bytes it would have.
        received: u64,
    },
    /// Its owner or the clients at its address would have more than they may. Nothing has changed.
    TooMuch(Exceeded),
}

/// What saying how long an upload is did.
#[derive(Debug, Clone, PartialEq)]
pub enum Declared {
    /// That is known, newly or as before.
    Known(Box<Upload>),
    /// It cannot be, for this reason. Nothing has changed.
    Refused(AppendError),
    /// There is no such upload.
    NotFound,
}

/// What completing an upload did.
#[derive(Debug, Clone, PartialEq)]
pub enum Completed {
    /// It is on its way, newly or as before.
    Accepted(Completion, Box<Upload>),
    /// It cannot be completed. Nothing has changed.
    Refused(CompletionError),
    /// There is no such upload.
    NotFound,
}

/// What cancelling an upload did.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It is cancelled now.
    Now {
        /// The upload afterwards.
        upload: Box<Upload>,
        /// The bytes that its chunks were; to be deleted now.
        blobs: Vec<BlobName>,
    },
    /// It was over before: completed, or cancelled earlier.
    Over(Box<Upload>),
    /// There is no such upload.
    NotFound,
}

/// The right to send one upload, until it expires. It names its [worker](Upload::worker).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Lease {
    /// The upload as it was leased.
    pub upload: Upload,
    /// Tells this lease from every other one.
    pub token: String,
    /// Until when it holds, unless it is extended.
    pub until: Timestamp,
}

impl Lease {
    /// A lease of an upload, under this name, until then.
    pub fn new(upload: Upload, token: impl Into<String>, until: Timestamp) -> Self {
        Self { upload, token: token.into(), until }
    }
}

/// An upload that is deleted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Expired {
    /// The upload.
    pub upload: Upload,
    /// The bytes that its chunks were; to be deleted now.
    pub blobs: Vec<BlobName>,
}

impl Expired {
    /// An upload and the bytes of its chunks.
    pub fn new(upload: Upload, blobs: Vec<BlobName>) -> Self {
        Self { upload, blobs }
    }
}

/// An upload that was put in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Released {
    /// What became of it.
    pub recovery: Recovery,
    /// The upload afterwards.
    pub upload: Upload,
    /// The bytes that are of no more use; to be deleted now.
    pub blobs: Vec<BlobName>,
}

impl Released {
    /// An upload, what became of it, and the bytes that are of no more use.
    pub fn new(recovery: Recovery, upload: Upload, blobs: Vec<BlobName>) -> Self {
        Self { recovery, upload, blobs }
    }
}

/// How much a store holds, for its operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// How many uploads there are in each state; none if a state is missing.
    pub uploads: HashMap<UploadState, u64>,
    /// How many bytes of chunks belong to uploads that are not over.
    pub stored_bytes: u64,
    /// Since when the upload that waits longest waits for a runner.
    pub oldest_queued: Option<Timestamp>,
    /// How many webhooks wait for their delivery.
    pub outbox: u64,
}
