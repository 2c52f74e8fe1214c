//! Files that are larger than one message: several messages, each with a piece of the file.

mod early;
mod ledger;
mod named;
mod queue;
mod range;
mod run;
mod state;

use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{ChatId, KeyStore, LoginGuard, ResumeState, StoredFile, TelegramCredentials};

use crate::{Capability, Found, Handover, Lost, ProgressSink, Result, TelegramUploader, UploadRequest};
use ledger::Ledger;
use state::State;

/// Sends what is larger than one message as several, by another uploader, and everything else as that one does.
///
/// Pieces are named `name.001`, `name.002`, …, in the order of their bytes; joined in this order they are the file. Each is
/// sent as an upload of its own: if the uploader is [idempotent](Capability::idempotent), each becomes one message, however
/// often it is tried, and several senders send pieces side by side. The state that is written down holds the state of each
/// piece; those that are messages already are [named](telestore_types::ResumeState::made) with it, so that a cancel takes
/// them back.
///
/// ```
/// use telestore_uploader::{MtprotoConfig, MtprotoUploader, PiecesUploader, TelegramUploader};
///
/// let uploader = PiecesUploader::new(MtprotoUploader::new(MtprotoConfig::default())).with_piece_bytes(500 << 20);
/// assert_eq!(uploader.capability().max_bytes, u64::MAX);
/// ```
#[derive(Debug)]
pub struct PiecesUploader {
    inner: Arc<dyn TelegramUploader>,
    piece_bytes: Option<u64>,
}

impl PiecesUploader {
    /// Pieces that `inner` sends, each as large as one message may be.
    pub fn new(inner: impl TelegramUploader) -> Self {
        Self { inner: Arc::new(inner), piece_bytes: None }
    }

    /// Pieces of at most so many bytes.
    #[must_use]
    pub fn with_piece_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.piece_bytes = bytes.into().map(|bytes| bytes.max(1));
        self
    }

    /// The pieces of a file, and how far an earlier attempt got with them; `None` if it goes as one.
    async fn plan(&self, request: &UploadRequest) -> Result<Option<State>> {
        let earlier = request.resume.as_ref();
        if let Some(state) = State::go_on(earlier, self.inner.name(), request) {
            return Ok(Some(state));
        }
        let whole =
            earlier.is_some_and(|state| state.of(self.inner.name()).is_some_and(|bytes| !bytes.is_empty()));
        let most = self.inner.capability().max_bytes;
        let (length, set) = (request.source.len(), self.piece_bytes.unwrap_or(u64::MAX));
        // What was begun as one message may be one by now.
        if length <= set.min(most) || whole && length <= most && !State::is_one(earlier, self.inner.name()) {
            return Ok(None);
        }
        let piece = self.inner.message_bytes(request).await?.min(set);
        Ok((length > piece).then(|| State::new(request, piece)))
    }
}

#[async_trait]
impl TelegramUploader for PiecesUploader {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capability(&self) -> Capability {
        self.inner.capability().in_pieces()
    }

    async fn upload(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<StoredFile> {
        match self.plan(&request).await? {
            None => self.inner.upload(request, progress).await,
            Some(state) => {
                let ledger = Arc::new(Ledger::new(Arc::clone(&self.inner), state, progress));
                run::run(self.inner.as_ref(), &request, &ledger).await
            }
        }
    }

    async fn send_early(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<()> {
        match self.plan(&request).await? {
            None => self.inner.send_early(request, progress).await,
            Some(state) => {
                let ledger = Arc::new(Ledger::new(Arc::clone(&self.inner), state, progress));
                early::send(self.inner.as_ref(), &request, &ledger).await
            }
        }
    }

    fn handover(&self, state: &ResumeState) -> Handover {
        match State::is_one(Some(state), self.inner.name()) {
            // Which piece is whose is looked at for each.
            true => Handover::Whole,
            false => self.inner.handover(state),
        }
    }

    async fn message_bytes(&self, request: &UploadRequest) -> Result<u64> {
        self.inner.message_bytes(request).await
    }

    async fn check(&self, credentials: &TelegramCredentials) -> Result<()> {
        self.inner.check(credentials).await
    }

    async fn moved_to(&self, credentials: &TelegramCredentials) -> Result<Option<ChatId>> {
        self.inner.moved_to(credentials).await
    }

    async fn find(&self, request: &UploadRequest, lost: &Lost) -> Result<Found> {
        self.inner.find(request, lost).await
    }

    async fn withdraw(&self, credentials: &TelegramCredentials, stored: &StoredFile) -> Result<bool> {
        self.inner.withdraw(credentials, stored).await
    }

    fn guard_logins(&self, guard: Arc<dyn LoginGuard>) {
        self.inner.guard_logins(guard);
    }

    fn keep_keys(&self, keys: Arc<dyn KeyStore>) {
        self.inner.keep_keys(keys);
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
