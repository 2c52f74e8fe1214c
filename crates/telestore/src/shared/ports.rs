//! What one room asks of another without knowing it: the façade puts them together.

use async_trait::async_trait;
use telestore_store::{ChunkRecord, Lease, Spool, SpooledChunk};
use telestore_types::{StoredFile, Upload};

use crate::shared::error::Result;

/// Who hears of recorded chunks.
pub(crate) trait Arrivals: Send + Sync {
    /// `chunk` is recorded. Returns at once.
    fn arrived(&self, upload: &Upload, chunk: &ChunkRecord);
}

/// Who takes the bytes of uploads in that come one piece behind the other.
#[async_trait]
pub(crate) trait Filling: Send + Sync {
    /// Begins to take a piece in.
    async fn spool(&self) -> Result<Box<dyn Spool>>;

    /// Makes a piece the next one of `upload`, if that ends at `offset`. When it returns, the piece survives a crash.
    async fn append(&self, upload: &Upload, offset: u64, spooled: SpooledChunk) -> Result<()>;

    /// Says how long the file is. Saying so again changes nothing.
    async fn declare(&self, upload: &Upload, size: u64) -> Result<()>;

    /// Has it sent.
    async fn complete(&self, upload: &Upload) -> Result<()>;
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
