use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::picture::picture_size;
use crate::{Error, Result};

/// A small picture that stands for a file: a JPEG, as Telegram takes it.
///
/// ```
/// use telestore_types::Thumbnail;
///
/// assert!(Thumbnail::new(b"GIF89a".to_vec().into()).is_err());
/// assert!(Thumbnail::new(vec![0; 300_000].into()).is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Thumbnail(Bytes);

impl Thumbnail {
    /// The most bytes: <https://core.telegram.org/bots/api#senddocument>.
    pub const MAX_BYTES: usize = 200 * 1000;

    /// The longest side, in pixels.
    pub const MAX_SIDE: u32 = 320;

    /// Checks that it is a JPEG within Telegram's bounds. Only its head is looked at.
    ///
    /// # Errors
    /// [`Error::Thumbnail`].
    pub fn new(bytes: Bytes) -> Result<Self> {
        let is_jpeg = bytes.starts_with(b"\xff\xd8") && bytes.len() <= Self::MAX_BYTES;
        let size = picture_size(&bytes).filter(|_| is_jpeg);
        let fits = size.is_some_and(|(width, height)| {
            (1..=Self::MAX_SIDE).contains(&width) && (1..=Self::MAX_SIDE).contains(&height)
        });
        if fits { Ok(Self(bytes)) } else { Err(Error::Thumbnail) }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbnail({} bytes)", self.0.len())
    }
}

/// That an upload has a thumbnail, and which. Its bytes are kept as those of a chunk are, at a
/// [place](crate::ChunkIndex::THUMBNAIL) of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ThumbnailMark {
    /// How many bytes it has.
    pub length: u64,
    /// Their CRC-32C.
    pub crc32c: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::jpeg;

    #[test]
    fn only_a_small_jpeg_is_one() {
        for (width, height, length, good) in [
            (320, 320, 0, true),
            (1, 1, Thumbnail::MAX_BYTES, true),
            (1, 1, Thumbnail::MAX_BYTES + 1, false),
            (321, 1, 0, false),
            (1, 321, 0, false),
            (0, 1, 0, false),
        ] {
            let mut bytes = jpeg(width, height);
            bytes.resize(length.max(bytes.len()), 0);
            assert_eq!(Thumbnail::new(bytes.into()).is_ok(), good, "{width}x{height}, {length}");
        }
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10".to_vec();
        assert_eq!(Thumbnail::new(png.into()), Err(Error::Thumbnail));
    }
}
