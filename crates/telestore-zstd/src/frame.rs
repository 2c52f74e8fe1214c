//! One frame: so many plain bytes, compressed by themselves.

use std::io;
use std::ops::RangeInclusive;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::{Error, Result};

/// How many plain bytes a frame has, but for the last one of a file: 1 MiB.
pub const FRAME_SIZE: usize = 1024 * 1024;

/// The most plain bytes that a frame may have that is read: 16 MiB. Other programs choose other sizes.
pub const MAX_FRAME_SIZE: usize = 16 * 1024 * 1024;

/// The most compressed bytes of a frame that is read: what zstd makes of bytes that it cannot compress, and room for those who
/// write more blocks than they need.
pub(crate) const MAX_COMPRESSED_SIZE: usize = MAX_FRAME_SIZE + 1024 * 1024;

/// The levels that a file can be compressed with. Those below 1 gain little, those above 19 gain nothing in frames of this size.
pub const LEVELS: RangeInclusive<i32> = 1..=19;

/// The level of `zstd` itself: nearly as fast as the lowest, and nearly as small as those that take several times as long.
pub const DEFAULT_LEVEL: i32 = 3;

/// The version of the library, as a number: 10507 is 1.5.7.
pub(crate) fn library_version() -> u32 {
    zstd_safe::version_number()
}

/// Compresses the bytes of one frame, with its plain length at the front and a checksum at the end.
///
/// A context of its own for each: what was compressed before cannot have a part in what comes out.
pub(crate) fn compress_frame(plain: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(level)?;
    compressor.include_contentsize(true)?;
    compressor.include_checksum(true)?;
    let mut frame = compressor.compress(plain)?;
    // Room was made for bytes that cannot be compressed.
    frame.shrink_to_fit();
    Ok(frame)
}

/// The checksum of the plain bytes, which [`compress_frame`] puts at the end of a frame.
pub(crate) fn checksum_of(frame: &[u8]) -> u32 {
    frame.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Decompresses one frame, which must become exactly `plain_len` bytes. No more memory is used than that and a constant. It takes
/// about a millisecond for 1 MiB.
///
/// # Errors
/// [`Error::Frame`] if it becomes anything else, or its checksum is wrong.
///
/// ```
/// use telestore_zstd::{Error, decompress_frame};
///
/// // An empty frame, as `zstd` writes it, without a checksum.
/// let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];
/// assert_eq!(decompress_frame(&frame, 0), Ok(Vec::new()));
/// assert!(matches!(decompress_frame(&frame, 1), Err(Error::Frame(_))));
/// assert!(matches!(decompress_frame(b"something else", 14), Err(Error::Frame(_))));
/// ```
pub fn decompress_frame(bytes: &[u8], plain_len: usize) -> Result<Vec<u8>> {
    if plain_len > MAX_FRAME_SIZE {
        return Err(Error::Frame(format!("it claims {plain_len} bytes, and {MAX_FRAME_SIZE} are the most")));
    }
    let failed = |error: io::Error| Error::Frame(error.to_string());
    let mut plain = Vec::with_capacity(plain_len);
    // The room in the vector is what bounds it.
    Decompressor::new().map_err(failed)?.decompress_to_buffer(bytes, &mut plain).map_err(failed)?;
    match plain.len() {
        length if length == plain_len => Ok(plain),
        length => Err(Error::Frame(format!("it has {length} bytes, and should have {plain_len}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{mixed, random, text};

    #[test]
    fn a_frame_says_its_length_and_has_a_checksum() {
        for plain in [Vec::new(), text(1), random(70_000), text(FRAME_SIZE), mixed(FRAME_SIZE)] {
            let frame = compress_frame(&plain, DEFAULT_LEVEL).unwrap();
            assert_eq!(zstd_safe::get_frame_content_size(&frame).unwrap(), Some(plain.len() as u64));
            assert_eq!(frame[4] & 4, 4, "the flag of the checksum");
            assert_eq!(decompress_frame(&frame, plain.len()).unwrap(), plain);
        }
    }

    #[test]
    fn the_checksum_follows_the_plain_bytes() {
        let (mut plain, level) = (random(5000), DEFAULT_LEVEL);
        let before = compress_frame(&plain, level).unwrap();
        plain[2500] ^= 1;
        let after = compress_frame(&plain, level).unwrap();
        assert_eq!(before.len(), after.len(), "the length does not tell");
        assert_ne!(checksum_of(&before), checksum_of(&after));
    }

    #[test]
    fn a_frame_becomes_what_was_said_or_nothing() {
        let plain = text(10_000);
        let frame = compress_frame(&plain, DEFAULT_LEVEL).unwrap();
        for wrong in [0, 1, 9_999, 10_001, MAX_FRAME_SIZE, MAX_FRAME_SIZE + 1, usize::MAX] {
            assert!(matches!(decompress_frame(&frame, wrong), Err(Error::Frame(_))), "{wrong}");
        }
        for at in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 0x10;
            // A bit that nobody reads may change. What comes out may not.
            let read = decompress_frame(&damaged, plain.len());
            assert!(read.is_err() || read == Ok(plain.clone()), "{at}");
            assert!(decompress_frame(&frame[..at], plain.len()).is_err(), "cut at {at}");
        }
        assert!(decompress_frame(&[&frame[..], b"x"].concat(), plain.len()).is_err(), "something behind it");
    }

    #[test]
    fn a_small_frame_cannot_become_a_large_one() {
        let bomb = compress_frame(&vec![0; 256 * FRAME_SIZE], DEFAULT_LEVEL).unwrap();
        assert!(bomb.len() < FRAME_SIZE);
        assert!(decompress_frame(&bomb, FRAME_SIZE).is_err());
    }
}
