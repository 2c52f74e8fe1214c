use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use telestore_types::{ByteSource, SourceError};

use crate::Sealing;
use crate::chunks::{CHUNK, SEALED_CHUNK, count};

/// How many chunks are read in one call, and encrypted before other tasks have their turn: about as many as a part of 512 KiB
/// needs, which take about a millisecond.
const CHUNKS_AT_ONCE: u64 = 9;

/// How many rests of chunks are kept: one for each of so many readers that go through the file at a time.
const KEPT_RESTS: usize = 8;

/// A file as an age file: a [`ByteSource`] over another one.
///
/// Each range of it is always the same bytes, for the same [`Sealing`]. A chunk that a read ends within is kept, so that a read that goes on
/// there does not encrypt it once more. Several may read at a time; none waits for another.
///
/// ```
/// use std::sync::Arc;
/// use telestore_age::{Encrypted, Identity, Sealing};
/// use telestore_types::{ByteSource, BytesSource};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let sealing = Arc::new(Sealing::draw(&[Identity::generate().unwrap().recipient()]).unwrap());
/// let file = Encrypted::new(Arc::new(BytesSource::new(&b"to whom it may concern"[..])), sealing);
/// assert_eq!(file.len(), 168 + 16 + 22 + 16);
/// let whole = file.read_at(0, file.len() as usize).await.unwrap();
/// assert_eq!(&whole[..22], b"age-encryption.org/v1\n");
/// assert_eq!(file.read_at(190, 20).await.unwrap(), whole[190..210]);
/// # }).unwrap();
/// ```
pub struct Encrypted {
    plain: Arc<dyn ByteSource>,
    sealing: Arc<Sealing>,
    /// What is left of chunks that a read has ended within, behind where it ended: where that is in the file, and its bytes.
    rests: Mutex<VecDeque<(u64, Bytes)>>,
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("plain", &self.plain)
            .field("sealing", &self.sealing)
            .finish_non_exhaustive()
    }
}

impl Encrypted {
    /// `plain`, encrypted with `sealing`, which belongs to its bytes and to no others.
    pub fn new(plain: Arc<dyn ByteSource>, sealing: Arc<Sealing>) -> Self {
        Self { plain, sealing, rests: Mutex::default() }
    }

    /// Where a chunk begins in the file.
    fn begin(&self, chunk: u64) -> u64 {
        self.sealing.header_len() + chunk * SEALED_CHUNK as u64
    }

    /// The chunk that has the byte at `offset`, which is behind the header.
    fn chunk_at(&self, offset: u64) -> u64 {
        (offset - self.sealing.header_len()) / SEALED_CHUNK as u64
    }

    /// Takes the rest that has the byte at `offset`, from there on.
    fn take_rest(&self, offset: u64) -> Option<Bytes> {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |(begin, bytes): &(u64, Bytes)| (*begin..*begin + bytes.len() as u64).contains(&offset);
        let at = rests.iter().position(has)?;
        let (begin, bytes) = rests.remove(at)?;
        Some(bytes.slice((offset - begin) as usize..))
    }

    fn keep_rest(&self, begin: u64, bytes: Bytes) {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        // The same reader as before, or one who has overtaken it: the chunk is kept once.
        let end = begin + bytes.len() as u64;
        rests.retain(|(other, bytes)| other + bytes.len() as u64 != end);
        if rests.len() == KEPT_RESTS {
            rests.pop_front();
        }
        rests.push_back((begin, bytes));
    }

    /// Encrypts some chunks behind what is in `into`.
    async fn seal(&self, chunks: std::ops::Range<u64>, into: &mut BytesMut) -> Result<(), SourceError> {
        let length = self.plain.len();
        let begin = chunks.start * CHUNK as u64;
        // Some chunks are some hundred KiB.
        let wanted = (length.min(chunks.end.saturating_mul(CHUNK as u64)) - begin) as usize;
        let plain = if wanted == 0 { Bytes::new() } else { self.plain.read_at(begin, wanted).await? };
        if plain.len() != wanted {
            // With other bytes in the same place later, this would be two plain texts under one nonce.
            let text = format!("{} of {wanted} bytes were read at {begin}, and no more", plain.len());
            return Err(SourceError::Damaged(text));
        }
        let last = count(length) - 1;
        for index in chunks.clone() {
            let from = ((index - chunks.start) as usize * CHUNK).min(wanted);
            let chunk = &plain[from..wanted.min(from + CHUNK)];
            let at = into.len();
            // The one copy, to where it is encrypted: a tag goes between each two.
            into.extend_from_slice(chunk);
            let tag = self.sealing.payload().encrypt_chunk(index, index == last, &mut into[at..]);
            into.extend_from_slice(&tag);
        }
        Ok(())
    }

    /// Reads what lies in chunks, from `offset` up to `end`, behind what is in `read`.
    async fn read_chunks(&self, offset: u64, end: u64, mut read: BytesMut) -> Result<Bytes, SourceError> {
        let (first, behind) = (self.chunk_at(offset), self.chunk_at(end - 1) + 1);
        let whole_end = self.begin(behind).min(self.len());
        read.reserve((whole_end - self.begin(first)) as usize);
        let mut next = first;
        while next < behind {
            let stop = behind.min(next + CHUNKS_AT_ONCE);
            self.seal(next..stop, &mut read).await?;
            next = stop;
            if next < behind {
                let_others().await;
            }
        }
        let too_many = (whole_end - end) as usize;
        if too_many > 0 {
            let rest = Bytes::copy_from_slice(&read[read.len() - too_many..]);
            self.keep_rest(end, rest);
            read.truncate(read.len() - too_many);
        }
        // Only a read that begins within a chunk has something too early, and then nothing is before that.
        let early = (offset - self.begin(first)) as usize;
        Ok(read.freeze().slice(early..))
    }
}

#[async_trait]
impl ByteSource for Encrypted {
    fn len(&self) -> u64 {
        self.sealing.encrypted_len(self.plain.len())
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let outside = SourceError::OutOfRange { offset, length };
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.len()).ok_or(outside)?;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let head = self.sealing.head();
        // What is at hand already, without a cipher.
        let ready = match usize::try_from(offset).ok().filter(|offset| *offset < head.len()) {
            Some(offset) => Some(head.slice(offset..)),
            None => self.take_rest(offset),
        };
        let Some(ready) = ready else { return self.read_chunks(offset, end, BytesMut::new()).await };
        if ready.len() >= length {
            let (now, rest) = (ready.slice(..length), ready.slice(length..));
            if !rest.is_empty() && offset >= head.len() as u64 {
                self.keep_rest(end, rest);
            }
            return Ok(now);
        }
        let mut read = BytesMut::with_capacity(length + SEALED_CHUNK);
        read.extend_from_slice(&ready);
        self.read_chunks(offset + ready.len() as u64, end, read).await
    }
}

/// Gives other tasks of the runtime's thread their turn.
async fn let_others() {
    let mut gave = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests;
