//! Files that are larger than one message: several messages, each with a piece of the file.

mod early;
mod ledger;
mod named;
mod one_way;
mod queue;
mod range;
mod recall;
mod run;
mod state;

use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::{
    ChatId, KeyStore, LoginGuard, ResumeState, StoredFile, StoredMessage, TelegramCredentials,
};

use crate::{
    Capability, Error, ErrorKind, Found, Handover, Lost, ProgressSink, Recalled, Result, TelegramUploader,
    UploadRequest,
};
use ledger::Ledger;
use one_way::OneWay;
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
        let can = self.inner.capability();
        let length = request.source.len();
        // What was begun as one message may be one by now.
        let stays = whole && length <= can.max_bytes && !State::is_one(earlier, self.inner.name());
        if length <= self.set().min(can.whole_bytes) || stays {
            return Ok(None);
        }
        self.pieces(request).await
    }

    /// The pieces of a file of which nothing was sent; `None` if one message holds it.
    async fn pieces(&self, request: &UploadRequest) -> Result<Option<State>> {
        let whole = self.inner.message_bytes(request).await?.min(self.set());
        if request.source.len() <= whole {
            return Ok(None);
        }
        Ok(Some(State::new(request, self.piece(request, whole).await)))
    }

    /// What a piece may have that any of the senders can send, if the chosen one sends `most` bytes.
    async fn piece(&self, request: &UploadRequest, most: u64) -> u64 {
        let mut piece = most;
        for other in run::senders(self.inner.as_ref(), request).into_iter().skip(1) {
            let bytes = self.inner.message_bytes(&request.clone().with_sender(other)).await;
            // That one of them is of no use is no reason not to send.
            piece = piece.min(bytes.unwrap_or(self.inner.capability().whole_bytes));
        }
        piece
    }

    /// What the operator says.
    fn set(&self) -> u64 {
        self.piece_bytes.unwrap_or(u64::MAX)
    }

    /// The pieces of a file that Telegram has refused as one message with `refused`, as one that is larger than the account
    /// may send now.
    ///
    /// # Errors
    /// `refused`, if it says something else, or the account may send the file after all.
    async fn smaller(&self, request: &UploadRequest, refused: Error) -> Result<State> {
        if refused.kind() != ErrorKind::TooLarge {
            return Err(refused);
        }
        let state = self.pieces(request).await?.ok_or(refused)?;
        tracing::info!(
            "[{}] Sent as several messages: the account may not send it as one",
            request.upload_id
        );
        Ok(state)
    }

    /// Sends the pieces of a file, and smaller ones if Telegram refuses them as too large.
    async fn send(
        &self,
        request: &UploadRequest,
        mut state: State,
        progress: &Arc<dyn ProgressSink>,
    ) -> Result<StoredFile> {
        loop {
            let ledger = Arc::new(Ledger::new(Arc::clone(&self.inner), state, Arc::clone(progress)));
            let refused = match run::run(self.inner.as_ref(), request, &ledger).await {
                // What was made and could not be written down is known to this error only.
                Err(error) if error.kind() == ErrorKind::TooLarge && error.made().is_empty() => error,
                ended => return ended,
            };
            let whole = self.inner.message_bytes(request).await?.min(self.set());
            state = ledger.state_now();
            if !state.split(self.piece(request, whole).await) {
                return Err(refused);
            }
        }
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
        if request.copy_of.is_some() {
            // It is one message already.
            return self.inner.upload(request, progress).await;
        }
        let progress = OneWay::to(progress);
        match self.plan(&request).await? {
            None => match self.inner.upload(request.clone(), Arc::clone(&progress)).await {
                Ok(stored) => Ok(stored),
                Err(refused) => {
                    let state = self.smaller(&request, refused).await?;
                    self.send(&request, state, &progress).await
                }
            },
            Some(state) => self.send(&request, state, &progress).await,
        }
    }

    async fn send_early(&self, request: UploadRequest, progress: Arc<dyn ProgressSink>) -> Result<()> {
        let progress = OneWay::to(progress);
        let state = match self.plan(&request).await? {
            None => match self.inner.send_early(request.clone(), Arc::clone(&progress)).await {
                Ok(()) => return Ok(()),
                Err(refused) => self.smaller(&request, refused).await?,
            },
            Some(state) => state,
        };
        let ledger = Arc::new(Ledger::new(Arc::clone(&self.inner), state, progress));
        early::send(self.inner.as_ref(), &request, &ledger).await
    }

    fn handover(&self, state: &ResumeState) -> Handover {
        match State::is_one(Some(state), self.inner.name()) {
            // Which piece is whose is looked at for each.
            true => Handover::Whole,
            false => self.inner.handover(state),
        }
    }

    fn may_exist(&self, state: &ResumeState) -> bool {
        let name = self.inner.name();
        let Some(pieces) = State::read(Some(state), name) else { return self.inner.may_exist(state) };
        let left = pieces.each.into_iter().filter(|piece| piece.committed && piece.stored.is_none());
        left.map(|piece| ResumeState::new(name, piece.state)).any(|state| self.inner.may_exist(&state))
    }

    fn copies(&self, message: &StoredMessage) -> bool {
        self.inner.copies(message)
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

    async fn recall(
        &self,
        credentials: &TelegramCredentials,
        state: &ResumeState,
        lost: &Lost,
    ) -> Result<Recalled> {
        match State::read(Some(state), self.inner.name()) {
            Some(pieces) => recall::recall(self.inner.as_ref(), credentials, &pieces, lost).await,
            None => self.inner.recall(credentials, state, lost).await,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MockTelegramUploader;

    /// A file of two pieces, the first of which is a message.
    fn state(second: &str) -> ResumeState {
        let first = r#"{"offset":0,"size":5,"committed":true,"state":"61736b6564","stored":
            {"message_id":7,"offset":0,"stored_as":{"mtproto":{"document_id":70}},"size":5}}"#;
        let second = format!(r#"{{"offset":5,"size":5,"state":"61736b6564"{second}}}"#);
        let state = format!(r#"{{"pieces":1,"length":10,"chat":"-1001","each":[{first},{second}]}}"#);
        ResumeState::new("inner", state)
    }

    #[test]
    fn a_piece_may_exist_whose_message_was_asked_for_and_is_not_named() {
        let mut inner = MockTelegramUploader::new();
        inner.expect_name().return_const("inner");
        inner.expect_may_exist().returning(|state| state.bytes == b"asked");
        let pieces = PiecesUploader::new(inner);
        assert_eq!(pieces.handover(&state("")), Handover::Whole, "it is read");
        assert!(!pieces.may_exist(&state("")), "it was not asked for");
        assert!(pieces.may_exist(&state(r#","committed":true"#)));
        // Of a file that goes as one.
        assert!(pieces.may_exist(&ResumeState::new("inner", *b"asked")));
        assert!(!pieces.may_exist(&ResumeState::new("inner", *b"half")));
    }
}
