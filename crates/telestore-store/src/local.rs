mod disk;
mod filesystem;
mod living;
mod places;
mod spool;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_types::{ChunkIndex, StorageKey};
use tokio::task::spawn_blocking;

pub use self::disk::DataDisk;
pub use self::filesystem::FileSystem;
use self::living::Living;
use self::places::Places;
use self::spool::LocalSpool;
use crate::{Blob, BlobName, ChunkStore, Durability, Error, Result, Spool, SpooledChunk, private};

/// Chunks as files under one directory: `spool/<worker>/<random>` on the way in, `chunks/<key>/<index>-<random>` in place.
/// Only their owner may read them.
///
/// Several processes may open one directory, on one machine: each holds a lock on its part of the spool, by which the
/// others know that it lives. Clones share it.
///
/// `chunks` may be a mount, or a link to a directory on another disk: the spool is in `chunks/spool/` then, since files
/// are moved within one file system only.
#[derive(Debug, Clone)]
pub struct LocalChunkStore {
    root: Arc<Path>,
    places: Arc<Places>,
    living: Arc<Living>,
    is_shared: bool,
    durability: Durability,
    disk: DataDisk,
}

impl LocalChunkStore {
    /// Opens, and if needed makes, the directories under `root`, and tries what an upload does with them. A full disk is
    /// no error: what is there can be sent, which makes room.
    ///
    /// # Errors
    /// [`Error::Failed`] if `root` cannot be made, [`Error::Unfit`] if files cannot be kept in it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root: PathBuf = root.into();
        if !root.is_dir() {
            root.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            private::directory(&root).map_err(failed)?;
        }
        let places = Places::open(&root)?;
        match places.try_out() {
            Err(Error::NoSpace(_)) => tracing::warn!("the data disk is full"),
            tried => tried?,
        }
        Ok(Self::at(root, places))
    }

    /// The store under `root` as an operator's command needs it, beside the process that receives: to list and to
    /// delete. Makes and tries nothing.
    pub fn attach(root: impl Into<PathBuf>) -> Self {
        let root: PathBuf = root.into();
        let places = Places::beside(&root);
        Self::at(root, places)
    }

    /// Tries, in the directories that are there under `root`, what an upload does with files: one is written, flushed,
    /// moved to its place, read and deleted. What is to be made yet is tried in `root`. It makes no directory that stays.
    ///
    /// # Errors
    /// [`Error::Unfit`] with the step that failed, [`Error::NoSpace`].
    ///
    /// ```
    /// let dir = tempfile::tempdir()?;
    /// telestore_store::LocalChunkStore::try_out(dir.path())?;
    /// std::fs::write(dir.path().join("chunks"), "a file where the directory should be")?;
    /// assert!(telestore_store::LocalChunkStore::try_out(dir.path()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_out(root: &Path) -> Result<()> {
        Places::find(root)?.try_out()
    }

    fn at(root: PathBuf, places: Places) -> Self {
        let disk = DataDisk::whole(&root);
        let living = Arc::new(Living::new(&places.spool));
        let (places, durability) = (places.into(), Durability::default());
        Self { root: root.into(), places, living, is_shared: false, durability, disk }
    }

    /// The same store, with what a put chunk is to survive.
    #[must_use]
    pub fn durable(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The same store, in a directory that several machines share, by NFS for instance. What a dead worker spooled is told
    /// by its age then, a day, since locks may not reach over machines; and ages are by the clock of the file server.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.living = Arc::new(Living::without_lock(&self.places.spool));
        self.is_shared = true;
        self
    }

    /// The same store, on a part of its disk: of so many bytes, with everything that is below the store's directory.
    #[must_use]
    pub fn within(mut self, bytes: u64) -> Self {
        self.disk = DataDisk::part(&*self.root, bytes);
        self
    }

    fn path(&self, blob: &BlobName) -> PathBuf {
        self.places.path(blob)
    }

    fn place(&self, key: &StorageKey) -> PathBuf {
        self.places.chunks.join(key.as_str())
    }
}

/// What a store on a disk calls itself in errors.
const WHAT: &str = "data directory";

/// What a failed file call means.
fn failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::no_space(error),
        io::ErrorKind::NotFound => Error::Missing,
        _ => Error::failed(WHAT, error),
    }
}

