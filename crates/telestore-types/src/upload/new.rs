use super::{Metadata, UploadKind, UploadOptions};
use crate::{FileName, StorageKey, Timestamp, UploadId};

/// What a client says when it starts an upload.
///
/// ```
/// use telestore_types::{FileName, NewUpload, StorageKey, Timestamp, Upload, UploadId};
///
/// let (id, name) = (UploadId::new("a")?, FileName::new("a.bin")?);
/// let key = StorageKey::from_random([7; 16]);
/// let new = NewUpload::new(id, key, name, Timestamp::from_millis(0));
/// let in_chunks = Upload::new(new.clone().in_chunks(10, 2));
/// assert_eq!((in_chunks.file_size, in_chunks.total_chunks), (Some(10), Some(2)));
/// let mut appended = Upload::new(new.appended(None));
/// appended.append(0, 10, Timestamp::from_millis(1)).unwrap();
/// assert_eq!((appended.file_size, appended.received_bytes), (None, 10));
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewUpload {
    /// The client's name for it.
    pub id: UploadId,
    /// The worker's name for it.
    pub key: StorageKey,
    /// The name of the file.
    pub file_name: FileName,
    /// The declared length in bytes, if it is known.
    pub file_size: Option<u64>,
    /// How many chunks will come, if that is known.
    pub total_chunks: Option<u32>,
    /// The content type that the client declared, if it says something.
    pub mime_type: Option<String>,
    /// How its message is to be.
    pub options: UploadOptions,
    /// What the client wants to know later.
    pub metadata: Metadata,
    /// By what a repeat of its request is known.
    pub fingerprint: Option<String>,
    /// Where the worker fetches it from, sealed.
    pub source: Option<Vec<u8>>,
    /// How it comes.
    pub kind: UploadKind,
    /// When.
    pub now: Timestamp,
}

impl NewUpload {
    /// A file of which nothing but the name is known: it is [appended](Self::appended) to.
    pub fn new(id: UploadId, key: StorageKey, file_name: FileName, now: Timestamp) -> Self {
        Self {
            id,
            key,
            file_name,
            file_size: None,
            total_chunks: None,
            mime_type: None,
            options: UploadOptions::default(),
            metadata: Metadata::new(),
            fingerprint: None,
            source: None,
            kind: UploadKind::Appended,
            now,
        }
    }

    /// It is `file_size` bytes and comes in so many chunks, in any order.
    #[must_use]
    pub fn in_chunks(self, file_size: u64, total_chunks: u32) -> Self {
        let (file_size, total_chunks) = (Some(file_size), Some(total_chunks));
        Self { file_size, total_chunks, kind: UploadKind::Chunked, ..self }
    }

    /// It is `file_size` bytes and comes in one request, whose client waits for the end.
    #[must_use]
    pub fn direct(self, file_size: u64) -> Self {
        Self { kind: UploadKind::Direct, ..self.in_chunks(file_size, 1) }
    }

    /// It comes one piece behind the other; its length in bytes may be known.
    #[must_use]
    pub fn appended(self, file_size: Option<u64>) -> Self {
        Self { file_size, total_chunks: None, kind: UploadKind::Appended, ..self }
    }

    /// The same, of this kind: [streamed](UploadKind::Streamed) or [partial](UploadKind::Partial).
    #[must_use]
    pub fn of_kind(self, kind: UploadKind) -> Self {
        Self { kind, ..self }
    }

    /// It has this type of content.
    #[must_use]
    pub fn with_mime_type(self, mime_type: Option<String>) -> Self {
        Self { mime_type, ..self }
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

    /// The worker fetches its bytes from there, which is sealed.
    #[must_use]
    pub fn with_source(self, source: Option<Vec<u8>>) -> Self {
        Self { source, ..self }
    }

    /// A repeat of its request is known by this, if by anything.
    #[must_use]
    pub fn with_fingerprint(self, fingerprint: Option<String>) -> Self {
        Self { fingerprint, ..self }
    }
}
