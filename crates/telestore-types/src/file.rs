use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{FileDigest, FileName, Result, StorageKey, StoredFile, Timestamp, Upload, UploadId, UserId};

/// The name of a file in the index: random, and another one each time that a file is uploaded.
///
/// ```
/// use telestore_types::FileId;
///
/// let id = FileId::parse("0f8fad5bd9cb469fa16570867728950e")?;
/// assert_eq!(id.as_str(), "0f8fad5bd9cb469fa16570867728950e");
/// assert!(FileId::parse("../uploads").is_err());
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(StorageKey);

impl FileId {
    /// The name of the file that this life of an upload becomes.
    pub fn of(key: &StorageKey) -> Self {
        Self(key.clone())
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::StorageKey`](crate::Error::StorageKey) for a text that is none.
    pub fn parse(text: &str) -> Result<Self> {
        StorageKey::parse(text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What secrets about the file are sealed for.
    pub fn key(&self) -> &StorageKey {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a completed upload has become: a file of its user, which stays until it is deleted. It does not change.
///
/// It is exhaustive, as [`Upload`] is: a store reads it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedFile {
    /// Its name in the index.
    pub id: FileId,
    /// Its place in the index, which a store gives it: files that came later have higher ones. Zero before that.
    pub place: u64,
    /// The upload that it was, whose name the client chose.
    pub upload_id: UploadId,
    /// Whose it is.
    pub user_id: UserId,
    /// The client's name for it.
    pub file_name: FileName,
    /// How many bytes it has.
    pub size: u64,
    /// Its type of content, if the client said one.
    pub mime_type: Option<String>,
    /// The SHA-256 of its bytes, if the client said it; it was compared before the file was sent.
    pub sha256: Option<FileDigest>,
    /// When it was there.
    pub created_at: Timestamp,
    /// The messages that hold it.
    pub stored: StoredFile,
}

impl IndexedFile {
    /// The file that an upload has become; `None` if it is not completed, or nobody's.
    pub fn of(upload: &Upload) -> Option<Self> {
        Some(Self {
            id: FileId::of(&upload.key),
            place: 0,
            upload_id: upload.id.clone(),
            user_id: upload.user_id.clone()?,
            file_name: upload.file_name.clone(),
            size: upload.size(),
            mime_type: upload.mime_type.clone(),
            sha256: upload.options.sha256,
            created_at: upload.updated_at,
            stored: upload.result()?.clone(),
        })
    }

    /// Its name as a search compares it.
    pub fn folded_name(&self) -> String {
        Self::folded(self.file_name.as_str())
    }

    /// A text as a search compares it: small and capital letters are the same.
    pub fn folded(text: &str) -> String {
        text.to_lowercase()
    }
}
