use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use telestore_types::Upload;
use tokio::runtime::Handle;

use crate::intake::Intake;

/// The caller of a direct upload waits for its end. One that goes away does not learn of it, so from then on the file is
/// kept and sent as any other.
pub(crate) struct CallerWaits {
    intake: Intake,
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
    pub(crate) fn new(intake: &Intake) -> Self {
        Self { intake: intake.clone(), waiting: Arc::default() }
    }

    /// The caller has its answer.
    pub(crate) fn answered(self) {
        self.waiting.over.store(true, Ordering::SeqCst);
    }
}

impl Drop for CallerWaits {
    fn drop(&mut self) {
        let answered = self.waiting.over.swap(true, Ordering::SeqCst);
        // If the upload is not there yet, the task that makes it looks.
        let (false, Some(upload), Ok(runtime)) = (answered, self.waiting.upload.get(), Handle::try_current())
        else {
            return;
        };
        let (intake, upload) = (self.intake.clone(), upload.clone());
        runtime.spawn(async move { intake.keep_quietly(&upload).await });
    }
}
