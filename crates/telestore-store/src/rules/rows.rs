use async_trait::async_trait;
use telestore_types::{ChunkIndex, StorageKey, Timestamp, Upload, UploadId, UserId};

use super::Place;
use crate::{ChunkRecord, Expiry, Lease, NewEvent, Result, Subject, Usage};

/// What a rule answers, and whether rows were written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer<T> {
    /// Rows were written: commit, then answer with this.
    Changed(T),
    /// Nothing was written: there is nothing to commit.
    Unchanged(T),
}

/// The rows of a store, within one transaction that may write.
///
/// # Contract
/// - Between the first call and the end of the transaction nobody else changes the rows that were read.
/// - What is written is seen by the later calls of the transaction.
/// - Where a call fails, the whole transaction is taken back.
#[async_trait]
pub trait Rows: Send {
    /// The upload with this id.
    async fn load(&mut self, id: &UploadId) -> Result<Option<Upload>>;

    /// Adds an upload, all of it.
    async fn insert(&mut self, upload: &Upload) -> Result<()>;

    /// Writes an upload back, all of it.
    async fn save(&mut self, upload: &Upload) -> Result<()>;

    /// Deletes the row of an upload, and those of its chunks and its lease.
    async fn delete(&mut self, key: &StorageKey) -> Result<()>;

    /// This life of an upload, and what the place of a chunk holds now.
    async fn place(&mut self, id: &UploadId, key: &StorageKey, index: ChunkIndex) -> Result<Option<Place>>;

    /// Puts the record of a chunk in its place.
    async fn put_chunk(&mut self, key: &StorageKey, chunk: &ChunkRecord) -> Result<()>;

    /// Counts bytes of a day of a user or an address.
    async fn count(&mut self, of: Subject<'_>, bytes: u64, now: Timestamp) -> Result<()>;

    /// Deletes the records of an upload's chunks.
    async fn delete_chunks(&mut self, key: &StorageKey) -> Result<()>;

    /// Deletes the oldest uploads that nobody owns, until there are fewer than `most` of them (or none).
    async fn make_room(&mut self, most: u64) -> Result<()>;

    /// What is taken now; see [`SessionStore::usage`](crate::SessionStore::usage).
    async fn usage(&mut self, of: Subject<'_>, now: Timestamp) -> Result<Usage>;

    /// The upload of a lease, where it is still held by its token.
    async fn leased(&mut self, lease: &Lease) -> Result<Option<Upload>>;

    /// Writes down that `lease` is held, and puts its user behind all others.
    async fn begin_lease(&mut self, lease: &Lease) -> Result<()>;

    /// Ends the lease of an upload, whoever holds it.
    async fn end_lease(&mut self, key: &StorageKey) -> Result<()>;

    /// Uploads that are being sent, that [may be in the channel](Upload::maybe_sent), and whose lease has run out.
    async fn abandoned(&mut self, now: Timestamp) -> Result<Vec<Upload>>;

    /// The upload that is to be leased next; see [`SessionStore::lease`](crate::SessionStore::lease).
    async fn next(&mut self, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>>;

    /// Every upload that an end of the process may have left in the middle of something: those that are sent, those that
    /// are sent early, and those of which a client waits for the end.
    async fn unfinished(&mut self) -> Result<Vec<Upload>>;

    /// Adds an event about an upload, due at `now`.
    async fn add_event(&mut self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()>;

    /// Uploads that are past their time, [`Expiry::limit`] at most.
    async fn past(&mut self, expiry: &Expiry<'_>) -> Result<Vec<Upload>>;

    /// Forgets the bytes of days before `before`.
    async fn forget_days(&mut self, before: Timestamp) -> Result<()>;

    /// Forgets the turns of users without uploads: who comes back later counts as new.
    async fn forget_turns(&mut self) -> Result<()>;
}

impl dyn Rows + '_ {
    /// This life of an upload.
    pub(super) async fn life(&mut self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>> {
        Ok(self.load(id).await?.filter(|upload| upload.key == *key))
    }
}
