use crc_fast::{CrcAlgorithm, Digest as Crc};

/// CRC-32C (Castagnoli) over a run of bytes: it finds damaged and mixed up bytes at almost no cost.
///
/// It is no proof against somebody who wants two chunks to look alike; nothing here relies on that.
#[derive(Debug, Clone)]
pub struct Digest(Crc);

impl Default for Digest {
    fn default() -> Self {
        Self(Crc::new(CrcAlgorithm::Crc32Iscsi))
    }
}

impl Digest {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn value(&self) -> u32 {
        u32::try_from(self.0.clone().finalize()).unwrap_or(u32::MAX)
    }

    /// The digest of one piece.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut digest = Self::default();
        digest.update(bytes);
        digest.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_crc32c() {
        assert_eq!(Digest::of(b"123456789"), 0xe306_9283);
        let mut digest = Digest::default();
        digest.update(b"1234");
        digest.update(b"56789");
        assert_eq!(digest.value(), 0xe306_9283);
    }
}
