//! The plain bytes of a file that was compressed in frames that can be sought.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use telestore_zstd::{Error as ZstdError, SeekTable, TableFrame, decompress_frame};

use crate::{ByteStream, Content, Error, ErrorKind, MessageBytes, Result};

/// How much of the end of a file is read at first. It holds the table of 8 GiB in frames of 1 MiB.
const TAIL: u64 = 64 * 1024;

/// How many frames are on their way from compressed to read: one is decompressed while the next one comes.
const FRAMES_AHEAD: usize = 2;

impl Content {
    /// The plain bytes of this file, which was compressed by `telestore-zstd` or another program that writes zstd's seekable format.
    /// The seek table at its end is read, once or twice.
    ///
    /// A read asks for the frames that hold the range, in one go, and decompresses them one by one. It needs memory for two frames
    /// beside what reading the compressed bytes needs. Frames are decompressed in the pool of tokio's blocking threads: one takes
    /// about a millisecond, which is too long for those that wait for the network.
    ///
    /// The name of the file is that of the compressed one without `.zst`. Its type is unknown: what was sent was zstd.
    ///
    /// # Errors
    /// That of the reader; [`ErrorKind::Damaged`] if there is no table, or it is not that of this file. A frame that does not become
    /// what the table says ends its stream with [`ErrorKind::Damaged`].
    ///
    /// # Panics
    /// The streams panic outside of a runtime of tokio.
    pub async fn decompressed(self) -> Result<Self> {
        let table = table_of(&self).await?;
        let plain: Arc<dyn MessageBytes> = Arc::new(Decompressed { compressed: self, table });
        Ok(Self::of([plain]))
    }
}

async fn table_of(compressed: &Content) -> Result<SeekTable> {
    let length = compressed.len();
    let tail = async |size: u64| all(compressed, length - size.min(length)..length).await;
    let table = match SeekTable::parse(&tail(TAIL).await?, length) {
        Err(ZstdError::ShortTail { needed }) => SeekTable::parse(&tail(needed as u64).await?, length),
        table => table,
    };
    table.map_err(|error| damaged(&error))
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

fn damaged(error: &ZstdError) -> Error {
    let text = format!(
        "the file in the channel is damaged, or was replaced: it cannot be decompressed ({error}); download it in Telegram and try \
         `zstd -d`"
    );
    Error::new(ErrorKind::Damaged, text)
}

/// A reader that brings less than was asked for, which none should.
fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the compressed bytes ended too early; try again")
}

#[derive(Debug)]
struct Decompressed {
    compressed: Content,
    table: SeekTable,
}

impl MessageBytes for Decompressed {
    fn len(&self) -> u64 {
        self.table.len()
    }

    fn file_name(&self) -> Option<String> {
        self.compressed.file_name().map(|name| plain_name(&name).to_owned())
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> ByteStream {
        let mut frames = self.table.frames_of(range.clone());
        let Some(first) = frames.next() else { return stream::empty().boxed() };
        let last = frames.last().unwrap_or_else(|| first.clone());
        let compressed = self.compressed.read(first.compressed.start..last.compressed.end);
        let cut = Cut { table: self, compressed, read: BytesMut::new(), frames: first.index..last.index + 1 };
        let plain = cut.frames().map(move |frame| plain_of(frame, range.clone())).buffered(FRAMES_AHEAD);
        // What comes behind an error is nobody's any more.
        let until_error = plain.scan(false, |failed, piece| {
            let ended = std::mem::replace(failed, piece.is_err());
            std::future::ready((!ended).then_some(piece))
        });
        until_error.try_filter(|piece| std::future::ready(!piece.is_empty())).boxed()
    }
}

/// The name without what `zstd` puts behind it, and without the number of a piece. Another name stays as it is.
fn plain_name(name: &str) -> &str {
    let whole = match name.rsplit_once('.') {
        Some((whole, number)) if number.len() >= 3 && number.bytes().all(|digit| digit.is_ascii_digit()) => {
            whole
        }
        _ => name,
    };
    let end = whole.len().saturating_sub(4);
    let zst = whole.get(end..).is_some_and(|ending| ending.eq_ignore_ascii_case(".zst"));
    if zst && end > 0 { &whole[..end] } else { name }
}

/// The compressed bytes of frames, as they come in pieces of any size.
struct Cut {
    table: Arc<Decompressed>,
    compressed: ByteStream,
    read: BytesMut,
    frames: Range<usize>,
}

impl Cut {
    /// Each frame with its bytes. Nothing comes behind an error.
    fn frames(self) -> impl stream::Stream<Item = Result<(TableFrame, Bytes)>> + Send {
        stream::unfold(self, |mut cut| async {
            let frame = cut.frames.next().and_then(|index| cut.table.table.frame(index))?;
            let bytes = cut.bytes(&frame).await;
            if bytes.is_err() {
                cut.frames = 0..0;
            }
            Some((bytes.map(|bytes| (frame, bytes)), cut))
        })
    }

    async fn bytes(&mut self, frame: &TableFrame) -> Result<Bytes> {
        // A table names no frame of more than 17 MiB.
        let length = (frame.compressed.end - frame.compressed.start) as usize;
        while self.read.len() < length {
            let piece = self.compressed.try_next().await?.ok_or_else(ended)?;
            self.read.extend_from_slice(&piece);
        }
        Ok(self.read.split_to(length).freeze())
    }
}

/// The bytes of a frame that are in a range of the plain file.
async fn plain_of(frame: Result<(TableFrame, Bytes)>, range: Range<u64>) -> Result<Bytes> {
    let (frame, compressed) = frame?;
    let plain = frame.plain;
    let length = (plain.end - plain.start) as usize;
    let done = tokio::task::spawn_blocking(move || decompress_frame(&compressed, length)).await;
    let stopped = |_| Error::new(ErrorKind::Unavailable, "the worker stops; try again");
    let bytes = Bytes::from(done.map_err(stopped)?.map_err(|error| damaged(&error))?);
    let (begin, end) = (range.start.max(plain.start), range.end.min(plain.end));
    Ok(bytes.slice((begin - plain.start) as usize..(end - plain.start) as usize))
}

#[cfg(test)]
mod tests;
