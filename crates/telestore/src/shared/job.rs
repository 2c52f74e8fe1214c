//! Getting a file ready to go, once for the attempts that count and for early sending: token, credentials, backend, request.

use std::sync::Arc;

use telestore_backend::Error as BackendError;
use telestore_store::Error as StoreError;
use telestore_types::{
    ByteSource, Caption, CaptionValues, FileName, ResumeState, Secret, SendAs, SenderId, StoredMessage,
    TelegramCredentials, Upload, mime_type_of,
};
use telestore_uploader::pool::Why;
use telestore_uploader::{
    Chosen, Error, ErrorKind, Handover, Pool, Result as UploaderResult, TelegramUploader, UploadRequest,
    select,
};
use tokio_util::sync::CancellationToken;

use crate::shared::backends::Backends;
use crate::shared::config::{MessageDefaults, Unknown};

/// With what a file goes, and by which backends it may.
pub(crate) struct Job {
    token: Secret,
    pub(crate) credentials: Arc<TelegramCredentials>,
    backends: Vec<Arc<dyn TelegramUploader>>,
    pool: Pool,
    message: MessageDefaults,
    /// The message whose document is sent once more.
    copy_of: Option<StoredMessage>,
}

/// Why a file cannot go.
pub(crate) enum Unready {
    /// The token cannot be read any more.
    TokenLost,
    /// The token is another user's now.
    OtherUser,
    /// What the TeleStore backend said.
    Backend(BackendError),
}

impl Backends {
    /// Finds out what the file of `upload` goes with.
    pub(crate) async fn prepare(&self, upload: &Upload) -> Result<Job, Unready> {
        let token = self.token_of(upload).ok_or(Unready::TokenLost)?;
        let credentials = self.credentials_of(&token).await.map_err(Unready::Backend)?;
        if upload.user_id.as_ref() != Some(&credentials.user_id) {
            return Err(Unready::OtherUser);
        }
        let message = self.base.config.message.clone();
        let (backends, pool) = (self.uploaders.clone(), self.pool.clone());
        let copy_of = upload.duplicate_of.clone();
        Ok(Job { token, credentials, backends, pool, message, copy_of })
    }

    /// A send of `job` has failed: what Telegram refused is asked for anew next time.
    pub(crate) async fn note_refusal(&self, job: &Job, error: &Error) {
        if error.kind() == ErrorKind::NotAuthorized {
            self.credentials.forget(&job.token).await;
        }
    }
}

impl Job {
    /// The backend that fits a file of `length` bytes best, and who sends by it.
    pub(crate) fn select(&self, length: u64, resume: Option<&ResumeState>) -> UploaderResult<Chosen> {
        let Some(message) = &self.copy_of else {
            return select(&self.backends, length, &self.credentials, resume, &self.pool);
        };
        let able = |backend: &&Arc<dyn TelegramUploader>| backend.copies(message);
        let able: Vec<_> = self.backends.iter().filter(able).cloned().collect();
        if able.is_empty() {
            return Err(Error::new(ErrorKind::Rejected, NOBODY_COPIES));
        }
        select(&able, length, &self.credentials, resume, &self.pool)
    }

    /// Who goes on with a file of `length` bytes at once, of which `state` was written down, after the chosen sender has met
    /// `error`: another one of those that the chosen backend takes, if that can make no second message.
    pub(crate) fn another(
        &self,
        chosen: &Chosen,
        error: &Error,
        length: u64,
        state: Option<&ResumeState>,
    ) -> Option<Chosen> {
        let (sender, _) = (chosen.sender.as_ref()?, Why::of(error)?);
        if is_bound(chosen, state) {
            return None;
        }
        let next = self.select(length, state).ok()?;
        let other = next.sender.as_ref().filter(|other| other.id != sender.id)?;
        let is_free = self.pool.closure(other, &self.credentials.chat_id).is_none();
        (is_free && Arc::ptr_eq(&chosen.backend, &next.backend)).then_some(next)
    }

