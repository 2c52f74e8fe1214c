use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use telestore_types::ContentDigest;

use crate::{Digest, Error, Result};

/// Compares bytes, as they come, with the digest that they should have.
#[derive(Debug, Clone)]
pub struct Check {
    expected: ContentDigest,
    running: Running,
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "each chunk that is checked has one, for as long as it comes")]
enum Running {
    Sha256(Sha256),
    Sha512(Sha512),
    Crc32c(Digest),
    Sha1(Sha1),
    Md5(Md5),
    Crc32(Crc),
}

impl Check {
    /// A check of no bytes so far.
    pub fn new(expected: ContentDigest) -> Self {
        let running = match expected {
            ContentDigest::Sha256(_) => Running::Sha256(Sha256::new()),
            ContentDigest::Sha512(_) => Running::Sha512(Sha512::new()),
            ContentDigest::Crc32c(_) => Running::Crc32c(Digest::default()),
            ContentDigest::Sha1(_) => Running::Sha1(Sha1::new()),
            ContentDigest::Md5(_) => Running::Md5(Md5::new()),
            ContentDigest::Crc32(_) => Running::Crc32(Crc::new(CrcAlgorithm::Crc32IsoHdlc)),
        };
        Self { expected, running }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.running {
            Running::Sha256(running) => running.update(bytes),
            Running::Sha512(running) => running.update(bytes),
            Running::Crc32c(running) => running.update(bytes),
            Running::Sha1(running) => running.update(bytes),
            Running::Md5(running) => running.update(bytes),
            Running::Crc32(running) => running.update(bytes),
        }
    }

    /// Whether these were the bytes.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] if they were not.
    pub fn finish(self) -> Result<()> {
        let found = match self.running {
            Running::Sha256(running) => ContentDigest::Sha256(running.finalize().into()),
            Running::Sha512(running) => ContentDigest::Sha512(running.finalize().into()),
            Running::Crc32c(running) => ContentDigest::Crc32c(running.value()),
            Running::Sha1(running) => ContentDigest::Sha1(running.finalize().into()),
            Running::Md5(running) => ContentDigest::Md5(running.finalize().into()),
            Running::Crc32(running) => {
                ContentDigest::Crc32(u32::try_from(running.finalize()).unwrap_or(u32::MAX))
            }
        };
        if found == self.expected {
            return Ok(());
        }
        Err(Error::DigestMismatch { algorithm: self.expected.algorithm() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_knows_its_own_bytes() {
        let text = b"some bytes";
        let digests = [
            ContentDigest::Sha256(Sha256::digest(text).into()),
            ContentDigest::Sha512(Sha512::digest(text).into()),
            ContentDigest::Crc32c(Digest::of(text)),
            ContentDigest::Sha1(Sha1::digest(text).into()),
            ContentDigest::Md5(Md5::digest(text).into()),
            // As zlib says.
            ContentDigest::Crc32(0x9f59_7f55),
        ];
        for expected in digests {
            let check = |pieces: &[&[u8]]| {
                let mut check = Check::new(expected);
                pieces.iter().for_each(|piece| check.update(piece));
                check.finish()
            };
            assert!(check(&[b"some", b"", b" bytes"]).is_ok());
            let wrong = check(&[b"some bytez"]);
            assert!(
                matches!(wrong, Err(Error::DigestMismatch { algorithm }) if algorithm == expected.algorithm())
            );
        }
    }
}
