use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use telestore_types::{
    AppendError, ChatId, ChunkIndex, ChunkVerdict, Completion, CompletionError, Outcome, Reading, Recovery,
    ResumeState, StorageKey, StoredFile, Timestamp, Upload, UploadId, UploadState, UserId,
};

use crate::rules::NewExtent;
use crate::{BlobName, Exceeded, Limits, Result, Subject, Usage};

/// A chunk that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRecord {
    /// Its place.
    pub index: ChunkIndex,
    /// How many bytes.
    pub length: u64,
    /// Their CRC-32C.
    pub crc32c: u32,
    /// Where they are.
    pub blob: BlobName,
}

/// Who an upload belongs to.
#[derive(Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user that the backend named.
    pub user_id: UserId,
    /// The token that the file will be sent with, sealed. A token may expire while its upload waits: that upload fails, and
    /// goes on with the next one that its user shows for it.
    pub sealed_token: Vec<u8>,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// What creating an upload found.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is new.
    New,
    /// There is one with this id: this one. Nothing has changed.
    Exists(Box<Upload>),
    /// There may be no more. Nothing has changed.
    TooMuch(Exceeded),
}

/// What claiming an upload found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It belongs to the user, newly or as before.
    Owned,
    /// It belongs to somebody else. Nothing has changed.
    Foreign,
    /// The user may have no more. Nothing has changed.
    TooMuch(Exceeded),
    /// There is no such upload.
    NotFound,
}

/// What recording a chunk did.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// It is acknowledged.
    Stored {
        /// The upload afterwards.
        upload: Box<Upload>,
        /// The bytes whose place it took; to be deleted now.
        replaced: Option<BlobName>,
    },
    /// It was not recorded, for this reason; its bytes are to be deleted. Nothing has changed.
    Refused {
        /// Why.
        verdict: ChunkVerdict,
        /// The upload as it is.
        upload: Box<Upload>,
    },
    /// With it, the upload would be larger than allowed. Nothing has changed.
    TooLarge {
        /// How many bytes the upload would have.
        received: u64,
    },
    /// With it, the chunks [cannot be the file](Upload::check_sum). Nothing has changed.
    Unfit(CompletionError),
    /// With it, its owner or the clients at its address would have more than they may. Nothing has changed.
    TooMuch(Exceeded),
    /// There is no such upload (any more). Nothing has changed.
    NotFound,
}

/// What appending to an upload did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Appended {
    /// The bytes are acknowledged.
    Stored(Box<Upload>, ChunkRecord),
    /// They were not recorded, for this reason; they are to be deleted. The upload is as it is. Nothing has changed.
    Refused(AppendError, Box<Upload>),
    /// With them, the upload would be larger than allowed. Nothing has changed.
    TooLarge {
        /// How many bytes the upload would have.
        received: u64,
    },
    /// With them, its owner or the clients at its address would have more than they may. Nothing has changed.
    TooMuch(Exceeded),
    /// There is no such upload (any more). Nothing has changed.
    NotFound,
}

/// What saying how long an upload is did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Declared {
    /// That is known, newly or as before.
    Known(Box<Upload>),
    /// It cannot be, for this reason. Nothing has changed.
    Refused(AppendError),
    /// There is no such upload.
    NotFound,
}

/// What completing an upload did.
#[derive(Debug, Clone, PartialEq)]
pub enum Completed {
    /// It is on its way, newly or as before.
    Accepted(Completion, Box<Upload>),
    /// It cannot be completed. Nothing has changed.
    Refused(CompletionError),
    /// There is no such upload.
    NotFound,
}

/// What cancelling an upload did.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It is cancelled now.
    Now(Box<Upload>),
    /// It was over before: completed, or cancelled earlier.
    Over(Box<Upload>),
    /// There is no such upload.
    NotFound,
}

/// The right to send one upload, until it expires.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The upload as it was leased.
    pub upload: Upload,
    /// Tells this lease from every other one.
    pub token: String,
    /// Until when it holds, unless it is extended.
    pub until: Timestamp,
}

/// Which uploads to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Only those in this state.
    pub state: Option<UploadState>,
    /// Only those of this user.
    pub user: Option<UserId>,
    /// How many of the first to leave out.
    pub skip: u32,
    /// How many to give at most.
    pub limit: u32,
}

/// What is to be done about an event of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboxKind {
    /// The backend is to be told that an upload is finished.
    Webhook,
    /// The message of a cancelled upload is to be taken back.
    Withdrawal,
}

