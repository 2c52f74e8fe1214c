use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use telestore_types::{AddressKey, Secret, StorageKey, UserId, network_of};

const NONCE_BYTES: usize = 24;

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key file cannot be read or made.
    #[error("secret key file {path}: {source}")]
    KeyFile {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The key file holds something else.
    #[error(
        "secret key file {path} does not hold a key; put the right file back, or remove it: unfinished uploads then need their token again"
    )]
    BadKeyFile {
        /// Which.
        path: String,
    },
    /// It was sealed with another key, or for another upload.
    #[error("stored token cannot be opened with this secret key")]
    WrongKey,
    /// The cipher refused.
    #[error("stored token cannot be sealed")]
    Cipher,
}

/// Keeps tokens on disk in a form that only this worker can read: XChaCha20-Poly1305, bound to the upload.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    names: Hmac<Sha256>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer with the key that `secret` stands for: its SHA-256 digest.
    pub fn from_secret(secret: &Secret) -> Self {
        Self::from_key(Sha256::digest(secret.expose().as_bytes()).into())
    }

    /// A sealer whose key nobody knows: what it sealed cannot be opened after a restart.
    pub fn ephemeral() -> Self {
        Self::from_key(rand::random())
    }

    fn from_key(key: [u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(&key);
        Self { cipher: XChaCha20Poly1305::new(&key.into()), names: Hmac::new(&block.into()) }
    }

    /// A sealer with the key in the file at `path`, which is made, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// [`SealError::KeyFile`] if it can be neither read nor made, [`SealError::BadKeyFile`] if it holds no key.
    pub fn from_file(path: &Path) -> Result<Self, SealError> {
        let failed = |source| SealError::KeyFile { path: path.display().to_string(), source };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key)
            .map_err(|_| SealError::BadKeyFile { path: path.display().to_string() })?;
        Ok(Self::from_key(key))
    }

    /// A name for a client's address, or its /64 network in IPv6. Without the key it does not tell which address that
    /// is.
    pub fn address_key(&self, address: IpAddr) -> AddressKey {
        let name = format!("address {}", network_of(address));
        let digest = self.names.clone().chain_update(name).finalize().into_bytes();
        AddressKey::new(hex::encode(&digest[..16]))
    }

    /// A name for a request of a user that is `known_by` this, in 32 hexadecimal digits. Without the key nobody finds it from
    /// these.
    pub(crate) fn request_name(&self, user: &UserId, known_by: &str) -> String {
        let name = format!("request {} {user} {known_by}", user.as_str().len());
        let digest = self.names.clone().chain_update(name).finalize().into_bytes();
        hex::encode(&digest[..16])
    }

    /// Seals `secret` for one upload.
    ///
    /// # Errors
    /// [`SealError::Cipher`], which a token of any sane length does not meet.
    pub fn seal(&self, key: &StorageKey, secret: &Secret) -> Result<Vec<u8>, SealError> {
        self.seal_as(key.as_str(), secret)
    }

    /// Seals `secret` for one purpose, which has a name that no upload's key can be.
    pub(crate) fn seal_as(&self, name: &str, secret: &Secret) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: secret.expose().as_bytes(), aad: name.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Cipher)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for the same upload.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] if it was not.
    pub fn open(&self, key: &StorageKey, sealed: &[u8]) -> Result<Secret, SealError> {
        self.open_as(key.as_str(), sealed)
    }

    pub(crate) fn open_as(&self, name: &str, sealed: &[u8]) -> Result<Secret, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(SealError::WrongKey)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| SealError::WrongKey)?;
        let payload = Payload { msg: text, aad: name.as_bytes() };
        let opened = self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::WrongKey)?;
        String::from_utf8(opened).map(Secret::new).map_err(|_| SealError::WrongKey)
    }
}

/// Writes a new key so that a crash leaves either no file or a whole one.
fn make_key(path: &Path) -> io::Result<String> {
    let text = hex::encode(rand::random::<[u8; 32]>());
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> StorageKey {
        StorageKey::from_random([byte; 16])
    }

    #[test]
    fn opens_only_with_the_same_key_for_the_same_upload() {
        let sealer = Sealer::from_secret(&"hush".into());
        let sealed = sealer.seal(&key(1), &"token-123".into()).unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"token"));
        assert_eq!(Sealer::from_secret(&"hush".into()).open(&key(1), &sealed).unwrap().expose(), "token-123");
        for result in [sealer.open(&key(2), &sealed), Sealer::ephemeral().open(&key(1), &sealed)] {
            assert!(matches!(result, Err(SealError::WrongKey)));
        }
        assert!(sealer.open(&key(1), b"short").is_err());
    }

    #[test]
    fn an_address_has_one_name_that_only_the_key_tells() {
        let sealer = Sealer::from_secret(&"hush".into());
        let name = |sealer: &Sealer, address: &str| sealer.address_key(address.parse().unwrap());
        let one = name(&sealer, "2001:db8::1");
        assert_eq!(one, name(&Sealer::from_secret(&"hush".into()), "2001:db8::ffff"), "one customer");
        assert_ne!(one, name(&sealer, "2001:db8:0:1::1"));
        assert_ne!(one, name(&Sealer::ephemeral(), "2001:db8::1"));
        assert!(one.as_str().len() == 32 && !one.as_str().contains("db8"));
    }

    #[test]
    fn the_key_file_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let sealed = Sealer::from_file(&path).unwrap().seal(&key(1), &"t".into()).unwrap();
        assert_eq!(Sealer::from_file(&path).unwrap().open(&key(1), &sealed).unwrap().expose(), "t");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&path, "not a key").unwrap();
        assert!(matches!(Sealer::from_file(&path), Err(SealError::BadKeyFile { .. })));
    }
}
