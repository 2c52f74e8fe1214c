use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use telestore_progress::Tracker;
use telestore_store::{Error as StoreError, Lease};
use telestore_types::{
    Caption, ChatId, HandedOver, ResumeState, SendAs, Sender, SenderId, Stage, StorageKey, StoredFile,
    Upload, UploadId, UploadState,
};
use telestore_uploader::{Error, ErrorKind, ProgressSink, Result};
use tracing::Span;

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::events::Events;
use crate::shared::job::not_written;
use crate::shared::metrics;
use crate::shared::sends::Sending;
use crate::shared::sends::pulse::Pulse;
use crate::shared::sends::twins::{Twin, Twins};

/// The pauses before something is written down again: the first one, and the longest.
const WRITE_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Where a backend tells how far it is with a leased upload.
pub(crate) struct LeaseSink {
    base: Arc<Base>,
    backends: Arc<Backends>,
    events: Arc<Events>,
    twins: Arc<Twins>,
    sending: Sending,
    state: Mutex<State>,
    /// Held while it is written down, or taken back, that the message may exist.
    committing: tokio::sync::Mutex<()>,
    /// The send's. Backends call from tasks that know of none.
    span: Span,
}

struct State {
    tracker: Tracker,
    /// How many bytes Telegram gets.
    sent_size: u64,
    /// By what it is sent, and who sends.
    backend: Option<&'static str>,
    sender: Option<SenderId>,
    /// What was written down last in this attempt.
    written: Option<ResumeState>,
    /// How many messages exist of a file that goes as several.
    made: usize,
    /// Whether a message of which no answer came can be looked for.
    looked_for: bool,
    /// As what it goes.
    send_as: SendAs,
    /// What was handed over, in this attempt or before it.
    handed: Option<HandedOver>,
    /// How often that was taken back. A connection may live on after its request, and come to hand over what it was for.
    taken_back: u64,
    /// Keeps files with the same mark back.
    twin: Option<Twin>,
    /// The messages that exist, of an attempt that has ended without sending all of the file.
    left: Option<StoredFile>,
    logged: u8,
}

impl fmt::Debug for LeaseSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseSink({})", self.sending.lease.upload.id)
    }
}

impl LeaseSink {
    pub(crate) fn new(
        base: &Arc<Base>,
        backends: &Arc<Backends>,
        events: &Arc<Events>,
        twins: &Arc<Twins>,
        sending: Sending,
    ) -> Arc<Self> {
        let upload = &sending.lease.upload;
        let tracker = Tracker::new(upload.id.clone(), upload.size(), upload.progress, upload.attempt);
        let (logged, made, sent_size) = (upload.progress / 10, made_of(upload), upload.sent_size());
        let handed = upload.handed_over();
        Arc::new(Self {
            base: Arc::clone(base),
            backends: Arc::clone(backends),
            events: Arc::clone(events),
            twins: Arc::clone(twins),
            sending,
            state: Mutex::new(State {
                tracker,
                sent_size,
                backend: None,
                sender: None,
                written: None,
                made,
                looked_for: false,
                send_as: SendAs::Document,
                handed,
                taken_back: 0,
                twin: None,
                left: None,
                logged,
            }),
            committing: tokio::sync::Mutex::default(),
            span: Span::current(),
        })
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.sending.pulse
    }

    /// Says who sends from now on: states are written down with that name.
    pub(crate) fn sent_by(&self, backend: &'static str, sender: Option<&Sender>) {
        let mut state = self.lock();
        (state.backend, state.sender) = (Some(backend), sender.map(|sender| sender.id.clone()));
    }

    /// What was written down last in this attempt, if anything was.
    pub(crate) fn written(&self) -> Option<ResumeState> {
        self.lock().written.clone()
    }

    /// The attempt has ended with this error.
    pub(crate) fn ended(&self, error: &Error) {
        self.lock().left = StoredFile::of(error.made().to_vec());
    }

    /// The messages that an attempt has left behind, and the backend that made them.
    pub(crate) fn left(&self) -> Option<(StoredFile, &'static str)> {
        let state = self.lock();
        state.left.clone().zip(state.backend)
    }

    /// Whether more messages exist by this state than before.
    fn has_grown(&self, state: &ResumeState) -> bool {
        let before = std::mem::replace(&mut self.lock().made, state.made.len());
        state.made.len() > before
    }

    fn signed(&self, state: ResumeState) -> ResumeState {
        state.by(self.lock().sender.clone())
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.sending.lease
    }

    /// Says how many bytes Telegram gets, if those are not the file's own.
    pub(crate) fn sends(&self, bytes: u64) {
        self.lock().sent_size = bytes;
    }

    pub(crate) fn upload_id(&self) -> &UploadId {
        &self.sending.lease.upload.id
    }

    pub(crate) fn key(&self) -> &StorageKey {
        &self.sending.lease.upload.key
    }

