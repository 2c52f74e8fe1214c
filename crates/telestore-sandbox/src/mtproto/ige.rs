//! AES-256 in IGE mode, whole messages at a time.
//!
//! IGE cannot be done side by side, so the cost of a single block decides. Going through the cipher's backend keeps
//! the round keys in registers for the whole message, which is more than twice as fast as one call for each block.

use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use aes::{Aes256Dec, Aes256Enc};

/// Encrypts whole blocks in place.
pub(crate) fn encrypt(data: &mut [u8], key: &[u8; 32], iv: &[u8; 32]) {
    let (ciphertext, plaintext) = halves(iv);
    Aes256Enc::new(key.into()).encrypt_with_backend(Encrypt(Ige { data, ciphertext, plaintext }));
}

/// Decrypts whole blocks in place.
pub(crate) fn decrypt(data: &mut [u8], key: &[u8; 32], iv: &[u8; 32]) {
    let (ciphertext, plaintext) = halves(iv);
    Aes256Dec::new(key.into()).decrypt_with_backend(Decrypt(Ige { data, ciphertext, plaintext }));
}

/// A message, and the blocks before the next one.
struct Ige<'d> {
    data: &'d mut [u8],
    ciphertext: u128,
    plaintext: u128,
}

struct Encrypt<'d>(Ige<'d>);
struct Decrypt<'d>(Ige<'d>);

impl BlockSizeUser for Encrypt<'_> {
    type BlockSize = U16;
}

impl BlockSizeUser for Decrypt<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Encrypt<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Ige { data, mut ciphertext, mut plaintext } = self.0;
        for block in data.as_chunks_mut::<16>().0 {
            let before = u128::from_ne_bytes(*block);
            let mut inner = Array((before ^ ciphertext).to_ne_bytes());
            backend.encrypt_block_inplace(&mut inner);
            ciphertext = u128::from_ne_bytes(inner.0) ^ plaintext;
            plaintext = before;
            *block = ciphertext.to_ne_bytes();
        }
    }
}

impl BlockCipherDecClosure for Decrypt<'_> {
    #[inline(always)]
    fn call<B: BlockCipherDecBackend<BlockSize = U16>>(self, backend: &B) {
        let Ige { data, mut ciphertext, mut plaintext } = self.0;
        for block in data.as_chunks_mut::<16>().0 {
            let before = u128::from_ne_bytes(*block);
            let mut inner = Array((before ^ plaintext).to_ne_bytes());
            backend.decrypt_block_inplace(&mut inner);
            plaintext = u128::from_ne_bytes(inner.0) ^ ciphertext;
            ciphertext = before;
            *block = plaintext.to_ne_bytes();
        }
    }
}

/// The first ciphertext block and the first plaintext block.
fn halves(iv: &[u8; 32]) -> (u128, u128) {
    let ([first, second], _) = iv.as_chunks::<16>() else { return (0, 0) };
    (u128::from_ne_bytes(*first), u128::from_ne_bytes(*second))
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
