//! AES-256 in IGE mode, whole messages at a time.

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes256Dec, Aes256Enc};

/// Encrypts whole blocks in place.
pub(crate) fn encrypt(data: &mut [u8], key: &[u8; 32], iv: &[u8; 32]) {
    let mut cipher = ::ige::Encryptor::<Aes256Enc>::new(key.into(), iv.into());
    cipher.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

/// Decrypts whole blocks in place.
pub(crate) fn decrypt(data: &mut [u8], key: &[u8; 32], iv: &[u8; 32]) {
    let mut cipher = ::ige::Decryptor::<Aes256Dec>::new(key.into(), iv.into());
    cipher.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

#[cfg(test)]
mod tests {
    use grammers_crypto::aes::{ige_decrypt, ige_encrypt};

    use super::*;

    #[test]
    fn is_what_clients_do() {
        let key: [u8; 32] = std::array::from_fn(|i| i as u8 * 3);
        let iv: [u8; 32] = std::array::from_fn(|i| i as u8 * 5 + 1);
        let plaintext: Vec<u8> = (0..16 * 100).map(|i| (i * i) as u8).collect();
        let (mut ours, mut theirs) = (plaintext.clone(), plaintext.clone());
        encrypt(&mut ours, &key, &iv);
        ige_encrypt(&mut theirs, &key, &iv);
        assert_eq!(ours, theirs);
        decrypt(&mut ours, &key, &iv);
        ige_decrypt(&mut theirs, &key, &iv);
        assert_eq!((ours, theirs), (plaintext.clone(), plaintext));
    }
}