    /// A message of which no answer comes can be looked for from now on, or not.
    pub(crate) fn may_be_looked_for(&self, can: bool, send_as: SendAs) {
        let mut state = self.lock();
        (state.looked_for, state.send_as) = (can, send_as);
    }

    /// What tells the message of this file from others, if it goes to this chat with this caption.
    pub(crate) fn mark_of(&self, chat: &ChatId, caption: &Caption) -> String {
        let state = self.lock();
        HandedOver::mark_of(chat, caption, state.send_as, state.sent_size)
    }

    /// This file, handed over now by who sends.
    fn handed_now(&self, chat: &ChatId, caption: &Caption) -> HandedOver {
        let state = self.lock();
        HandedOver::new(chat.clone(), caption, state.send_as, state.sent_size, self.base.both_times())
            .by(state.sender.clone())
            .made_of(self.sending.lease.upload.duplicate_of.clone())
    }

    /// Writes down since when the channel was seen without the message.
    pub(crate) async fn note_absent(
        &self,
        handed: &HandedOver,
    ) -> std::result::Result<bool, Option<StoreError>> {
        let state = Some(ResumeState::from(handed));
        let note = || self.base.sessions.checkpoint(&self.sending.lease, self.progress(), state.clone());
        self.patiently(note).await
    }

    /// What was handed over and is in the row.
    pub(crate) fn handed_over(&self) -> Option<HandedOver> {
        self.lock().handed.clone()
    }

    /// Waits until no other file of this process with this mark is handed over, and keeps such files back from then on.
    ///
    /// # Errors
    /// If the send is to stop meanwhile.
    pub(crate) async fn keep_twins_back(&self, mark: &str) -> Result<()> {
        let held = self.lock().twin.take_if(|twin| !twin.is_of(mark));
        // Of another chat, which the group was before.
        drop(held);
        if self.lock().twin.is_none() {
            let twin = tokio::select! {
                twin = self.twins.hold(mark) => twin,
                () = self.sending.stop.cancelled() => return Err(Error::cancelled()),
            };
            self.lock().twin = Some(twin);
        }
        Ok(())
    }

    /// The attempt is over and written down.
    pub(crate) fn let_twins_go(&self) {
        self.lock().twin = None;
    }

    /// Writes down that the message may exist; `once` if the attempt is not repeated from that.
    ///
    /// `began` is how often that had been taken back when the request began to be handed over.
    async fn write_commit(&self, resume: Option<ResumeState>, once: bool, began: u64) -> Result<()> {
        let _committing = self.committing.lock().await;
        if self.lock().taken_back != began {
            return Err(Error::cancelled());
        }
        if let Some(handed) = resume.as_ref().and_then(ResumeState::handed_over) {
            // Also if the store does not answer: it may have it.
            self.lock().handed = Some(handed);
        }
        let pulse = &self.sending.pulse;
        // From here on a send that cannot be repeated is heard out, even if another wants its place.
        if self.sending.stop.is_cancelled() || (once && !pulse.commit()) {
            return Err(Error::cancelled());
        }
        let resume = resume.map(|state| self.signed(state));
        if !once {
            // Also if the store does not answer: it may have it.
            self.lock().written.clone_from(&resume);
        }
        let commit = || self.base.sessions.commit(&self.sending.lease, self.progress(), resume.clone());
        match self.patiently(commit).await {
            // A process that was frozen while the store answered must not make a message that another worker makes, too.
            Ok(true) if self.is_held() => Ok(()),
            Ok(_) => Err(Error::cancelled()),
            Err(error) => {
                pulse.uncommit();
                Err(not_written_by(error))
            }
        }
    }

    /// Whether no other worker may send the file by now.
    fn is_held(&self) -> bool {
        self.base.config.alone || self.sending.pulse.holds_until() > self.base.now()
    }

    /// Telegram has refused the file for good: its message does not exist, and it may go another way.
    pub(crate) async fn uncommit(&self) -> Result<()> {
        let _committing = self.committing.lock().await;
        self.lock().taken_back += 1;
        let held = self.patiently(|| self.base.sessions.uncommit(&self.sending.lease)).await;
        let held = held.map_err(not_written_by)?;
        self.sending.pulse.uncommit();
        self.lock().handed = None;
        if held { Ok(()) } else { Err(Error::cancelled()) }
    }

    /// The attempt has ended without a message: nobody needs to look for one.
    ///
    /// # Errors
    /// As [`uncommit`](Self::uncommit); then somebody looks in vain.
    pub(crate) async fn take_back(&self) -> Result<()> {
        {
            // What is being written down is there, or never will be.
            let _committing = self.committing.lock().await;
            self.lock().taken_back += 1;
        }
        match self.handed_over() {
            Some(_) => self.uncommit().await,
            None => Ok(()),
        }
    }

