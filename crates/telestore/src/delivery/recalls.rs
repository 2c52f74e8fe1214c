//! Messages that may come of cancelled uploads: each is looked for, as long as it may come, and taken back once it is there.
//!
//! The look is that of `sending/settle.rs`, and so are its rules: what may be another file's message is nobody's. Here that
//! counts twice, since what is deleted is gone. So a message is taken back only if no file that could have made it is under way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use telestore_store::{OutboxEvent, Recall};
use telestore_types::{
    ByteSource, Caption, FileName, HandedOver, SourceError, StoredFile, TelegramCredentials, UploadState,
};
use telestore_uploader::{Found, Handover, Recalled, TelegramUploader, UploadRequest};

use crate::delivery::outbox::Delivery;
use crate::delivery::withdrawals::{Unwilling, WITHDRAW_FOR, WITHDRAW_TRIES, WITHDRAW_WITHIN, withdraw_by};
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
        let sender = state.sender.as_ref().and_then(|sender| credentials.sender(sender));
        let credentials = sender.map_or_else(|| (*credentials).clone(), |sender| credentials.only(sender));
        match backend.recall(&credentials, &state).await {
            Ok(Recalled::Gone) => Ok(Looked::Over),
            Ok(_) => Ok(Looked::Later("Telegram has not made it yet".to_owned())),
            Err(error) => Err(Unwilling::of_telegram(&error)),
        }
    }

    /// Looks for the message of what was handed over to a server that did not answer.
    async fn look_for(
        &self,
        event: &mut OutboxEvent,
        recall: &Recall,
        handed: HandedOver,
        credentials: &Arc<TelegramCredentials>,
    ) -> std::result::Result<Looked, Unwilling> {
        let config = &self.base.config;
        if handed.age(self.base.both_times()) >= config.result_ttl.max(config.retry_max_age) {
            return Err(Unwilling::ForGood("what the messages of other files are is forgotten".to_owned()));
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
                Ok(Found::There(stored)) => {
                    return self.take_back(finder, recall, &handed, credentials, &stored, event).await;
                }
                Ok(Found::NotThere) => return self.absent(event, recall, handed).await,
                Ok(_) => Ok(Looked::Later("the channel does not tell whether it is there".to_owned())),
                Err(error) => Err(Unwilling::of_telegram(&error)),
            };
        }
        match seen {
            // What is not clear for so long does not become clear: other messages are there that could be it.
            Ok(Looked::Later(why)) if self.base.now().since(event.created_at) > self.longest(recall) => {
                Err(Unwilling::ForGood(why))
            }
            seen => seen,
        }
    }

    /// For how long what is not clear is looked at.
    fn longest(&self, recall: &Recall) -> Duration {
        self.base.config.patience(recall.size).saturating_mul(4)
    }

    /// The channel was seen without the message, which a server may still be making.
    async fn absent(
        &self,
        event: &mut OutboxEvent,
        recall: &Recall,
        handed: HandedOver,
    ) -> std::result::Result<Looked, Unwilling> {
        let now = self.base.now();
        if let Some(since) = handed.absent_since {
            if now.since(since) >= self.base.config.patience(recall.size) {
                return Ok(Looked::Over);
            }
        } else {
            let seen = HandedOver::clone(&handed).absent(now);
            event.event.body = Recall::new(recall.key.clone(), recall.size, (&seen).into()).to_json();
            // If that is lost, the message is waited for longer.
            self.base.sessions.outbox_later(event, now + LOOK_AGAIN.0).await.map_err(unread)?;
        }
        Ok(Looked::Later("it is not in the channel yet".to_owned()))
    }

    /// Takes back what was found, unless it may be another file's.
    async fn take_back(
        &self,
        finder: &Arc<dyn TelegramUploader>,
        recall: &Recall,
        handed: &HandedOver,
        credentials: &TelegramCredentials,
        stored: &StoredFile,
        event: &OutboxEvent,
    ) -> std::result::Result<Looked, Unwilling> {
        let (base, key) = (&self.base, &recall.key);
        let states = [UploadState::Queued, UploadState::Sending, UploadState::Failed];
        // First, so that one that ends now is seen below.
        let others = base.has_twin(&handed.mark, key, &states).await.map_err(unread)?
            || base.is_under_way(key, recall.size).await.map_err(unread)?;
        let known = base.lost(handed).await.map_err(unread)?;
        let is_known = stored.messages().iter().any(|message| {
            known.is_known(message.chat_id.as_ref().unwrap_or(&handed.chat), message.message_id)
        });
        if others || is_known {
            let why = "what is there may be the message of another upload of the same file";
            return Ok(Looked::Later(why.to_owned()));
        }
        let message_id = stored.message_id();
        tracing::info!(message_id, "[{}] Message of a cancelled upload found", event.upload_id);
        let mut ended = withdraw_by(finder.as_ref(), credentials, stored).await;
        // A session may post and not delete what a bot has posted; that bot may.
        let sender = handed.sender.as_ref().and_then(|sender| credentials.sender(sender));
        let own = sender.map_or_else(|| credentials.clone(), |sender| credentials.only(sender));
        for other in self.backends.uploaders.iter().filter(|other| !Arc::ptr_eq(other, finder)) {
            if matches!(ended, Err(Unwilling::ForGood(_))) && other.capability().requirement.is_met_by(&own) {
                ended = withdraw_by(other.as_ref(), &own, stored).await;
            }
        }
        ended?;
        tracing::info!(message_id, "[{}] Message of a cancelled upload deleted", event.upload_id);
        Ok(Looked::Over)
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
