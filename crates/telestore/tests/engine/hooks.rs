//! Stores that fail, or let something else happen, exactly where a test says so.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use telestore::store::rules::{Concatenation, JoinedExtent, NewExtent};
use telestore::store::{
    Appended, Blob, BlobName, Cancelled, Changes, ChunkRecord, ChunkStore, Claim, Completed, Concatenated,
    Counts, Created, Declared, Error, Expired, Expiry, FetchNote, FileListing, KnownWorker, Lease, Limits,
    NewChunk, NewEvent, OptionsSet, OutboxEvent, OutboxKind, Owner, Recorded, Released, Result, SessionStore,
    Spool, SpooledChunk, Subject, Usage, WorkerInfo,
};
use telestore::types::{
    ChatId, ChunkIndex, Encoding, FileId, IndexedFile, Outcome, Reading, ResumeState, StorageKey, StoredFile,
    Timestamp, Upload, UploadId, UploadOptions, UserId, WorkerId,
};
use tokio::sync::Notify;

type Hook = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is to happen at which method. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    failures: HashMap<&'static str, usize>,
    broken: Vec<&'static str>,
    after: HashMap<&'static str, Hook>,
    hanging: Vec<&'static str>,
    waiting: HashMap<&'static str, usize>,
    calls: HashMap<&'static str, usize>,
}

impl Hooks {
    /// Lets the next `times` calls of `method` fail without an effect.
    pub(crate) fn fail(&self, method: &'static str, times: usize) {
        self.0.lock().unwrap().failures.insert(method, times);
    }

    /// Lets every call of `method` fail from here on, as where the disk of this machine is broken.
    pub(crate) fn break_down(&self, method: &'static str) {
        self.0.lock().unwrap().broken.push(method);
    }

    /// Ends that.
    pub(crate) fn mend(&self, method: &'static str) {
        self.0.lock().unwrap().broken.retain(|broken| *broken != method);
    }

    /// Runs `hook` once, after the next call of `method` took effect and before its caller hears of it.
    pub(crate) fn after(&self, method: &'static str, hook: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap().after.insert(method, Box::pin(hook));
    }

    /// Halts the next call of `method` after it took effect: tells by the first that it is there, and goes on by the
    /// second.
    pub(crate) fn halt(&self, method: &'static str) -> (Arc<Notify>, Arc<Notify>) {
        let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (telling, waiting) = (Arc::clone(&reached), Arc::clone(&go_on));
        self.after(method, async move {
            telling.notify_one();
            waiting.notified().await;
        });
        (reached, go_on)
    }

    /// Lets every call of `method` hang from here on.
    pub(crate) fn hang(&self, method: &'static str) {
        self.0.lock().unwrap().hanging.push(method);
    }

    /// How often `method` was called.
    pub(crate) fn calls(&self, method: &'static str) -> usize {
        self.0.lock().unwrap().calls.get(method).copied().unwrap_or(0)
    }

    /// How many calls of `method` hang.
    pub(crate) fn waiting(&self, method: &'static str) -> usize {
        self.0.lock().unwrap().waiting.get(method).copied().unwrap_or(0)
    }

    async fn may_hang(&self, method: &'static str) {
        let hangs = self.0.lock().unwrap().hanging.contains(&method);
        if hangs {
            *self.0.lock().unwrap().waiting.entry(method).or_default() += 1;
            std::future::pending().await
        }
    }

    fn check(&self, method: &'static str) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        *state.calls.entry(method).or_default() += 1;
        if state.broken.contains(&method) {
            return Err(Error::failed("hook", format!("{method} is broken")));
        }
        match state.failures.get_mut(method) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(Error::unavailable("hook", format!("{method} was told to fail")))
            }
            _ => Ok(()),
        }
    }

    async fn done(&self, method: &'static str) {
        let hook = self.0.lock().unwrap().after.remove(method);
        if let Some(hook) = hook {
            hook.await;
        }
    }
}

/// A store with hooks.
#[derive(Clone)]
pub(crate) struct Hooked<S> {
    pub(crate) inner: S,
    pub(crate) hooks: Hooks,
}

impl<S: fmt::Debug> fmt::Debug for Hooked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<S> Hooked<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, hooks: Hooks::default() }
    }
}

macro_rules! forward {
    ($role:ident $([ $own:item ])? { $($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)* }) => {
        #[async_trait]
        impl<S: $role> $role for Hooked<S> {
            $($own)?
            $(async fn $name(&self, $($arg: $type),*) -> Result<$out> {
                self.hooks.may_hang(stringify!($name)).await;
                self.hooks.check(stringify!($name))?;
                let done = self.inner.$name($($arg),*).await;
                self.hooks.done(stringify!($name)).await;
                done
            })*
        }
    };
}

