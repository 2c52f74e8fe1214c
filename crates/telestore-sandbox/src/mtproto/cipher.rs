//! MTProto 2.0 encryption, the server's side of it.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::ige;

/// `auth_key_id` and `msg_key`, in front of the encrypted data.
pub(crate) const HEADER: usize = 24;

/// Which way a message goes: the x of the specification.
#[derive(Clone, Copy)]
enum Way {
    FromClient = 0,
    ToClient = 8,
}

/// An auth key as the server holds it.
pub(crate) struct ServerKey {
    data: Box<[u8; 256]>,
    id: [u8; 8],
}

impl ServerKey {
    pub(crate) fn new(data: [u8; 256]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Sha1::digest(data)[12..20]);
        Self { data: Box::new(data), id }
    }

    pub(crate) fn id(&self) -> [u8; 8] {
        self.id
    }

    /// Decrypts a frame in place; the plaintext begins at [`HEADER`]. `None` if it is not from this key.
    pub(crate) fn open<'f>(&self, frame: &'f mut [u8]) -> Option<&'f [u8]> {
        if frame.len() < HEADER + 32 || !(frame.len() - HEADER).is_multiple_of(16) || frame[..8] != self.id {
            return None;
        }
        let (header, data) = frame.split_at_mut(HEADER);
        let mut msg_key = [0; 16];
        msg_key.copy_from_slice(&header[8..]);
        let (key, iv) = self.key_and_iv(&msg_key, Way::FromClient);
        ige::decrypt(data, &key, &iv);
        (self.msg_key(data, Way::FromClient) == msg_key).then_some(data)
    }

    /// Pads and encrypts a plaintext into a frame.
    pub(crate) fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let padding = 12 + (16 - (plaintext.len() + 12) % 16) % 16;
        let mut frame = Vec::with_capacity(HEADER + plaintext.len() + padding);
        frame.extend(self.id);
        frame.extend([0; 16]);
        frame.extend(plaintext);
        frame.extend(&rand::random::<[u8; 32]>()[..padding]);
        let msg_key = self.msg_key(&frame[HEADER..], Way::ToClient);
        frame[8..HEADER].copy_from_slice(&msg_key);
        let (key, iv) = self.key_and_iv(&msg_key, Way::ToClient);
        ige::encrypt(&mut frame[HEADER..], &key, &iv);
        frame
    }

    fn msg_key(&self, padded: &[u8], way: Way) -> [u8; 16] {
        let x = way as usize;
        let large = Sha256::new().chain_update(&self.data[88 + x..120 + x]).chain_update(padded).finalize();
        let mut msg_key = [0; 16];
        msg_key.copy_from_slice(&large[8..24]);
        msg_key
    }

    fn key_and_iv(&self, msg_key: &[u8; 16], way: Way) -> ([u8; 32], [u8; 32]) {
        let x = way as usize;
        let a = Sha256::new().chain_update(msg_key).chain_update(&self.data[x..x + 36]).finalize();
        let b = Sha256::new().chain_update(&self.data[40 + x..76 + x]).chain_update(msg_key).finalize();
        let weave = |outer: &[u8], inner: &[u8]| {
            let mut woven = [0; 32];
            woven[..8].copy_from_slice(&outer[..8]);
            woven[8..24].copy_from_slice(&inner[8..24]);
            woven[24..].copy_from_slice(&outer[24..32]);
            woven
        };
        (weave(&a, &b), weave(&b, &a))
    }
}

#[cfg(test)]
mod tests {
    use grammers_crypto::{AuthKey, DequeBuffer, decrypt_data_v2, encrypt_data_v2};

    use super::*;

    fn key() -> [u8; 256] {
        std::array::from_fn(|i| (i * 7 + 3) as u8)
    }

    #[test]
    fn opens_what_a_client_sealed() {
        let mut buffer = DequeBuffer::with_capacity(64, 64);
        buffer.extend(b"thirty-two bytes, or thereabouts");
        encrypt_data_v2(&mut buffer, &AuthKey::from_bytes(key()));
        let mut frame = buffer[..].to_vec();
        let plaintext = ServerKey::new(key()).open(&mut frame).expect("the key fits");
        assert!(plaintext.starts_with(b"thirty-two bytes, or thereabouts"));
    }

    #[test]
    fn a_client_opens_what_the_server_sealed() {
        for len in 0..64 {
            let mut frame = ServerKey::new(key()).seal(&vec![7; len]);
            let plaintext = decrypt_data_v2(&mut frame, &AuthKey::from_bytes(key())).expect("the key fits");
            assert_eq!(plaintext[..len], vec![7; len]);
            assert!(plaintext.len() >= len + 12);
        }
    }

    #[test]
    fn refuses_a_changed_frame_and_a_foreign_key() {
        let mut buffer = DequeBuffer::with_capacity(64, 64);
        buffer.extend([1; 48]);
        encrypt_data_v2(&mut buffer, &AuthKey::from_bytes(key()));
        let mut changed = buffer[..].to_vec();
        changed[40] ^= 1;
        assert!(ServerKey::new(key()).open(&mut changed).is_none());
        assert!(ServerKey::new([9; 256]).open(&mut buffer[..].to_vec()).is_none());
    }
}