    /// Asks the store, or tells it, as often as one needs that is away for a while: what is being sent need not stop for
    /// that.
    ///
    /// # Errors
    /// The store's when the lease is over or the worker stops; `None` when the send is to stop.
    pub(crate) async fn patiently<T, F>(
        &self,
        ask: impl Fn() -> F,
    ) -> std::result::Result<T, Option<StoreError>>
    where
        F: Future<Output = telestore_store::Result<T>>,
    {
        let (mut pause, longest) = WRITE_AGAIN;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passes = matches!(error, StoreError::Unavailable { .. });
            if !passes || self.sending.pulse.holds_until() <= self.base.now() {
                return Err(Some(error));
            }
            tracing::debug!(parent: &self.span, %error, "the session store is away; asking again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.sending.stop.cancelled() => return Err(None),
                () = self.base.shutdown.cancelled() => return Err(Some(error)),
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Writes the percentage down; says whether that worked.
    pub(crate) async fn note(&self) -> bool {
        self.base.sessions.checkpoint(&self.sending.lease, self.progress(), None).await.is_ok()
    }

    pub(crate) fn progress(&self) -> u8 {
        self.lock().tracker.progress()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Tracker)) {
        let mut state = self.lock();
        change(&mut state.tracker);
        let progress = state.tracker.progress();
        if progress / 10 > state.logged {
            state.logged = progress / 10;
            tracing::info!(parent: &self.span, "[{}] Upload progress: {progress}%", self.sending.lease.upload.id);
        }
        // Published under the lock, so that listeners never see an older percentage after a newer one.
        self.events.bus.publish(state.tracker.event(self.base.now()));
    }
}

/// How many of the `size` bytes of a file `sent` of the `of` bytes stand for that Telegram gets.
fn of_file(sent: u64, of: u64, size: u64) -> u64 {
    let done = u128::from(sent) * u128::from(size) / u128::from(of.max(1));
    u64::try_from(done).unwrap_or(size).min(size)
}

fn made_of(upload: &Upload) -> usize {
    upload.stored.as_ref().map_or(0, |stored| stored.messages().len())
}

/// Why the store did not take something, or that the send is to stop.
fn not_written_by(error: Option<StoreError>) -> Error {
    error.map_or_else(Error::cancelled, not_written)
}

#[async_trait]
impl ProgressSink for LeaseSink {
    fn stage(&self, stage: Stage) {
        self.sending.pulse.moved();
        self.tell(|tracker| tracker.stage(stage));
    }

    fn acknowledged(&self, bytes: u64) {
        self.sending.pulse.acknowledged(bytes);
        let (of, size) = (self.lock().sent_size, self.sending.lease.upload.size());
        // Whoever waits counts bytes of the file.
        let done = if of == size { bytes } else { of_file(bytes, of, size) };
        self.tell(|tracker| tracker.acknowledged(done));
    }

    fn flood_wait(&self, wait: Duration) {
        tracing::info!(parent: &self.span, seconds = wait.as_secs(), "telegram asked to wait");
        metrics::flood_wait(wait, 1);
        self.sending.pulse.waits(wait);
        self.base.work.notify_one();
        let now = self.base.now();
        self.tell(|tracker| tracker.flood_wait(wait, now));
    }

    async fn moved(&self, from: &ChatId, to: &ChatId) {
        if let Some(user) = &self.sending.lease.upload.user_id {
            self.backends.note_moved(user, from, to).await;
        }
    }

    async fn checkpoint(&self, state: ResumeState) -> Result<()> {
        let grown = self.has_grown(&state);
        let state = Some(self.signed(state));
        let checkpoint =
            || self.base.sessions.checkpoint(&self.sending.lease, self.progress(), state.clone());
        let held = self.patiently(checkpoint).await.map_err(not_written_by)?;
        self.lock().written.clone_from(&state);
        if held && grown {
            // What was committed to has come to its end.
            self.sending.pulse.uncommit();
        }
        if held { Ok(()) } else { Err(Error::cancelled()) }
    }

    async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
        let (once, began) = (resume.is_none(), self.lock().taken_back);
        self.write_commit(resume, once, began).await
    }

    async fn hand_over(&self, chat: &ChatId, caption: &Caption) -> Result<()> {
        if !self.lock().looked_for {
            return self.commit(None).await;
        }
        let began = self.lock().taken_back;
        let mark = self.mark_of(chat, caption);
        self.keep_twins_back(&mark).await?;
        // The times are those of now, behind all waiting.
        let handed = self.handed_now(chat, caption);
        self.write_commit(Some((&handed).into()), true, began).await?;
        // Behind the word of this one, so that of two workers one sees the other.
        let waiting = [UploadState::Queued, UploadState::Sending];
        let has_twin = || self.base.has_twin(&mark, self.key(), &waiting);
        if self.patiently(has_twin).await.map_err(not_written_by)? {
            let text = "the message of another upload of the same file is being looked for";
            return Err(Error::new(ErrorKind::Unavailable, text));
        }
        // That has taken its time, too.
        if self.is_held() { Ok(()) } else { Err(Error::cancelled()) }
    }
}
