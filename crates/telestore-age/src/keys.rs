use std::fmt;

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Error, Result};

/// The bytes of a file key.
pub(crate) const FILE_KEY: usize = 16;

/// The bytes of a payload's nonce.
pub(crate) const NONCE: usize = 16;

/// The bytes of an authentication tag.
pub(crate) const TAG: usize = 16;

/// The key of one file, which all others are made of.
#[derive(Clone)]
pub(crate) struct FileKey(Zeroizing<[u8; FILE_KEY]>);

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(***)")
    }
}

impl FileKey {
    pub(crate) fn new(bytes: [u8; FILE_KEY]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn draw() -> Result<Self> {
        let mut key = Self::new([0; FILE_KEY]);
        fill(&mut key.0[..])?;
        Ok(key)
    }

    pub(crate) fn bytes(&self) -> &[u8; FILE_KEY] {
        &self.0
    }

    /// The key of the payload behind `nonce`.
    pub(crate) fn payload_key(&self, nonce: &[u8; NONCE]) -> Zeroizing<[u8; 32]> {
        self.derived(Some(nonce), b"payload")
    }

    /// The MAC over a header up to its `---`, unfinished.
    pub(crate) fn mac(&self, header: &[u8]) -> Hmac<Sha256> {
        let key = self.derived(None, b"header");
        let mut block = Zeroizing::new([0; 64]);
        block[..key.len()].copy_from_slice(&key[..]);
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(header);
        mac
    }

    fn derived(&self, salt: Option<&[u8]>, info: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(salt, &self.0[..])
            .expand(info, &mut key[..])
            .expect("32 bytes are less than HKDF can give");
        key
    }
}

/// The cipher of a payload's chunks.
pub(crate) fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

/// Fills `bytes` from the system's randomness.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    SysRng.try_fill_bytes(bytes).map_err(|error| Error::Random(error.to_string()))
}
