use std::fmt;
use std::time::Duration;

use telestore_types::{ChunkIndex, StorageKey};

/// The store's own name for the bytes of one chunk. It is never made from client input.
///
/// A name is kept in the chunk's record as text, and lives as long: a store reads the names of its earlier versions.
/// Any text will do; [`in_spool`](Self::in_spool) and [`in_place`](Self::in_place) make the names of the stores of this
/// crate.
///
/// ```
/// use telestore_store::BlobName;
/// use telestore_types::{ChunkIndex, StorageKey};
///
/// let key = StorageKey::from_random([7; 16]);
/// let name = BlobName::in_place(&key, ChunkIndex::new(3, 9)?);
/// assert!(name.as_str().starts_with(&format!("chunks/{key}/00003-")));
/// assert_eq!(name, BlobName::new(name.as_str()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(String);

impl BlobName {
    /// Wraps a name that a store made.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// A new name for bytes that wait for their place: `spool/<random>`.
    pub fn in_spool() -> Self {
        Self(format!("spool/{:016x}", rand::random::<u64>()))
    }

    /// A new name for a chunk in its place, `chunks/<key>/<index>-<random>`: two writes of one chunk never meet.
    pub fn in_place(key: &StorageKey, index: ChunkIndex) -> Self {
        Self(format!("chunks/{key}/{:05}-{:016x}", index.get(), rand::random::<u64>()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes that were put, as [`ChunkStore::list`](crate::ChunkStore::list) finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blob {
    /// Their name.
    pub name: BlobName,
    /// How long ago they were put, by the store's own clock. It may be less than that, and never more: bytes that are
    /// too young to be an orphan stay.
    pub age: Duration,
    /// How many bytes the store holds for them; a wrapper may have added some.
    pub length: u64,
}

impl Blob {
    /// Bytes that were put `age` ago.
    pub fn new(name: BlobName, age: Duration, length: u64) -> Self {
        Self { name, age, length }
    }
}

/// Bytes that have arrived and wait for their place.
///
/// They are [put](crate::ChunkStore::put) or [discarded](crate::ChunkStore::discard). Dropped instead, as when a client
/// goes away, their guard takes them away if that needs no waiting, and
/// [`clear_spool`](crate::ChunkStore::clear_spool) does otherwise.
#[non_exhaustive]
pub struct SpooledChunk {
    /// Where they are.
    pub spool: BlobName,
    /// How many bytes a client has sent.
    pub length: u64,
    /// The CRC-32C of what the client has sent.
    pub crc32c: u32,
    /// Takes the bytes away when it is dropped; it may find that they were put. A drop must not block for long.
    pub guard: Option<Box<dyn Send + Sync>>,
}

impl SpooledChunk {
    /// Bytes that nothing takes away by itself.
    pub fn new(spool: BlobName, length: u64, crc32c: u32) -> Self {
        Self { spool, length, crc32c, guard: None }
    }

    /// The same, with something whose drop takes the bytes away.
    #[must_use]
    pub fn guarded(mut self, guard: impl Send + Sync + 'static) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }
}

impl fmt::Debug for SpooledChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledChunk")
            .field("spool", &self.spool)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
