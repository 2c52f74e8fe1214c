use std::collections::HashSet;

use telestore_types::UploadState;

use crate::{Result, Telestore};

impl Telestore {
    /// Puts in order what an earlier process left: uploads that it was sending are queued again, spooled bytes and
    /// chunks without a record go. To be called alone, before anything else.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage).
    pub async fn recover(&self) -> Result<()> {
        self.0.chunks.clear_spool().await?;
        let released = self.0.sessions.release_all(self.now()).await?;
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
        if released > 0 || orphans > 0 {
            tracing::info!(uploads = released, orphans, "went on after a restart");
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
        for (states, ttl) in [
            (&[UploadState::Receiving][..], config.session_ttl),
            (&[UploadState::Failed], config.failed_ttl),
            (&[UploadState::Completed, UploadState::Cancelled], config.result_ttl),
        ] {
            for upload in self.0.sessions.expire(states, now - ttl).await? {
                tracing::info!(upload = %upload.id, state = upload.state.as_str(), "upload is past its time; deleted");
                swept += 1;
                self.forget_early(&upload.key);
                // Whoever still watches it looks, and finds nothing.
                self.0.bus.forget(&upload.id);
                // The rows are gone already, so each of these is the only chance for its bytes before the next start.
                self.delete_all_quietly(&upload).await;
            }
        }
        Ok(swept)
    }
}
