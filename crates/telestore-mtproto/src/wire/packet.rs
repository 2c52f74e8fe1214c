//! One message on its way: a buffer with room for all headers in front, so that it is encrypted and written where it
//! lies.

use grammers_tl_types::Serializable;

use crate::way::{Framing, KEY_HEADER, LENGTH, TAG};

/// `salt`, `session_id`, `message_id`, `seq_no` and the length of the message.
pub(super) const MESSAGE_HEADER: usize = 8 + 8 + 8 + 4 + 4;

/// Where the key's header and the encrypted bytes begin.
const ENCRYPTED: usize = TAG.len() + LENGTH;

/// All that stands before a message.
const HEADROOM: usize = ENCRYPTED + KEY_HEADER + MESSAGE_HEADER;

/// The most that is appended: before encrypting, and behind what is encrypted.
pub(super) const PADDING_MAX: usize = 12 + 15 + 15;

/// The bytes of a call, in a buffer with room for all that is put in front of them.
///
/// ```
/// use telestore_mtproto::{Body, tl};
///
/// let ping = Body::of(&tl::functions::Ping { ping_id: 7 });
/// assert_eq!(ping.bytes().len(), 12);
/// ```
#[derive(Debug)]
pub struct Body(Vec<u8>);

impl Body {
    /// An empty one, with room for `length` bytes.
    pub fn with_capacity(length: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADROOM + length + PADDING_MAX);
        bytes.resize(HEADROOM, 0);
        Self(bytes)
    }

    /// Writes a call of the schema.
    pub fn of(call: &impl Serializable) -> Self {
        let mut body = Self::with_capacity(256);
        call.serialize(&mut body.0);
        body
    }

    /// Appends bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes TL's `bytes`: a length of one byte, or of three behind 254, and zeros up to a multiple of four.
    pub fn put_tl_bytes(&mut self, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(length) if length < 254 => self.0.push(length),
            _ => {
                let length = (bytes.len() as u32).to_le_bytes();
                self.put(&[254, length[0], length[1], length[2]]);
            }
        }
        self.put(bytes);
        // The room in front is a multiple of four too.
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// The bytes of the call alone.
    pub fn bytes(&self) -> &[u8] {
        &self.0[HEADROOM..]
    }

    /// Puts the header in front.
    pub(super) fn with_header(mut self, header: &[u8; MESSAGE_HEADER]) -> Unsealed {
        self.0[HEADROOM - MESSAGE_HEADER..HEADROOM].copy_from_slice(header);
        Unsealed(self.0)
    }
}

/// A message with its header, on its way to be encrypted.
#[derive(Debug)]
pub(super) struct Unsealed(Vec<u8>);

impl Unsealed {
    pub(super) fn pad(&mut self, padding: &[u8]) {
        self.0.extend_from_slice(padding);
    }

    /// The place of the key's header, and what is to be encrypted.
    pub(super) fn parts(&mut self) -> (&mut [u8], &mut [u8]) {
        self.0[ENCRYPTED..].split_at_mut(KEY_HEADER)
    }

    /// What it is once it is encrypted.
    pub(super) fn into_packet(mut self, framing: Framing) -> Packet {
        self.pad(&framing.padding());
        let length = (self.0.len() - ENCRYPTED) as u32;
        self.0[..TAG.len()].copy_from_slice(&TAG);
        self.0[TAG.len()..ENCRYPTED].copy_from_slice(&length.to_le_bytes());
        Packet(self.0)
    }
}

/// A [`Body`] as it goes over the wire.
#[derive(Debug)]
pub(crate) struct Packet(Vec<u8>);

impl Packet {
    /// What is written as the first packet of a connection.
    pub(crate) fn with_tag(&self) -> &[u8] {
        &self.0
    }

    /// What is written as any other packet.
    pub(crate) fn without_tag(&self) -> &[u8] {
        &self.0[TAG.len()..]
    }

    /// Takes the encryption off again with `open`, which gives the plaintext at the same place.
    pub(super) fn into_body(mut self, open: impl FnOnce(&mut [u8])) -> Body {
        // Padding behind it is less than a block.
        let length = Framing::Padded.packet(self.0.len() - ENCRYPTED);
        open(&mut self.0[ENCRYPTED..][..length]);
        let length = u32::from_le_bytes(self.0[HEADROOM - 4..HEADROOM].try_into().unwrap_or_default());
        self.0.truncate(HEADROOM + length as usize);
        Body(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_tl_does() {
        for length in [0, 1, 2, 3, 4, 252, 253, 254, 255, 256, 1000, 512 * 1024] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut body = Body::with_capacity(0);
            body.put_tl_bytes(&bytes);
            assert_eq!(body.bytes(), bytes.to_bytes(), "{length}");
        }
    }
}
