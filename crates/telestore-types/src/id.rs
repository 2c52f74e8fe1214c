use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The most chunks that one upload may have.
pub const MAX_CHUNKS: u32 = 10_000;

/// The client's name for an upload: 1-128 of `A-Z a-z 0-9 . _ -`, never `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(String);

impl UploadId {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Error::UploadId`] for a character, a length or a name that is not allowed.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(allowed);
        if fits && text != "." && text != ".." { Ok(Self(text)) } else { Err(Error::UploadId) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UploadId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of a chunk in its file, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkIndex(u32);

impl ChunkIndex {
    /// The place beside those of all chunks where the bytes of an upload's thumbnail are kept.
    pub const THUMBNAIL: Self = Self(MAX_CHUNKS);

    /// The place that a store has written down.
    ///
    /// # Errors
    /// [`Error::ChunkIndex`] if it is that of no chunk, nor that of the thumbnail.
    pub fn of_record(index: u32) -> Result<Self> {
        if index <= MAX_CHUNKS { Ok(Self(index)) } else { Err(Error::ChunkIndex { max: MAX_CHUNKS - 1 }) }
    }

    /// Whether it is the place of the thumbnail, which is no part of the file.
    pub fn is_thumbnail(self) -> bool {
        self == Self::THUMBNAIL
    }

    /// Checks that `index` is one of `total` chunks.
    ///
    /// # Errors
    /// [`Error::TotalChunks`] if `total` is not 1-10000, [`Error::ChunkIndex`] if `index` is outside.
    pub fn new(index: u32, total: u32) -> Result<Self> {
        check_total_chunks(total)?;
        if index < total { Ok(Self(index)) } else { Err(Error::ChunkIndex { max: total - 1 }) }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Checks a number of chunks.
pub(crate) fn check_total_chunks(total: u32) -> Result<()> {
    if (1..=MAX_CHUNKS).contains(&total) { Ok(()) } else { Err(Error::TotalChunks) }
}

impl fmt::Display for ChunkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The worker's own name for one life of an upload: 32 hexadecimal digits.
///
/// Clients choose upload ids and may use one again after a cancel. Bytes and rows hang on this key instead, so that a
/// late chunk of the first life never lands in the second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageKey(String);

impl TryFrom<String> for StorageKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<StorageKey> for String {
    fn from(key: StorageKey) -> Self {
        key.0
    }
}

impl StorageKey {
    /// The key made of 16 random bytes.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(hex::encode(random))
    }

    /// Reads a key back.
    ///
    /// # Errors
    /// [`Error::StorageKey`] for a text that is not a key.
    pub fn parse(text: &str) -> Result<Self> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::StorageKey)
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_ids_are_never_a_path() {
        for good in ["a", "1763790000000_k3j9x0abc", "A.b_c-d", "...", &"x".repeat(128)] {
            assert!(UploadId::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "a b", "ä", "a\0", "%2e%2e", &"x".repeat(129)] {
            assert_eq!(UploadId::new(bad), Err(Error::UploadId), "{bad:?}");
        }
    }

    #[test]
    fn chunk_index_stays_inside_of_the_file() {
        assert_eq!(ChunkIndex::new(9_999, 10_000).map(ChunkIndex::get), Ok(9_999));
        assert_eq!(ChunkIndex::new(3, 3), Err(Error::ChunkIndex { max: 2 }));
        assert_eq!(ChunkIndex::new(0, 0), Err(Error::TotalChunks));
        assert_eq!(ChunkIndex::new(0, 10_001), Err(Error::TotalChunks));
    }

    #[test]
    fn storage_keys_read_back() {
        let key = StorageKey::from_random([0xa5; 16]);
        assert_eq!(StorageKey::parse(key.as_str()), Ok(key));
        assert_eq!(StorageKey::parse("../../../etc/passwd/aaaaaaaaaaaaaa"), Err(Error::StorageKey));
    }
}
