//! What hides the bytes of a connection: a cipher, and around it records of TLS if it is to look so.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ctr::cipher::StreamCipher;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::obfuscated::Cipher;

/// How much is hidden at a time: what is written stays as it is, since it may have to go again over another connection.
const PIECE: usize = 16 * 1024;

/// The longest record of TLS that is taken. <https://www.rfc-editor.org/rfc/rfc8446#section-5.2>
pub(super) const RECORD_MAX: usize = 16 * 1024 + 256;

/// The beginning of a record of data.
pub(super) const DATA: [u8; 3] = [0x17, 3, 3];

/// A record that says nothing any more, which goes in front of a client's first data.
const CHANGE_CIPHER: [u8; 6] = [0x14, 3, 3, 0, 1, 1];

/// The way to the proxy.
pub(crate) struct Outbound {
    cipher: Cipher,
    tls: bool,
    /// Goes in front of the first piece, as it is.
    lead: Vec<u8>,
    /// A piece as it goes over the line, and how much of that went.
    hidden: Vec<u8>,
    went: usize,
    /// How many bytes of the caller's it is.
    taken: usize,
}

impl Outbound {
    pub(super) fn new(cipher: Cipher, header: &[u8], tls: bool) -> Self {
        Self { cipher, tls, lead: header.to_vec(), hidden: Vec::new(), went: 0, taken: 0 }
    }

    /// Writes some of `bytes`. What was taken of them once is not looked at again, so they must be the same until it says
    /// that they went.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        mut to: impl AsyncWrite + Unpin,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.taken == 0 {
            self.take(&bytes[..bytes.len().min(PIECE - self.lead.len())]);
        }
        while self.went < self.hidden.len() {
            match ready!(Pin::new(&mut to).poll_write(context, &self.hidden[self.went..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                count => self.went += count,
            }
        }
        Poll::Ready(Ok(std::mem::take(&mut self.taken)))
    }

    fn take(&mut self, bytes: &[u8]) {
        self.hidden.clear();
        let lead = std::mem::take(&mut self.lead);
        if self.tls {
            if !lead.is_empty() {
                self.hidden.extend(CHANGE_CIPHER);
            }
            self.hidden.extend(DATA);
            self.hidden.extend(((lead.len() + bytes.len()) as u16).to_be_bytes());
        }
        self.hidden.extend(lead);
        let at = self.hidden.len();
        self.hidden.extend(bytes);
        self.cipher.apply_keystream(&mut self.hidden[at..]);
        (self.went, self.taken) = (0, bytes.len());
    }
}

/// The way back.
pub(crate) struct Inbound {
    cipher: Cipher,
    /// What was read of the beginning of a record, and how much of its data is left, if there are records.
    record: Option<Record>,
}

#[derive(Default)]
struct Record {
    head: [u8; 5],
    read: usize,
    left: usize,
}

impl Inbound {
    pub(super) fn new(cipher: Cipher, tls: bool) -> Self {
        Self { cipher, record: tls.then(Record::default) }
    }

    /// Reads into `spare`; 0 is the end.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        mut from: impl AsyncRead + Unpin,
        spare: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let limit = match &mut self.record {
            None => spare.len(),
            Some(record) => match ready!(record.poll_begin(context, &mut from))? {
                0 => return Poll::Ready(Ok(0)),
                left => left.min(spare.len()),
            },
        };
        let count = ready!(poll_some(context, &mut from, &mut spare[..limit]))?;
        self.cipher.apply_keystream(&mut spare[..count]);
        if let Some(record) = &mut self.record {
            record.left -= count;
        }
        Poll::Ready(Ok(count))
    }
}

impl Record {
    /// Reads the beginning of a record unless one is open, and says how much data is left of it; 0 is the end.
    fn poll_begin(
        &mut self,
        context: &mut Context<'_>,
        mut from: impl AsyncRead + Unpin,
    ) -> Poll<io::Result<usize>> {
        while self.left == 0 {
            if self.read < self.head.len() {
                match ready!(poll_some(context, &mut from, &mut self.head[self.read..]))? {
                    0 if self.read == 0 => return Poll::Ready(Ok(0)),
                    0 => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                    count => self.read += count,
                }
                continue;
            }
            let [a, b, c, high, low] = self.head;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if [a, b, c] != DATA || length == 0 || length > RECORD_MAX {
                let error = io::Error::new(ErrorKind::InvalidData, "the proxy sends no records of data");
                return Poll::Ready(Err(error));
            }
            (self.left, self.read) = (length, 0);
        }
        Poll::Ready(Ok(self.left))
    }
}

