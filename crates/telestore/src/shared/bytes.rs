use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_store::{BlobName, Cancelled, ChunkStore, SpooledChunk};
use telestore_types::{Timestamp, Upload, UploadId, UploadKind};

use crate::shared::base::Base;
use crate::shared::error::{Error, Result};

/// How long a look at the disk counts. Within that time a fast client can write a few hundred MB more than allowed,
/// which is what the limit is there to absorb.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the metadata of an upload that was put together of parts names these, with blanks between them.
pub(crate) const PARTS: &str = "parts";

/// The last look at the data disk.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Timestamp,
    enough: bool,
}

/// The bytes of chunks, and the space for them.
pub(crate) struct Bytes {
    base: Arc<Base>,
    pub(crate) chunks: Arc<dyn ChunkStore>,
    look: Mutex<Option<Look>>,
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bytes")
    }
}

impl Bytes {
    pub(crate) fn new(base: Arc<Base>, chunks: Arc<dyn ChunkStore>) -> Self {
        Self { base, chunks, look: Mutex::default() }
    }

    /// Deletes bytes that no upload needs any more.
    pub(crate) async fn delete_quietly(&self, blobs: &[BlobName]) {
        if blobs.is_empty() {
            return;
        }
        if let Err(error) = self.chunks.delete(blobs).await {
            tracing::warn!(chunks = blobs.len(), %error, "could not delete chunks; they will be found as orphans");
        }
    }

    /// Deletes bytes that the records of an upload named. Those that another upload names stay.
    pub(crate) async fn delete_of(&self, upload: &Upload, blobs: &[BlobName]) {
        if !upload.kind.shares_bytes() || blobs.is_empty() {
            return self.delete_quietly(blobs).await;
        }
        match self.base.sessions.named(blobs).await {
            Ok(named) => {
                let unused: Vec<_> = blobs.iter().filter(|blob| !named.contains(blob)).cloned().collect();
                self.delete_quietly(&unused).await;
            }
            Err(error) => {
                tracing::warn!(upload = %upload.id, %error, "could not tell which chunks others need; they will be found as orphans");
            }
        }
    }

    /// Ends the parts of an upload that is in the channel: nothing of them is of use any more, unless another upload was put
    /// together of them.
    pub(crate) async fn end_parts_quietly(&self, upload: &Upload) {
        let parts = upload.metadata.get(PARTS).filter(|_| upload.kind == UploadKind::Concatenated);
        for id in parts.into_iter().flat_map(|parts| parts.split(' ')) {
            let Ok(id) = UploadId::new(id) else { continue };
            if let Err(error) = self.end_part(&id, upload).await {
                tracing::warn!(part = %id, %error, "could not end a part; it goes when it is past its time");
            }
        }
    }

    async fn end_part(&self, id: &UploadId, whole: &Upload) -> Result<()> {
        let Some(part) = self.base.sessions.get(id).await? else { return Ok(()) };
        if part.kind != UploadKind::Partial || part.user_id != whole.user_id {
            return Ok(());
        }
        if let Cancelled::Now { blobs, .. } =
            self.base.sessions.cancel(id, &part.key, self.base.now()).await?
        {
            self.delete_of(&part, &blobs).await;
        }
        Ok(())
    }

    /// Deletes the bytes that the records of an upload name, which needs them no more.
    pub(crate) async fn delete_all_quietly(&self, upload: &Upload) {
        match self.base.sessions.chunks(&upload.key).await {
            Ok(records) => {
                let blobs: Vec<_> = records.into_iter().map(|record| record.blob).collect();
                self.delete_of(upload, &blobs).await;
            }
            Err(error) => {
                tracing::warn!(upload = %upload.id, %error, "could not find its chunks; they will be found as orphans");
            }
        }
    }

    /// Takes spooled bytes away that were refused.
    pub(crate) async fn discard_quietly(&self, spooled: SpooledChunk) {
        if let Err(error) = self.chunks.discard(spooled).await {
            tracing::warn!(%error, "could not take refused bytes away");
        }
    }

    /// Refuses new bytes while the data disk is nearly full.
    pub(crate) async fn check_space(&self) -> Result<()> {
        let now = self.base.now();
        let last = *self.look();
        let enough = match last {
            Some(look) if now >= look.at && now.since(look.at) < LOOK_EVERY => look.enough,
            _ => {
                let free = self.chunks.free_bytes().await?;
                let enough = free.is_none_or(|free| free >= self.base.config.min_free_bytes);
                if !enough && last.is_none_or(|look| look.enough) {
                    tracing::warn!(
                        free,
                        limit = self.base.config.min_free_bytes,
                        "data disk is nearly full; refusing new bytes"
                    );
                }
                *self.look() = Some(Look { at: now, enough });
                enough
            }
        };
        if enough { Ok(()) } else { Err(Error::NoSpace) }
    }

    /// How many bytes may still come before new ones are refused, if the data disk tells.
    pub(crate) async fn spare_bytes(&self) -> Result<Option<u64>> {
        let free = self.chunks.free_bytes().await?;
        Ok(free.map(|free| free.saturating_sub(self.base.config.min_free_bytes)))
    }

    fn look(&self) -> MutexGuard<'_, Option<Look>> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
