//! How a file key is wrapped for one X25519 key.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::keys::{FILE_KEY, FileKey, TAG};

/// The bytes of a key, and of a share.
pub(crate) const KEY: usize = 32;

/// The bytes of a wrapped file key.
pub(crate) const WRAPPED: usize = FILE_KEY + TAG;

/// Wraps `file_key` for `recipient`. `None` if the recipient's key is one of those that make every secret the same.
pub(crate) fn wrap(
    ephemeral: &StaticSecret,
    recipient: &[u8; KEY],
    file_key: &FileKey,
) -> Option<([u8; KEY], [u8; WRAPPED])> {
    let share = PublicKey::from(ephemeral).to_bytes();
    let cipher = cipher(&ephemeral.diffie_hellman(&PublicKey::from(*recipient)), &share, recipient)?;
    let mut wrapped = [0; WRAPPED];
    wrapped[..FILE_KEY].copy_from_slice(file_key.bytes());
    let (key, tag) = wrapped.split_at_mut(FILE_KEY);
    let Ok(made) = cipher.encrypt_inout_detached(&Nonce::default(), b"", InOutBuf::from(key)) else {
        wrapped.zeroize();
        return None;
    };
    tag.copy_from_slice(&made);
    Some((share, wrapped))
}

/// What became of a try to unwrap.
pub(crate) enum Unwrapped {
    /// It is for this identity.
    Key(FileKey),
    /// It is for another one.
    Other,
    /// The share is one of those that make every secret the same.
    WeakShare,
}

/// Tries to unwrap a file key that was wrapped for whom `identity` belongs to.
pub(crate) fn unwrap(identity: &StaticSecret, share: &[u8; KEY], wrapped: &[u8; WRAPPED]) -> Unwrapped {
    let recipient = PublicKey::from(identity).to_bytes();
    let Some(cipher) = cipher(&identity.diffie_hellman(&PublicKey::from(*share)), share, &recipient) else {
        return Unwrapped::WeakShare;
    };
    let mut key = Zeroizing::new([0; FILE_KEY]);
    key.copy_from_slice(&wrapped[..FILE_KEY]);
    let mut tag = Tag::default();
    tag.copy_from_slice(&wrapped[FILE_KEY..]);
    match cipher.decrypt_inout_detached(&Nonce::default(), b"", InOutBuf::from(&mut key[..]), &tag) {
        Ok(()) => Unwrapped::Key(FileKey::new(*key)),
        Err(_) => Unwrapped::Other,
    }
}

/// Whether a key may be wrapped for: not if each secret that is shared with it is the same.
pub(crate) fn is_sound(key: &[u8; KEY]) -> bool {
    StaticSecret::from([1; KEY]).diffie_hellman(&PublicKey::from(*key)).was_contributory()
}

fn cipher(shared: &SharedSecret, share: &[u8; KEY], recipient: &[u8; KEY]) -> Option<ChaCha20Poly1305> {
    if !shared.was_contributory() {
        return None;
    }
    let salt = [&share[..], &recipient[..]].concat();
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(&salt), shared.as_bytes())
        .expand(b"age-encryption.org/v1/X25519", &mut key[..])
        .ok()?;
    ChaCha20Poly1305::new_from_slice(&key[..]).ok()
}
