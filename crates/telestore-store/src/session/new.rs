//! Bytes that a session store is to acknowledge.

use telestore_types::{StorageKey, Timestamp, Upload, UploadId};

use super::answers::ChunkRecord;
use crate::{BlobName, Limits};

/// A chunk that is to be recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewChunk {
    /// The client's name for its upload.
    pub id: UploadId,
    /// The worker's name for this life of it.
    pub key: StorageKey,
    /// The chunk.
    pub chunk: ChunkRecord,
    /// What its client says that the file is.
    pub mime_type: Option<String>,
    /// What the upload is held to.
    pub limits: Limits,
    /// When.
    pub now: Timestamp,
}

impl NewChunk {
    /// A chunk of an upload, within no limits and with no type of content.
    pub fn new(id: UploadId, key: StorageKey, chunk: ChunkRecord, now: Timestamp) -> Self {
        Self { id, key, chunk, mime_type: None, limits: Limits::NONE, now }
    }

    /// The same, held to `limits`.
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same, of a file of this type.
    #[must_use]
    pub fn with_mime_type(mut self, mime_type: Option<String>) -> Self {
        self.mime_type = mime_type;
        self
    }
}

/// Bytes that are to follow those of an upload.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewExtent {
    /// The client's name for its upload.
    pub id: UploadId,
    /// The worker's name for this life of it.
    pub key: StorageKey,
    /// Where they begin in the file, in bytes.
    pub at: u64,
    /// How many they are.
    pub length: u64,
    /// Their CRC-32C.
    pub crc32c: u32,
    /// Where they are kept.
    pub blob: BlobName,
    /// What the upload is held to.
    pub limits: Limits,
    /// When.
    pub now: Timestamp,
}

impl NewExtent {
    /// No bytes at offset `at`, within no limits.
    pub fn new(id: UploadId, key: StorageKey, at: u64, blob: BlobName, now: Timestamp) -> Self {
        Self { id, key, at, length: 0, crc32c: 0, blob, limits: Limits::NONE, now }
    }

    /// The same, with so many bytes, whose CRC-32C this is.
    #[must_use]
    pub fn of(self, length: u64, crc32c: u32) -> Self {
        Self { length, crc32c, ..self }
    }

    /// The same, held to `limits`.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

/// Pieces at the end of an upload that are to become one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JoinedExtent {
    /// The client's name for its upload.
    pub id: UploadId,
    /// The worker's name for this life of it.
    pub key: StorageKey,
    /// The records of the pieces, in order: the last ones of the upload.
    pub pieces: Vec<ChunkRecord>,
    /// Where the bytes of all of them are kept together.
    pub blob: BlobName,
}

impl JoinedExtent {
    /// These pieces, whose bytes are in `blob`.
    pub fn new(id: UploadId, key: StorageKey, pieces: Vec<ChunkRecord>, blob: BlobName) -> Self {
        Self { id, key, pieces, blob }
    }

    /// The record that takes the place of all of them; `None` if there are none.
    pub fn record(&self) -> Option<ChunkRecord> {
        ChunkRecord::joined(&self.pieces, self.blob.clone())
    }
}

/// An upload that is to be put together of parts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Concatenation {
    /// The upload as it is before it has bytes. Its parts are of the same owner.
    pub upload: Upload,
    /// The parts, in order. One may come more than once.
    pub parts: Vec<UploadId>,
    /// The record of the thumbnail that its options name, at [its place](telestore_types::ChunkIndex::THUMBNAIL).
    pub thumbnail: Option<ChunkRecord>,
    /// What it is held to.
    pub limits: Limits,
}

impl Concatenation {
    /// `upload` of these parts, within no limits.
    pub fn new(upload: Upload, parts: Vec<UploadId>) -> Self {
        Self { upload, parts, thumbnail: None, limits: Limits::NONE }
    }

    /// The same, with this thumbnail.
    #[must_use]
    pub fn with_thumbnail(self, thumbnail: Option<ChunkRecord>) -> Self {
        Self { thumbnail, ..self }
    }

    /// The same, held to `limits`.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}
