use async_trait::async_trait;
use telestore_types::{
    ChunkIndex, FileId, IndexedFile, StorageKey, Timestamp, Upload, UploadId, UserId, WorkerId,
};

use crate::{
    BlobName, ChunkRecord, Expiry, Lease, NewEvent, OutboxEvent, OutboxKind, Result, Subject, Usage,
};

/// An upload, and what one of its places holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The upload.
    pub upload: Upload,
    /// The chunk that is there now.
    pub held: Option<ChunkRecord>,
}

/// What a rule answers, and whether rows were written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer<T> {
    /// Rows were written: commit, then answer with this.
    Changed(T),
    /// Nothing was written: there is nothing to commit.
    Unchanged(T),
}

/// Who holds the account of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The worker.
    pub worker: WorkerId,
    /// Until when.
    pub until: Timestamp,
}

/// Whose unfinished work is to be put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whose<'a> {
    /// All that this worker has in hand, and what no worker was written down for.
    Own(&'a WorkerId),
    /// What workers have in hand that are gone: others than this one, whose time has run out. Not what they send: that is
    /// held by its lease.
    Gone(&'a WorkerId),
}

/// The rows of a store, within one transaction that may write.
///
/// # Contract
/// - Between the first call and the end of the transaction nobody else changes the rows that were read.
/// - What is written is seen by the later calls of the transaction.
/// - If a call fails, the whole transaction is taken back.
/// - A time has run out if it [is due](telestore_types::is_due).
#[async_trait]
pub trait Rows: Send {
    /// The upload with this id.
    async fn load(&mut self, id: &UploadId) -> Result<Option<Upload>>;

    /// Adds an upload, all of it.
    async fn insert(&mut self, upload: &Upload) -> Result<()>;

    /// Writes an upload back, all of it.
    async fn save(&mut self, upload: &Upload) -> Result<()>;

    /// Deletes the row of an upload, and its lease. Its chunks were deleted before.
    async fn delete(&mut self, key: &StorageKey) -> Result<()>;

    /// This life of an upload, and what the place of a chunk holds now.
    async fn place(&mut self, id: &UploadId, key: &StorageKey, index: ChunkIndex) -> Result<Option<Place>>;

    /// Puts the record of a chunk in its place.
    async fn put_chunk(&mut self, key: &StorageKey, chunk: &ChunkRecord) -> Result<()>;

    /// The chunks of an upload in order, and behind them its thumbnail.
    async fn records(&mut self, key: &StorageKey) -> Result<Vec<ChunkRecord>>;

    /// Deletes the record of a chunk.
    async fn delete_chunk(&mut self, key: &StorageKey, index: ChunkIndex) -> Result<()>;

    /// Counts bytes of a day of a user or an address.
    async fn count(&mut self, of: Subject<'_>, bytes: u64, now: Timestamp) -> Result<()>;

    /// Deletes the records of an upload's chunks, and names their bytes.
    async fn delete_chunks(&mut self, key: &StorageKey) -> Result<Vec<BlobName>>;

    /// Deletes the oldest uploads that nobody owns, until there are fewer than `most` of them (or none).
    async fn make_room(&mut self, most: u64) -> Result<()>;

    /// What is taken now; see [`SessionStore::usage`](crate::SessionStore::usage).
    async fn usage(&mut self, of: Subject<'_>, now: Timestamp) -> Result<Usage>;

    /// The upload of a lease, if it is still held by its token.
    async fn leased(&mut self, lease: &Lease) -> Result<Option<Upload>>;

    /// Writes down that `lease` is held, and puts its user behind all others.
    async fn begin_lease(&mut self, lease: &Lease) -> Result<()>;

    /// Moves the end of a lease.
    async fn extend_lease(&mut self, key: &StorageKey, until: Timestamp) -> Result<()>;

    /// Ends the lease of an upload, also if another worker holds it.
    async fn end_lease(&mut self, key: &StorageKey) -> Result<()>;

    /// Uploads that are being sent, that [may be in the channel](Upload::maybe_sent), and whose lease has run out.
    async fn abandoned(&mut self, now: Timestamp) -> Result<Vec<Upload>>;

    /// The upload that `worker` is to lease next; see [`SessionStore::lease`](crate::SessionStore::lease).
    async fn next(&mut self, worker: &WorkerId, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>>;

    /// The upload that is to be fetched next; see [`SessionStore::begin_fetch`](crate::SessionStore::begin_fetch).
    async fn next_fetch(&mut self, now: Timestamp, except: &[UserId]) -> Result<Option<Upload>>;

    /// Who holds the account of a user, or held it last.
    async fn holder(&mut self, user: &UserId) -> Result<Option<Holder>>;

    /// Writes down who holds the account of a user.
    async fn hold(&mut self, user: &UserId, holder: &Holder) -> Result<()>;

    /// Writes down that a worker is alive until then.
    async fn beat(&mut self, worker: &WorkerId, until: Timestamp) -> Result<()>;

    /// Uploads of these workers that their end has left in the middle of something: those that are sent, those that are
    /// sent early or fetched, and those of which a client waits for the end.
    async fn unfinished(&mut self, whose: Whose<'_>, now: Timestamp, limit: u32) -> Result<Vec<Upload>>;

    /// Ends the claims and holds of these workers, and forgets when they were alive.
    async fn let_go(&mut self, whose: Whose<'_>, now: Timestamp) -> Result<()>;

    /// Adds an event about an upload, due at `now`.
    async fn add_event(&mut self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()>;

    /// The oldest event that `worker` may claim; see [`SessionStore::outbox_lease`](crate::SessionStore::outbox_lease).
    async fn next_event(
        &mut self,
        worker: &WorkerId,
        kind: OutboxKind,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<OutboxEvent>>;

    /// Claims an event for `worker` under its [`claim`](OutboxEvent::claim), until then.
    async fn claim_event(&mut self, event: &OutboxEvent, worker: &WorkerId, until: Timestamp) -> Result<()>;

    /// Uploads that are past their time, [`Expiry::limit`] at most.
    async fn past(&mut self, expiry: &Expiry) -> Result<Vec<Upload>>;

    /// Adds a file to the index, behind all others. One that is there stays as it is.
    async fn put_file(&mut self, file: &IndexedFile) -> Result<()>;

    /// Takes a file of this user out of the index, and gives it.
    async fn take_file(&mut self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>>;

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
