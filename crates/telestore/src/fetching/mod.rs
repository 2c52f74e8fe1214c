//! Fetches files from where users say that they are.

mod prefix;
mod run;

use std::collections::HashMap;
use std::sync::Arc;

use telestore_store::FetchNote;
use telestore_types::Upload;
use tokio::task::{Id, JoinSet};

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::error::Result;
use crate::shared::events::Events;
use crate::shared::fetches::Fetches;
use crate::shared::ports::Filling;
use crate::shared::sends::Sends;
use crate::shared::source::Source;
use crate::shared::tasks::Task;

/// How many files a worker fetches at a time.
const AT_A_TIME: usize = 4;

/// Fetches what is to be fetched. Clones are the same.
#[derive(Clone)]
pub(crate) struct Fetching {
    pub(crate) base: Arc<Base>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) events: Arc<Events>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) fetches: Arc<Fetches>,
    pub(crate) filling: Arc<dyn Filling>,
}

impl Fetching {
    /// Fetches as long as the engine runs.
    pub(crate) async fn run_all(&self, task: &Task) {
        // Of one that has died.
        for upload in self.fetches.take() {
            self.died(upload);
        }
        let (mut running, mut uploads) = (JoinSet::new(), HashMap::<Id, Upload>::new());
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            self.write_what_is_unwritten().await;
            if let Err(error) = self.begin(&mut running, &mut uploads).await {
                self.base.pause_after(&error).await;
            }
            let woken = async {
                tokio::select! {
                    () = self.fetches.wake.notified() => None,
                    Some(ended) = running.join_next_with_id() => Some(ended),
                }
            };
            let ended = tokio::select! {
                ended = woken => ended,
                () = tokio::time::sleep(crate::shared::base::LONGEST_SLEEP) => None,
                () = self.base.shutdown.cancelled() => None,
            };
            match ended {
                None => {}
                Some(Ok((id, ()))) => drop(uploads.remove(&id)),
                Some(Err(died)) => {
                    if let Some(upload) = uploads.remove(&died.id()) {
                        self.fetches.leave(&upload.key);
                        self.died(upload);
                    }
                }
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn begin(&self, running: &mut JoinSet<()>, uploads: &mut HashMap<Id, Upload>) -> Result<()> {
        while running.len() < AT_A_TIME {
            let busy = self.fetches.busy();
            let next = self.base.sessions.begin_fetch(&self.base.worker, self.base.now(), &busy).await?;
            let Some(upload) = next else { return Ok(()) };
            let stop = self.base.shutdown.child_token();
            self.fetches.enter(&upload, stop.clone());
            let (fetching, fetched) = (self.clone(), upload.clone());
            let task = running.spawn(async move {
                fetching.fetch(&fetched, &stop).await;
                fetching.fetches.leave(&fetched.key);
            });
            uploads.insert(task.id(), upload);
        }
        Ok(())
    }

    /// What could not be written down when a fetch ended: nobody fetches the file until it is.
    async fn write_what_is_unwritten(&self) {
        for (upload, note) in self.fetches.unwritten() {
            if let Err(error) = self.ended(&upload, &note).await {
                tracing::debug!(upload = %upload.id, %error, "it still cannot be written down how a fetch ended");
                self.fetches.write_later(upload, note);
            }
        }
    }

    /// A task has died in the middle of a fetch: the next try comes later.
    fn died(&self, upload: Upload) {
        tracing::error!(upload = %upload.id, "a fetch died");
        let note = match Source::open(&self.backends.sealer, &upload) {
            Some(mut source) => {
                // Of which version the bytes are that are there by now is not known here.
                source.version = None;
                let why = "the worker failed while it fetched the file: its log says how";
                self.failed_once_more(&upload, source, why, None)
            }
            // The next try says so.
            None => FetchNote::Later {
                source: upload.source.clone().unwrap_or_default(),
                at: self.base.now() + self.base.config.retry_max_pause,
            },
        };
        self.fetches.write_later(upload, note);
    }
}
