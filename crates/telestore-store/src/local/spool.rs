use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use telestore_types::ContentDigest;
use tokio::task::{JoinHandle, spawn_blocking};

use super::living::Living;
use super::{DataDisk, failed};
use crate::{BlobName, Check, Digest, Durability, Error, Result, Spool, SpooledChunk};

/// How much is gathered before it goes to the disk. Small pieces make one call each otherwise, and a hostile client
/// can cut a body into millions of them.
const GATHER: usize = 256 * 1024;

/// Pieces below this are copied together: a `Bytes` of a few bytes may pin a buffer of many.
const SMALL: usize = 4096;

/// Gathers what arrives, and writes it on the blocking pool while more arrives. At most two gatherings are in memory:
/// one that is written and one that grows.
pub(super) struct LocalSpool {
    blob: BlobName,
    durability: Durability,
    writer: Turn,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    /// Small pieces that came last.
    small: BytesMut,
    length: u64,
}

/// Where the writer is. A dropped request leaves it to the write that it is at, which drops it in turn.
enum Turn {
    Here(Box<Writer>),
    Writing(JoinHandle<io::Result<Box<Writer>>>),
    /// An earlier error has closed it.
    Closed,
}

impl LocalSpool {
    pub(super) fn new(
        path: PathBuf,
        blob: BlobName,
        living: Arc<Living>,
        durability: Durability,
        disk: DataDisk,
    ) -> Self {
        let writer = Writer { path, living, file: None, disk, digest: Digest::default(), checks: Vec::new() };
        let writer = Turn::Here(Box::new(writer));
        let (gathered, small) = (Vec::new(), BytesMut::new());
        Self { blob, durability, writer, gathered, gathered_bytes: 0, small, length: 0 }
    }

    fn gather(&mut self, bytes: Bytes) {
        self.gathered_bytes += bytes.len();
        if bytes.len() < SMALL {
            self.small.extend_from_slice(&bytes);
            return;
        }
        self.join_small();
        self.gathered.push(bytes);
    }

    fn join_small(&mut self) {
        if !self.small.is_empty() {
            self.gathered.push(self.small.split().freeze());
        }
    }

    fn take_gathered(&mut self) -> Vec<Bytes> {
        self.join_small();
        self.gathered_bytes = 0;
        std::mem::take(&mut self.gathered)
    }

    /// Waits for the write that runs, if one does.
    async fn writer(&mut self) -> Result<Box<Writer>> {
        match std::mem::replace(&mut self.writer, Turn::Closed) {
            Turn::Here(writer) => Ok(writer),
            Turn::Writing(running) => match running.await {
                Ok(writer) => writer.map_err(failed),
                Err(error) => Err(failed(io::Error::other(error))),
            },
            Turn::Closed => Err(failed(io::Error::other("spool was closed by an earlier error"))),
        }
    }

    /// Begins to write what was gathered.
    async fn flush(&mut self) -> Result<()> {
        let mut writer = self.writer().await?;
        let pieces = self.take_gathered();
        self.writer = Turn::Writing(spawn_blocking(move || {
            writer.write(&pieces)?;
            Ok(writer)
        }));
        Ok(())
    }
}

#[async_trait]
impl Spool for LocalSpool {
    fn expect(&mut self, digest: ContentDigest) {
        if let Turn::Here(writer) = &mut self.writer {
            writer.checks.push(Check::new(digest));
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.length += bytes.len() as u64;
        self.gather(bytes);
        if self.gathered_bytes >= GATHER { self.flush().await } else { Ok(()) }
    }

    async fn finish(mut self: Box<Self>) -> Result<SpooledChunk> {
        let writer = self.writer().await?;
        let (pieces, durability) = (self.take_gathered(), self.durability);
        let (guard, crc32c) = super::blocking(move || Ok(writer.finish(&pieces, durability))).await??;
        Ok(SpooledChunk::new(self.blob, self.length, crc32c).guarded(guard))
    }
}

/// Takes a spooled file away when it is dropped; finding none, it was put. Its spool lives at least as long.
struct SpoolGuard(PathBuf, #[allow(dead_code, reason = "held for its lock")] Arc<Living>);

impl Drop for SpoolGuard {
    fn drop(&mut self) {
        // An unlink is quick enough for a drop; a failure is left to the sweep at the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// What works on the blocking pool.
struct Writer {
    path: PathBuf,
    living: Arc<Living>,
    /// Made with the first write: a chunk that fits in one gathering needs no turn for that alone.
    file: Option<(File, SpoolGuard)>,
    disk: DataDisk,
    digest: Digest,
    checks: Vec<Check>,
}

impl Writer {
    fn file(&mut self) -> io::Result<&mut File> {
        let (file, _) = match &mut self.file {
            Some(made) => made,
            none => {
                let file = self.living.create(&self.path)?;
                none.insert((file, SpoolGuard(self.path.clone(), Arc::clone(&self.living))))
            }
        };
        Ok(file)
    }

    fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.digest.update(piece);
            self.checks.iter_mut().for_each(|check| check.update(piece));
        }
        write_all(self.file()?, pieces)?;
        self.disk.added(pieces.iter().map(|piece| piece.len() as u64).sum());
        Ok(())
    }

    fn finish(mut self: Box<Self>, pieces: &[Bytes], durability: Durability) -> Result<(SpoolGuard, u32)> {
        self.write(pieces).map_err(failed)?;
        let Self { file, digest, checks, .. } = *self;
        let Some((file, guard)) = file else { return Err(Error::Missing) };
        checks.into_iter().try_for_each(Check::finish)?;
        if durability == Durability::Disk {
            file.sync_data().map_err(failed)?;
        }
        Ok((guard, digest.value()))
    }
}

/// One vectored write for many pieces.
fn write_all(out: &mut File, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<io::IoSlice<'_>> = pieces.iter().map(|piece| io::IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match out.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => io::IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