    /// What has become of a file if there is no other one: it waits for the first of its senders that can send again.
    pub(crate) fn without_another(
        &self,
        chosen: &Chosen,
        error: Error,
        state: Option<&ResumeState>,
    ) -> Error {
        let passes = error.kind() == ErrorKind::LoginBusy || Why::of(&error).is_none();
        if passes || chosen.of < 2 || is_bound(chosen, state) {
            return error;
        }
        let all = chosen.backend.capability().requirement.senders(&self.credentials);
        let sooner = self.pool.opens_in(all, &self.credentials.chat_id).filter(|wait| !wait.is_zero());
        match (sooner, error.retry_after()) {
            (Some(wait), asked) if asked.is_none_or(|asked| wait < asked) => {
                let text = format!("{error}; another one can send again in {} s", wait.as_secs() + 1);
                Error::new(ErrorKind::FloodWait(wait), text)
            }
            _ => error,
        }
    }

    /// The bot that has begun a file and is gone from the credentials, if it may have made the message. A session may be another
    /// one of the same account, which makes the same message, unless there is none any more.
    pub(crate) fn gone(&self, state: Option<&ResumeState>) -> Option<SenderId> {
        let state = state?;
        let no_session = self.credentials.sessions().next().is_none();
        let sender = state.sender.as_ref().filter(|sender| sender.is_bot() || no_session)?;
        let backend = self.backends.iter().find(|backend| backend.name() == state.backend)?;
        let is_gone = self.credentials.sender(sender).is_none();
        (is_gone && backend.handover(state) == Handover::Never).then(|| sender.clone())
    }

    /// What the chosen sender met.
    pub(crate) fn note(&self, chosen: &Chosen, error: Option<&Error>) {
        let Some(sender) = &chosen.sender else { return };
        let met_by = match error.and_then(Error::sender) {
            Some(met_by) if *met_by != sender.id => {
                // What one of several senders of pieces met, that one has told; the bot that holds a file tells nobody else.
                let holder = self.credentials.sender(met_by);
                holder.filter(|_| self.copy_of.is_some())
            }
            _ => Some(sender),
        };
        if let Some(met_by) = met_by {
            self.pool.note(met_by, &self.credentials.chat_id, error);
        }
    }

    /// Leaves `backend` out if it found the file too large after all, and says whether another one may take it: a Bot
    /// API server may take less than its backend was told.
    pub(crate) fn rule_out(&mut self, backend: &Arc<dyn TelegramUploader>, why: ErrorKind) -> bool {
        if why != ErrorKind::TooLarge || self.backends.len() < 2 {
            return false;
        }
        self.backends.retain(|other| !Arc::ptr_eq(other, backend));
        true
    }

    /// The backends that can look for a message whose answer was lost, with these credentials.
    pub(crate) fn finders(&self) -> impl Iterator<Item = Arc<dyn TelegramUploader>> {
        let able = |backend: &&Arc<dyn TelegramUploader>| {
            let can = backend.capability();
            can.finds && can.requirement.is_met_by(&self.credentials)
        };
        self.backends.iter().filter(able).cloned()
    }

    /// Whether a message of which no answer comes can be looked for, or is simply sent again.
    pub(crate) fn may_be_looked_for(&self, unknown: Unknown) -> bool {
        unknown == Unknown::Again || self.finders().next().is_some()
    }

    /// A file of `length` bytes whose answer was lost goes by a backend that makes one message of it, if there is one for it.
    pub(crate) fn not_lost_again(&mut self, length: u64) {
        let sure = |backend: &Arc<dyn TelegramUploader>| {
            let can = backend.capability();
            let may = self.copy_of.as_ref().is_none_or(|message| backend.copies(message));
            may && can.idempotent && length <= can.max_bytes && can.requirement.is_met_by(&self.credentials)
        };
        if self.backends.iter().any(sure) {
            self.backends.retain(|backend| backend.capability().idempotent);
        }
    }

