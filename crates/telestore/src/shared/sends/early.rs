use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_store::ChunkRecord;
use telestore_types::{ResumeState, StorageKey, Timestamp, Upload, UploadId, UploadState, UserId};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a runner waits for early sending to come to rest, from one acknowledged part to the next. Backends promise two
/// seconds. What is dropped would have to be sent again.
const HAND_OVER: Duration = Duration::from_secs(3);

/// How long it waits in all: others may wait for its slot.
const LONGEST_HAND_OVER: Duration = Duration::from_secs(30);

/// What is sent while it still arrives, by the upload's key.
#[derive(Debug, Default)]
pub(crate) struct EarlySends(Mutex<HashMap<StorageKey, Entry>>);

/// What is known of one upload that still receives.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: UploadId,
    pub(crate) user: UserId,
    /// What Telegram has of it, in bytes.
    pub(crate) sent: u64,
    /// The last session. One that has ended stays, since a runner may go on from what it knows.
    pub(crate) session: Option<Running>,
    /// Not to be begun again before.
    pub(crate) not_before: Option<Timestamp>,
}

/// A session at work.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) arrived: mpsc::UnboundedSender<ChunkRecord>,
    /// Lets what is in flight come to its end, and begins nothing new.
    pub(crate) stop: CancellationToken,
    /// Drops what is in flight.
    pub(crate) kill: CancellationToken,
    /// Cancelled when the session has ended.
    pub(crate) over: CancellationToken,
    /// Told of each acknowledgement.
    pub(crate) moved: Arc<Notify>,
    pub(crate) states: Arc<Mutex<States>>,
}

/// How far a session is.
#[derive(Debug, Default)]
pub(crate) struct States {
    /// What the upload's row holds, unless a chunk was replaced or a runner has taken over since.
    pub(crate) saved: Option<ResumeState>,
    /// What the backend said last.
    pub(crate) newest: Option<ResumeState>,
}

impl EarlySends {
    pub(crate) fn entries(&self) -> MutexGuard<'_, HashMap<StorageKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends early sending of an upload that a runner has now. Gives what the runner goes on from, if that is more
    /// than the upload's row says. After `hurry` nothing that is in flight is waited for.
    pub(crate) async fn take_over(&self, upload: &Upload, hurry: &CancellationToken) -> Option<ResumeState> {
        let running = self.entries().remove(&upload.key)?.session?;
        running.stop.cancel();
        tokio::select! {
            () = running.comes_to_rest() => {}
            () = hurry.cancelled() => {}
        }
        running.kill.cancel();
        running.over.cancelled().await;
        let states = running.states();
        // If the row holds something else, bytes were replaced after that was made.
        if states.saved == upload.resume { states.newest.clone() } else { None }
    }

    /// Whose uploads are sent early now.
    pub(crate) fn users(&self) -> HashSet<UserId> {
        let entries = self.entries();
        let running = entries.values().filter(|entry| entry.running().is_some());
        running.map(|entry| entry.user.clone()).collect()
    }

    /// Drops early sending of everything of a user, and what is in flight: another worker uses the account.
    pub(crate) fn stop_of(&self, user: &UserId) {
        self.stop(|entry| entry.user == *user);
    }

    /// Drops all early sending, and what is in flight.
    pub(crate) fn stop_all(&self) {
        self.stop(|_| true);
    }

    fn stop(&self, which: impl Fn(&Entry) -> bool) {
        for running in self.entries().values().filter(|entry| which(entry)).filter_map(Entry::running) {
            running.kill.cancel();
        }
    }

    /// The uploads of which something is known and which are not sent now.
    pub(crate) fn at_rest(&self) -> Vec<(UploadId, StorageKey)> {
        let entries = self.entries();
        let at_rest = entries.iter().filter(|(_, entry)| entry.running().is_none());
        at_rest.map(|(key, entry)| (entry.id.clone(), key.clone())).collect()
    }

    /// Drops early sending of an upload that is over.
    pub(crate) fn forget(&self, key: &StorageKey) {
        let entry = self.entries().remove(key);
        if let Some(running) = entry.and_then(|entry| entry.session) {
            running.kill.cancel();
        }
    }
}

/// Whether what is known of an upload may be of use: it receives, or a runner may ask for it.
pub(crate) fn is_under_way(row: Option<&Upload>, key: &StorageKey) -> bool {
    use UploadState::{Queued, Receiving, Sending};
    row.is_some_and(|row| row.key == *key && matches!(row.state, Receiving | Queued | Sending))
}

impl Entry {
    pub(crate) fn new(id: UploadId, user: UserId) -> Self {
        Self { id, user, sent: 0, session: None, not_before: None }
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        self.session.as_ref().filter(|session| !session.over.is_cancelled())
    }
}

impl Running {
    /// Returns once it has ended, or does not get on.
    async fn comes_to_rest(&self) {
        let stands_still = async { while timeout(HAND_OVER, self.moved.notified()).await.is_ok() {} };
        tokio::select! {
            () = self.over.cancelled() => {}
            () = stands_still => {}
            () = sleep(LONGEST_HAND_OVER) => {}
        }
    }

    pub(crate) fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
