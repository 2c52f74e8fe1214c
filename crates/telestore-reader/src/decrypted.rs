//! The plain text of a file that was encrypted with age.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use telestore_age::{CHUNK, Error as AgeError, Header, Identity, MAX_HEADER, Parsed, Payload, SEALED_CHUNK};

use crate::{ByteStream, Content, Error, ErrorKind, MessageBytes, Result};

/// How much of the beginning is read at first. It holds the header for 40 recipients.
const HEAD: u64 = 4 * 1024;

/// The bytes of the longest header, and of the nonce behind it.
const LONGEST_HEAD: u64 = MAX_HEADER as u64 + 16;

impl Content {
    /// The plain text of this file, which was encrypted with age for one of `identities`.
    ///
    /// Its header is read, and its last chunk: only that shows that the file was not cut off between two chunks, and so how long
    /// it is. A read asks for the chunks of 64 KiB that hold the range, in one go, and gives each one out when all of it was
    /// checked. It needs memory for two chunks beside what reading the encrypted bytes needs.
    ///
    /// The name of the file is that of the encrypted one without `.age`. Its type is unknown: what was sent was no more than bytes.
    ///
    /// # Errors
    /// That of the reader; [`ErrorKind::Refused`] if no identity opens it, [`ErrorKind::Damaged`] if it is not what was encrypted.
    /// A chunk that was changed ends its stream with [`ErrorKind::Damaged`].
    pub async fn decrypted(self, identities: &[Identity]) -> Result<Self> {
        if identities.is_empty() {
            let text = "the file is encrypted, and this worker has no age identity to decrypt it with: give it one, or download the \
                        file in Telegram and use `age -d`";
            return Err(Error::new(ErrorKind::Refused, text));
        }
        let length = self.len();
        let tail_begin = length.saturating_sub(SEALED_CHUNK as u64);
        let head = async {
            // What is as short as a chunk is read once.
            if tail_begin == 0 { Ok(Bytes::new()) } else { all(&self, 0..HEAD.min(length)).await }
        };
        let (head, tail) = try_join(head, all(&self, tail_begin..length)).await?;
        let header = header(&self, if tail_begin == 0 { tail.clone() } else { head }).await?;
        let payload = header.open(identities).map_err(|error| failed(&error))?;
        let plain_len = payload.plain_len(length).map_err(|error| failed(&error))?;
        let last_index = payload.chunk_at(plain_len.saturating_sub(1));
        // It is no longer than what was read of the end.
        let at = payload.chunk_range(last_index, length);
        let mut last = BytesMut::from(&tail[(at.start - tail_begin) as usize..]);
        payload.decrypt_chunk(last_index, true, &mut last).map_err(|error| failed(&error))?;
        let plain = Decrypted { encrypted: self, payload, plain_len, last_index, last: last.freeze() };
        let plain: Arc<dyn MessageBytes> = Arc::new(plain);
        Ok(Self::of([plain]))
    }
}

/// Reads a header that begins with `head`.
async fn header(encrypted: &Content, head: Bytes) -> Result<Header> {
    let longest = encrypted.len().min(LONGEST_HEAD);
    match Header::parse(&head) {
        Ok(Parsed::Whole(header)) => return Ok(header),
        Ok(Parsed::Incomplete) if (head.len() as u64) < longest => {}
        Ok(Parsed::Incomplete) => return Err(failed(&AgeError::Length)),
        Err(error) => return Err(failed(&error)),
    }
    let more = all(encrypted, head.len() as u64..longest).await?;
    match Header::parse(&[head, more].concat()) {
        Ok(Parsed::Whole(header)) => Ok(header),
        Ok(Parsed::Incomplete) => Err(failed(&AgeError::Length)),
        Err(error) => Err(failed(&error)),
    }
}

/// All bytes of a range that is not long.
async fn all(content: &Content, range: Range<u64>) -> Result<Bytes> {
    let length = (range.end - range.start) as usize;
    let read = |mut all: BytesMut, piece: Bytes| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    };
    let all = content.read(range).try_fold(BytesMut::with_capacity(length), read).await?;
    if all.len() == length { Ok(all.freeze()) } else { Err(ended()) }
}

