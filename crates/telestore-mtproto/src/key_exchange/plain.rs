use std::io::{self, ErrorKind};

use grammers_crypto::DequeBuffer;
use grammers_mtproto::mtp::{Deserialization, Mtp, Plain};
use grammers_tl_types::{Deserializable, RemoteCall};

use crate::way::{Frame, LENGTH, Stream, TAG};

/// The largest answer that is taken; those of the exchange have less than a kilobyte.
const READ_MAX: usize = 16 * 1024;

/// What is allocated for a request.
const REQUEST: usize = 1024;

/// The header of a message without a key: zeros, its id, its length.
const HEADER: usize = 8 + 8 + 4;

/// A connection without a key, for one call at a time.
pub(crate) struct PlainConnection {
    stream: Stream,
    tagged: bool,
    read: Vec<u8>,
    tail: usize,
}

impl PlainConnection {
    pub(crate) fn over(stream: Stream) -> Self {
        Self { tagged: stream.is_tagged(), stream, read: vec![0; READ_MAX], tail: 0 }
    }

    /// Calls, and waits for the answer as long as it takes.
    pub(crate) async fn call<R: RemoteCall>(&mut self, request: &R) -> io::Result<R::Return> {
        let mut buffer = DequeBuffer::with_capacity(REQUEST, REQUEST);
        Plain::new().push(&mut buffer, &request.to_bytes());
        let tag = if std::mem::replace(&mut self.tagged, true) { &[][..] } else { &TAG };
        let framed = self.stream.framing().framed(tag, &buffer[..]);
        self.stream.write_all(&framed).await?;
        let mut answer = self.next().await?;
        let events = Plain::new().deserialize(&mut answer).map_err(unreadable)?;
        let result = events.into_iter().find_map(|event| match event {
            Deserialization::RpcResult(result) => Some(result.body),
            _ => None,
        });
        R::Return::from_bytes(&result.unwrap_or_default()).map_err(unreadable)
    }

    async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match Frame::of(&self.read[..self.tail], self.stream.framing()) {
                Frame::Status(status) => return Err(refused(status)),
                Frame::Packet(length) => {
                    let message = unpadded(&self.read[LENGTH..][..length]).to_vec();
                    self.read.copy_within(LENGTH + length..self.tail, 0);
                    self.tail -= LENGTH + length;
                    return Ok(message);
                }
                Frame::Partial(Some(length)) if length > READ_MAX - LENGTH => {
                    return Err(unreadable("it is too long"));
                }
                Frame::Partial(_) => {}
            }
            match self.stream.read(&mut self.read[self.tail..]).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.tail += count,
            }
        }
    }
}

/// A message as long as it says to be itself: padding may follow.
fn unpadded(frame: &[u8]) -> &[u8] {
    let length =
        frame.get(HEADER - 4..HEADER).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
    let end = length.and_then(|length| HEADER.checked_add(length as usize));
    end.and_then(|end| frame.get(..end)).unwrap_or(frame)
}

fn refused(status: u32) -> io::Error {
    io::Error::other(format!("it answered with status {status}"))
}

fn unreadable(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("its answer cannot be read: {error}"))
}
