mod answers;
mod events;
mod fetching;
mod files;
mod known;
mod new;
mod questions;

use std::fmt;

use async_trait::async_trait;
use telestore_types::{
    ChatId, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState, StorageKey, StoredFile, Timestamp,
    Upload, UploadId, UploadOptions, UserId, WorkerId,
};

pub use self::answers::{
    Appended, Cancelled, ChunkRecord, Claim, Completed, Concatenated, Counts, Created, Declared, Expired,
    Lease, OptionsSet, Owner, Recorded, Released,
};
pub use self::events::{NewEvent, OutboxEvent, OutboxKind, Recall, Withdrawal};
pub use self::fetching::FetchNote;
pub use self::files::FileListing;
pub use self::known::{KnownWorker, WorkerInfo};
pub use self::new::{Concatenation, JoinedExtent, NewChunk, NewExtent};
pub use self::questions::{Cursor, Expiry, Listing};
use crate::{BlobName, Changes, Limits, Result, Subject, Usage};

/// Keeps uploads, chunk records, leases and the outbox, for one worker or for many.
///
/// # Contract
/// - Each method is one transaction: wholly done when it returns, or not at all, also for a process that dies in it.
/// - Methods may be called at once from anywhere; those on one upload take effect one after the other.
/// - An upload is found by its [`UploadId`]; rows of an earlier life of the same id have another [`StorageKey`] and are
///   never touched.
/// - Clones and handles share the state.
/// - What [`commit`](SessionStore::commit), [`finish`](SessionStore::finish), [`keep`](SessionStore::keep) and
///   [`add_event`](SessionStore::add_event) have written survives a power cut when they return, whatever the store's
///   durability is for the rest.
///
/// ## Many workers
/// - Each process is a worker with a [`WorkerId`] that no other living process has.
/// - **Leases.** A [`Lease`] is held by at most one caller. What needs a lease answers `false`, and changes nothing, if
///   it is not held any more: the upload was cancelled, or the lease ran out and another runner has it. The token of a
///   lease is the fence: a holder that was frozen beyond its time and goes on can write nothing that another has begun to
///   write. A lease that has run out is held until somebody else takes it.
/// - **Accounts.** At most one worker at a time holds the account of a user: `lease`, `begin_early` and a withdrawal from
///   `outbox_lease` give out nothing of a user whose account another worker holds, and hold it for their own worker as
///   long. A key of Telegram is used by one process at a time only that way. A worker that keeps a connection open longer
///   [holds](SessionStore::hold_account) the account longer.
/// - **Claims.** An event of the outbox is worked on by one worker at a time, under a claim with a time and a fence like a
///   lease's.
/// - **The living.** A worker that [beats](SessionStore::beat) in time is alive; one whose time has run out is gone, and
///   what it had in hand is put in order by the others.
///
/// ## Clocks
/// `now` is the caller's clock, and every other time that is handed in is reckoned from it. Clocks of workers may differ by
/// a third of the shortest time that anything is held for (a lease is 30 seconds long and is extended each 10 seconds, so
/// by 10 seconds). A store that machines share may read `now` from its own clock instead, and take `until` and `at` for
/// distances from the caller's `now`. What is due later than [`LONGEST_PAUSE`](telestore_types::LONGEST_PAUSE) from now was
/// written with a wrong clock, and is due.
///
/// # Implementing it
/// Write [`Rows`](crate::rules::Rows), and let [`rules`](crate::rules) decide. A wrapper forwards every method, those with
/// a default included.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Creates an upload, unless there is one with its id.
    ///
    /// With `anew`, one that was cancelled makes room: its rows go, its bytes are left to the sweeper. A result does not. A new one must be within the `limits` of its owner and its address, with room for bytes. If a new one
    /// has no owner and there are [`Limits::unowned`] of its kind, the oldest of these goes: its first chunk would make it
    /// again.
    async fn create(&self, upload: &Upload, anew: bool, limits: &Limits) -> Result<Created>;

    /// Finds an upload.
    async fn get(&self, id: &UploadId) -> Result<Option<Upload>>;

    /// Finds uploads, in any order; those that are not there are left out. Workers ask it each second about what their
    /// listeners watch, some hundred at a time: a store that is shared answers by one question.
    async fn get_all(&self, ids: &[UploadId]) -> Result<Vec<Upload>> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.get(id).await?);
        }
        Ok(found)
    }

    /// Uploads, those first whose state changed last or got a chunk last.
    async fn list(&self, listing: &Listing) -> Result<Vec<Upload>>;

    /// Makes `owner` the owner of an upload that has none, within the `limits` of a user, or renews the token of its
    /// owner.
    async fn claim(&self, id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Result<Claim>;

    /// Acknowledges a chunk within its limits: **the commit point**. Its type of content becomes the upload's, unless that
    /// has one. Chunks that [cannot be the file](Upload::check_sum) are not recorded; an empty one may come last, and in any
    /// order.
    async fn record_chunk(&self, new: NewChunk) -> Result<Recorded>;

    /// Acknowledges bytes that follow those of an upload, by comparing and setting its length: **the commit point**; see
    /// [`Upload::append`]. Of two calls for one offset one stores, and the other is told where the file ends by then.
    async fn append(&self, new: &NewExtent) -> Result<Appended>;

    /// Puts one piece in the place of the last ones of an upload that is appended to, whose bytes it holds: many small
    /// pieces are many files and many rows. `false`, with nothing changed, if these are not its last pieces, or if it does
    /// not receive any more.
    async fn join(&self, join: &JoinedExtent) -> Result<bool>;

    /// Makes an upload of the bytes of [parts](telestore_types::UploadKind::Partial) of its owner, in this order, and queues
    /// it, all at once. The records of both name the same bytes from then on. One of the same id that was cancelled makes room.
    async fn concatenate(&self, new: &Concatenation) -> Result<Concatenated>;

    /// Writes down how long an upload is that began without saying so; see [`Upload::declare_size`].
    async fn declare_size(
        &self,
        id: &UploadId,
        key: &StorageKey,
        size: u64,
        now: Timestamp,
    ) -> Result<Declared>;

    /// Takes over options that are named for an upload; see [`Upload::set_options`]. If they name a thumbnail, `thumbnail` is the
    /// record of its bytes, at [its place](telestore_types::ChunkIndex::THUMBNAIL): it is recorded if the upload has none yet.
    async fn set_options(
        &self,
        id: &UploadId,
        key: &StorageKey,
        named: &UploadOptions,
        thumbnail: Option<&ChunkRecord>,
        now: Timestamp,
    ) -> Result<OptionsSet>;

    /// What a user, or the clients at an address, have now. Bytes of a day are only counted if the limits that
    /// chunks were recorded with limited them.
    async fn usage(&self, of: Subject<'_>, now: Timestamp) -> Result<Usage>;

    /// The chunks of an upload in order, and behind them its thumbnail, if it has one.
    async fn chunks(&self, key: &StorageKey) -> Result<Vec<ChunkRecord>>;

    /// Writes down how far a backend is with an upload that still receives; see [`Upload::checkpoint_early`].
    ///
    /// `false`, with nothing changed, if it does not receive any more or its resume state is not `expected`: that is
    /// how a replaced chunk shows, so a backend's state never outlives the bytes it was made of.
    async fn checkpoint_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        expected: Option<&ResumeState>,
        resume: &ResumeState,
    ) -> Result<bool>;

    /// Writes down that `worker` begins to send an upload that still receives, and holds the account of its owner until
    /// then; see [`Upload::begin_early`]. `false`, with nothing changed, if it may not, or if another worker holds
    /// that account.
    async fn begin_early(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool>;

    /// Writes down that `worker` has stopped. If another one has begun meanwhile, nothing changes.
    async fn end_early(&self, id: &UploadId, key: &StorageKey, worker: &WorkerId) -> Result<()>;

    /// Gives `worker` an upload to fetch, if one is [to be fetched](Upload::is_to_fetch) that is [due](telestore_types::is_due) and
    /// that no worker fetches, of none of the users in `except`: the oldest.
    async fn begin_fetch(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Upload>>;

    /// Writes down what has become of a fetch, and gives the bytes that are of no more use. `None`, with nothing changed, if `worker`
    /// does not fetch it (any more).
    async fn note_fetch(
        &self,
        id: &UploadId,
        key: &StorageKey,
        worker: &WorkerId,
        note: &FetchNote,
        now: Timestamp,
    ) -> Result<Option<Vec<BlobName>>>;

    /// Checks that nothing is missing and queues the upload; see [`Upload::complete`].
    async fn complete(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Completed>;

    /// Stops an upload; its lease is lost, its chunk records go.
    async fn cancel(&self, id: &UploadId, key: &StorageKey, now: Timestamp) -> Result<Cancelled>;

    /// Forgets an upload that is completed: its row goes, and the records of its chunks, whose bytes it names. Its messages
    /// and events stay. `None`, with nothing changed, if it is not there, or not completed.
    async fn forget(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Vec<BlobName>>>;

    /// Writes down, flushed, that the client of a direct upload does not wait any more; see [`Upload::keep`]. Gives the
    /// upload as it is then.
    async fn keep(&self, id: &UploadId, key: &StorageKey) -> Result<Option<Upload>>;

    /// Leases to `worker` an upload that is [due](Upload::is_due), or one whose lease has run out, of none of the users in
    /// `except` and of none whose account another worker holds.
    ///
    /// One whose lease has run out after it was [committed](Self::commit) without a state that makes the same message
    /// again is given up instead; see [`Upload::cut_off`]. If the lease was another worker's, that counts as an end of
    /// the process; see [`Upload::take_over`].
    ///
    /// Users take turns: the next lease goes to the user whose last one is the longest ago, and among that user's
    /// uploads to the one that waits longest.
    async fn lease(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        except: &[UserId],
    ) -> Result<Option<Lease>>;

    /// When the next upload will be due that `worker` may lease; `None` if none waits.
    async fn next_due(&self, worker: &WorkerId) -> Result<Option<Timestamp>>;

    /// Holds a lease, and the account of its user, longer. `false` if either is lost.
    async fn extend(&self, lease: &Lease, now: Timestamp, until: Timestamp) -> Result<bool>;

    /// Holds the account of a user for `worker` until then, or longer if it does already. `false` if another one holds
    /// it.
    async fn hold_account(
        &self,
        user: &UserId,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool>;

    /// Lets the account of a user go at once, if `worker` holds it: nothing of it is in use any more.
    async fn leave_account(&self, user: &UserId, worker: &WorkerId) -> Result<()>;

    /// Writes down how far a leased upload is; see [`Upload::checkpoint`].
    async fn checkpoint(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool>;

    /// Writes down, flushed, that the message of a leased upload may exist from here on; see [`Upload::commit`].
    async fn commit(&self, lease: &Lease, progress: u8, resume: Option<ResumeState>) -> Result<bool>;

    /// Takes the word of [`commit`](Self::commit) back: Telegram has refused the file, and it goes another way.
    async fn uncommit(&self, lease: &Lease) -> Result<bool>;

    /// Records what Telegram gets instead of the bytes of a leased upload, before anything of it is sent. What was made of others goes:
    /// see [`Upload::encode`].
    async fn encode(&self, lease: &Lease, encoding: &Encoding) -> Result<bool>;

    /// Records, flushed, the result of a leased upload and its webhook. It is a [file](IndexedFile) of its owner from then on,
    /// and was there when the machine's clock showed `now.wall`.
    async fn finish(
        &self,
        lease: &Lease,
        stored: &StoredFile,
        event: Option<&NewEvent>,
        now: Reading,
    ) -> Result<bool>;

    /// Gives a leased upload up; its chunks and its resume state stay. See [`Upload::fail`].
    async fn fail(&self, lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> Result<bool>;

    /// Gives a leased upload back for a later attempt; see [`Upload::retry_later`].
    async fn retry_later(&self, lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> Result<bool>;

    /// Writes down that `worker` is alive until then.
    async fn beat(&self, worker: &WorkerId, until: Timestamp) -> Result<()>;

    /// The workers that are alive, `limit` at most, in the order of their names, behind `after`.
    async fn living(&self, now: Timestamp, after: Option<&WorkerId>, limit: u32) -> Result<Vec<WorkerId>>;

    /// Writes down that `worker` starts now and is alive until then, and what it says of itself. The default does the former
    /// only.
    async fn introduce(
        &self,
        worker: &WorkerId,
        info: &WorkerInfo,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        let _ = (info, now);
        self.beat(worker, until).await
    }

    /// The workers that are alive, and those that were within [`LONGEST_PAUSE`](telestore_types::LONGEST_PAUSE) and did not
    /// [end themselves](Self::release), in the order of their names. The default knows the names of the living only.
    async fn workers(&self, now: Timestamp) -> Result<Vec<KnownWorker>> {
        let living = self.living(now, None, u32::MAX).await?;
        Ok(living.into_iter().map(|id| KnownWorker::new(id, now, true)).collect())
    }

    /// Ends whatever `worker` had in hand (its leases, claims, accounts and early sends, and what its clients waited for),
    /// and puts it in order; see [`Upload::recover`]. For a process that starts under the name of one that is dead, or
    /// that ends itself. What no worker was written down for counts as its own.
    ///
    /// Gives the uploads that it changed, `limit` at most: call it until there are none.
    async fn release(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>>;

    /// The same for all workers that are gone, `worker` itself left out; but leases that hold are left to those who hold
    /// them, and those that have run out to [`lease`](Self::lease). A worker that cannot say that it is alive must have
    /// stopped using its accounts by the time it counts as gone.
    async fn release_gone(&self, worker: &WorkerId, now: Timestamp, limit: u32) -> Result<Vec<Released>>;

    /// Adds, flushed, an event about an upload, claimed by `worker` until then.
    async fn add_event(
        &self,
        upload: &UploadId,
        event: &NewEvent,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<OutboxEvent>;

    /// Claims for `worker`, until then, events of this kind that are [due](telestore_types::is_due) and that nobody has
    /// claimed, the oldest first, of none of the users in `except`. Of those that [need the account](OutboxKind::needs_account),
    /// none of a user whose account another worker holds; the account is held as long as the claim.
    async fn outbox_lease(
        &self,
        worker: &WorkerId,
        kind: OutboxKind,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
        except: &[UserId],
    ) -> Result<Vec<OutboxEvent>>;

    /// The kinds of which an event that nobody has claimed is [due](telestore_types::is_due) at `now`, each with the moment for
    /// which the oldest of them was put off. It may be of a user whose account another worker holds.
    async fn outbox_due(&self, now: Timestamp) -> Result<Vec<(OutboxKind, Timestamp)>>;

    /// When the next event will be due that nobody has claimed, or whose claim runs out; `None` if none waits.
    async fn outbox_next_due(&self) -> Result<Option<Timestamp>>;

    /// Takes a delivered (or given up) event out. `false` if another worker has claimed it meanwhile.
    async fn outbox_done(&self, event: &OutboxEvent) -> Result<bool>;

    /// Counts a failed delivery, writes down the body that `event` has by now, and lets the claim go until `at`; the same claim may
    /// still [end](Self::outbox_done) the event, unless another worker has claimed it meanwhile: then this is `false`.
    async fn outbox_later(&self, event: &OutboxEvent, at: Timestamp) -> Result<bool>;

    /// The events of this kind that are not done, claimed or not, due or not: `limit` of them at most, by their ids, those behind
    /// the id `after`.
    async fn outbox_list(&self, kind: OutboxKind, after: Option<&str>, limit: u32) -> Result<Vec<NewEvent>>;

    /// Files of a user, the newest first.
    async fn files(&self, user: &UserId, listing: &FileListing) -> Result<Vec<IndexedFile>>;

    /// One file of a user.
    async fn file(&self, user: &UserId, id: &FileId) -> Result<Option<IndexedFile>>;

    /// Takes a file of a user out of the index, and gives it, forgets the upload that it was, and adds, flushed, the events that
    /// take its messages back. `None`, with nothing changed, if it is not there.
    async fn delete_file(
        &self,
        user: &UserId,
        id: &FileId,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Option<IndexedFile>>;

    /// Those of these blobs that are of use, each once: that the record of a chunk names, of an upload that is not over.
    async fn named(&self, blobs: &[BlobName]) -> Result<Vec<BlobName>>;

    /// Deletes uploads that are past their time; their events stay.
    async fn expire(&self, expiry: &Expiry) -> Result<Vec<Expired>>;

    /// What the worker's clock showed last, for the next process. If no process wrote it down yet: the latest time
    /// of any row.
    async fn clock(&self) -> Result<Option<Reading>>;

    /// Writes down what the worker's clock shows.
    async fn save_clock(&self, reading: Reading) -> Result<()>;

    /// The supergroup that this group of a user has become, if that was written down.
    async fn moved_chat(&self, user: &UserId, chat: &ChatId) -> Result<Option<ChatId>>;

    /// Writes down which supergroup a user's group has become. A user has one chat, so the latest takes the place of any
    /// other one of that user.
    async fn save_moved_chat(&self, user: &UserId, chat: &ChatId, moved_to: &ChatId) -> Result<()>;

    /// What was kept for a bot under this key, see [`save_bot_key`](Self::save_bot_key).
    async fn bot_key(&self, key: &StorageKey) -> Result<Option<Vec<u8>>>;

    /// Keeps what a bot has signed in with, sealed for `key`, in the place of what was there. The engine makes the key of the
    /// bot's token, which cannot be found from it.
    async fn save_bot_key(&self, key: &StorageKey, sealed: &[u8]) -> Result<()>;

    /// How much there is of everything.
    async fn counts(&self) -> Result<Counts>;

    /// Tells of changes from now on, so that this worker need not wait until it looks again. A store that cannot be woken
    /// tells of none.
    fn changes(&self) -> Changes {
        Changes::never()
    }

    /// Writes something that changes nothing, to tell whether the store takes writes.
    async fn probe(&self) -> Result<()>;
}
