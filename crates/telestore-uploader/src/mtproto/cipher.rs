//! MTProto 2.0 encryption of what is sent. <https://core.telegram.org/mtproto/description>
//!
//! Sending is bound by it. `grammers_crypto` makes the same bytes with a call into AES for each block; the `ige` crate
//! keeps the round keys in registers for a whole message. Answers are small, so they are left to `grammers_crypto`.

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes256Dec, Aes256Enc};
use grammers_crypto::{AuthKey, decrypt_data_v2};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::packet::KEY_HEADER;

/// The key of a connection.
pub(crate) struct Cipher {
    data: Box<[u8; 256]>,
    id: [u8; 8],
    answers: AuthKey,
}

impl Cipher {
    pub(crate) fn new(auth_key: [u8; 256]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Sha1::digest(auth_key)[12..20]);
        Self { data: Box::new(auth_key), id, answers: AuthKey::from_bytes(auth_key) }
    }

    /// Pads and encrypts what stands behind the place of the key's header, at `from`, and fills that in.
    pub(crate) fn seal(&self, packet: &mut Vec<u8>, from: usize) {
        let plaintext = packet.len() - from - KEY_HEADER;
        let padding = 12 + (16 - (plaintext + 12) % 16) % 16;
        packet.extend_from_slice(&rand::random::<[u8; 32]>()[..padding]);
        let (header, data) = packet[from..].split_at_mut(KEY_HEADER);
        let msg_key: [u8; 16] = middle(&sha256(&self.data[88..120], data));
        header[..8].copy_from_slice(&self.id);
        header[8..].copy_from_slice(&msg_key);
        let (key, iv) = self.key_and_iv(&msg_key);
        let mut cipher = ige::Encryptor::<Aes256Enc>::new(&key.into(), &iv.into());
        cipher.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
    }

    /// Takes the encryption off a packet that [`seal`](Self::seal) made, in place.
    pub(crate) fn unseal(&self, packet: &mut [u8]) {
        let (header, data) = packet.split_at_mut(KEY_HEADER);
        let (key, iv) = self.key_and_iv(&middle(header));
        let mut cipher = ige::Decryptor::<Aes256Dec>::new(&key.into(), &iv.into());
        cipher.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
    }

    /// Decrypts what Telegram sent, in place, and checks that it is from Telegram.
    pub(crate) fn open<'p>(&self, packet: &'p mut [u8]) -> Result<&'p [u8], grammers_crypto::Error> {
        decrypt_data_v2(packet, &self.answers).map(|plaintext| &*plaintext)
    }

    /// For a message from the client to Telegram.
    fn key_and_iv(&self, msg_key: &[u8; 16]) -> ([u8; 32], [u8; 32]) {
        let a = sha256(msg_key, &self.data[..36]);
        let b = sha256(&self.data[40..76], msg_key);
        (weave(&a, &b), weave(&b, &a))
    }
}

fn sha256(first: &[u8], second: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(first).chain_update(second).finalize().into()
}

/// The sixteen bytes from the ninth on.
fn middle(bytes: &[u8]) -> [u8; 16] {
    std::array::from_fn(|i| bytes[8 + i])
}

fn weave(outer: &[u8; 32], inner: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| if (8..24).contains(&i) { inner[i] } else { outer[i] })
}

#[cfg(test)]
mod tests {
    use grammers_crypto::{DequeBuffer, encrypt_data_v2};

    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(std::array::from_fn(|i| (i * 7 + 3) as u8))
    }

    #[test]
    fn unsealing_gives_back_what_was_sealed() {
        for length in 0..64 {
            let mut packet: Vec<u8> = (0..32 + length).map(|i| i as u8).collect();
            cipher().seal(&mut packet, 8);
            assert_eq!(packet[..8], [0, 1, 2, 3, 4, 5, 6, 7], "what is in front stays");
            assert!((packet.len() - 32).is_multiple_of(16) && packet.len() >= 32 + length + 12);
            cipher().unseal(&mut packet[8..]);
            assert!(packet[32..32 + length].iter().copied().eq((32..).take(length)));
        }
    }

    #[test]
    fn makes_the_bytes_that_grammers_makes() {
        let key = AuthKey::from_bytes(*cipher().data);
        let mut theirs = DequeBuffer::with_capacity(1000, 64);
        theirs.extend((0..1000_u32).map(|i| i as u8));
        encrypt_data_v2(&mut theirs, &key);
        // Its padding is random, so the plaintext of both is compared, and both are encrypted from the same one.
        let mut ours = theirs[..].to_vec();
        cipher().unseal(&mut ours);
        assert!(ours[KEY_HEADER..].iter().copied().take(1000).eq((0..1000_u32).map(|i| i as u8)));
        let (key, iv) = cipher().key_and_iv(&middle(&theirs[..]));
        let data = &mut ours[KEY_HEADER..];
        ige::Encryptor::<Aes256Enc>::new(&key.into(), &iv.into())
            .encrypt_blocks(Array::slice_as_chunks_mut(data).0);
        assert_eq!(ours, theirs[..]);
        assert_eq!(ours[..8], cipher().id);
    }
}
