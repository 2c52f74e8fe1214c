//! Messages that may come of cancelled uploads: each is looked for, as long as it may come, and taken back once it is there.
//!
//! What was handed over to a server that did not answer is looked for as by `sending/settle.rs`; of what a backend has a state of its
//! own, that backend looks. The rules are the same: what may be another file's message is nobody's. Here that
//! counts twice, since what is deleted is gone. So a message is taken back only if no file that could have made it is under way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_store::{OutboxEvent, Recall};
use telestore_types::{
    ByteSource, Caption, FileName, HandedOver, ResumeState, SourceError, StoredFile, TelegramCredentials,
    Timestamp, UploadState,
};
use telestore_uploader::{Found as Seen, Handover, Lost, Recalled, TelegramUploader, UploadRequest};

use crate::delivery::outbox::Delivery;
use crate::delivery::taking_back::{Unwilling, numbers};
use crate::delivery::withdrawals::{WITHDRAW_FOR, WITHDRAW_TRIES, WITHDRAW_WITHIN};
use crate::shared::error::Result;

/// The pauses before it is looked again: the first, which doubles, and the longest.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What a look has shown.
enum Looked {
    /// No message, and none will come; or it was there, and is taken back.
    Over,
    /// It may come yet.
    Later(String),
}

/// What could be the message.
struct Found<'a> {
    finder: &'a Arc<dyn TelegramUploader>,
    stored: &'a StoredFile,
    /// What was handed over to a server that did not answer; `None` if a backend has a state of its own.
    handed: Option<&'a HandedOver>,
}

const UNCLEAR: &str = "the channel does not tell whether it is there";
const ANOTHERS: &str = "what is there may be the message of another upload of the same file";
const FORGOTTEN: &str = "what the messages of other files are is forgotten";

impl Delivery {
    /// One look for the message of a cancelled upload.
    pub(super) async fn recall(&self, event: &OutboxEvent) -> Result<()> {
        let mut event = event.clone();
        let recall = Recall::read(&event.event.body);
        if recall.as_ref().is_some_and(|recall| self.is_nothing(recall)) {
            return self.done(&event).await;
        }
        let (now, (first, longest)) = (self.base.now(), LOOK_AGAIN);
        let pause = first.saturating_mul(2_u32.saturating_pow(event.attempt)).min(longest);
        // It counts before it begins: whatever it does to this process, the next look comes later.
        self.base.sessions.outbox_later(&event, now + pause).await?;
        let looking = tokio::time::timeout(WITHDRAW_WITHIN, self.look(&mut event, recall));
        let looked = looking.await;
        let why = match looked
            .unwrap_or_else(|_| Err(Unwilling::Passing("no answer came in time".to_owned())))
        {
            Ok(Looked::Over) => return self.done(&event).await,
            Ok(Looked::Later(why)) | Err(Unwilling::Passing(why))
                if now.since(event.created_at) <= WITHDRAW_FOR || event.attempt < WITHDRAW_TRIES =>
            {
                tracing::debug!(why, "[{}] The message of a cancelled upload may come yet", event.upload_id);
                return Ok(());
            }
            Ok(Looked::Later(why)) | Err(Unwilling::Passing(why) | Unwilling::ForGood(why)) => why,
        };
        tracing::warn!(
            why,
            "[{}] Upload was cancelled, and its message may be in the channel, or come yet: look there, and delete it by hand",
            event.upload_id
        );
        self.done(&event).await
    }

    /// Whether no message can come: the backend that wrote the state had not asked for one.
    fn is_nothing(&self, recall: &Recall) -> bool {
        let state = recall.state();
        let may_exist = |backend: &Arc<dyn TelegramUploader>| backend.handover(&state) != Handover::Anew;
        state.handed_over().is_none() && self.backend(&state.backend).is_ok_and(|backend| !may_exist(backend))
    }