/// Runs file work off the async threads: a slow disk must not stall other requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(failed),
        Err(error) => Err(failed(io::Error::other(error))),
    }
}

/// How often a move into a place and a removal of that place, which meet when an upload is cancelled while its chunks
/// arrive, are tried against each other.
const AGAINST_OTHERS: u32 = 16;

/// Moves a file into a place that may have to be made, and that others may be removing.
fn move_into(from: &Path, to: &Path, place: &Path) -> io::Result<()> {
    let mut moved = fs::rename(from, to);
    for _ in 1..AGAINST_OTHERS {
        match &moved {
            // The upload's first chunk, or its directory was removed between two chunks.
            Err(error) if error.kind() == io::ErrorKind::NotFound && from.exists() => {
                match private::directory(place) {
                    // It may be gone again by the time that it is looked for.
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => moved = fs::rename(from, to),
                }
            }
            _ => break,
        }
    }
    moved
}

/// Not being there is what a delete wants.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Directories can be flushed on Unix only; elsewhere names are safe with the file.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[async_trait]
impl ChunkStore for LocalChunkStore {
    async fn spool(&self) -> Result<Box<dyn Spool>> {
        let blob = BlobName::new(format!("spool/{}/{:016x}", self.living.name, rand::random::<u64>()));
        let living = Arc::clone(&self.living);
        Ok(Box::new(LocalSpool::new(self.path(&blob), blob, living, self.durability, self.disk.clone())))
    }

    async fn put(&self, key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> Result<BlobName> {
        let blob = BlobName::in_place(key, index);
        let (from, to, place) = (self.path(&spooled.spool), self.path(&blob), self.place(key));
        let durability = self.durability;
        blocking(move || {
            // The guard goes on this thread too, so that its unlink never stalls a request.
            let _guard = spooled.guard;
            move_into(&from, &to, &place)?;
            // A name survives a power cut once the directory that holds it is on the disk, and so on upwards.
            if durability == Durability::Disk {
                sync_dir(&place)?;
                place.parent().map_or(Ok(()), sync_dir)?;
            }
            Ok(())
        })
        .await?;
        Ok(blob)
    }

    async fn read_at(&self, blob: &BlobName, offset: u64, length: usize) -> Result<Bytes> {
        let path = self.path(blob);
        let read = blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut buffer = Vec::with_capacity(length);
            file.take(length as u64).read_to_end(&mut buffer)?;
            Ok(buffer)
        })
        .await?;
        if read.len() == length { Ok(read.into()) } else { Err(Error::Missing) }
    }

    async fn discard(&self, spooled: SpooledChunk) -> Result<()> {
        blocking(move || {
            drop(spooled);
            Ok(())
        })
        .await
    }

    async fn delete(&self, blobs: &[BlobName]) -> Result<()> {
        let files: Vec<PathBuf> = blobs.iter().map(|blob| self.path(blob)).collect();
        let chunks = self.places.chunks.clone();
        blocking(move || {
            let mut deleted = Ok(());
            for file in &files {
                // A file that cannot be deleted does not keep the others.
                deleted = deleted.and(gone(fs::remove_file(file)));
            }
            let places: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
            for place in places.into_iter().filter(|place| place.parent() == Some(&*chunks)) {
                // Only an empty one goes, and a put that meets this makes it again.
                let _ = fs::remove_dir(place);
            }
            deleted
        })
        .await
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<Blob>> {
        let (places, after, is_shared) = (Arc::clone(&self.places), after.cloned(), self.is_shared);
        blocking(move || {
            let now = if is_shared { places.now()? } else { SystemTime::now() };
            places.list(after.as_ref(), limit, now)
        })
        .await
    }

    async fn free_bytes(&self) -> Result<Option<u64>> {
        let disk = self.disk.clone();
        blocking(move || disk.free_bytes().map(Some)).await
    }

    async fn clear_spool(&self) -> Result<()> {
        let (places, root) = (Arc::clone(&self.places), Arc::clone(&self.root));
        let is_shared = self.is_shared;
        blocking(move || places.clear_spool(&root, is_shared)).await
    }

    async fn probe(&self) -> Result<()> {
        let places = Arc::clone(&self.places);
        spawn_blocking(move || places.try_out()).await.map_err(|error| failed(io::Error::other(error)))?
    }
}
