use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use telestore_store::Expiry;
use telestore_types::{Recovery, Timestamp, UploadState};

use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::error::Result;
use crate::shared::events::Events;
use crate::shared::sends::Sends;
use crate::shared::tasks::Task;

/// How often to look for what is past its time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How many uploads go in one transaction: chunks that are to be recorded wait for it.
const BATCH: u32 = 200;

/// Puts the stores in order. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Upkeep {
    pub(crate) base: Arc<Base>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) events: Arc<Events>,
    pub(crate) sends: Arc<Sends>,
}

impl Upkeep {
    /// Puts in order what an earlier process left.
    pub(crate) async fn recover(&self) -> Result<()> {
        self.base.read_clock().await?;
        self.base.sessions.save_clock(self.base.clock.reading()).await?;
        self.bytes.chunks.clear_spool().await?;
        let released = self.base.sessions.release_all(self.base.now()).await?;
        for (recovery, upload) in &released {
            match (recovery, &upload.error) {
                (Recovery::Failed, Some(why)) => tracing::warn!("[{}] Upload failed: {why}", upload.id),
                (Recovery::GoesOn, _) if upload.crashes > 1 => {
                    tracing::warn!(upload = %upload.id, crashes = upload.crashes, "the worker has ended while it sent this");
                }
                _ => {}
            }
        }
        let live: HashSet<_> = self.base.sessions.live_keys().await?.into_iter().collect();
        let mut orphans = 0;
        for place in self.bytes.chunks.list().await? {
            if !live.contains(&place.key) {
                orphans += place.blobs.len();
                self.bytes.chunks.delete_all(&place.key).await?;
                continue;
            }
            let named: HashSet<_> = self.base.sessions.live_blobs(&place.key).await?.into_iter().collect();
            for blob in place.blobs.iter().filter(|blob| !named.contains(blob)) {
                orphans += 1;
                self.bytes.chunks.delete(blob).await?;
            }
        }
        if !released.is_empty() || orphans > 0 {
            tracing::info!(uploads = released.len(), orphans, "went on after a restart");
        }
        Ok(())
    }

    /// Deletes what is past its time and says how many uploads that were.
    pub(crate) async fn sweep(&self) -> Result<usize> {
        let (now, config) = (self.base.now(), &self.base.config);
        let mut swept = 0;
        for (states, unowned, ttl) in [
            (&[UploadState::Receiving][..], true, config.unowned_ttl),
            (&[UploadState::Receiving], false, config.session_ttl),
            (&[UploadState::Failed], false, config.failed_ttl),
            (&[UploadState::Completed, UploadState::Cancelled], false, config.result_ttl),
        ] {
            while self.sweep_some(states, unowned, now - ttl, &mut swept).await? {}
        }
        Ok(swept)
    }

    /// Deletes a bounded number, and says whether there may be more.
    async fn sweep_some(
        &self,
        states: &[UploadState],
        unowned: bool,
        before: Timestamp,
        swept: &mut usize,
    ) -> Result<bool> {
        let expired = self.base.sessions.expire(&Expiry { states, unowned, before, limit: BATCH }).await?;
        for upload in &expired {
            tracing::info!(upload = %upload.id, state = upload.state.as_str(), "upload is past its time; deleted");
            *swept += 1;
            self.sends.early.forget(&upload.key);
            // Whoever still watches it looks, and finds nothing.
            self.events.bus.forget(&upload.id);
            // The rows are gone already, so each of these is the only chance for its bytes before the next start.
            self.bytes.delete_all_quietly(upload).await;
        }
        Ok(expired.len() as u64 >= u64::from(BATCH))
    }

    /// Sweeps as long as the engine runs.
    pub(crate) async fn run_all(&self, task: &Task) {
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            if let Err(error) = self.sweep().await {
                tracing::warn!(error = ?error, "sweep failed");
            }
            self.save_clock().await;
            self.base.rest(SWEEP_EVERY, std::future::pending()).await;
        }
        self.save_clock().await;
    }

    async fn save_clock(&self) {
        if let Err(error) = self.base.sessions.save_clock(self.base.clock.reading()).await {
            tracing::warn!(%error, "could not write down what the clock shows");
        }
    }
}