    /// Whether a message may exist, or some of several, of a file of which `state` was written down.
    pub(crate) fn may_exist(&self, state: Option<&ResumeState>) -> bool {
        let Some(state) = state else { return false };
        let made_by = |backend: &Arc<dyn TelegramUploader>| {
            backend.name() == state.backend && backend.handover(state) != Handover::Anew
        };
        state.handed_over().is_some() || self.backends.iter().any(made_by)
    }

    /// What a backend is to send of `upload`, and as what.
    pub(crate) fn request(
        &self,
        upload: &Upload,
        source: Arc<dyn ByteSource>,
        cancel: CancellationToken,
    ) -> UploadRequest {
        let credentials = Arc::clone(&self.credentials);
        let encoding = upload.encoding.as_ref();
        let request = UploadRequest::new(upload.id.clone(), credentials, name_of(upload), source);
        let mime_type =
            encoding.map_or_else(|| mime_type(upload), |encoding| encoding.mime_type().to_owned());
        let request = request.with_mime_type(mime_type).resuming(upload.resume.clone());
        let request = request.among(self.pool.clone());
        let (options, message) = (&upload.options, &self.message);
        let request = request.in_topic(options.topic_id.or(message.topic_id));
        let request = request.silently(options.silent.unwrap_or(message.silent));
        // Of other bytes, Telegram makes no video and no picture.
        let as_it_is = encoding.is_some() || upload.is_duplicate();
        let kind = if as_it_is { SendAs::Document } else { options.send_as.unwrap_or(message.send_as) };
        let request = request.sent_as(kind).copying(upload.duplicate_of.clone());
        request.with_caption(self.caption(upload)).stopped_by(cancel)
    }

    /// The text that was named for the message, or else one that is the same in each attempt: by it, a message is found whose
    /// answer was lost.
    fn caption(&self, upload: &Upload) -> Caption {
        match &upload.options.caption {
            Some(named) => Caption::from(named.as_str()),
            None => {
                let (user, began) = (&self.credentials.user_id, upload.created_at);
                // The name of the file itself, unless it is hidden.
                let hidden = upload.encoding.as_ref().filter(|encoding| encoding.hides_name);
                let name = hidden.map_or_else(|| upload.file_name.clone(), |_| name_of(upload));
                let values = CaptionValues::new(&name, upload.size(), user, began);
                self.message.caption.render(&values)
            }
        }
    }
}

/// What is said if no way to Telegram is there any more by which a file could be sent once more.
const NOBODY_COPIES: &str = "the file is in the channel, and nothing is there any more by which it could be made another message: send it with a new upload, \
                             without its SHA-256";

/// What the file is called in the channel.
fn name_of(upload: &Upload) -> FileName {
    let encoded = upload.encoding.as_ref().map(|encoding| encoding.name_of(&upload.file_name, &upload.key));
    encoded.unwrap_or_else(|| upload.file_name.clone())
}

/// Whether the message may exist, so that only the chosen sender can make it the same one.
fn is_bound(chosen: &Chosen, state: Option<&ResumeState>) -> bool {
    let state = state.filter(|state| state.backend == chosen.backend.name());
    state.is_some_and(|state| chosen.backend.handover(state) == Handover::Never)
}

/// The session store did not take a checkpoint.
pub(crate) fn not_written(error: StoreError) -> Error {
    Error::new(ErrorKind::Storage, "could not write down how far the upload is").with_source(error)
}

/// What the client declared if it says something, else what the name says, else bytes.
pub(crate) fn mime_type(upload: &Upload) -> String {
    let declared = upload.mime_type.as_deref().and_then(mime_type_of).map(str::to_owned);
    declared.unwrap_or_else(|| {
        mime_guess::from_path(upload.file_name.as_str()).first_or_octet_stream().essence_str().to_owned()
    })
}