fn failed(error: &AgeError) -> Error {
    let (kind, text) = match error {
        AgeError::NoMatch => (
            ErrorKind::Refused,
            "the file is encrypted for others: none of this worker's age identities opens it; give it the identity of one of \
             those that it was encrypted for, or download the file in Telegram and use `age -d`"
                .to_owned(),
        ),
        AgeError::Passphrase => (
            ErrorKind::Refused,
            "the file is encrypted with a passphrase: download it in Telegram and use `age -d`".to_owned(),
        ),
        _ => (
            ErrorKind::Damaged,
            format!(
                "the file in the channel was changed or damaged: it cannot be decrypted ({error}); a copy of it is needed"
            ),
        ),
    };
    Error::new(kind, text)
}

/// A reader that brings less than was asked for, which none should.
fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the encrypted bytes ended too early; try again")
}

#[derive(Debug)]
struct Decrypted {
    encrypted: Content,
    payload: Payload,
    plain_len: u64,
    last_index: u64,
    /// The plain text of the last chunk.
    last: Bytes,
}

impl MessageBytes for Decrypted {
    fn len(&self) -> u64 {
        self.plain_len
    }

    fn file_name(&self) -> Option<String> {
        self.encrypted.file_name().map(|name| plain_name(&name).to_owned())
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        if range.is_empty() {
            return stream::empty().boxed();
        }
        let first = self.payload.chunk_at(range.start);
        let behind = self.payload.chunk_at(range.end - 1) + 1;
        let last = (behind > self.last_index).then(|| Ok(self.part(self.last_index, &self.last, &range)));
        let indices = first..behind.min(self.last_index);
        if indices.is_empty() {
            return stream::iter(last).boxed();
        }
        let length = self.encrypted.len();
        let begin = self.payload.chunk_range(indices.start, length).start;
        let encrypted = self.encrypted.read(begin..self.payload.chunk_range(indices.end - 1, length).end);
        let chunks = Chunks { file: self, encrypted, piece: Bytes::new(), indices, range };
        chunks.plain().chain(stream::iter(last)).scan(false, until_error).boxed()
    }
}

impl Decrypted {
    /// What of a chunk's plain text is in a range.
    fn part(&self, index: u64, plain: &Bytes, range: &Range<u64>) -> Bytes {
        let begin = index * CHUNK as u64;
        let at = |offset: u64| offset.saturating_sub(begin).min(plain.len() as u64) as usize;
        plain.slice(at(range.start)..at(range.end))
    }
}

/// Nothing comes behind an error: bytes there would stand in the wrong place.
fn until_error(failed: &mut bool, piece: Result<Bytes>) -> std::future::Ready<Option<Result<Bytes>>> {
    let ended = std::mem::replace(failed, piece.is_err());
    std::future::ready((!ended).then_some(piece))
}

/// The name without what `age` puts behind it, and without the number of a piece. Another name stays as it is.
fn plain_name(name: &str) -> &str {
    let whole = match name.rsplit_once('.') {
        Some((whole, number)) if number.len() >= 3 && number.bytes().all(|digit| digit.is_ascii_digit()) => {
            whole
        }
        _ => name,
    };
    let end = whole.len().saturating_sub(4);
    let age = whole.get(end..).is_some_and(|ending| ending.eq_ignore_ascii_case(".age"));
    if age && end > 0 { &whole[..end] } else { name }
}

/// Chunks that are not the last one, as they come in pieces of any size.
struct Chunks {
    file: Arc<Decrypted>,
    encrypted: ByteStream,
    /// What has come and was not taken.
    piece: Bytes,
    indices: Range<u64>,
    range: Range<u64>,
}

impl Chunks {
    fn plain(self) -> impl stream::Stream<Item = Result<Bytes>> + Send {
        stream::unfold(self, |mut chunks| async {
            let index = chunks.indices.next()?;
            let plain = chunks.chunk(index).await;
            Some((plain, chunks))
        })
    }

    async fn chunk(&mut self, index: u64) -> Result<Bytes> {
        let mut chunk = BytesMut::with_capacity(SEALED_CHUNK);
        while chunk.len() < SEALED_CHUNK {
            if self.piece.is_empty() {
                self.piece = self.encrypted.try_next().await?.ok_or_else(ended)?;
            }
            let taken = self.piece.len().min(SEALED_CHUNK - chunk.len());
            chunk.extend_from_slice(&self.piece[..taken]);
            self.piece.advance(taken);
        }
        self.file.payload.decrypt_chunk(index, false, &mut chunk).map_err(|error| failed(&error))?;
        Ok(self.file.part(index, &chunk.freeze(), &self.range))
    }
}

#[cfg(test)]
mod tests;
