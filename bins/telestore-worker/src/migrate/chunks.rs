//! Copies the bytes of chunks.

use std::collections::{HashMap, HashSet};
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use bytesize::ByteSize;
use telestore::store::{BlobName, ChunkStore, Error, LocalChunkStore, ObjectChunkStore, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::found::Chunk;
use super::journal::Journal;
use super::say;

/// How many chunks are copied at a time.
const AT_ONCE: usize = 4;

/// How much of a chunk is read at a time.
const READ: u64 = 1024 * 1024;

/// How many names are listed at a time.
const PAGE: usize = 1000;

/// How often to say how far it is, to a person and to a log.
const TELL_EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// A chunk that could not be read, and why.
#[derive(Debug)]
pub(super) struct Damaged {
    pub(super) chunk: Chunk,
    pub(super) why: String,
}

/// From where to where.
#[derive(Debug, Clone)]
pub(super) struct Copying {
    pub(super) from: LocalChunkStore,
    pub(super) to: ObjectChunkStore,
}

/// What is copied, in all.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The names of chunks here, and of the same there.
    pub(super) names: HashMap<BlobName, BlobName>,
    pub(super) damaged: Vec<Damaged>,
}

impl Copying {
    /// Copies those of `chunks` that were not `copied` before, or are gone again.
    pub(super) async fn all(
        &self,
        chunks: &[Chunk],
        mut copied: HashMap<BlobName, BlobName>,
        journal: &mut Journal,
    ) -> std::result::Result<Copied, String> {
        self.forget_what_is_gone(&mut copied, chunks).await.map_err(|error| error.to_string())?;
        let wanted: HashSet<_> = chunks.iter().map(|chunk| &chunk.record.blob).collect();
        copied.retain(|here, _| wanted.contains(here));
        let mut all = Copied { names: copied, damaged: Vec::new() };
        let mut progress = Progress::of(chunks);
        let mut running = JoinSet::new();
        for chunk in chunks {
            if all.names.contains_key(&chunk.record.blob) {
                progress.done(chunk);
                continue;
            }
            if running.len() >= AT_ONCE {
                ended(&mut running, &mut all, &mut progress, journal).await?;
            }
            let (copying, chunk) = (self.clone(), chunk.clone());
            running.spawn(async move { (copying.one(&chunk).await, chunk) });
        }
        while !running.is_empty() {
            ended(&mut running, &mut all, &mut progress, journal).await?;
        }
        progress.tell();
        Ok(all)
    }

    /// Whether all that was copied is still there.
    ///
    /// # Errors
    /// How many are not, and what may be the cause.
    pub(super) async fn verify(
        &self,
        copied: &HashMap<BlobName, BlobName>,
        chunks: &[Chunk],
    ) -> std::result::Result<(), String> {
        let mut there = copied.clone();
        self.forget_what_is_gone(&mut there, chunks).await.map_err(|error| error.to_string())?;
        match copied.len() - there.len() {
            0 => Ok(()),
            gone => Err(format!(
                "{gone} chunks that were copied are gone again: does a lifecycle rule or a worker delete them there? Stop that, and run the command again: it goes on"
            )),
        }
    }

    /// Keeps only the names of what is in the other store, as long as it must be.
    async fn forget_what_is_gone(
        &self,
        copied: &mut HashMap<BlobName, BlobName>,
        chunks: &[Chunk],
    ) -> Result<()> {
        if copied.is_empty() {
            return Ok(());
        }
        let mut there = HashMap::new();
        let mut after = None;
        loop {
            let page = self.to.list(after.as_ref(), PAGE).await?;
            let last = (page.len() >= PAGE).then(|| page.last().map(|blob| blob.name.clone())).flatten();
            there.extend(page.into_iter().map(|blob| (blob.name, blob.length)));
            after = last;
            if after.is_none() {
                break;
            }
        }
        let lengths: HashMap<_, _> =
            chunks.iter().map(|chunk| (&chunk.record.blob, chunk.record.length)).collect();
        copied.retain(|here, name| lengths.get(here).is_some_and(|length| there.get(name) == Some(length)));
        Ok(())
    }

    /// Copies a chunk, and gives its name there, or why it could not be read here.
    async fn one(&self, chunk: &Chunk) -> Result<std::result::Result<BlobName, String>> {
        let record = &chunk.record;
        let (mut spool, mut offset) = (self.to.spool().await?, 0);
        while offset < record.length {
            let length = READ.min(record.length - offset);
            let read = self.from.read_at(&record.blob, offset, usize::try_from(length).unwrap_or(0)).await;
            match read {
                Ok(bytes) => spool.write(bytes).await?,
                Err(error) => return Ok(Err(error.to_string())),
            }
            offset += length;
        }
        let spooled = spool.finish().await?;
        if spooled.crc32c != record.crc32c {
            self.to.discard(spooled).await?;
            return Ok(Err("its bytes are not those that were received".to_owned()));
        }
        self.to.put(&chunk.key, record.index, spooled).await.map(Ok)
    }
}

/// What a task ends with.
type One = (Result<std::result::Result<BlobName, String>>, Chunk);

/// Waits until one of those that run has ended, and writes down what became of it.
async fn ended(
    running: &mut JoinSet<One>,
    all: &mut Copied,
    progress: &mut Progress,
    journal: &mut Journal,
) -> std::result::Result<(), String> {
    let Some(ended) = running.join_next().await else { return Ok(()) };
    let (copied, chunk) = ended.map_err(|error| error.to_string())?;
    progress.done(&chunk);
    match copied.map_err(failed)? {
        Ok(there) => {
            journal.add(&chunk.record.blob, &there).map_err(|error| format!("data directory: {error}"))?;
            all.names.insert(chunk.record.blob, there);
        }
        Err(why) => all.damaged.push(Damaged { chunk, why }),
    }
    Ok(())
}

fn failed(error: Error) -> String {
    format!("{error}. Nothing was moved; run the command again: it goes on")
}

/// How far it is, for the operator.
struct Progress {
    chunks: u64,
    bytes: u64,
    of_chunks: usize,
    of_bytes: u64,
    told: Instant,
    every: Duration,
}

impl Progress {
    fn of(chunks: &[Chunk]) -> Self {
        let of_bytes = chunks.iter().map(|chunk| chunk.record.length).sum();
        let every = TELL_EVERY[usize::from(!io::stdout().is_terminal())];
        Self { chunks: 0, bytes: 0, of_chunks: chunks.len(), of_bytes, told: Instant::now(), every }
    }

    fn done(&mut self, chunk: &Chunk) {
        self.chunks += 1;
        self.bytes += chunk.record.length;
        if self.told.elapsed() >= self.every {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        let (bytes, of) = (ByteSize(self.bytes), ByteSize(self.of_bytes));
        say(&format!("chunks: {} of {}, {bytes} of {of}", self.chunks, self.of_chunks));
    }
}
