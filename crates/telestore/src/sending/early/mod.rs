//! Sends large files while they still arrive, so that little is left to do when completion is asked for.
//!
//! What is sent early is written down by comparing and setting the upload's resume state. Other bytes for a chunk clear
//! that state in the same transaction that records them, so a state that was made of the old bytes is never written
//! again, and a runner never goes on from it.

mod session;
mod sink;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use telestore_store::ChunkRecord;
use telestore_types::{MAX_EARLY_CRASHES, StorageKey, Upload, UploadId, UploadKind, UploadState, UserId};
use telestore_uploader::TelegramUploader;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::ports::Arrivals;
use crate::shared::sends::Sends;
use crate::shared::sends::early::{Entry, Running};
use session::Session;

/// How long a process that ends waits for what is in flight.
const REST: Duration = Duration::from_secs(5);

/// Early sending of this process. All of it may be lost at any time.
#[derive(Debug)]
pub(crate) struct Early {
    /// The smallest file that is sent early, in bytes; `None` if none is.
    from: Option<u64>,
    base: Arc<Base>,
    backends: Arc<Backends>,
    bytes: Arc<Bytes>,
    sends: Arc<Sends>,
    /// Where sessions run: not on the threads that take in the chunks.
    runtime: OnceLock<Handle>,
    tasks: TaskTracker,
    /// Ends every session at once, as if killed.
    kill: CancellationToken,
}

impl Early {
    pub(crate) fn new(
        base: Arc<Base>,
        backends: Arc<Backends>,
        bytes: Arc<Bytes>,
        sends: Arc<Sends>,
    ) -> Self {
        Self {
            from: if base.config.eager { sent_early_from(&backends.uploaders) } else { None },
            base,
            backends,
            bytes,
            sends,
            runtime: OnceLock::new(),
            tasks: TaskTracker::new(),
            kill: CancellationToken::new(),
        }
    }

    /// Lets sessions begin, on the runtime of the caller.
    pub(crate) fn open(&self) {
        let _ = self.runtime.set(Handle::current());
    }

    /// Waits until every session has ended; they stop by the engine's token. What is in flight on a slow line is dropped.
    pub(crate) async fn rest(&self) {
        self.tasks.close();
        if timeout(REST, self.tasks.wait()).await.is_err() {
            self.kill();
            self.tasks.wait().await;
        }
    }

    /// Ends every session at once.
    pub(crate) fn kill(&self) {
        self.kill.cancel();
    }
}

/// A file that may go by a backend which needs all of it at once is not sent early.
fn sent_early_from(uploaders: &[Arc<dyn TelegramUploader>]) -> Option<u64> {
    let capabilities = || uploaders.iter().map(|uploader| uploader.capability());
    let from = capabilities().filter_map(|can| can.early_from).min()?;
    let whole = capabilities().filter(|can| can.early_from.is_none()).map(|can| can.whole_bytes).max();
    Some(whole.map_or(from, |whole| from.max(whole.saturating_add(1))))
}

impl Arrivals for Arc<Early> {
    fn arrived(&self, upload: &Upload, chunk: &ChunkRecord) {
        self.send_early(upload, chunk);
    }
}

impl Early {
    /// Takes note of a chunk that was recorded, and begins to send its file if that is worth it.
    pub(crate) fn send_early(self: &Arc<Self>, upload: &Upload, chunk: &ChunkRecord) {
        let size = upload.file_size;
        let in_pieces = match upload.kind {
            UploadKind::Chunked => upload.total_chunks != Some(1),
            // Nothing is said of a file whose length nobody knows.
            UploadKind::Appended | UploadKind::Streamed => size.is_some_and(|size| chunk.length < size),
            _ => false,
        };
        let worth_it = self.from.is_some_and(|from| size.is_some_and(|size| size >= from))
            && in_pieces
            // A chunk may still become another one, and two bytes must not be encrypted with one key.
            && !self.base.config.encoding.changes(upload)
            && upload.state == UploadState::Receiving
            && upload.crashes < MAX_EARLY_CRASHES;
        let (true, Some(user)) = (worth_it, &upload.user_id) else { return };
        let mut entries = self.sends.early.entries();
        if let Some(running) = entries.get(&upload.key).and_then(Entry::running) {
            // If it is just ending, the next chunk begins another.
            let _ = running.arrived.send(chunk.clone());
            return;
        }
        if upload.early && upload.worker.as_ref().is_some_and(|worker| *worker != self.base.worker) {
            // Another worker sends it, and looks for new chunks by itself.
            return;
        }
        let new = || Entry::new(upload.id.clone(), user.clone());
        let entry = entries.entry(upload.key.clone()).or_insert_with(new);
        let waits = entry.not_before.is_some_and(|at| at > self.base.now());
        if waits || self.base.shutdown.is_cancelled() || !self.has_room(&entries, user) {
            return;
        }
        let Some(runtime) = self.runtime.get() else { return };
        let (running, inbox) = self.new_session();
        if let Some(entry) = entries.get_mut(&upload.key) {
            entry.session = Some(running.clone());
        }
        drop(entries);
        let session = Session::new(Arc::clone(self), upload, running, inbox);
        // The request that began it ends long before.
        let span = tracing::info_span!(parent: None, "send_early", upload = %upload.id, user = %user);
        self.tasks.spawn_on(session.run().instrument(span), runtime);
    }

    fn new_session(&self) -> (Running, mpsc::UnboundedReceiver<ChunkRecord>) {
        let (arrived, inbox) = mpsc::unbounded_channel();
        let running = Running {
            arrived,
            stop: self.base.shutdown.child_token(),
            kill: self.kill.child_token(),
            over: CancellationToken::new(),
            moved: Arc::default(),
            states: Arc::default(),
        };
        (running, inbox)
    }

    /// Whether one more session may begin for `user`.
    fn has_room(&self, entries: &HashMap<StorageKey, Entry>, user: &UserId) -> bool {
        let running = || entries.values().filter(|entry| entry.running().is_some());
        let places = self.base.config.max_concurrent_uploads.max(1);
        // One place is always another user's.
        running().count() < places
            && running().filter(|entry| entry.user == *user).count() < (places - 1).max(1)
            && sent_by(entries, user) < self.base.config.eager_max_bytes
    }

    /// Notes how much of an upload Telegram has; says whether its user may send more early.
    fn note_sent(&self, key: &StorageKey, bytes: u64) -> bool {
        let mut entries = self.sends.early.entries();
        let Some(entry) = entries.get_mut(key) else { return true };
        entry.sent = bytes;
        let user = entry.user.clone();
        sent_by(&entries, &user) < self.base.config.eager_max_bytes
    }
}

fn sent_by(entries: &HashMap<StorageKey, Entry>, user: &UserId) -> u64 {
    entries.values().filter(|entry| entry.user == *user).map(|entry| entry.sent).sum()
}

/// The upload that is sent early, as log lines and the store name it.
#[derive(Debug, Clone)]
struct EarlyUpload {
    id: UploadId,
    key: StorageKey,
}

#[cfg(test)]
mod tests {
    use telestore_uploader::{Capability, MockTelegramUploader, Requirement};

    use super::*;

    fn backend(max_bytes: u64, early_from: Option<u64>) -> Arc<dyn TelegramUploader> {
        let mut mock = MockTelegramUploader::new();
        let mut capability = Capability::new(max_bytes, Requirement::Nothing).resumable().idempotent();
        capability.early_from = early_from;
        mock.expect_capability().return_const(capability);
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
