//! MTProto 2.0 encryption. <https://core.telegram.org/mtproto/description>
//!
//! Sending and reading files are bound by it. `grammers_crypto` does the same with a call into AES for each block.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::ige::{self, KeyIv};
use super::packet::Unsealed;
use crate::way::KEY_HEADER;

/// Which way a packet goes: the x of the specification.
#[derive(Clone, Copy)]
enum Way {
    ToTelegram = 0,
    FromTelegram = 8,
}

/// A packet from Telegram without its header, and what that says.
struct Received<'p> {
    data: &'p mut [u8],
    msg_key: [u8; 16],
    key_iv: KeyIv,
}

/// The key of a connection.
pub(crate) struct Cipher {
    data: Box<[u8; 256]>,
    id: [u8; 8],
}

impl Cipher {
    pub(crate) fn new(auth_key: [u8; 256]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Sha1::digest(auth_key)[12..20]);
        Self { data: Box::new(auth_key), id }
    }

    /// Pads and encrypts packets; [several](ige::SIDE_BY_SIDE) at a time cost less.
    pub(crate) fn seal(&self, packets: &mut [Unsealed]) {
        let keys: Vec<_> = packets.iter_mut().map(|packet| self.prepare(packet)).collect();
        ige::encrypt_all(packets.iter_mut().map(|packet| packet.parts().1).zip(&keys));
    }

    /// Takes the encryption off a packet that [`seal`](Self::seal) made, in place.
    pub(crate) fn unseal(&self, packet: &mut [u8]) {
        let (header, data) = packet.split_at_mut(KEY_HEADER);
        ige::decrypt_all([(data, &self.key_and_iv(&middle(header), Way::ToTelegram))]);
    }

    /// Decrypts what Telegram sent, in place, and checks of each packet that it is from Telegram; [several](ige::SIDE_BY_SIDE) at a
    /// time cost less. What is wrong with one is said in words.
    pub(crate) fn open<'p>(&self, packets: Vec<&'p mut [u8]>) -> Vec<Result<&'p [u8], &'static str>> {
        let mut received: Vec<_> = packets.into_iter().map(|packet| self.read_header(packet)).collect();
        let known = received.iter_mut().filter_map(|packet| packet.as_mut().ok());
        ige::decrypt_all(known.map(|Received { data, key_iv, .. }| (&mut **data, &*key_iv)));
        received.into_iter().map(|packet| packet.and_then(|packet| self.checked(packet))).collect()
    }

    /// Takes the key's header off a packet from Telegram.
    fn read_header<'p>(&self, packet: &'p mut [u8]) -> Result<Received<'p>, &'static str> {
        let Some((header, data)) = packet.split_at_mut_checked(KEY_HEADER) else {
            return Err("a packet is too short");
        };
        if !data.len().is_multiple_of(16) {
            return Err("a packet does not end with a block of the cipher");
        }
        if header[..8] != self.id {
            return Err("a packet is encrypted with another key");
        }
        let msg_key = middle(header);
        Ok(Received { data, msg_key, key_iv: self.key_and_iv(&msg_key, Way::FromTelegram) })
    }

    /// <https://core.telegram.org/mtproto/security_guidelines#mtproto-encrypted-messages>
    fn checked<'p>(&self, Received { data, msg_key, .. }: Received<'p>) -> Result<&'p [u8], &'static str> {
        match self.msg_key(data, Way::FromTelegram) == msg_key {
            true => Ok(data),
            false => Err("a packet was changed on its way"),
        }
    }

    /// Pads a packet and fills in the key's header.
    fn prepare(&self, packet: &mut Unsealed) -> KeyIv {
        let padding = 12 + (16 - (packet.parts().1.len() + 12) % 16) % 16;
        packet.pad(&rand::random::<[u8; 32]>()[..padding]);
        let (header, data) = packet.parts();
        let msg_key = self.msg_key(data, Way::ToTelegram);
        header[..8].copy_from_slice(&self.id);
        header[8..].copy_from_slice(&msg_key);
        self.key_and_iv(&msg_key, Way::ToTelegram)
    }

    /// What a packet with its padding is known by.
    fn msg_key(&self, padded: &[u8], way: Way) -> [u8; 16] {
        let x = way as usize;
        middle(&sha256(&self.data[88 + x..120 + x], padded))
    }

    fn key_and_iv(&self, msg_key: &[u8; 16], way: Way) -> KeyIv {
        let x = way as usize;
        let a = sha256(msg_key, &self.data[x..x + 36]);
        let b = sha256(&self.data[40 + x..76 + x], msg_key);
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
    use grammers_crypto::{AuthKey, DequeBuffer, decrypt_data_v2, encrypt_data_v2};

    use super::super::packet::{Body, MESSAGE_HEADER};
    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(std::array::from_fn(|i| (i * 7 + 3) as u8))
    }

    fn unsealed(length: usize) -> Unsealed {
        let mut body = Body::with_capacity(length);
        body.put(&vec![length as u8; length]);
        body.with_header(&[length as u8; MESSAGE_HEADER])
    }

    #[test]
    fn unsealing_gives_back_what_was_sealed() {
        for lengths in [[0, 64], [4, 8], [1000, 12], [60, 60]] {
            let mut packets = lengths.map(unsealed);
            cipher().seal(&mut packets);
            for (packet, length) in packets.iter_mut().zip(lengths) {
                let (header, data) = packet.parts();
                let message = MESSAGE_HEADER + length;
                assert!(data.len().is_multiple_of(16) && data.len() >= message + 12);
                assert_ne!(data[..message], vec![length as u8; message]);
                let mut whole = [header, data].concat();
                cipher().unseal(&mut whole);
                assert_eq!(whole[KEY_HEADER..][..message], vec![length as u8; message]);
            }
        }
    }

    /// As Telegram does it.
    fn answer(plaintext: &[u8]) -> Vec<u8> {
        let (cipher, mut data) = (cipher(), plaintext.to_vec());
        let msg_key = cipher.msg_key(&data, Way::FromTelegram);
        ige::encrypt_all([(&mut data[..], &cipher.key_and_iv(&msg_key, Way::FromTelegram))]);
        [&cipher.id[..], &msg_key, &data].concat()
    }

    fn opened(packet: &mut [u8]) -> Result<&[u8], &'static str> {
        cipher().open(vec![packet]).remove(0)
    }

    #[test]
    fn opens_what_grammers_opens() {
        for blocks in [1, 2, 7, 4096] {
            let plaintext: Vec<u8> = (0..16 * blocks).map(|i: u64| (i * i) as u8).collect();
            let (mut ours, mut theirs) = (answer(&plaintext), answer(&plaintext));
            assert_eq!(opened(&mut ours).unwrap(), plaintext);
            let key = AuthKey::from_bytes(*cipher().data);
            assert_eq!(decrypt_data_v2(&mut theirs, &key).unwrap(), plaintext);
        }
    }

    #[test]
    fn opens_nothing_that_was_changed() {
        let whole = answer(&[7; 64]);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(opened(&mut changed).is_err(), "byte {at}");
        }
        for length in 0..whole.len() {
            assert!(opened(&mut whole[..length].to_vec()).is_err(), "{length} bytes");
        }
        // The packets of the two ways are no answers to each other.
        let mut sent = [unsealed(64)];
        cipher().seal(&mut sent);
        let (header, data) = sent[0].parts();
        assert!(opened(&mut [header, data].concat()).is_err());
    }

    #[test]
    fn one_that_was_changed_spoils_no_other() {
        let plaintexts: Vec<Vec<u8>> = (1..=6).map(|i: u8| vec![i; 16 * usize::from(i)]).collect();
        let mut packets: Vec<_> = plaintexts.iter().map(|plaintext| answer(plaintext)).collect();
        packets[1][30] ^= 1;
        packets[4].truncate(20);
        let opened = cipher().open(packets.iter_mut().map(Vec::as_mut_slice).collect());
        for (index, opened) in opened.iter().enumerate() {
            match index {
                1 | 4 => assert!(opened.is_err(), "{index}"),
                _ => assert_eq!(opened.unwrap(), plaintexts[index]),
            }
        }
    }

    #[test]
    fn takes_off_what_grammers_sealed() {
        let mut theirs = DequeBuffer::with_capacity(1000, 64);
        theirs.extend((0..1000_u32).map(|i| i as u8));
        encrypt_data_v2(&mut theirs, &AuthKey::from_bytes(*cipher().data));
        let mut ours = theirs[..].to_vec();
        assert_eq!(ours[..8], cipher().id);
        cipher().unseal(&mut ours);
        assert!(ours[KEY_HEADER..].iter().copied().take(1000).eq((0..1000_u32).map(|i| i as u8)));
    }
}
