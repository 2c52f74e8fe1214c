//! Messages that nobody wants: each is taken back, as often as that takes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use telestore_backend::Error as BackendError;
use telestore_store::{Lease, NewEvent, OutboxEvent, Withdrawal};
use telestore_types::{StorageKey, StoredFile, TelegramCredentials, Timestamp, UploadState};
use telestore_uploader::TelegramUploader;

use crate::delivery::outbox::{CLAIM, Delivery};
use crate::delivery::taking_back::{Unwilling, numbers};
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
    /// One try to take messages back.
    pub(super) async fn withdraw(&self, event: &OutboxEvent) -> Result<()> {
        let withdrawal = Withdrawal::read(&event.event.body);
        let mut left = withdrawal.as_ref().map(|withdrawal| withdrawal.stored.clone());
        let all = numbers(left.as_ref());
        let of = match &withdrawal {
            Some(Withdrawal { of_file: true, .. }) => "deleted file",
            _ => "cancelled upload",
        };
        let now = self.base.now();
        // The try counts before it begins: whatever it does to this process, the next one comes later.
        let (first, longest) = WITHDRAW_AGAIN;
        let pause = first.saturating_mul(2_u32.saturating_pow(event.attempt)).min(longest);
        self.base.sessions.outbox_later(event, now + pause).await?;
        let trying = self.try_to_withdraw(event, withdrawal.as_ref(), &mut left);
        let tried = tokio::time::timeout(WITHDRAW_WITHIN, trying).await;
        let why = match tried.unwrap_or_else(|_| Err(Unwilling::Passing("no answer came in time".to_owned())))
        {
            Ok(()) => {
                tracing::info!(messages = all, "[{}] Message of a {of} deleted", event.upload_id);
                return self.done(event).await;
            }
            Err(Unwilling::Passing(why))
                if now.since(event.created_at) <= WITHDRAW_FOR || event.attempt < WITHDRAW_TRIES =>
            {
                tracing::warn!(
                    messages = numbers(left.as_ref()),
                    why,
                    seconds = pause.as_secs(),
                    "[{}] Message of a {of} could not be deleted; trying again",
                    event.upload_id
                );
                return self.keep(event, withdrawal, left, now + pause).await;
            }
            Err(Unwilling::Passing(why) | Unwilling::ForGood(why)) => why,
        };
        tracing::warn!(
            messages = numbers(left.as_ref()),
            why,
            "[{}] Message of a {of} could not be deleted: delete it by hand",
            event.upload_id
        );
        self.done(event).await
    }

    /// Keeps what is left of a withdrawal for its next try. If that is lost, those that are gone are tried once more.
    async fn keep(
        &self,
        event: &OutboxEvent,
        withdrawal: Option<Withdrawal>,
        left: Option<StoredFile>,
        due: Timestamp,
    ) -> Result<()> {
        let (Some(withdrawal), Some(stored)) = (withdrawal, left) else { return Ok(()) };
        if stored != withdrawal.stored {
            let mut event = event.clone();
            event.event.body = withdrawal.of_messages(stored).to_json();
            self.base.sessions.outbox_later(&event, due).await?;
        }
        Ok(())
    }

    /// The way to Telegram of this name.
    pub(super) fn backend(&self, name: &str) -> std::result::Result<&Arc<dyn TelegramUploader>, Unwilling> {
        let gone = || Unwilling::ForGood("the worker has no such way to Telegram any more".to_owned());
        self.backends.uploader(name).ok_or_else(gone)
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
        self.backends.credentials_of(&token).await.map_err(of_backend)
    }

    async fn try_to_withdraw(
        &self,
        event: &OutboxEvent,
        withdrawal: Option<&Withdrawal>,
        left: &mut Option<StoredFile>,
    ) -> std::result::Result<(), Unwilling> {
        let Withdrawal { backend, key, .. } = withdrawal.ok_or_else(Unwilling::unreadable)?;
        let backend = self.backend(backend)?;
        let credentials = self.credentials_of(event, key).await?;
        self.take_back_by_all(backend, &credentials, left, event.attempt).await
    }
}

/// What a backend said that did not name the credentials.
fn of_backend(error: BackendError) -> Unwilling {
    match error {
        BackendError::InvalidToken | BackendError::NotConfigured(_) => Unwilling::ForGood(error.to_string()),
        error => Unwilling::Passing(error.to_string()),
    }
}
