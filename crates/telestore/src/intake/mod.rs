//! What comes in: uploads are made, their chunks are put and recorded, and completion and cancellation are asked for.

pub(crate) mod appended;
pub(crate) mod appending;
pub(crate) mod chunks;
pub(crate) mod complete;
pub(crate) mod direct;
mod duplicates;
mod inbox;
pub(crate) mod joining;
pub(crate) mod options;
pub(crate) mod parts;
pub(crate) mod remote;
pub(crate) mod repeats;
pub(crate) mod streams;
pub(crate) mod waiting;

use std::sync::Arc;

use telestore_types::{
    FileDigest, FileName, Metadata, Thumbnail, Timestamp, UploadId, UploadKind, UploadOptions, UploadState,
};

use crate::intake::repeats::IdempotencyKey;
use crate::intake::streams::Streams;
use crate::shared::access::Access;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::events::Events;
use crate::shared::fetches::Fetches;
use crate::shared::ports::Arrivals;
use crate::shared::sends::Sends;

/// What a client says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// The client's name for the upload.
    pub id: UploadId,
    /// The name of the file.
    pub file_name: FileName,
    /// Its length in bytes.
    pub file_size: u64,
    /// How many chunks it comes in.
    pub total_chunks: u32,
    /// How its message is to be: what is named first counts.
    pub options: UploadOptions,
    /// The picture that stands for it, of which the same holds.
    pub thumbnail: Option<Thumbnail>,
    /// By what a repeat of its request is known.
    pub(crate) fingerprint: Option<String>,
}

impl FileInfo {
    /// A file of so many bytes, in so many chunks.
    pub fn new(id: UploadId, file_name: FileName, file_size: u64, total_chunks: u32) -> Self {
        let (options, thumbnail, fingerprint) = (UploadOptions::default(), None, None);
        Self { id, file_name, file_size, total_chunks, options, thumbnail, fingerprint }
    }

    /// Its message is to be like this.
    #[must_use]
    pub fn with_options(self, options: UploadOptions) -> Self {
        Self { options, ..self }
    }

    /// This picture stands for it, if any.
    #[must_use]
    pub fn with_thumbnail(self, thumbnail: Option<Thumbnail>) -> Self {
        Self { thumbnail, ..self }
    }
}

/// What a client says of a file that it sends in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectFile {
    /// The name of the file.
    pub file_name: FileName,
    /// The declared content type, if any.
    pub mime_type: Option<String>,
    /// How its message is to be.
    pub options: UploadOptions,
    /// The picture that stands for it.
    pub thumbnail: Option<Thumbnail>,
    /// The client's name for the request: one that comes again under it is carried out once.
    pub key: Option<IdempotencyKey>,
    /// The SHA-256 that its client sent with the file, and that the bytes have. Without a key, a request that comes again
    /// is known by it.
    pub sha256: Option<FileDigest>,
}

impl DirectFile {
    /// A file of this name, without a content type.
    pub fn new(file_name: FileName) -> Self {
        let (options, thumbnail) = (UploadOptions::default(), None);
        Self { file_name, mime_type: None, options, thumbnail, key: None, sha256: None }
    }

    /// It has this type of content, if any.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<Option<String>>) -> Self {
        Self { mime_type: mime_type.into(), ..self }
    }

    /// Its message is to be like this.
    #[must_use]
    pub fn with_options(self, options: UploadOptions) -> Self {
        Self { options, ..self }
    }

    /// This picture stands for it, if any.
    #[must_use]
    pub fn with_thumbnail(self, thumbnail: Option<Thumbnail>) -> Self {
        Self { thumbnail, ..self }
    }
}

impl DirectFile {
    /// Its request has this name, if any.
    #[must_use]
    pub fn with_key(self, key: Option<IdempotencyKey>) -> Self {
        Self { key, ..self }
    }

    /// Its client has sent this digest with it, if any, and its bytes have it.
    #[must_use]
    pub fn with_sha256(self, sha256: Option<FileDigest>) -> Self {
        Self { sha256, ..self }
    }
}

/// What a client says of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingChunk {
    /// The file that it is of.
    pub file: FileInfo,
    /// Its place, counted from 0.
    pub index: u32,
    /// The declared content type of the chunk, if any.
    pub mime_type: Option<String>,
}

