use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use telestore_types::Upload;
use tokio::runtime::Handle;

use crate::Telestore;

/// The caller of a direct upload waits for its end. One that goes away does not learn of it, so from then on the file is
/// kept and sent as any other.
pub(crate) struct CallerWaits {
    engine: Telestore,
    pub(crate) waiting: Arc<Waiting>,
}

#[derive(Default)]
pub(crate) struct Waiting {
    /// The upload, once it is there.
    upload: OnceLock<Upload>,
    over: AtomicBool,
}

impl Waiting {
    pub(crate) fn begun(&self, upload: &Upload) {
        let _ = self.upload.set(upload.clone());
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

impl CallerWaits {
    pub(crate) fn new(engine: &Telestore) -> Self {
        Self { engine: engine.clone(), waiting: Arc::default() }
    }

    /// The caller has its answer.
    pub(crate) fn answered(self) {
        self.waiting.over.store(true, Ordering::SeqCst);
    }
}

impl Drop for CallerWaits {
    fn drop(&mut self) {
        let answered = self.waiting.over.swap(true, Ordering::SeqCst);
        // Where the upload is not there yet, the task that makes it looks.
        let (false, Some(upload), Ok(runtime)) = (answered, self.waiting.upload.get(), Handle::try_current())
        else {
            return;
        };
        let (engine, upload) = (self.engine.clone(), upload.clone());
        runtime.spawn(async move { engine.keep_quietly(&upload).await });
    }
}
