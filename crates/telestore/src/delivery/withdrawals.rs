//! Messages that nobody wants: each is taken back, as often as that takes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_backend::Error as BackendError;
use telestore_store::{Lease, NewEvent, OutboxEvent, Withdrawal};
use telestore_types::{StorageKey, StoredFile, StoredMessage, TelegramCredentials, UploadState};
use telestore_uploader::{Error, TelegramUploader, Verdict};

use crate::delivery::outbox::{CLAIM, Delivery};
use crate::shared::base::new_event_id;
use crate::shared::error::Result;
use crate::shared::ports::Withdrawals;

/// How long it is tried to take a message back.
pub(super) const WITHDRAW_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often at least: what is past its time when its upload goes may be older than that from the beginning.
pub(super) const WITHDRAW_TRIES: u32 = 12;

/// The pauses before that is tried again: the first, which doubles, and the longest.
const WITHDRAW_AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60 * 60));

/// How long one try may take; whatever its end, the next one comes later.
pub(super) const WITHDRAW_WITHIN: Duration = Duration::from_secs(60);

#[async_trait]
impl Withdrawals for Delivery {
    /// Takes back a message that was made after its upload was cancelled: at once, and again until it is gone. If
    /// another runner has the upload, it is that runner's message too.
    async fn withdraw_unwanted(
        &self,
        lease: &Lease,
        backend: &'static str,
        stored: &StoredFile,
    ) -> Result<()> {
        let upload = &lease.upload;
        let row = self.sends.insist(lease, || self.base.sessions.get(&upload.id)).await?;
        if row.is_some_and(|row| row.key == upload.key && row.state != UploadState::Cancelled) {
            return Ok(());
        }
        let (message_id, now) = (stored.message_id(), self.base.now());
        tracing::info!(message_id, "[{}] Upload was cancelled; taking its message back", upload.id);
        let withdrawal = Withdrawal::new(backend, upload.key.clone(), stored.clone());
        let event = NewEvent::withdrawal(new_event_id(), withdrawal.to_json())
            .of_user(upload.user_id.clone(), upload.sealed_token.clone());
        let (sessions, worker) = (&self.base.sessions, &self.base.worker);
        let add = || sessions.add_event(&upload.id, &event, worker, now, now + CLAIM);
        let event = self.sends.insist(lease, add).await?;
        if let Some(user) = &upload.user_id
            && !self.base.hold_account(user).await?
        {
            // Another worker has taken the account over. It finds the event.
            sessions.outbox_later(&event, now).await?;
            return Ok(());
        }
        self.withdraw(&event).await
    }
}

impl Delivery {
    /// One try to take a message back.
    pub(super) async fn withdraw(&self, event: &OutboxEvent) -> Result<()> {
        let withdrawal = Withdrawal::read(&event.event.body);
        let message_id = withdrawal.as_ref().map(|withdrawal| withdrawal.stored.message_id());
        let of = match &withdrawal {
            Some(Withdrawal { of_file: true, .. }) => "deleted file",
            _ => "cancelled upload",
        };
        let now = self.base.now();
        // The try counts before it begins: whatever it does to this process, the next one comes later.
        let (first, longest) = WITHDRAW_AGAIN;
        let pause = first.saturating_mul(2_u32.saturating_pow(event.attempt)).min(longest);
        self.base.sessions.outbox_later(event, now + pause).await?;
        let tried = tokio::time::timeout(WITHDRAW_WITHIN, self.try_to_withdraw(event, withdrawal)).await;
        let why = match tried.unwrap_or_else(|_| Err(Unwilling::Passing("no answer came in time".to_owned())))
        {
            Ok(()) => {
                tracing::info!(message_id, "[{}] Message of a {of} deleted", event.upload_id);
                return self.done(event).await;
            }
            Err(Unwilling::Passing(why))
                if now.since(event.created_at) <= WITHDRAW_FOR || event.attempt < WITHDRAW_TRIES =>
            {
                tracing::warn!(
                    message_id,
                    why,
                    seconds = pause.as_secs(),
                    "[{}] Message of a {of} could not be deleted; trying again",
                    event.upload_id
                );
                return Ok(());
            }
            Err(Unwilling::Passing(why) | Unwilling::ForGood(why)) => why,
        };
        tracing::warn!(
            message_id,
            why,
            "[{}] Message of a {of} could not be deleted: delete it by hand",
            event.upload_id
        );
        self.done(event).await
    }

