//! What one room asks of another without knowing it: the façade puts them together.

use async_trait::async_trait;
use telestore_store::{ChunkRecord, Lease};
use telestore_types::{StoredFile, Upload};

use crate::shared::error::Result;

/// Who hears of recorded chunks.
pub(crate) trait Arrivals: Send + Sync {
    /// `chunk` is recorded. Returns at once.
    fn arrived(&self, upload: &Upload, chunk: &ChunkRecord);
}

/// Who takes messages back.
#[async_trait]
pub(crate) trait Withdrawals: Send + Sync {
    /// The lease was lost before `stored`, which `backend` has made, could be recorded: its message goes if nobody wants
    /// it.
    async fn withdraw_unwanted(
        &self,
        lease: &Lease,
        backend: &'static str,
        stored: &StoredFile,
    ) -> Result<()>;
}
