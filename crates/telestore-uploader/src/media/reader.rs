//! A file as parsers want it, with bounds to all that they may do with it.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use symphonia::core::io::MediaSource;
use telestore_types::ByteSource;
use tokio::runtime::Handle;

/// How much is read at once: a store on another machine takes as long for a byte.
const BLOCK: u64 = 512 * 1024;

/// How much is read in all: tables of long videos have some mebibytes.
const READ_MAX: u64 = 16 * 1024 * 1024;

/// How often a parser may ask, so that one that turns in a circle ends.
const CALLS_MAX: u32 = 1_000_000;

/// What a file looks like to a parser, until one of the bounds is met: then each read fails.
pub(super) struct Reader {
    source: Arc<dyn ByteSource>,
    runtime: Handle,
    deadline: Instant,
    at: u64,
    /// What was read last, and where it begins.
    block: (u64, Bytes),
    left: u64,
    calls: u32,
}

impl Reader {
    /// To be used on a thread that may block.
    pub(super) fn new(source: Arc<dyn ByteSource>, runtime: Handle, deadline: Instant) -> Self {
        let block = (0, Bytes::new());
        Self { source, runtime, deadline, at: 0, block, left: READ_MAX, calls: 0 }
    }

    /// What there is from `at` on in the block that holds it.
    fn rest(&mut self) -> io::Result<Bytes> {
        let start = self.at / BLOCK * BLOCK;
        let length = self.source.len().saturating_sub(start).min(BLOCK);
        if self.at >= self.source.len() {
            return Ok(Bytes::new());
        }
        if self.block.0 != start || self.block.1.is_empty() {
            self.left = self.left.checked_sub(length).ok_or_else(|| io::Error::other("too much is read"))?;
            // At most a block.
            let bytes = self.runtime.block_on(self.source.read_at(start, length as usize));
            self.block = (start, bytes.map_err(io::Error::other)?);
        }
        let within = (self.at - start) as usize;
        Ok(self.block.1.slice(within.min(self.block.1.len())..))
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls > CALLS_MAX || Instant::now() > self.deadline {
            return Err(io::Error::other("it takes too long"));
        }
        let rest = self.rest()?;
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.calls += 1;
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::other("before the beginning"))?;
        Ok(self.at)
    }
}

impl MediaSource for Reader {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.source.len())
    }
}
