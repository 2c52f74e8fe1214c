use serde::{Deserialize, Serialize};

use crate::{Encoded, FileName, StorageKey};

/// What Telegram gets instead of a file's own bytes: an encrypted or compressed form of them, or both.
///
/// It is decided at the first attempt and kept in the row, so that each later one makes the same bytes. It goes if any byte of
/// the file becomes another one.
///
/// ```
/// use telestore_types::{Encoding, FileName, StorageKey};
///
/// let encoding = Encoding::new(505).compressed("zstd 1").encrypted(*b"sealed keys");
/// let (name, key) = (FileName::new("notes.txt")?, StorageKey::from_random([0xab; 16]));
/// assert_eq!(encoding.name_of(&name, &key).as_str(), "notes.txt.zst.age");
/// assert_eq!(encoding.with_hidden_name().name_of(&name, &key).as_str(), "abababababababab.age");
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Encoding {
    /// How many bytes Telegram gets.
    pub size: u64,
    /// By what the file was compressed, and what came of that: another compressor is seen by it. `None` if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressed: Option<String>,
    /// Whether the file is encrypted.
    #[serde(default)]
    pub encrypted: bool,
    /// The keys of the encryption, sealed by the worker. They go once the file is in the channel. Stores keep them beside all else,
    /// as they keep what else is sealed.
    #[serde(skip)]
    pub sealed: Option<Vec<u8>>,
    /// Whether its name is hidden from those who read the channel.
    #[serde(default)]
    pub hides_name: bool,
}

impl Encoding {
    /// What has so many bytes.
    pub fn new(size: u64) -> Self {
        Self { size, compressed: None, encrypted: false, sealed: None, hides_name: false }
    }

    /// What a document of `size` bytes holds of a file that was sent before in this form; `None` for the file's own bytes.
    pub(super) fn of_copy(size: u64, encoded: Encoded) -> Option<Self> {
        let compressed = encoded.compressed.then(|| "before".to_owned());
        let copy = Self { compressed, encrypted: encoded.encrypted, ..Self::new(size) };
        (encoded != Encoded::default()).then_some(copy)
    }

    /// The same, compressed; `by` says by what, and what came of that.
    #[must_use]
    pub fn compressed(self, by: impl Into<String>) -> Self {
        Self { compressed: Some(by.into()), ..self }
    }

    /// The same, encrypted with these keys, which are sealed.
    #[must_use]
    pub fn encrypted(self, sealed: impl Into<Vec<u8>>) -> Self {
        Self { encrypted: true, sealed: Some(sealed.into()), ..self }
    }

    /// The same with its sealed keys, if there are any: as a store reads it back.
    #[must_use]
    pub fn with_keys(self, sealed: Option<Vec<u8>>) -> Self {
        Self { sealed, ..self }
    }

    /// The same under a name that tells nothing.
    #[must_use]
    pub fn with_hidden_name(self) -> Self {
        Self { hides_name: true, ..self }
    }

    /// What the file is called in the channel: with the extension of what it is there. One that is hidden is called by a part of its
    /// key, the same in each attempt.
    pub fn name_of(&self, name: &FileName, key: &StorageKey) -> FileName {
        let mut extension = String::new();
        if self.compressed.is_some() && !self.hides_name {
            extension.push_str(".zst");
        }
        if self.encrypted {
            extension.push_str(".age");
        }
        if self.hides_name {
            let hidden = &key.as_str()[..16];
            return FileName::new(&format!("{hidden}{extension}")).unwrap_or_else(|_| name.clone());
        }
        name.with_extension(&extension)
    }

    /// The content type that it has in the channel.
    pub fn mime_type(&self) -> &'static str {
        if self.encrypted { "application/octet-stream" } else { "application/zstd" }
    }
}

impl From<&Encoding> for Encoded {
    fn from(encoding: &Encoding) -> Self {
        Self { encrypted: encoding.encrypted, compressed: encoding.compressed.is_some() }
    }
}

impl FileName {
    /// The same with one more extension; what would make it too long goes from before that.
    fn with_extension(&self, extension: &str) -> Self {
        let room = Self::MAX_CHARS.saturating_sub(extension.chars().count());
        let kept: String = self.as_str().chars().take(room).collect();
        Self::of_file(&format!("{}{extension}", kept.trim_end())).unwrap_or_else(|_| self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_room_for_what_the_file_is() {
        let long = FileName::new(&"x".repeat(FileName::MAX_CHARS)).unwrap();
        let key = StorageKey::from_random([1; 16]);
        let both = Encoding::new(1).compressed("z").encrypted(*b"s");
        let name = both.name_of(&long, &key);
        assert_eq!(name.as_str().chars().count(), FileName::MAX_CHARS);
        assert!(name.as_str().ends_with("x.zst.age"));
    }

    #[test]
    fn rows_keep_what_is_there_and_read_what_was_not() {
        let encoding = Encoding::new(7).encrypted(*b"sealed").with_hidden_name();
        let json = serde_json::to_string(&encoding).unwrap();
        assert_eq!(json, r#"{"size":7,"encrypted":true,"hides_name":true}"#, "keys stand elsewhere");
        let read: Encoding = serde_json::from_str(&json).unwrap();
        assert_eq!(read.with_keys(encoding.sealed.clone()), encoding);
        assert_eq!(serde_json::from_str::<Encoding>(r#"{"size":7}"#).unwrap(), Encoding::new(7));
    }
}