impl IncomingChunk {
    /// The chunk of `file` at place `index`, without a content type.
    pub fn new(file: FileInfo, index: u32) -> Self {
        Self { file, index, mime_type: None }
    }

    /// The same, with this content type, if any.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<Option<String>>) -> Self {
        Self { mime_type: mime_type.into(), ..self }
    }
}

/// An upload is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct InitReceipt {
    /// Whether the file is in the channel already: it was completed, and needs no bytes.
    pub duplicate: bool,
}

/// A chunk is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

/// What a client says of a file that it appends to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewFile {
    /// The client's name for the upload.
    pub id: UploadId,
    /// The name of the file.
    pub file_name: FileName,
    /// Its length in bytes, if that is known.
    pub size: Option<u64>,
    /// The declared content type, if any.
    pub mime_type: Option<String>,
    /// How its message is to be.
    pub options: UploadOptions,
    /// The picture that stands for it.
    pub thumbnail: Option<Thumbnail>,
    /// What the client wants to know later.
    pub metadata: Metadata,
    /// [`Appended`](UploadKind::Appended), [`Streamed`](UploadKind::Streamed) or [`Partial`](UploadKind::Partial).
    pub kind: UploadKind,
    /// Whether its id is that of a [key](crate::Telestore::id_for): a repeat says the same of it, to the letter.
    pub keyed: bool,
}

impl NewFile {
    /// A file of a length that is not known yet. It is completed when that is asked for.
    pub fn new(id: UploadId, file_name: FileName) -> Self {
        let (options, metadata) = (UploadOptions::default(), Metadata::new());
        let kind = UploadKind::Appended;
        let (size, mime_type, thumbnail, keyed) = (None, None, None, false);
        Self { id, file_name, size, mime_type, options, thumbnail, metadata, kind, keyed }
    }

    /// Its id is that of a [key](crate::Telestore::id_for). Begun again with the same words, it is the same upload, and one that has
    /// failed is carried out anew; with other words it is refused.
    #[must_use]
    pub fn keyed(self) -> Self {
        Self { keyed: true, ..self }
    }

    /// Its last byte completes it. If it has none, it has failed as soon as that is known.
    #[must_use]
    pub fn streamed(self) -> Self {
        Self { kind: UploadKind::Streamed, ..self }
    }

    /// It is a part of a file that is [put together](crate::Telestore::concatenate) later, and is not sent by itself.
    #[must_use]
    pub fn partial(self) -> Self {
        Self { kind: UploadKind::Partial, ..self }
    }

    /// This picture stands for it, if any.
    #[must_use]
    pub fn with_thumbnail(self, thumbnail: Option<Thumbnail>) -> Self {
        Self { thumbnail, ..self }
    }

    /// It has so many bytes.
    #[must_use]
    pub fn of_size(self, bytes: u64) -> Self {
        Self { size: Some(bytes), ..self }
    }

    /// It has this type of content.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<Option<String>>) -> Self {
        Self { mime_type: mime_type.into(), ..self }
    }

    /// Its message is to be like this.
    #[must_use]
    pub fn with_options(self, options: UploadOptions) -> Self {
        Self { options, ..self }
    }

    /// Its client wants to know this later.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }
}

/// How much of a file that is appended to is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendReceipt {
    /// Where the next byte goes: so many are there.
    pub offset: u64,
    /// The length of the file, if that is known.
    pub size: Option<u64>,
    /// Until when it is kept, unless more comes.
    pub kept_until: Timestamp,
    /// Whether the file was in the channel already, so that it needs no bytes.
    pub duplicate: bool,
    /// Whether an upload was there already that this call would have begun.
    pub repeated: bool,
}

/// A file that is appended to, or was, or was put together of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendStatus {
    /// How much of it is safe.
    pub receipt: AppendReceipt,
    /// How it comes.
    pub kind: UploadKind,
    /// Where it is in its life.
    pub state: UploadState,
    /// What the client wanted to know later.
    pub metadata: Metadata,
}

impl AppendReceipt {
    /// Whether all of it is there.
    pub fn is_complete(&self) -> bool {
        self.size == Some(self.offset)
    }
}

/// Takes uploads in. Clones are the same intake.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) base: Arc<Base>,
    pub(crate) access: Arc<Access>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) events: Arc<Events>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) streams: Streams,
    pub(crate) arrivals: Arc<dyn Arrivals>,
    pub(crate) fetches: Arc<Fetches>,
}
