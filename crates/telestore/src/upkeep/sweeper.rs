use std::collections::HashSet;

use telestore_store::Expiry;
use telestore_types::{Recovery, Timestamp, UploadState};

use crate::{Result, Telestore};

/// How many uploads go in one transaction: chunks that are to be recorded wait for it.
const BATCH: u32 = 200;

impl Telestore {
    /// Puts in order what an earlier process left: uploads that it was sending are queued again, spooled bytes and
    /// chunks without a record go. To be called alone, before anything else.
    ///
    /// What was handed over to Telegram in full, with no answer written down, has failed and is not sent again by itself;
    /// and so has what ended [`MAX_CRASHES`](telestore_types::MAX_CRASHES) processes in a row without getting further.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage).
    pub async fn recover(&self) -> Result<()> {
        self.read_clock().await?;
        self.0.sessions.save_clock(self.0.clock.reading()).await?;
        self.0.chunks.clear_spool().await?;
        let released = self.0.sessions.release_all(self.now()).await?;
        for (recovery, upload) in &released {
            match (recovery, &upload.error) {
                (Recovery::Failed, Some(why)) => tracing::warn!("[{}] Upload failed: {why}", upload.id),
                (Recovery::GoesOn, _) if upload.crashes > 1 => {
                    tracing::warn!(upload = %upload.id, crashes = upload.crashes, "the worker has ended while it sent this");
                }
                _ => {}
            }
        }
        let live: HashSet<_> = self.0.sessions.live_keys().await?.into_iter().collect();
        let mut orphans = 0;
        for place in self.0.chunks.list().await? {
            if !live.contains(&place.key) {
                orphans += place.blobs.len();
                self.0.chunks.delete_all(&place.key).await?;
                continue;
            }
            let named: HashSet<_> = self.0.sessions.live_blobs(&place.key).await?.into_iter().collect();
            for blob in place.blobs.iter().filter(|blob| !named.contains(blob)) {
                orphans += 1;
                self.0.chunks.delete(blob).await?;
            }
        }
        if !released.is_empty() || orphans > 0 {
            tracing::info!(uploads = released.len(), orphans, "went on after a restart");
        }
        Ok(())
    }

    /// Goes on from the time that the last process has written down.
    pub(crate) async fn read_clock(&self) -> Result<()> {
        if let Some(last) = self.0.sessions.clock().await? {
            self.0.clock.go_on_from(last);
        }
        Ok(())
    }

    /// Deletes what is past its time and says how many uploads that were.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage).
    pub async fn sweep(&self) -> Result<usize> {
        let (now, config) = (self.now(), self.config());
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
        let expired = self.0.sessions.expire(&Expiry { states, unowned, before, limit: BATCH }).await?;
        for upload in &expired {
            tracing::info!(upload = %upload.id, state = upload.state.as_str(), "upload is past its time; deleted");
            *swept += 1;
            self.forget_early(&upload.key);
            // Whoever still watches it looks, and finds nothing.
            self.0.bus.forget(&upload.id);
            // The rows are gone already, so each of these is the only chance for its bytes before the next start.
            self.delete_all_quietly(upload).await;
        }
        Ok(expired.len() as u64 >= u64::from(BATCH))
    }
}
