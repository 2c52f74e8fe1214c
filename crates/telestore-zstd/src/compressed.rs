use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use telestore_types::{ByteSource, SourceError};

use crate::Frames;
use crate::frame::compress_frame;
use crate::frames::{aside, read_plain};
use crate::kept::Kept;

/// A file, compressed while it is read. Its length is known, and the bytes are the same whoever reads them, and when.
///
/// Each frame is made again when it is read, in the pool of tokio's blocking threads. Tasks that read in order, several at a time,
/// make each frame once: the last few are kept until they were read to their end. Who reads in any order makes a frame for each read.
///
/// A frame that comes out otherwise than in the scan is [`SourceError::Damaged`]: the source gives other bytes than before.
#[derive(Debug)]
pub struct Compressed {
    source: Arc<dyn ByteSource>,
    frames: Arc<Frames>,
    kept: Mutex<Kept>,
}

impl Compressed {
    /// The compressed form of `source`, of which `frames` must be a scan.
    pub fn new(source: Arc<dyn ByteSource>, frames: Arc<Frames>) -> Self {
        Self { source, frames, kept: Mutex::default() }
    }

    /// What the scan found.
    pub fn frames(&self) -> &Arc<Frames> {
        &self.frames
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes from `offset` to `end`, or as many as the frame there has. All is within the file.
    async fn piece(&self, offset: u64, end: u64) -> Result<Bytes, SourceError> {
        let within = |begin: u64| (offset - begin) as usize;
        let Some(index) = self.frames.frame_at(offset) else {
            let begin = self.frames.table_begin();
            return Ok(self.frames.table().slice(within(begin)..(end - begin) as usize));
        };
        let range = self.frames.compressed_range(index);
        let end = end.min(range.end);
        let place = self.kept().place(index);
        let frame = place.get_or_try_init(|| self.make(index)).await?;
        self.kept().handed(index, end - offset, range.end - range.start);
        Ok(frame.slice(within(range.start)..(end - range.start) as usize))
    }

    async fn make(&self, index: usize) -> Result<Bytes, SourceError> {
        let range = self.frames.plain_range(index);
        if self.source.len() != self.frames.plain_len() {
            return Err(SourceError::Damaged("the file has another length than it had in the scan".into()));
        }
        let plain = read_plain(&*self.source, range.clone()).await?;
        let level = self.frames.level();
        let frame = aside(move || compress_frame(&plain, level)).await?;
        if !self.frames.is_frame(index, &frame) {
            let why = format!("the bytes from {} to {} are not those of the scan", range.start, range.end);
            return Err(SourceError::Damaged(why));
        }
        Ok(frame.into())
    }
}

#[async_trait]
impl ByteSource for Compressed {
    fn len(&self) -> u64 {
        self.frames.compressed_len()
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, SourceError> {
        let outside = SourceError::OutOfRange { offset, length };
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.len()).ok_or(outside)?;
        let (mut at, mut read) = (offset, BytesMut::new());
        while at < end {
            let piece = self.piece(at, end).await?;
            if piece.len() == length {
                return Ok(piece);
            }
            read.reserve(length - read.len());
            read.extend_from_slice(&piece);
            at += piece.len() as u64;
        }
        Ok(read.freeze())
    }
}

#[cfg(test)]
mod tests;
