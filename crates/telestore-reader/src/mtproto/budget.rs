//! How far all streams together read ahead.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many blocks all streams have together, beside one for each of them.
const SHARED_BLOCKS: usize = 64;

/// What all streams of a reader share.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    /// A place for a block; `None` if there is none free.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHARED_BLOCKS)))
    }
}