impl OutboxKind {
    /// The name under which stores keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Withdrawal => "withdrawal",
        }
    }

    /// Reads a stored name back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Webhook, Self::Withdrawal].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Something that is to be done about an upload that is over, until it is done.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The same on every delivery.
    pub event_id: String,
    /// What is to be done.
    pub kind: OutboxKind,
    /// Whose upload it was.
    pub user_id: Option<UserId>,
    /// The sealed token of that user, where it is needed.
    pub sealed_token: Option<Vec<u8>>,
    /// The JSON text.
    pub body: String,
}

impl NewEvent {
    /// A webhook.
    pub fn webhook(event_id: impl Into<String>, user_id: UserId, body: impl Into<String>) -> Self {
        Self {
            event_id: event_id.into(),
            kind: OutboxKind::Webhook,
            user_id: Some(user_id),
            sealed_token: None,
            body: body.into(),
        }
    }
}

impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEvent")
            .field("event_id", &self.event_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// An event that waits for its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// What is to be done.
    pub event: NewEvent,
    /// The upload that it tells of.
    pub upload_id: UploadId,
    /// How many deliveries have failed.
    pub attempt: u32,
    /// When the upload was finished.
    pub created_at: Timestamp,
}

/// Which uploads are past their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry<'a> {
    /// Those in one of these states.
    pub states: &'a [UploadState],
    /// Only those that nobody owns.
    pub unowned: bool,
    /// For which nothing happened since.
    pub before: Timestamp,
    /// How many at most; there may be more.
    pub limit: u32,
}

/// How much a store holds, for whoever operates it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many uploads there are in each state; none where a state is missing.
    pub uploads: HashMap<UploadState, u64>,
    /// How many bytes of chunks belong to uploads that are not over.
    pub stored_bytes: u64,
    /// Since when the upload that waits longest waits for a runner.
    pub oldest_queued: Option<Timestamp>,
    /// How many webhooks wait for their delivery.
    pub outbox: u64,
}

