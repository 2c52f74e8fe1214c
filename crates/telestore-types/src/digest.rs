use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The SHA-256 of a whole file.
///
/// ```
/// use telestore_types::FileDigest;
///
/// let text = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
/// assert_eq!(FileDigest::parse(text)?.to_string(), text.to_lowercase());
/// assert!(FileDigest::parse("e3b0").is_err());
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileDigest([u8; 32]);

impl FileDigest {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::FileDigest`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| Error::FileDigest)?;
        Ok(Self(digest))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for FileDigest {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl TryFrom<String> for FileDigest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<FileDigest> for String {
    fn from(digest: FileDigest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileDigest({self})")
    }
}

/// A digest that a client sent along with its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentDigest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
    /// CRC-32C.
    Crc32c(u32),
    /// SHA-1. It finds bytes that were damaged, and stops nobody who damages them on purpose; so do those below.
    Sha1([u8; 20]),
    /// MD5.
    Md5([u8; 16]),
    /// CRC-32, as of zip and Ethernet.
    Crc32(u32),
}

impl ContentDigest {
    /// The algorithm's name, as the registry of RFC 9530 writes it if it knows it.
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha-256",
            Self::Sha512(_) => "sha-512",
            Self::Crc32c(_) => "crc32c",
            Self::Sha1(_) => "sha-1",
            Self::Md5(_) => "md5",
            Self::Crc32(_) => "crc32",
        }
    }
}
