//! What other workers do with uploads that are watched here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_types::{StorageKey, Upload, UploadId, UploadState};
use tokio::sync::{Notify, watch};

use crate::shared::base::Base;
use crate::shared::tasks::Task;

/// How often the store is asked about what is watched.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many uploads one question is about.
const PAGE: usize = 500;

/// The uploads that listeners of this process watch, if other workers share its stores: one question each second about
/// all of them, however many listeners there are.
#[derive(Debug)]
pub(crate) struct Observed {
    base: Arc<Base>,
    watched: Mutex<HashMap<UploadId, Watched>>,
    /// Told when there is something to watch.
    begun: Notify,
}

#[derive(Debug)]
struct Watched {
    listeners: usize,
    /// What was seen last.
    seen: Option<Seen>,
    changed: watch::Sender<()>,
}

/// What a listener can tell apart in a row.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    key: StorageKey,
    state: UploadState,
    progress: u8,
    attempt: u32,
}

impl Seen {
    fn of(upload: &Upload) -> Self {
        let Upload { key, state, progress, attempt, .. } = upload;
        Self { key: key.clone(), state: *state, progress: *progress, attempt: *attempt }
    }
}

/// A listener's place. Dropped, it is left.
#[derive(Debug)]
pub(crate) struct Observer {
    observed: Arc<Observed>,
    id: UploadId,
    changed: watch::Receiver<()>,
}

impl Observer {
    /// Returns when the row has changed since the last time.
    pub(crate) async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let mut watched = self.observed.watched();
        let Some(found) = watched.get_mut(&self.id) else { return };
        found.listeners -= 1;
        if found.listeners == 0 {
            watched.remove(&self.id);
        }
    }
}

impl Observed {
    pub(crate) fn new(base: Arc<Base>) -> Self {
        Self { base, watched: Mutex::default(), begun: Notify::new() }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<UploadId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches an upload, unless this process is the only one that changes any.
    pub(crate) fn observe(self: &Arc<Self>, id: &UploadId) -> Option<Observer> {
        if self.base.config.alone {
            return None;
        }
        let mut watched = self.watched();
        let found = watched.entry(id.clone()).or_insert_with(|| Watched {
            listeners: 0,
            seen: None,
            changed: watch::Sender::new(()),
        });
        found.listeners += 1;
        let changed = found.changed.subscribe();
        drop(watched);
        self.begun.notify_one();
        Some(Observer { observed: Arc::clone(self), id: id.clone(), changed })
    }

    /// Looks each second, as long as the engine runs and something is watched.
    pub(crate) async fn run_all(&self, task: &Task) {
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            let ids: Vec<UploadId> = self.watched().keys().cloned().collect();
            if ids.is_empty() {
                self.base.rest(Duration::from_secs(60), self.begun.notified()).await;
                continue;
            }
            self.look(&ids).await;
            self.base.rest(LOOK_EVERY, std::future::pending()).await;
        }
    }

    async fn look(&self, ids: &[UploadId]) {
        for page in ids.chunks(PAGE) {
            match self.base.sessions.get_all(page).await {
                Ok(found) => self.tell(page, &found),
                // Listeners hear of it when the store answers again.
                Err(error) => tracing::debug!(%error, "could not look at what is watched"),
            }
        }
    }

    fn tell(&self, asked: &[UploadId], found: &[Upload]) {
        let rows: HashMap<&UploadId, &Upload> = found.iter().map(|upload| (&upload.id, upload)).collect();
        let mut watched = self.watched();
        for id in asked {
            let Some(watched) = watched.get_mut(id) else { continue };
            let now = rows.get(id).map(|upload| Seen::of(upload));
            // One that is gone was there when its listener began, which is told of it.
            if now.is_none() || now != watched.seen {
                watched.seen = now;
                watched.changed.send_replace(());
            }
        }
    }
}