/// Keeps uploads, chunk records, leases and the outbox.
///
/// # Contract
/// - Each method is one transaction: wholly done when it returns, or not at all, also for a process that dies in it.
/// - Methods may be called at once from anywhere; those on one upload take effect one after the other.
/// - A [`Lease`] is held by at most one caller. What needs a lease answers `false`, and changes nothing, where it is
///   not held any more: the upload was cancelled, or the lease expired and another runner has it.
/// - An upload is found by its [`UploadId`]; rows of an earlier life of the same id have another [`StorageKey`] and are
///   never touched.
/// - Clones and handles share the state.
/// - What [`commit`](SessionStore::commit), [`finish`](SessionStore::finish), [`keep`](SessionStore::keep) and
///   [`add_event`](SessionStore::add_event) have written survives a power cut when they return, whatever the store's
///   durability is for the rest.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Creates an upload, unless there is one with its id.
    ///
    /// With `anew`, one that is over (completed or cancelled) makes room: its rows go, its bytes are left to the
    /// sweeper. A new one must be within the `limits` of its owner and its address, with room for bytes. Where a new one
    /// has no owner and there are [`Limits::unowned`] of its kind, the oldest of these goes: its first chunk would make it
    /// again.
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created>;

    /// Finds an upload.
    async fn get(&self, id: &UploadId) -> Result<Option<Upload>>;

    /// Uploads, those first whose state changed last or got a chunk last.
    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>>;

    /// Makes `owner` the owner of an upload that has none, within the `limits` of a user, or renews the token of its
    /// owner.
    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim>;

    /// Acknowledges a chunk within `limits`: **the commit point**. `mime_type` becomes the upload's, unless it has one.
    /// Chunks that [cannot be the file](Upload::check_sum) are not recorded; an empty one may come last, and in any order.
    async fn record_chunk(
        &self,
        id: &UploadId,
        key: &StorageKey,
        chunk: &ChunkRecord,
        mime_type: Option<&str>,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Recorded>;

    /// Acknowledges bytes that follow those of an upload, by comparing and setting its length: **the commit point**; see
    /// [`Upload::append`]. Of two calls for one offset one stores, and the other is told where the file ends by then.
    async fn append(&self, new: &NewExtent) -> Result<Appended>;

    /// Writes down how long an upload is that began without saying so; see [`Upload::declare_size`].
    async fn declare_size(
        &self,
        id: &UploadId,
        key: &StorageKey,
        size: u64,
        now: Timestamp,
    ) -> Result<Declared>;

    /// What a user, or the clients at an address, have now. Bytes of a day are only counted where the limits that
    /// chunks were recorded with limited them.
    async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Result<Usage>;

    /// The chunks of an upload in order.
    async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>>;

    /// Writes down how far a backend is with an upload that still receives; see [`Upload::checkpoint_early`].
    ///
    /// `false`, with nothing changed, where it does not receive any more or its resume state is not `expected`: that is
    /// how a replaced chunk shows, so a backend's state never outlives the bytes it was made of.
    async fn checkpoint_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        expected: Option<&ResumeState>,
        resume: &ResumeState,
    ) -> Result<bool>;

    /// Writes down that a process begins to send an upload that still receives; see [`Upload::begin_early`].
    async fn begin_early(&self, id: &UploadId, key: &StorageKey) -> Result<bool>;

    /// Writes down that it has stopped.
    async fn end_early(&self, id: &UploadId, key: &StorageKey) -> Result<()>;

    /// Checks that nothing is missing and queues the upload; see [`Upload::complete`].
    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed>;

    /// Stops an upload; its lease is lost, its chunk records go.
    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled>;

    /// Writes down, flushed, that the client of a direct upload does not wait any more; see [`Upload::keep`]. Gives the
    /// upload as it is then.
    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>>;

    /// Leases an upload that is [due](Upload::is_due), or one whose lease has expired, of none of the users in `except`.
    ///
    /// One whose lease has expired after it was [committed](Self::commit) without a state that makes the same message
    /// again is given up instead; see [`Upload::cut_off`].
    ///
    /// Users take turns: the next lease goes to the user whose last one is the longest ago, and among that user's
    /// uploads to the one that waits longest.
    async fn lease(&self, now: Timestamp, until: Timestamp, except: &[UserId]) -> Result<Option<Lease>>;

    /// When the next upload will be due; `None` where none waits.
    async fn next_due(&self) -> Result<Option<Timestamp>>;

    /// Holds a lease longer.
    async fn extend(&self, lease: &Lease, until: Timestamp) -> Result<bool>;

    /// Writes down how far a leased upload is; see [`Upload::checkpoint`].
    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool>;

    /// Writes down, flushed, that the message of a leased upload may exist from here on; see [`Upload::commit`].
    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool>;

    /// Takes the word of [`commit`](Self::commit) back: Telegram has refused the file, and it goes another way.
    async fn uncommit(&self, lease: &Lease) -> Result<bool>;

    /// Records, flushed, the result of a leased upload and its webhook.
    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Timestamp,
    ) -> Result<bool>;

    /// Gives a leased upload up; its chunks and its resume state stay. See [`Upload::fail`].
    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> Result<bool>;

    /// Gives a leased upload back for a later attempt; see [`Upload::retry_later`].
    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool>;

    /// Ends all leases and puts in order what they were of, for a process that starts alone on its data; see
    /// [`Upload::recover`]. Gives the uploads that it changed.
    async fn release_all(&self, now: Timestamp) -> Result<Vec<(Recovery, Upload)>>;

    /// Adds, flushed, an event about an upload.
    async fn add_event(&self, upload: &UploadId, event: &NewEvent, now: Timestamp) -> Result<()>;

    /// Events of this kind that are [due](telestore_types::is_due), the oldest first, of none of the users in `except`.
    async fn outbox_due(
        &self,
        kind: OutboxKind,
        now: Timestamp,
        limit: u32,
        except: &[UserId],
    ) -> Result<Vec<OutboxEvent>>;

    /// When the next event will be due; `None` where none waits.
    async fn outbox_next_due(&self) -> Result<Option<Timestamp>>;

    /// Takes a delivered (or given up) event out.
    async fn outbox_done(&self, event_id: &str) -> Result<()>;

    /// Counts a failed delivery and waits until `at`.
    async fn outbox_retry(&self, event_id: &str, at: Timestamp) -> Result<()>;

    /// The storage keys whose bytes are still of use: uploads that are not over.
    async fn live_keys(&self) -> Result<Vec<StorageKey>>;

    /// The blobs that a chunk record names.
    async fn live_blobs(&self, key: &StorageKey) -> Result<Vec<BlobName>>;

    /// Deletes uploads that are past their time; their events stay. Gives the deleted ones, whose bytes are to be
    /// deleted now.
    async fn expire(&self, expiry: &Expiry<'_>) -> Result<Vec<Upload>>;

    /// What the worker's clock showed last, for the next process. Where no process wrote it down yet: the latest time
    /// of any row.
    async fn clock(&self) -> Result<Option<Reading>>;

    /// Writes down what the worker's clock shows.
    async fn save_clock(&self, reading: Reading) -> Result<()>;

    /// The supergroup that this group of a user has become, where that was written down.
    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>>;

    /// Writes down which supergroup a user's group has become. A user has one chat, so the latest takes the place of any
    /// other one of that user.
    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()>;

    /// How much there is of everything.
    async fn counts(&self) -> Result<Counts>;

    /// Writes something that changes nothing, to tell whether the store takes writes.
    async fn probe(&self) -> Result<()>;
}