    async fn look(
        &self,
        event: &mut OutboxEvent,
        recall: Option<Recall>,
    ) -> std::result::Result<Looked, Unwilling> {
        let recall = recall.ok_or_else(Unwilling::unreadable)?;
        if self.sends.running().contains_key(&recall.key) {
            // It hears the answer out, and takes the message back by its number.
            return Ok(Looked::Later("Telegram's answer is waited for".to_owned()));
        }
        let credentials = self.credentials_of(event, &recall.key).await?;
        let state = recall.state();
        if let Some(handed) = state.handed_over() {
            return self.look_for(event, &recall, handed, &credentials).await;
        }
        let backend = self.backend(&state.backend)?;
        let lost = self.lost(event, &recall, &credentials).await?;
        match backend.recall(&credentials, &state, &lost).await {
            Ok(Recalled::Gone) => Ok(Looked::Over),
            Ok(Recalled::NotYet) => Ok(Looked::Later("Telegram has not made it yet".to_owned())),
            Ok(Recalled::NotThere) if lost.all_known => self.absent(event, &recall, None).await,
            Ok(Recalled::There { stored, more }) => {
                let found = Found { finder: backend, stored: &stored, handed: None };
                match self.take_back(found, &recall, &credentials, event).await {
                    Ok(Looked::Over) if more => Ok(Looked::Later("other pieces may come".to_owned())),
                    Err(Unwilling::ForGood(why)) if more => self.unclear(event, &recall, why),
                    looked => looked,
                }
            }
            Ok(Recalled::Waits(state)) => self.waits(event, recall, state).await,
            Ok(_) => self.unclear(event, &recall, UNCLEAR.to_owned()),
            Err(error) => Err(Unwilling::of_telegram(&error)),
        }
    }

    /// The messages of other files, which are not the one that a backend was asked for.
    async fn lost(
        &self,
        event: &OutboxEvent,
        recall: &Recall,
        credentials: &TelegramCredentials,
    ) -> std::result::Result<Lost, Unwilling> {
        let now = self.base.now();
        let asked = recall.since.unwrap_or(event.created_at);
        // As long as a server may have worked on it, the message may have been made after the cancel.
        let over = now.since(event.created_at).saturating_sub(self.base.config.patience(recall.size));
        let lost = Lost::new(credentials.chat_id.clone(), now.since(asked)).over(over);
        self.base.known(lost, asked).await.map_err(unread)
    }

    /// The message waits for its video: that is written down, and taken back at the next look.
    async fn waits(
        &self,
        event: &mut OutboxEvent,
        recall: Recall,
        state: ResumeState,
    ) -> std::result::Result<Looked, Unwilling> {
        if self.base.is_under_way(&recall.key, recall.size, None).await.map_err(unread)? {
            return Ok(Looked::Later(ANOTHERS.to_owned()));
        }
        event.event.body = recall.at(state).to_json();
        self.base.sessions.outbox_later(event, self.base.now()).await.map_err(unread)?;
        Ok(Looked::Later("it waits for its video".to_owned()))
    }

    /// Looks for the message of what was handed over to a server that did not answer.
    async fn look_for(
        &self,
        event: &mut OutboxEvent,
        recall: &Recall,
        handed: HandedOver,
        credentials: &Arc<TelegramCredentials>,
    ) -> std::result::Result<Looked, Unwilling> {
        if handed.age(self.base.both_times()) >= self.known_for() {
            return Err(Unwilling::ForGood(FORGOTTEN.to_owned()));
        }
        let request = request_of(event, recall, &handed, credentials)?;
        let able = |backend: &&Arc<dyn TelegramUploader>| {
            let can = backend.capability();
            can.finds && can.requirement.is_met_by(credentials)
        };
        let mut seen = Err(Unwilling::ForGood("nobody can look into the channel".to_owned()));
        for finder in self.backends.uploaders.iter().filter(able) {
            let lost = self.base.lost(&handed).await.map_err(unread)?;
            seen = match finder.find(&request, &lost).await {
                Ok(Seen::There(stored)) => {
                    let found = Found { finder, stored: &stored, handed: Some(&handed) };
                    return self.take_back(found, recall, credentials, event).await;
                }
                Ok(Seen::NotThere) if lost.all_known => {
                    return self.absent(event, recall, Some(&handed)).await;
                }
                Ok(_) => Ok(Looked::Later(UNCLEAR.to_owned())),
                Err(error) => Err(Unwilling::of_telegram(&error)),
            };
        }
        match seen {
            Ok(Looked::Later(why)) => self.unclear(event, recall, why),
            seen => seen,
        }
    }

    /// What is not clear for long does not become clear: other messages are there that could be it.
    fn unclear(
        &self,
        event: &OutboxEvent,
        recall: &Recall,
        why: String,
    ) -> std::result::Result<Looked, Unwilling> {
        let longest = self.base.config.patience(recall.size).saturating_mul(4);
        match self.base.now().since(event.created_at) > longest {
            true => Err(Unwilling::ForGood(why)),
            false => Ok(Looked::Later(why)),
        }
    }

