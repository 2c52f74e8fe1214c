//! Sends large files while they still arrive, so that little is left to do when completion is asked for.
//!
//! What is sent early is written down by comparing and setting the upload's resume state. Other bytes for a chunk clear
//! that state in the same transaction that records them, so a state that was made of the old bytes is never written
//! again, and a runner never goes on from it.

mod session;
mod sink;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use telestore_store::ChunkRecord;
use telestore_types::{
    MAX_EARLY_CRASHES, ResumeState, StorageKey, Timestamp, Upload, UploadId, UploadKind, UploadState, UserId,
};
use telestore_uploader::TelegramUploader;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::Telestore;
use crate::shared::config::EngineConfig;
use session::Session;

/// How long a runner waits for early sending to come to rest. Backends promise a second.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Early sending of this process. All of it may be lost at any time.
#[derive(Debug)]
pub(crate) struct Early {
    /// The smallest file that is sent early, in bytes; `None` where none is.
    from: Option<u64>,
    entries: Mutex<HashMap<StorageKey, Entry>>,
    /// Where sessions run: not on the threads that take in the chunks.
    runtime: OnceLock<Handle>,
    tasks: TaskTracker,
    /// Ends every session at once, as if killed.
    kill: CancellationToken,
}

/// What is known of one upload that still receives.
#[derive(Debug)]
struct Entry {
    user: UserId,
    /// What Telegram has of it, in bytes.
    sent: u64,
    /// The last session. One that has ended stays, since a runner may go on from what it knows.
    session: Option<Running>,
    /// Not to be begun again before.
    not_before: Option<Timestamp>,
}

/// A session at work.
#[derive(Debug, Clone)]
struct Running {
    arrived: mpsc::UnboundedSender<ChunkRecord>,
    /// Lets what is in flight come to its end, and begins nothing new.
    stop: CancellationToken,
    /// Drops what is in flight.
    kill: CancellationToken,
    /// Cancelled when the session has ended.
    over: CancellationToken,
    states: Arc<Mutex<States>>,
}

/// How far a session is.
#[derive(Debug, Default)]
struct States {
    /// What the upload's row holds, unless a chunk was replaced or a runner has taken over since.
    saved: Option<ResumeState>,
    /// What the backend said last.
    newest: Option<ResumeState>,
}

impl Early {
    pub(crate) fn new(uploaders: &[Arc<dyn TelegramUploader>], config: &EngineConfig) -> Self {
        Self {
            from: if config.eager { sent_early_from(uploaders) } else { None },
            entries: Mutex::default(),
            runtime: OnceLock::new(),
            tasks: TaskTracker::new(),
            kill: CancellationToken::new(),
        }
    }

    /// Lets sessions begin, on the runtime of the caller.
    pub(crate) fn open(&self) {
        let _ = self.runtime.set(Handle::current());
    }

