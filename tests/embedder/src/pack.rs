//! A chunk store of one's own: all bytes in one file that only grows, and a journal that says what lies where.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use telestore::store::{Blob, BlobName, Check, ChunkStore, Digest, Error, Result, Spool, SpooledChunk};
use telestore::types::{ChunkIndex, ContentDigest, StorageKey};
use tokio::task::spawn_blocking;

/// Keeps chunks in a file `pack`, which never gets smaller, and their places in a file `journal`.
///
/// There is no rename: a chunk keeps the name that it was spooled under, and is put by a line of the journal. Clones are
/// handles to one store, which belongs to one process.
#[derive(Debug, Clone)]
pub struct PackChunkStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pack: File,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    /// Where the next bytes go.
    end: u64,
    journal: File,
    /// How long the journal is, in bytes.
    written: u64,
    put: BTreeMap<BlobName, Entry>,
    /// What is spooled and not put. A restart forgets it.
    spooled: BTreeMap<BlobName, Vec<Piece>>,
}

/// Bytes that lie together.
#[derive(Debug, Clone, Copy)]
struct Piece {
    at: u64,
    length: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    pieces: Vec<Piece>,
    /// Milliseconds since the Unix epoch.
    put_at: u64,
}

impl PackChunkStore {
    /// Opens the store in `folder`, or makes it.
    ///
    /// # Errors
    /// If its files cannot be read or made.
    pub fn open(folder: impl AsRef<Path>) -> std::io::Result<Self> {
        let open =
            |name| File::options().create(true).read(true).append(true).open(folder.as_ref().join(name));
        let (mut journal, pack) = (open("journal")?, folder.as_ref().join("pack"));
        let pack = File::options().create(true).truncate(false).read(true).write(true).open(pack)?;
        let mut text = String::new();
        journal.read_to_string(&mut text)?;
        // A line that was cut off was never answered for, and must not be the beginning of the next one.
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        journal.set_len(text.len() as u64)?;
        let mut put = BTreeMap::new();
        text.lines().for_each(|line| apply(&mut put, line));
        let (end, written) = (pack.metadata()?.len(), text.len() as u64);
        let books = Books { end, journal, written, put, spooled: BTreeMap::new() };
        Ok(Self(Arc::new(Inner { pack, books: Mutex::new(books) })))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books()
    }

    /// Runs what blocks on the disk where that holds up nobody.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let done = spawn_blocking(move || work(&inner)).await;
        done.map_err(std::io::Error::other)
            .and_then(|done| done)
            .map_err(|error| Error::unavailable("pack", error))
    }
}

impl Inner {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Writes lines down, flushed, and does what they say. If they cannot be written, none of them is there.
    fn write(&mut self, lines: &str) -> std::io::Result<()> {
        if let Err(error) = self.journal.write_all(lines.as_bytes()).and_then(|()| self.journal.sync_data()) {
            self.journal.set_len(self.written)?;
            return Err(error);
        }
        self.written += lines.len() as u64;
        lines.lines().for_each(|line| apply(&mut self.put, line));
        Ok(())
    }
}

/// Does what a line of the journal says: `put NAME WHEN AT+LENGTH …` or `delete NAME`. Another one says nothing.
fn apply(put: &mut BTreeMap<BlobName, Entry>, line: &str) {
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["delete", name] => drop(put.remove(&BlobName::new(name))),
        ["put", name, at, ref pieces @ ..] => {
            let pieces = pieces.iter().map(|piece| Piece::parse(piece)).collect();
            if let (Ok(put_at), Some(pieces)) = (at.parse(), pieces) {
                put.insert(BlobName::new(name), Entry { pieces, put_at });
            }
        }
        _ => {}
    }
}