    /// The channel was seen without the message, which a server may still be making.
    async fn absent(
        &self,
        event: &mut OutboxEvent,
        recall: &Recall,
        handed: Option<&HandedOver>,
    ) -> std::result::Result<Looked, Unwilling> {
        let now = self.base.now();
        if let Some(since) = handed.map_or(recall.absent_since, |handed| handed.absent_since) {
            if now.since(since) >= self.base.config.patience(recall.size) {
                return Ok(Looked::Over);
            }
        } else {
            let seen = match handed {
                Some(handed) => recall.clone().at((&handed.clone().absent(now)).into()),
                None => recall.clone().absent(now),
            };
            event.event.body = seen.to_json();
            // If that is lost, the message is waited for longer.
            self.base.sessions.outbox_later(event, now + LOOK_AGAIN.0).await.map_err(unread)?;
        }
        Ok(Looked::Later("it is not in the channel yet".to_owned()))
    }

    /// Takes back what was found, unless it may be another file's.
    async fn take_back(
        &self,
        found: Found<'_>,
        recall: &Recall,
        credentials: &TelegramCredentials,
        event: &OutboxEvent,
    ) -> std::result::Result<Looked, Unwilling> {
        // What was handed over says by itself how old it is.
        if found.handed.is_none() && self.is_forgotten(recall.since) {
            return Err(Unwilling::ForGood(FORGOTTEN.to_owned()));
        }
        if self.may_be_anothers(&found, recall, credentials, event).await? {
            return Ok(Looked::Later(ANOTHERS.to_owned()));
        }
        let messages = numbers(Some(found.stored));
        tracing::info!(messages, "[{}] Message of a cancelled upload found", event.upload_id);
        let mut left = Some(found.stored.clone());
        self.take_back_by_all(found.finder, credentials, &mut left, event.attempt).await?;
        tracing::info!(messages, "[{}] Message of a cancelled upload deleted", event.upload_id);
        Ok(Looked::Over)
    }

    /// Whether what the messages of other files are, of the time since then, may be forgotten by now.
    fn is_forgotten(&self, since: Option<Timestamp>) -> bool {
        since.is_some_and(|since| self.base.now().since(since) >= self.known_for())
    }

    /// For how long the messages of other files are known.
    fn known_for(&self) -> Duration {
        let config = &self.base.config;
        config.result_ttl.max(config.retry_max_age)
    }

    async fn may_be_anothers(
        &self,
        found: &Found<'_>,
        recall: &Recall,
        credentials: &TelegramCredentials,
        event: &OutboxEvent,
    ) -> std::result::Result<bool, Unwilling> {
        let (base, key, messages) = (&self.base, &recall.key, found.stored.messages());
        let states = [UploadState::Queued, UploadState::Sending, UploadState::Failed];
        let piece = messages.iter().map(|message| message.size).min().filter(|size| *size < recall.size);
        // First, so that one that ends now is seen below.
        let mut others = base.is_under_way(key, recall.size, piece).await.map_err(unread)?;
        if let Some(handed) = found.handed {
            others |= base.has_twin(&handed.mark, key, &states).await.map_err(unread)?;
        }
        let known = match found.handed {
            Some(handed) => base.lost(handed).await.map_err(unread)?,
            None => self.lost(event, recall, credentials).await?,
        };
        let is_known = messages.iter().any(|message| {
            known.is_known(message.chat_id.as_ref().unwrap_or(&known.chat), message.message_id)
        });
        Ok(others || is_known)
    }
}

fn unread(error: telestore_store::Error) -> Unwilling {
    Unwilling::Passing(error.to_string())
}

/// The request whose message is looked for. Its bytes are gone.
fn request_of(
    event: &OutboxEvent,
    recall: &Recall,
    handed: &HandedOver,
    credentials: &Arc<TelegramCredentials>,
) -> std::result::Result<UploadRequest, Unwilling> {
    let caption = handed.caption.as_deref().ok_or_else(Unwilling::unreadable)?;
    let name = FileName::new("file").map_err(|_| Unwilling::unreadable())?;
    let source = Arc::new(Gone(recall.size));
    let request = UploadRequest::new(event.upload_id.clone(), Arc::clone(credentials), name, source);
    Ok(request.with_caption(Caption::from(caption)).sent_as(handed.send_as))
}

/// A file of so many bytes, which were deleted.
#[derive(Debug)]
struct Gone(u64);

#[async_trait]
impl ByteSource for Gone {
    fn len(&self) -> u64 {
        self.0
    }

    async fn read_at(&self, _: u64, _: usize) -> std::result::Result<Bytes, SourceError> {
        Err(SourceError::Damaged("the upload was cancelled".to_owned()))
    }
}
