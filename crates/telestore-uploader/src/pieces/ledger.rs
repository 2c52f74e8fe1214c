//! What is known of all pieces together: one state that is written down, one percentage that is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{ChatId, ResumeState, SenderId, Stage, StoredFile, StoredMessage};

use super::state::{Piece, State};
use crate::{Error, Handover, ProgressSink, Result, TelegramUploader};

/// The pieces of one attempt.
#[derive(Debug)]
pub(super) struct Ledger {
    inner: Arc<dyn TelegramUploader>,
    progress: Arc<dyn ProgressSink>,
    state: Mutex<State>,
    told: Mutex<Told>,
    /// Held while a state is written, so that no older one is written behind it.
    writing: tokio::sync::Mutex<()>,
}

/// What the listener knows.
#[derive(Debug)]
struct Told {
    stage: Option<Stage>,
    /// Of each piece, the bytes that Telegram has.
    acknowledged: Vec<u64>,
    bytes: u64,
}

impl Ledger {
    pub(super) fn new(
        inner: Arc<dyn TelegramUploader>,
        state: State,
        progress: Arc<dyn ProgressSink>,
    ) -> Self {
        let sent = |piece: &Piece| piece.stored.as_ref().map_or(0, |_| piece.size);
        let acknowledged = state.each.iter().map(sent).collect();
        let told = Mutex::new(Told { stage: None, acknowledged, bytes: 0 });
        Self { inner, progress, state: Mutex::new(state), told, writing: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is known by now.
    pub(super) fn state_now(&self) -> State {
        self.state().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.state().each.len()
    }

    pub(super) fn piece(&self, index: usize) -> Piece {
        self.state().each[index].clone()
    }

    pub(super) fn pieces(&self) -> Vec<Piece> {
        self.state().each.clone()
    }

    /// All messages, once each piece is one.
    pub(super) fn whole(&self) -> Option<StoredFile> {
        let state = self.state();
        StoredFile::of(state.made()).filter(|_| state.left() == 0)
    }

    /// Where the backend tells how far a piece is that `sender` sends.
    pub(super) fn sink(self: &Arc<Self>, index: usize, sender: Option<SenderId>) -> Arc<PieceSink> {
        Arc::new(PieceSink { ledger: Arc::clone(self), index, sender })
    }

    /// Writes everything down, for the first time in this attempt: what an earlier one made for another chat is named no more.
    pub(super) async fn begin(&self) -> Result<()> {
        self.report();
        self.write(|_| {}).await
    }

    /// Writes down that a piece has become a message.
    ///
    /// # Errors
    /// That of the sink, which then names the message: nobody else knows of it.
    pub(super) async fn made(&self, index: usize, stored: StoredMessage) -> Result<()> {
        let message = stored.clone();
        let written = self.write(|state| {
            let piece = &mut state.each[index];
            (piece.state, piece.committed) = (Vec::new(), false);
            piece.stored = Some(stored);
        });
        written.await.map_err(|error| error.with_made(vec![message]))?;
        self.acknowledged(index, self.piece(index).size);
        Ok(())
    }

    /// Telegram does not take a piece as it is: there is no message of it.
    pub(super) fn refused(&self, index: usize) {
        self.state().each[index].committed = false;
    }

    /// Another session of the same account goes on with a piece.
    pub(super) fn adopt(&self, index: usize, sender: Option<SenderId>) {
        self.state().each[index].sender = sender;
    }

    /// Nobody can tell whether a piece is a message: this attempt is to end, and one that goes on from here sends it anew, since
    /// a person wants that. Killed in between, the file fails all the same.
    pub(super) async fn give_up(&self, index: usize) -> Result<()> {
        let _writing = self.writing.lock().await;
        self.progress.commit(None).await?;
        let forget = |state: &mut State| {
            let piece = &mut state.each[index];
            (piece.state, piece.committed, piece.sender) = (Vec::new(), false, None);
        };
        self.progress.checkpoint(self.changed(forget)).await
    }

    async fn write(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let _writing = self.writing.lock().await;
        self.progress.checkpoint(self.changed(change)).await
    }

    async fn commit(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let _writing = self.writing.lock().await;
        self.progress.commit(Some(self.changed(change))).await
    }

    fn changed(&self, change: impl FnOnce(&mut State)) -> ResumeState {
        let mut state = self.state();
        change(&mut state);
        state.to_resume(self.inner.name())
    }

    /// Stages are those of the file: it is finished when its last piece is.
    fn stage(&self, stage: Stage) {
        let left = self.state().left();
        let mut told = self.told();
        let later = told.stage.is_none_or(|before| rank(stage) > rank(before));
        if later && (stage != Stage::Finishing || left <= 1) {
            told.stage = Some(stage);
            self.progress.stage(stage);
        }
    }

    fn acknowledged(&self, index: usize, bytes: u64) {
        let mut told = self.told();
        let known = &mut told.acknowledged[index];
        *known = bytes.max(*known);
        drop(told);
        self.report();
    }

    fn report(&self) {
        let mut told = self.told();
        let bytes = told.acknowledged.iter().sum();
        if bytes > told.bytes {
            told.bytes = bytes;
            // Under the lock, so that no smaller number comes behind it.
            self.progress.acknowledged(bytes);
        }
    }
}

pub(super) fn rank(stage: Stage) -> u8 {
    match stage {
        Stage::Queued => 0,
        Stage::Connecting => 1,
        Stage::Resolving => 2,
        Stage::Sending => 3,
        Stage::Finishing => 4,
        _ => 5,
    }
}

/// Where the backend tells how far one piece is.
#[derive(Debug)]
pub(super) struct PieceSink {
    ledger: Arc<Ledger>,
    index: usize,
    sender: Option<SenderId>,
}

impl PieceSink {
    /// Takes in what the backend wrote.
    fn note(&self, state: &mut State, resume: ResumeState, committed: bool) {
        let piece = &mut state.each[self.index];
        // A backend may learn that what it was about to make is not there.
        let may_exist = piece.committed && self.ledger.inner.handover(&resume) == Handover::Never;
        piece.committed = committed || may_exist && piece.sender == self.sender;
        piece.state = resume.bytes;
        piece.sender.clone_from(&self.sender);
    }
}

#[async_trait]
impl ProgressSink for PieceSink {
    fn stage(&self, stage: Stage) {
        self.ledger.stage(stage);
    }

    fn acknowledged(&self, bytes: u64) {
        self.ledger.acknowledged(self.index, bytes);
    }

    fn flood_wait(&self, wait: Duration) {
        self.ledger.progress.flood_wait(wait);
    }

    async fn moved(&self, from: &ChatId, to: &ChatId) {
        self.ledger.state().moved_to = Some(to.as_str().to_owned());
        self.ledger.progress.moved(from, to).await;
    }

    async fn checkpoint(&self, resume: ResumeState) -> Result<()> {
        self.ledger.write(|state| self.note(state, resume, false)).await
    }

    async fn commit(&self, resume: Option<ResumeState>) -> Result<(), Error> {
        match resume {
            Some(resume) => self.ledger.commit(|state| self.note(state, resume, true)).await,
            None => self.ledger.progress.commit(None).await,
        }
    }
}
