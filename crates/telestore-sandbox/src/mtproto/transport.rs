//! Framing: full, abridged, intermediate and padded intermediate, told apart by the first bytes.

use std::io::{Error, ErrorKind, Result};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::network::Network;

/// A container holds 1 MiB at most; a frame is not much longer.
const FRAME_MAX: usize = 2 * 1024 * 1024;
/// How much is read at once on a slow network, so that bytes arrive smoothly.
const SLOW_READ: usize = 16 * 1024;

/// The framing of one connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transport {
    Full,
    Abridged,
    Intermediate,
    PaddedIntermediate,
}

/// Reads frames.
pub(crate) struct FrameReader<'n, R> {
    from: R,
    network: &'n Network,
    transport: Transport,
    /// A full frame's length was read already if it told the transport.
    first_len: Option<usize>,
    received: u32,
}

impl<'n, R: AsyncRead + Unpin> FrameReader<'n, R> {
    /// Reads as much as tells the transport.
    pub(crate) async fn detect(mut from: R, network: &'n Network) -> Result<Self> {
        let mut first = [0; 4];
        from.read_exact(&mut first[..1]).await?;
        let mut reader = Self { from, network, transport: Transport::Abridged, first_len: None, received: 0 };
        if first[0] == 0xef {
            return Ok(reader);
        }
        reader.from.read_exact(&mut first[1..]).await?;
        reader.transport = match first {
            [0xee, 0xee, 0xee, 0xee] => Transport::Intermediate,
            [0xdd, 0xdd, 0xdd, 0xdd] => Transport::PaddedIntermediate,
            len => {
                reader.first_len = Some(u32::from_le_bytes(len) as usize);
                Transport::Full
            }
        };
        Ok(reader)
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// The payload of the next frame.
    pub(crate) async fn next(&mut self) -> Result<BytesMut> {
        match self.transport {
            Transport::Full => self.next_full().await,
            Transport::Abridged => {
                let mut len = self.from.read_u8().await? as usize;
                if len == 0x7f {
                    let mut long = [0; 4];
                    self.from.read_exact(&mut long[..3]).await?;
                    len = u32::from_le_bytes(long) as usize;
                }
                self.read(len * 4).await
            }
            Transport::Intermediate => {
                let len = self.from.read_u32_le().await? as usize;
                self.read(len).await
            }
            Transport::PaddedIntermediate => {
                let len = self.from.read_u32_le().await? as usize;
                let mut frame = self.read(len).await?;
                // Up to 15 bytes of padding follow a payload of whole blocks after its header of 24 bytes.
                // A message without a key says its length itself.
                if !frame.starts_with(&[0; 8]) {
                    frame.truncate(len - (len.saturating_sub(24)) % 16);
                }
                Ok(frame)
            }
        }
    }

    async fn next_full(&mut self) -> Result<BytesMut> {
        let len = match self.first_len.take() {
            Some(len) => len,
            None => self.from.read_u32_le().await? as usize,
        };
        let payload_len = len.checked_sub(12).ok_or_else(|| invalid("frame too short"))?;
        let seq = self.from.read_u32_le().await?;
        let payload = self.read(payload_len).await?;
        let crc = self.from.read_u32_le().await?;
        if seq != self.received {
            return Err(invalid("frame out of order"));
        }
        self.received += 1;
        if crc != checksum(len as u32, seq, &payload) {
            return Err(invalid("frame with a wrong checksum"));
        }
        Ok(payload)
    }

    async fn read(&mut self, len: usize) -> Result<BytesMut> {
        if len > FRAME_MAX {
            return Err(invalid("frame too long"));
        }
        let mut frame = BytesMut::with_capacity(len);
        while frame.len() < len {
            let slow = self.network.bandwidth().is_some();
            let limit = if slow { SLOW_READ.min(len - frame.len()) } else { len - frame.len() };
            let read = self.from.read_buf(&mut (&mut frame).limit(limit)).await?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.network.admit(read).await;
        }
        Ok(frame)
    }
}

/// Writes frames.
pub(crate) struct FrameWriter {
    transport: Transport,
    sent: u32,
}

impl FrameWriter {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, sent: 0 }
    }

    pub(crate) fn pack(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(payload.len() + 12);
        match self.transport {
            Transport::Full => {
                let len = payload.len() as u32 + 12;
                frame.put_u32_le(len);
                frame.put_u32_le(self.sent);
                frame.extend(payload);
                frame.put_u32_le(checksum(len, self.sent, payload));
                self.sent += 1;
            }
            Transport::Abridged => {
                match payload.len() / 4 {
                    words @ ..0x7f => frame.put_u8(words as u8),
                    words => frame.put_u32_le((words as u32) << 8 | 0x7f),
                }
                frame.extend(payload);
            }
            Transport::Intermediate => {
                frame.put_u32_le(payload.len() as u32);
                frame.extend(payload);
            }
            Transport::PaddedIntermediate => {
                // Up to 15 bytes are allowed; Telethon takes three.
                let padding = &rand::random::<[u8; 3]>()[..usize::from(rand::random::<u8>() % 4)];
                frame.put_u32_le((payload.len() + padding.len()) as u32);
                frame.extend(payload);
                frame.extend(padding);
            }
        }
        frame
    }

    /// The beginning of a frame that says to be so long.
    pub(crate) fn pack_part(&mut self, payload: &[u8], length: u32) -> Vec<u8> {
        let mut frame = self.pack(payload);
        match self.transport {
            Transport::Abridged => {
                frame.splice(..1, ((length / 4) << 8 | 0x7f).to_le_bytes());
            }
            _ => frame[..4].copy_from_slice(&length.to_le_bytes()),
        }
        frame
    }
}

fn checksum(len: u32, seq: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len.to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn round_trip(transport: Transport, tag: &[u8]) {
        let mut writer = FrameWriter::new(transport);
        let payloads = [vec![1; 40], vec![2; 24 + 16 * 100]];
        let mut stream = tag.to_vec();
        stream.extend(payloads.iter().flat_map(|payload| writer.pack(payload)));
        let network = Network::default();
        let mut reader = FrameReader::detect(&stream[..], &network).await.expect("first bytes");
        assert_eq!(reader.transport(), transport);
        for payload in payloads {
            assert_eq!(reader.next().await.expect("frame"), payload);
        }
    }

    #[tokio::test]
    async fn tells_the_transports_apart_and_reads_them() {
        round_trip(Transport::Full, &[]).await;
        round_trip(Transport::Abridged, &[0xef]).await;
        round_trip(Transport::Intermediate, &[0xee; 4]).await;
        round_trip(Transport::PaddedIntermediate, &[0xdd; 4]).await;
    }

    #[tokio::test]
    async fn refuses_a_full_frame_with_a_wrong_checksum() {
        let mut stream = FrameWriter::new(Transport::Full).pack(&[5; 40]);
        stream[12] ^= 1;
        let network = Network::default();
        let mut reader = FrameReader::detect(&stream[..], &network).await.expect("first bytes");
        assert!(reader.next().await.is_err());
    }
}
