//! How a payload is cut: 64 KiB of plain text, sealed each by itself.

use crate::keys::TAG;

/// The bytes of plain text in each chunk but the last one.
pub(crate) const CHUNK: usize = 64 * 1024;

/// The bytes of such a chunk when it is sealed.
pub(crate) const SEALED_CHUNK: usize = CHUNK + TAG;

/// How many chunks `plain` bytes make. Nothing is one chunk, too.
pub(crate) fn count(plain: u64) -> u64 {
    plain.div_ceil(CHUNK as u64).max(1)
}

/// The nonce of a chunk: its number in eleven bytes, and whether it is the last one.
pub(crate) fn nonce(index: u64, is_last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_counted() {
        for (plain, chunks) in
            [(0, 1), (1, 1), (65_535, 1), (65_536, 1), (65_537, 2), (131_072, 2), (131_073, 3)]
        {
            assert_eq!(count(plain), chunks, "{plain}");
        }
    }

    #[test]
    fn nonces_are_the_number_and_the_end() {
        assert_eq!(nonce(0, false), [0; 12]);
        assert_eq!(nonce(0x0102, true), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1]);
    }
}