forward! { SessionStore [
    fn changes(&self) -> Changes {
        self.inner.changes()
    }
] {
    create(upload: &Upload, anew: bool, limits: &Limits) -> Created;
    get(id: &UploadId) -> Option<Upload>;
    list(listing: &telestore::store::Listing) -> Vec<Upload>;
    claim(id: &UploadId, key: &StorageKey, owner: &Owner, limits: &Limits) -> Claim;
    record_chunk(new: NewChunk) -> Recorded;
    append(new: &NewExtent) -> Appended;
    join(join: &JoinedExtent) -> bool;
    concatenate(new: &Concatenation) -> Concatenated;
    declare_size(id: &UploadId, key: &StorageKey, size: u64, now: Timestamp) -> Declared;
    set_options(id: &UploadId, key: &StorageKey, named: &UploadOptions, thumbnail: Option<&ChunkRecord>, now: Timestamp) -> OptionsSet;
    usage(of: Subject<'_>, now: Timestamp) -> Usage;
    chunks(key: &StorageKey) -> Vec<ChunkRecord>;
    checkpoint_early(id: &UploadId, key: &StorageKey, expected: Option<&ResumeState>, resume: &ResumeState) -> bool;
    begin_early(id: &UploadId, key: &StorageKey, worker: &WorkerId, now: Timestamp, until: Timestamp) -> bool;
    end_early(id: &UploadId, key: &StorageKey, worker: &WorkerId) -> ();
    begin_fetch(worker: &WorkerId, now: Timestamp, except: &[UserId]) -> Option<Upload>;
    note_fetch(id: &UploadId, key: &StorageKey, worker: &WorkerId, note: &FetchNote, now: Timestamp) -> Option<Vec<BlobName>>;
    complete(id: &UploadId, key: &StorageKey, now: Timestamp) -> Completed;
    cancel(id: &UploadId, key: &StorageKey, now: Timestamp) -> Cancelled;
    forget(id: &UploadId, key: &StorageKey) -> Option<Vec<BlobName>>;
    keep(id: &UploadId, key: &StorageKey) -> Option<Upload>;
    lease(worker: &WorkerId, now: Timestamp, until: Timestamp, except: &[UserId]) -> Option<Lease>;
    next_due(worker: &WorkerId) -> Option<Timestamp>;
    extend(lease: &Lease, now: Timestamp, until: Timestamp) -> bool;
    hold_account(user: &UserId, worker: &WorkerId, now: Timestamp, until: Timestamp) -> bool;
    leave_account(user: &UserId, worker: &WorkerId) -> ();
    checkpoint(lease: &Lease, progress: u8, resume: Option<ResumeState>) -> bool;
    commit(lease: &Lease, progress: u8, resume: Option<ResumeState>) -> bool;
    uncommit(lease: &Lease) -> bool;
    encode(lease: &Lease, encoding: &Encoding) -> bool;
    finish(lease: &Lease, stored: &StoredFile, event: Option<&NewEvent>, now: Reading) -> bool;
    fail(lease: &Lease, error: &str, outcome: Outcome, now: Timestamp) -> bool;
    retry_later(lease: &Lease, at: Timestamp, counted: bool, now: Timestamp) -> bool;
    beat(worker: &WorkerId, until: Timestamp) -> ();
    introduce(worker: &WorkerId, info: &WorkerInfo, now: Timestamp, until: Timestamp) -> ();
    workers(now: Timestamp) -> Vec<KnownWorker>;
    living(now: Timestamp, after: Option<&WorkerId>, limit: u32) -> Vec<WorkerId>;
    release(worker: &WorkerId, now: Timestamp, limit: u32) -> Vec<Released>;
    release_gone(worker: &WorkerId, now: Timestamp, limit: u32) -> Vec<Released>;
    add_event(
        upload: &UploadId, event: &NewEvent, worker: &WorkerId, now: Timestamp, until: Timestamp
    ) -> OutboxEvent;
    outbox_lease(
        worker: &WorkerId, kind: OutboxKind, now: Timestamp, until: Timestamp, limit: u32, except: &[UserId]
    ) -> Vec<OutboxEvent>;
    outbox_due(now: Timestamp) -> Vec<(OutboxKind, Timestamp)>;
    outbox_next_due() -> Option<Timestamp>;
    outbox_done(event: &OutboxEvent) -> bool;
    outbox_later(event: &OutboxEvent, at: Timestamp) -> bool;
    outbox_list(kind: OutboxKind, after: Option<&str>, limit: u32) -> Vec<NewEvent>;
    named(blobs: &[BlobName]) -> Vec<BlobName>;
    expire(expiry: &Expiry) -> Vec<Expired>;
    moved_chat(user: &UserId, chat: &ChatId) -> Option<ChatId>;
    save_moved_chat(user: &UserId, chat: &ChatId, moved_to: &ChatId) -> ();
    bot_key(key: &StorageKey) -> Option<Vec<u8>>;
    save_bot_key(key: &StorageKey, sealed: &[u8]) -> ();
    files(user: &UserId, listing: &FileListing) -> Vec<IndexedFile>;
    file(user: &UserId, id: &FileId) -> Option<IndexedFile>;
    delete_file(user: &UserId, id: &FileId, events: &[NewEvent], now: Timestamp) -> Option<IndexedFile>;
    clock() -> Option<Reading>;
    save_clock(reading: Reading) -> ();
    counts() -> Counts;
    probe() -> ();
} }

forward! { ChunkStore {
    spool() -> Box<dyn Spool>;
    put(key: &StorageKey, index: ChunkIndex, spooled: SpooledChunk) -> BlobName;
    read_at(blob: &BlobName, offset: u64, length: usize) -> bytes::Bytes;
    discard(spooled: SpooledChunk) -> ();
    delete(blobs: &[BlobName]) -> ();
    list(after: Option<&BlobName>, limit: usize) -> Vec<Blob>;
    free_bytes() -> Option<u64>;
    clear_spool() -> ();
    probe() -> ();
} }