    /// The way to Telegram of this name.
    pub(super) fn backend(&self, name: &str) -> std::result::Result<&Arc<dyn TelegramUploader>, Unwilling> {
        let gone = || Unwilling::ForGood("the worker has no such way to Telegram any more".to_owned());
        self.backends.uploaders.iter().find(|known| known.name() == name).ok_or_else(gone)
    }

    /// What the file of an event was sent with.
    pub(super) async fn credentials_of(
        &self,
        event: &OutboxEvent,
        key: &StorageKey,
    ) -> std::result::Result<Arc<TelegramCredentials>, Unwilling> {
        let sealed = event.event.sealed_token.as_deref().ok_or_else(Unwilling::unreadable)?;
        let lost =
            |_| Unwilling::ForGood("the token that it was sent with cannot be read any more".to_owned());
        let token = self.backends.sealer.open(key, sealed).map_err(lost)?;
        self.backends.credentials_of(&token).await.map_err(Unwilling::of_backend)
    }

    async fn try_to_withdraw(
        &self,
        event: &OutboxEvent,
        withdrawal: Option<Withdrawal>,
    ) -> std::result::Result<(), Unwilling> {
        let Withdrawal { backend, key, stored, of_file, .. } =
            withdrawal.ok_or_else(Unwilling::unreadable)?;
        let credentials = self.credentials_of(event, &key).await?;
        let ended = match self.backend(&backend) {
            Ok(made_it) => try_by(made_it.as_ref(), &credentials, &stored).await,
            Err(gone) => Err(gone),
        };
        // A bot may be in the channel no more, and by the Bot API nothing is deleted after two days.
        if !(of_file
            && matches!(ended, Err(Unwilling::ForGood(_)))
            && stored.messages().iter().all(in_channel))
        {
            return ended;
        }
        let able = |other: &&Arc<dyn TelegramUploader>| {
            other.name() != backend && other.capability().requirement.is_met_by(&credentials)
        };
        for other in self.backends.uploaders.iter().filter(able) {
            match try_by(other.as_ref(), &credentials, &stored).await {
                Err(Unwilling::ForGood(why)) => tracing::debug!(backend = other.name(), why, "refused, too"),
                done_or_later => return done_or_later,
            }
        }
        ended
    }
}

/// Whether a number of a message means the same to all accounts. In a basic group each has numbers of its own, and would delete
/// something else.
fn in_channel(message: &StoredMessage) -> bool {
    message.chat_id.as_ref().is_some_and(|chat| chat.channel_id().is_some())
}

/// Takes messages back by one way to Telegram.
async fn try_by(
    backend: &dyn TelegramUploader,
    credentials: &TelegramCredentials,
    stored: &StoredFile,
) -> std::result::Result<(), Unwilling> {
    let senders: Vec<_> = backend.capability().requirement.senders(credentials).cloned().collect();
    if senders.len() < 2 || !stored.messages().iter().all(in_channel) {
        return withdraw_by(backend, credentials, stored).await;
    }
    // A bot may delete what it has sent, and not always what another has: each takes its messages back, and for the last
    // one none is there.
    let mut ended = Err(Unwilling::unreadable());
    for sender in &senders {
        ended = match (ended, withdraw_by(backend, &credentials.only(sender), stored).await) {
            (_, Ok(())) => return Ok(()),
            (Err(Unwilling::Passing(why)), Err(Unwilling::ForGood(_))) => Err(Unwilling::Passing(why)),
            (_, refused) => refused,
        };
    }
    ended
}

/// Takes a message back with these credentials.
pub(super) async fn withdraw_by(
    backend: &dyn TelegramUploader,
    credentials: &TelegramCredentials,
    stored: &StoredFile,
) -> std::result::Result<(), Unwilling> {
    match backend.withdraw(credentials, stored).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Unwilling::ForGood("Telegram does not let it be deleted".to_owned())),
        Err(error) => Err(Unwilling::of_telegram(&error)),
    }
}

/// Why a message was not taken back.
pub(super) enum Unwilling {
    Passing(String),
    ForGood(String),
}

impl Unwilling {
    /// What was written down of the event cannot be read.
    pub(super) fn unreadable() -> Self {
        Self::ForGood("what was written down of it cannot be read".to_owned())
    }

    /// What a way to Telegram said.
    pub(super) fn of_telegram(error: &Error) -> Self {
        match error.verdict() {
            Verdict::Permanent => Self::ForGood(error.to_string()),
            _ => Self::Passing(error.to_string()),
        }
    }

    fn of_backend(error: BackendError) -> Self {
        match error {
            BackendError::InvalidToken | BackendError::NotConfigured(_) => Self::ForGood(error.to_string()),
            error => Self::Passing(error.to_string()),
        }
    }
}
