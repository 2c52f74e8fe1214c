//! AES-256 in IGE mode. Each block needs the one before it, so a processor that could work on several at once waits. Two
//! packets know nothing of each other: side by side they take little longer than one.

use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockModeDecrypt,
    BlockModeEncrypt, BlockSizeUser, KeyInit, KeyIvInit,
};
use aes::{Aes256Dec, Aes256Enc};

/// Key and initialisation vector of one packet.
pub(super) type KeyIv = ([u8; 32], [u8; 32]);

/// Encrypts whole blocks in place.
pub(super) fn encrypt(data: &mut [u8], (key, iv): &KeyIv) {
    let mut cipher = ::ige::Encryptor::<Aes256Enc>::new(key.into(), iv.into());
    cipher.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

/// Decrypts whole blocks in place.
pub(super) fn decrypt(data: &mut [u8], (key, iv): &KeyIv) {
    let mut cipher = ::ige::Decryptor::<Aes256Dec>::new(key.into(), iv.into());
    cipher.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

/// Encrypts two packets in place, each with its own key.
pub(super) fn encrypt_both(first: (&mut [u8], &KeyIv), second: (&mut [u8], &KeyIv)) {
    let ciphers = [first.1, second.1].map(|(key, _)| Aes256Enc::new(key.into()));
    let lanes = [first, second].map(|(data, (_, iv))| Lane::new(data, iv));
    ciphers[0].encrypt_with_backend(WithFirst { lanes, second: &ciphers[1] });
}

/// A packet, and its last ciphertext and plaintext blocks.
struct Lane<'d> {
    blocks: &'d mut [[u8; 16]],
    ciphertext: u128,
    plaintext: u128,
}

impl<'d> Lane<'d> {
    fn new(data: &'d mut [u8], iv: &[u8; 32]) -> Self {
        let half = |from: usize| u128::from_ne_bytes(std::array::from_fn(|i| iv[from + i]));
        Self { blocks: data.as_chunks_mut().0, ciphertext: half(0), plaintext: half(16) }
    }

    #[inline(always)]
    fn encrypt_block(&mut self, index: usize, cipher: &impl BlockCipherEncBackend<BlockSize = U16>) {
        let plaintext = u128::from_ne_bytes(self.blocks[index]);
        let mut inner = Array((plaintext ^ self.ciphertext).to_ne_bytes());
        cipher.encrypt_block_inplace(&mut inner);
        self.ciphertext = u128::from_ne_bytes(inner.0) ^ self.plaintext;
        self.plaintext = plaintext;
        self.blocks[index] = self.ciphertext.to_ne_bytes();
    }
}

/// The way into both ciphers at once: each gives its round keys, in registers, to a closure.
struct WithFirst<'a> {
    lanes: [Lane<'a>; 2],
    second: &'a Aes256Enc,
}

struct WithBoth<'a, F> {
    lanes: [Lane<'a>; 2],
    first: &'a F,
}

impl BlockSizeUser for WithFirst<'_> {
    type BlockSize = U16;
}

impl<F> BlockSizeUser for WithBoth<'_, F> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for WithFirst<'_> {
    #[inline(always)]
    fn call<F: BlockCipherEncBackend<BlockSize = U16>>(self, first: &F) {
        self.second.encrypt_with_backend(WithBoth { lanes: self.lanes, first });
    }
}

impl<F: BlockCipherEncBackend<BlockSize = U16>> BlockCipherEncClosure for WithBoth<'_, F> {
    #[inline(always)]
    fn call<S: BlockCipherEncBackend<BlockSize = U16>>(self, second: &S) {
        let [mut one, mut two] = self.lanes;
        let lengths = (one.blocks.len(), two.blocks.len());
        let both = lengths.0.min(lengths.1);
        for index in 0..both {
            one.encrypt_block(index, self.first);
            two.encrypt_block(index, second);
        }
        (both..lengths.0).for_each(|index| one.encrypt_block(index, self.first));
        (both..lengths.1).for_each(|index| two.encrypt_block(index, second));
    }
}

#[cfg(test)]
mod tests {
    use grammers_crypto::aes::{ige_decrypt, ige_encrypt};

    use super::*;

    fn key_iv(seed: u8) -> KeyIv {
        (
            std::array::from_fn(|i| (i as u8 * 3).wrapping_add(seed)),
            std::array::from_fn(|i| (i as u8 * 5) ^ seed),
        )
    }

    fn plaintext(blocks: usize, seed: u8) -> Vec<u8> {
        (0..16 * blocks).map(|i| (i * i) as u8 ^ seed).collect()
    }

    #[test]
    fn is_what_grammers_does() {
        let (key_iv, plaintext) = (key_iv(1), plaintext(100, 2));
        let (mut ours, mut theirs) = (plaintext.clone(), plaintext.clone());
        encrypt(&mut ours, &key_iv);
        ige_encrypt(&mut theirs, &key_iv.0, &key_iv.1);
        assert_eq!(ours, theirs);
        decrypt(&mut ours, &key_iv);
        ige_decrypt(&mut theirs, &key_iv.0, &key_iv.1);
        assert_eq!((ours, theirs), (plaintext.clone(), plaintext));
    }

    #[test]
    fn two_side_by_side_are_what_each_is_alone() {
        for lengths in [(0, 0), (1, 1), (3, 40), (40, 3), (0, 5)] {
            let keys = [key_iv(7), key_iv(9)];
            let alone = [(lengths.0, 1), (lengths.1, 2)].map(|(blocks, seed)| plaintext(blocks, seed));
            let [mut first, mut second] = alone.clone();
            encrypt_both((&mut first, &keys[0]), (&mut second, &keys[1]));
            let [mut one, mut two] = alone;
            encrypt(&mut one, &keys[0]);
            encrypt(&mut two, &keys[1]);
            assert_eq!((first, second), (one, two), "{lengths:?}");
        }
    }
}
