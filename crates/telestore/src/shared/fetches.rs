//! The fetches of this process: how each is stopped. What is to be fetched, and by whom, is what the session store says.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telestore_fetch::Fetcher;
use telestore_store::FetchNote;
use telestore_types::{StorageKey, Upload, UserId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many files of one user are fetched at a time.
const OF_ONE_USER: usize = 2;

/// Who fetches, and what is fetched now.
pub(crate) struct Fetches {
    pub(crate) fetcher: Option<Arc<dyn Fetcher>>,
    /// Wakes those who look for work.
    pub(crate) wake: Notify,
    running: Mutex<HashMap<StorageKey, Running>>,
    /// How fetches ended of which the store does not know it yet.
    unwritten: Mutex<Vec<(Upload, FetchNote)>>,
}

struct Running {
    upload: Upload,
    stop: CancellationToken,
}

impl fmt::Debug for Fetches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetches")
    }
}

impl Fetches {
    pub(crate) fn new(fetcher: Option<Arc<dyn Fetcher>>) -> Self {
        Self { fetcher, wake: Notify::new(), running: Mutex::default(), unwritten: Mutex::default() }
    }

    /// A fetch begins; it ends with `stop`.
    pub(crate) fn enter(&self, upload: &Upload, stop: CancellationToken) {
        self.running().insert(upload.key.clone(), Running { upload: upload.clone(), stop });
    }

    pub(crate) fn leave(&self, key: &StorageKey) {
        self.running().remove(key);
    }

    /// Forgets those that run, and gives them.
    pub(crate) fn take(&self) -> Vec<Upload> {
        self.running().drain().map(|(_, running)| running.upload).collect()
    }

    /// Keeps how a fetch ended until it can be written down: its row says as long that this worker fetches it.
    pub(crate) fn write_later(&self, upload: Upload, note: FetchNote) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((upload, note));
    }

    pub(crate) fn unwritten(&self) -> Vec<(Upload, FetchNote)> {
        std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops a fetch of this process.
    pub(crate) fn stop(&self, key: &StorageKey) {
        if let Some(running) = self.running().get(key) {
            running.stop.cancel();
        }
    }

    /// The users who have as many fetches as one may.
    pub(crate) fn busy(&self) -> Vec<UserId> {
        let mut counts: HashMap<UserId, usize> = HashMap::new();
        for user in self.running().values().filter_map(|running| running.upload.user_id.clone()) {
            *counts.entry(user).or_default() += 1;
        }
        counts.into_iter().filter(|(_, count)| *count >= OF_ONE_USER).map(|(user, _)| user).collect()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<StorageKey, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
