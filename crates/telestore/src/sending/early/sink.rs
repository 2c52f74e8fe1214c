use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{ChatId, ResumeState, SenderId, Stage, UserId};
use telestore_uploader::{ProgressSink, Result, UploadRequest};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{Early, EarlyUpload};
use crate::shared::job::not_written;
use crate::shared::metrics;
use crate::shared::sends::early::Running;

/// Where a backend tells how far it is with a file that still arrives. Nobody listens but the store.
pub(super) struct EarlySink {
    early: Arc<Early>,
    user: UserId,
    /// Who sends.
    sender: Option<SenderId>,
    of: EarlyUpload,
    running: Running,
    /// Stops the backend.
    cancel: CancellationToken,
    /// Whether the row has changed behind the backend's back.
    stale: AtomicBool,
    /// Whether the store took a state.
    taken: AtomicBool,
    /// The session's. Backends call from tasks that know of none.
    span: Span,
}

impl fmt::Debug for EarlySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EarlySink({})", self.of.id)
    }
}

impl EarlySink {
    pub(super) fn new(
        early: Arc<Early>,
        request: &UploadRequest,
        of: EarlyUpload,
        running: Running,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        let (stale, taken) = (AtomicBool::new(false), AtomicBool::new(false));
        let user = request.credentials.user_id.clone();
        let sender = request.sender.as_ref().map(|sender| sender.id.clone());
        Arc::new(Self { early, user, sender, of, running, cancel, stale, taken, span: Span::current() })
    }

    /// Whether a chunk was replaced, or the upload does not receive any more.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::SeqCst)
    }

    /// Whether the store took a state.
    pub(super) fn was_taken(&self) -> bool {
        self.taken.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ProgressSink for EarlySink {
    fn stage(&self, _: Stage) {}

    fn acknowledged(&self, bytes: u64) {
        self.running.moved.notify_one();
        if !self.early.note_sent(&self.of.key, bytes) {
            tracing::info!(parent: &self.span, upload = %self.of.id, "as much as allowed is sent early; the rest waits for completion");
            self.cancel.cancel();
        }
    }

    fn flood_wait(&self, wait: Duration) {
        metrics::flood_wait(wait, 1);
        tracing::info!(parent: &self.span, seconds = wait.as_secs(), "telegram asked to wait");
    }

    async fn moved(&self, from: &ChatId, to: &ChatId) {
        self.early.backends.note_moved(&self.user, from, to).await;
    }

    async fn checkpoint(&self, state: ResumeState) -> Result<()> {
        let state = state.by(self.sender.clone());
        let expected = {
            let mut states = self.running.states();
            states.newest = Some(state.clone());
            states.saved.clone()
        };
        let EarlyUpload { id, key } = &self.of;
        let taken = self.early.base.sessions.checkpoint_early(id, key, expected.as_ref(), &state).await;
        if taken.map_err(not_written)? {
            self.running.states().saved = Some(state);
            self.taken.store(true, Ordering::SeqCst);
        } else {
            // What is in flight comes to its end first: then it is known what Telegram has.
            self.stale.store(true, Ordering::SeqCst);
            self.cancel.cancel();
        }
        Ok(())
    }
}
