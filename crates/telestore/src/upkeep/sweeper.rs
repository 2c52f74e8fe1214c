use std::sync::Arc;
use std::time::Duration;

use telestore_store::{Expired, Expiry, Released};
use telestore_types::{Recovery, Timestamp, UploadState};
use tokio::time::Instant;

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::error::Result;
use crate::shared::events::Events;
use crate::shared::sends::Sends;
use crate::shared::sends::early::is_under_way;
use crate::shared::tasks::Task;
use crate::upkeep::orphans::Orphans;

/// How often to look for what is past its time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How many uploads go in one transaction: chunks that are to be recorded wait for it.
const BATCH: u32 = 200;

/// Puts the stores in order. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Upkeep {
    pub(crate) base: Arc<Base>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) events: Arc<Events>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) orphans: Arc<Orphans>,
}

impl Upkeep {
    /// Puts in order what an earlier process left.
    pub(crate) async fn recover(&self) -> Result<()> {
        self.base.read_clock().await?;
        self.base.sessions.save_clock(self.base.clock.reading()).await?;
        self.bytes.chunks.clear_spool().await?;
        let released = self.release().await?;
        let orphans = if self.base.config.alone { self.orphans.take_all().await? } else { 0 };
        if released > 0 || orphans > 0 {
            tracing::info!(uploads = released, orphans, "went on after a restart");
        }
        Ok(())
    }

    /// Puts in order what an earlier process of this name had in hand, and what workers had that are gone. Says how many
    /// uploads that were.
    async fn release(&self) -> Result<usize> {
        let (released, began) = (self.release_own().await?, Instant::now());
        let Base { sessions, worker, info, config, .. } = &*self.base;
        let now = self.base.now();
        sessions.introduce(worker, info, now, now + config.lease).await?;
        self.backends.logins.said_alive(began);
        Ok(released + self.release_gone().await?)
    }

    async fn release_own(&self) -> Result<usize> {
        let mut released = 0;
        loop {
            let page = self.base.sessions.release(&self.base.worker, self.base.now(), BATCH).await?;
            if page.is_empty() {
                return Ok(released);
            }
            released += page.len();
            self.told(&page).await;
        }
    }

    /// Puts in order what this process has in hand, which ends.
    pub(crate) async fn leave(&self) -> Result<()> {
        self.release_own().await.map(drop)
    }

    /// The same for workers that are gone only.
    pub(crate) async fn release_gone(&self) -> Result<usize> {
        let mut released = 0;
        loop {
            let page = self.base.sessions.release_gone(&self.base.worker, self.base.now(), BATCH).await?;
            if page.is_empty() {
                return Ok(released);
            }
            released += page.len();
            self.told(&page).await;
            self.base.work.notify_one();
        }
    }

    async fn told(&self, page: &[Released]) {
        for Released { recovery, upload, blobs, .. } in page {
            match (recovery, &upload.error) {
                (Recovery::Failed, Some(why)) => tracing::warn!("[{}] Upload failed: {why}", upload.id),
                (Recovery::GoesOn, _) if upload.crashes > 1 => {
                    tracing::warn!(upload = %upload.id, crashes = upload.crashes, "the worker has ended while it sent this");
                }
                _ => {}
            }
            self.bytes.delete_of(upload, blobs).await;
        }
    }

    /// Deletes what is past its time and says how many uploads that were.
    pub(crate) async fn sweep(&self) -> Result<usize> {
        self.release_gone().await?;
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
        self.orphans.sweep().await?;
        self.forget_what_ended_elsewhere().await?;
        Ok(swept)
    }

    /// What was sent early here may have been completed and sent by another worker, which tells nobody.
    async fn forget_what_ended_elsewhere(&self) -> Result<()> {
        if self.base.config.alone {
            return Ok(());
        }
        for (id, key) in self.sends.early.at_rest() {
            if !is_under_way(self.base.sessions.get(&id).await?.as_ref(), &key) {
                self.sends.early.forget(&key);
            }
        }
        Ok(())
    }

    /// Deletes a bounded number, and says whether there may be more.
    async fn sweep_some(
        &self,
        states: &[UploadState],
        unowned: bool,
        before: Timestamp,
        swept: &mut usize,
    ) -> Result<bool> {
        let expiry = Expiry::new(states, before, BATCH);
        let expiry = if unowned { expiry.unowned() } else { expiry };
        let expired = self.base.sessions.expire(&expiry).await?;
        for Expired { upload, blobs, .. } in &expired {
            tracing::info!(upload = %upload.id, state = upload.state.as_str(), "upload is past its time; deleted");
            *swept += 1;
            self.sends.early.forget(&upload.key);
            // A watcher that is left looks, and finds nothing.
            self.events.bus.forget(&upload.id);
            // Each by itself: bytes that cannot be deleted do not keep the others.
            self.bytes.delete_of(upload, blobs).await;
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