    /// Waits until every session has ended; they stop by the engine's token.
    pub(crate) async fn rest(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends every session at once.
    pub(crate) fn kill(&self) {
        self.kill.cancel();
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<StorageKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that may go by a backend which needs all of it at once is not sent early.
fn sent_early_from(uploaders: &[Arc<dyn TelegramUploader>]) -> Option<u64> {
    let capabilities = || uploaders.iter().map(|uploader| uploader.capability());
    let from = capabilities().filter_map(|can| can.early_from).min()?;
    let whole = capabilities().filter(|can| can.early_from.is_none()).map(|can| can.max_bytes).max();
    Some(whole.map_or(from, |whole| from.max(whole.saturating_add(1))))
}

impl Telestore {
    /// Takes note of a chunk that was recorded, and begins to send its file where that is worth it.
    pub(crate) fn send_early(&self, upload: &Upload, chunk: &ChunkRecord) {
        let worth_it = self.0.early.from.is_some_and(|from| upload.file_size >= from)
            && upload.state == UploadState::Receiving
            && upload.total_chunks > 1
            && upload.kind == UploadKind::Chunked
            && upload.crashes < MAX_EARLY_CRASHES;
        let (true, Some(user)) = (worth_it, &upload.user_id) else { return };
        let mut entries = self.0.early.entries();
        let entry = entries.entry(upload.key.clone()).or_insert_with(|| Entry::new(user.clone()));
        if let Some(running) = entry.running() {
            // Where it is just ending, the next chunk begins another.
            let _ = running.arrived.send(chunk.clone());
            return;
        }
        let waits = entry.not_before.is_some_and(|at| at > self.now());
        if waits || self.0.shutdown.is_cancelled() || !self.has_room(&entries, user) {
            return;
        }
        let Some(runtime) = self.0.early.runtime.get() else { return };
        let (running, inbox) = self.new_session();
        if let Some(entry) = entries.get_mut(&upload.key) {
            entry.session = Some(running.clone());
        }
        drop(entries);
        let session = Session::new(self.clone(), upload, running, inbox);
        // The request that began it ends long before.
        let span = tracing::info_span!(parent: None, "send_early", upload = %upload.id, user = %user);
        self.0.early.tasks.spawn_on(session.run().instrument(span), runtime);
    }

    fn new_session(&self) -> (Running, mpsc::UnboundedReceiver<ChunkRecord>) {
        let (arrived, inbox) = mpsc::unbounded_channel();
        let running = Running {
            arrived,
            stop: self.0.shutdown.child_token(),
            kill: self.0.early.kill.child_token(),
            over: CancellationToken::new(),
            states: Arc::default(),
        };
        (running, inbox)
    }

    /// Whether one more session may begin for `user`.
    fn has_room(&self, entries: &HashMap<StorageKey, Entry>, user: &UserId) -> bool {
        let running = || entries.values().filter(|entry| entry.running().is_some());
        let places = self.config().max_concurrent_uploads.max(1);
        // One place is always another user's.
        running().count() < places
            && running().filter(|entry| entry.user == *user).count() < (places - 1).max(1)
            && sent_by(entries, user) < self.config().eager_max_bytes
    }

    /// Notes how much of an upload Telegram has; says whether its user may send more early.
    fn note_sent(&self, key: &StorageKey, bytes: u64) -> bool {
        let mut entries = self.0.early.entries();
        let Some(entry) = entries.get_mut(key) else { return true };
        entry.sent = bytes;
        let user = entry.user.clone();
        sent_by(&entries, &user) < self.config().eager_max_bytes
    }

    /// Ends early sending of an upload that a runner has now. Gives what the runner goes on from, where that is more
    /// than the upload's row says.
    pub(crate) async fn take_over(&self, upload: &Upload) -> Option<ResumeState> {
        let running = self.0.early.entries().remove(&upload.key)?.session?;
        running.stop.cancel();
        if tokio::time::timeout(HAND_OVER, running.over.cancelled()).await.is_err() {
            running.kill.cancel();
            running.over.cancelled().await;
        }
        let states = running.states();
        // Where the row holds something else, bytes were replaced after that was made.
        if states.saved == upload.resume { states.newest.clone() } else { None }
    }

    /// Drops early sending of an upload that is over.
    pub(crate) fn forget_early(&self, key: &StorageKey) {
        let entry = self.0.early.entries().remove(key);
        if let Some(running) = entry.and_then(|entry| entry.session) {
            running.kill.cancel();
        }
    }
}

fn sent_by(entries: &HashMap<StorageKey, Entry>, user: &UserId) -> u64 {
    entries.values().filter(|entry| entry.user == *user).map(|entry| entry.sent).sum()
}

impl Entry {
    fn new(user: UserId) -> Self {
        Self { user, sent: 0, session: None, not_before: None }
    }

    fn running(&self) -> Option<&Running> {
        self.session.as_ref().filter(|session| !session.over.is_cancelled())
    }
}

impl Running {
    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What early sending is of, in log lines and calls to the store.
#[derive(Debug, Clone)]
struct Of {
    id: UploadId,
    key: StorageKey,
}

#[cfg(test)]
mod tests {
    use telestore_uploader::{Capability, MockTelegramUploader, Requirement};

    use super::*;

    fn backend(max_bytes: u64, early_from: Option<u64>) -> Arc<dyn TelegramUploader> {
        let mut mock = MockTelegramUploader::new();
        mock.expect_capability().return_const(Capability {
            max_bytes,
            part_size: 0,
            resumable: true,
            idempotent: true,
            early_from,
            requirement: Requirement::Nothing,
        });
        Arc::new(mock)
    }

    #[test]
    fn files_that_may_go_as_a_whole_are_not_sent_early() {
        let (whole, parts) = (backend(50, None), backend(2_000, Some(10)));
        assert_eq!(sent_early_from(&[Arc::clone(&whole), Arc::clone(&parts)]), Some(51));
        assert_eq!(sent_early_from(&[parts]), Some(10));
        assert_eq!(sent_early_from(&[whole]), None);
    }
}