fn poll_some(
    context: &mut Context<'_>,
    from: &mut (impl AsyncRead + Unpin),
    spare: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut spare = ReadBuf::new(spare);
    ready!(Pin::new(from).poll_read(context, &mut spare))?;
    Poll::Ready(Ok(spare.filled().len()))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::super::obfuscated::{Begun, begin};
    use super::*;

    fn ciphers() -> (Cipher, Cipher) {
        let Begun { outbound, inbound, .. } = begin(&[5; 16], [0xdd; 4], 2, || [9; 64]);
        (outbound, inbound)
    }

    /// What arrives if `bytes` are written through a pipe that takes `room` at a time.
    async fn arrives(bytes: Vec<u8>, tls: bool, room: usize) -> Vec<u8> {
        let (near, mut far) = duplex(room);
        let mut outbound = Outbound::new(ciphers().0, &[1; 64], tls);
        let writing = tokio::spawn(async move {
            let mut near = near;
            let mut from = 0;
            while from < bytes.len() {
                from += poll_fn(|cx| outbound.poll_write(cx, &mut near, &bytes[from..])).await.unwrap();
            }
        });
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.unwrap();
        writing.await.unwrap();
        arrived
    }

    #[tokio::test]
    async fn what_is_written_goes_whole_behind_the_header() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
        let mut expected = bytes.clone();
        ciphers().0.apply_keystream(&mut expected);
        let plain = arrives(bytes.clone(), false, 7777).await;
        assert_eq!((&plain[..64], &plain[64..]), (&[1; 64][..], &expected[..]));
        let tls = arrives(bytes, true, 777).await;
        let (first, mut rest) = tls.split_at(6);
        assert_eq!(first, CHANGE_CIPHER);
        let mut data: Vec<u8> = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk::<5>() {
            assert_eq!(head[..3], DATA);
            let (record, next) = behind.split_at(u16::from_be_bytes([head[3], head[4]]).into());
            assert!(record.len() <= 16 * 1024);
            data.extend(record);
            rest = next;
        }
        assert_eq!(data, plain);
    }

    #[tokio::test]
    async fn what_comes_is_read_whatever_pieces_it_comes_in() {
        let bytes: Vec<u8> = (0..5000_u32).map(|i| i as u8).collect();
        for tls in [false, true] {
            let mut hidden = bytes.clone();
            ciphers().1.apply_keystream(&mut hidden);
            let line: Vec<u8> = match tls {
                false => hidden,
                true => hidden
                    .chunks(999)
                    .flat_map(|data| [&DATA[..], &(data.len() as u16).to_be_bytes(), data].concat())
                    .collect(),
            };
            let (near, mut far) = duplex(3);
            tokio::spawn(async move { far.write_all(&line).await });
            let (mut near, mut inbound) = (near, Inbound::new(ciphers().1, tls));
            let (mut read, mut spare) = (Vec::<u8>::new(), [0; 100]);
            loop {
                match poll_fn(|cx| inbound.poll_read(cx, &mut near, &mut spare)).await.unwrap() {
                    0 => break,
                    count => read.extend(&spare[..count]),
                }
            }
            assert_eq!(read, bytes);
        }
    }

    #[tokio::test]
    async fn records_that_are_no_data_end_it() {
        for record in [[0x15, 3, 3, 0, 2], [0x17, 3, 1, 0, 2], [0x17, 3, 3, 0, 0], [0x17, 3, 3, 0xff, 0xff]] {
            let mut inbound = Inbound::new(ciphers().1, true);
            let from = &[&record[..], &[0; 100]].concat()[..];
            assert!(poll_fn(|cx| inbound.poll_read(cx, from, &mut [0; 10])).await.is_err(), "{record:?}");
        }
        let mut inbound = Inbound::new(ciphers().1, true);
        let cut = &[0x17, 3][..];
        assert!(poll_fn(|cx| inbound.poll_read(cx, cut, &mut [0; 10])).await.is_err());
    }
}