impl Piece {
    fn parse(text: &str) -> Option<Self> {
        let (at, length) = text.split_once('+')?;
        Some(Self { at: at.parse().ok()?, length: length.parse().ok()? })
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl ChunkStore for PackChunkStore {
    async fn spool(&self) -> Result<Box<dyn Spool>> {
        let crc32c = Digest::default();
        Ok(Box::new(PackSpool {
            store: self.clone(),
            pieces: Vec::new(),
            length: 0,
            crc32c,
            checks: Vec::new(),
        }))
    }

    async fn put(&self, _: &StorageKey, _: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName> {
        let name = spooled.spool.clone();
        let put = {
            let name = name.clone();
            self.on_disk(move |inner| {
                let mut books = inner.books();
                let Some(pieces) = books.spooled.remove(&name) else { return Ok(false) };
                let places: String =
                    pieces.iter().map(|piece| format!(" {}+{}", piece.at, piece.length)).collect();
                books.write(&format!("put {name} {}{places}\n", now())).map(|()| true)
            })
        };
        if put.await? { Ok(name) } else { Err(Error::Missing) }
    }

    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
        let pieces = {
            let books = self.books();
            let put = books.put.get(blob).map(|entry| &entry.pieces);
            put.or_else(|| books.spooled.get(blob)).cloned().ok_or(Error::Missing)?
        };
        let wanted = within(&pieces, offset, length as u64).ok_or(Error::Missing)?;
        self.on_disk(move |inner| {
            let mut bytes = BytesMut::zeroed(length);
            let mut done = 0;
            for piece in wanted {
                let next = done + piece.length as usize;
                inner.pack.read_exact_at(&mut bytes[done..next], piece.at)?;
                done = next;
            }
            Ok(bytes.freeze())
        })
        .await
    }

    async fn delete(&self, blobs: &[BlobName]) -> Result<()> {
        let lines: String = blobs.iter().map(|blob| format!("delete {blob}\n")).collect();
        self.on_disk(move |inner| inner.books().write(&lines)).await
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
        let (books, now) = (self.books(), now());
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = books.put.range::<BlobName, _>((from, Bound::Unbounded)).take(limit);
        let blob = |(name, entry): (&BlobName, &Entry)| {
            let age = Duration::from_millis(now.saturating_sub(entry.put_at));
            Blob::new(name.clone(), age, entry.pieces.iter().map(|piece| piece.length).sum())
        };
        Ok(found.map(blob).collect())
    }

    /// What is spooled is known to this process only, so nothing of a dead one is left.
    async fn clear_spool(&self) -> Result<()> {
        Ok(())
    }
}

/// The places of `length` bytes from `offset`; `None` if there are not as many.
fn within(pieces: &[Piece], mut offset: u64, mut length: u64) -> Option<Vec<Piece>> {
    let mut found = Vec::new();
    for piece in pieces {
        if offset >= piece.length {
            offset -= piece.length;
            continue;
        }
        let taken = (piece.length - offset).min(length);
        found.push(Piece { at: piece.at + offset, length: taken });
        (offset, length) = (0, length - taken);
        if length == 0 {
            break;
        }
    }
    (length == 0).then_some(found)
}

/// A chunk on its way into the pack.
struct PackSpool {
    store: PackChunkStore,
    pieces: Vec<Piece>,
    length: u64,
    crc32c: Digest,
    checks: Vec<Check>,
}

#[async_trait]
impl Spool for PackSpool {
    fn expect(&mut self, digest: ContentDigest) {
        self.checks.push(Check::new(digest));
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.crc32c.update(&bytes);
        self.checks.iter_mut().for_each(|check| check.update(&bytes));
        let length = bytes.len() as u64;
        self.length += length;
        let piece = self.store.on_disk(move |inner| {
            // The place is taken under the lock, and filled outside of it.
            let at = {
                let mut books = inner.books();
                books.end += length;
                books.end - length
            };
            inner.pack.write_all_at(&bytes, at)?;
            Ok(Piece { at, length })
        });
        let piece = piece.await?;
        match self.pieces.last_mut() {
            // Nobody wrote in between.
            Some(last) if last.at + last.length == piece.at => last.length += piece.length,
            _ => self.pieces.push(piece),
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<SpooledChunk> {
        self.checks.into_iter().try_for_each(Check::finish)?;
        self.store.on_disk(|inner| inner.pack.sync_data()).await?;
        let name = BlobName::in_spool();
        self.store.books().spooled.insert(name.clone(), self.pieces);
        let guard = Forget { store: self.store, name: name.clone() };
        Ok(SpooledChunk::new(name, self.length, self.crc32c.value()).guarded(guard))
    }
}

/// Forgets spooled bytes that nobody has put.
struct Forget {
    store: PackChunkStore,
    name: BlobName,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.store.books().spooled.remove(&self.name);
    }
}
