use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use telestore_store::{Lease, NewEvent, OutboxEvent, OutboxKind};
use telestore_types::{StorageKey, StoredFile, UploadState, UserId};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::sending::runner::Sent;
use crate::shared::metrics::{Webhook, webhook};
use crate::shared::sends::owners_of;
use crate::{Error, Result, Telestore};

/// Events worked on at a time.
const AT_A_TIME: usize = 16;

/// How many of them may be one user's: a backend or a Telegram server that hangs for one holds up nobody else.
const OF_ONE_USER: usize = 4;

/// How many may be messages to take back: webhooks always have places.
const WITHDRAWALS: usize = 4;

/// How long it is tried to take a message back.
const WITHDRAW_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The pauses before that is tried again: the first, which doubles, and the longest.
const WITHDRAW_AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60 * 60));

/// How long one try may take; whatever its end, the next one comes later.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(60);

/// A name that no other event has.
pub(crate) fn new_event_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// An event that was worked on, by its id, and how that ended.
pub(crate) type Ended = (String, Result<()>);

/// What is worked on now, by event id, and whose it is.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<String, (OutboxKind, Option<UserId>)>);

impl Places {
    /// The users of whom no more may be begun.
    fn full(&self) -> Vec<UserId> {
        owners_of(OF_ONE_USER, self.0.values().map(|(_, user)| user.as_ref())).cloned().collect()
    }

    /// Takes a place for an event; says whether there was one.
    fn take(&mut self, event: &NewEvent) -> bool {
        let full = event.user_id.as_ref().is_some_and(|user| self.full().contains(user));
        let of_kind = self.0.values().filter(|(kind, _)| *kind == event.kind).count();
        let places = if event.kind == OutboxKind::Withdrawal { WITHDRAWALS } else { AT_A_TIME };
        if full || of_kind >= places || self.0.contains_key(&event.event_id) {
            return false;
        }
        self.0.insert(event.event_id.clone(), (event.kind, event.user_id.clone()));
        true
    }

    pub(crate) fn leave(&mut self, event_id: &str) {
        self.0.remove(event_id);
    }
}

impl Telestore {
    /// Works off the events that are due (webhooks, and messages to take back) and says how many it took on.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the session store fails. What was delivered but not recorded
    /// is delivered again, with the same event id.
    pub async fn deliver(&self) -> Result<usize> {
        let (mut places, mut tasks) = (Places::default(), JoinSet::new());
        let begun = self.begin_deliveries(&mut places, &mut tasks).await?;
        let mut ended = Ok(begun);
        while let Some(one) = tasks.join_next().await {
            if let Ok((_, Err(error))) = one {
                ended = Err(error);
            }
        }
        ended
    }

    /// Begins to work on what is due, as far as there are places.
    pub(crate) async fn begin_deliveries(
        &self,
        places: &mut Places,
        tasks: &mut JoinSet<Ended>,
    ) -> Result<usize> {
        // Those that are worked on are due as well.
        let limit = u32::try_from(2 * AT_A_TIME).unwrap_or(u32::MAX);
        let now = self.now();
        let mut due = self.0.sessions.outbox_due(OutboxKind::Webhook, now, limit, &places.full()).await?;
        due.extend(self.0.sessions.outbox_due(OutboxKind::Withdrawal, now, limit, &places.full()).await?);
        let mut begun = 0;
        for event in due {
            if self.0.shutdown.is_cancelled() || !places.take(&event.event) {
                continue;
            }
            begun += 1;
            let engine = self.clone();
            let id = event.event.event_id.clone();
            // In a task of its own, so that a panic does not keep the place.
            let work = tokio::spawn(async move { engine.deliver_one(&event).await }.in_current_span());
            tasks.spawn(async move {
                (id, work.await.unwrap_or_else(|died| Err(Error::Storage(Box::new(died)))))
            });
        }
        Ok(begun)
    }

    async fn deliver_one(&self, event: &OutboxEvent) -> Result<()> {
        match event.event.kind {
            OutboxKind::Webhook => self.tell_backend(event).await,
            OutboxKind::Withdrawal => self.withdraw(event).await,
        }
    }

    async fn tell_backend(&self, event: &OutboxEvent) -> Result<()> {
        let NewEvent { event_id, body, .. } = &event.event;
        let Err(error) = self.0.webhooks.send(event_id, body).await else {
            webhook(Webhook::Delivered).increment(1);
            return Ok(self.0.sessions.outbox_done(event_id).await?);
        };
        let now = self.now();
        if now.since(event.created_at) > self.config().webhook_max_age {
            webhook(Webhook::GivenUp).increment(1);
            tracing::error!(upload = %event.upload_id, event = event_id, %error, "webhook given up");
            return Ok(self.0.sessions.outbox_done(event_id).await?);
        }
        webhook(Webhook::Failed).increment(1);
        let pause = self.config().pause(event.attempt.saturating_add(1));
        tracing::warn!(upload = %event.upload_id, event = event_id, %error, seconds = pause.as_secs(), "webhook failed; trying again");
        Ok(self.0.sessions.outbox_retry(event_id, now + pause).await?)
    }

    /// Takes back a message that was made after its upload was cancelled: at once, and again until it is gone. Where
    /// another runner has the upload, it is that runner's message too.
    pub(crate) async fn withdraw_unwanted(&self, lease: &Lease, sent: &Sent) -> Result<()> {
        let upload = &lease.upload;
        let row = self.insist(lease, || self.0.sessions.get(&upload.id)).await?;
        if row.is_some_and(|row| row.key == upload.key && row.state != UploadState::Cancelled) {
            return Ok(());
        }
        let (message_id, now) = (sent.stored.message_id, self.now());
        tracing::info!(message_id, "[{}] Upload was cancelled; taking its message back", upload.id);
        let body = json!({
            "backend": sent.backend.name(),
            "key": upload.key.as_str(),
            "stored": sent.stored,
        });
        let event = NewEvent {
            event_id: new_event_id(),
            kind: OutboxKind::Withdrawal,
            user_id: upload.user_id.clone(),
            sealed_token: upload.sealed_token.clone(),
            body: body.to_string(),
        };
        self.insist(lease, || self.0.sessions.add_event(&upload.id, &event, now)).await?;
        let event = OutboxEvent { event, upload_id: upload.id.clone(), attempt: 0, created_at: now };
        self.withdraw(&event).await
    }

    /// One try to take a message back.
    async fn withdraw(&self, event: &OutboxEvent) -> Result<()> {
        let NewEvent { event_id, body, .. } = &event.event;
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let message_id = body["stored"]["message_id"].as_i64();
        let now = self.now();
        // The try counts before it begins: whatever it does to this process, the next one comes later.
        let (first, longest) = WITHDRAW_AGAIN;
        let pause = first.saturating_mul(2_u32.saturating_pow(event.attempt)).min(longest);
        self.0.sessions.outbox_retry(event_id, now + pause).await?;
        let tried = tokio::time::timeout(WITHDRAW_WITHIN, self.try_to_withdraw(event, &body)).await;
        let why = match tried.unwrap_or_else(|_| Err(Unwilling::Passing("no answer came in time".to_owned())))
        {
            Ok(()) => {
                tracing::info!(message_id, "[{}] Message of a cancelled upload deleted", event.upload_id);
                return Ok(self.0.sessions.outbox_done(event_id).await?);
            }
            Err(Unwilling::Passing(why)) if now.since(event.created_at) <= WITHDRAW_FOR => {
                tracing::warn!(
                    message_id,
                    why,
                    seconds = pause.as_secs(),
                    "[{}] Message of a cancelled upload could not be deleted; trying again",
                    event.upload_id
                );
                return Ok(());
            }
            Err(Unwilling::Passing(why) | Unwilling::ForGood(why)) => why,
        };
        tracing::warn!(
            message_id,
            why,
            "[{}] Upload was cancelled, but its message could not be deleted: delete it by hand",
            event.upload_id
        );
        Ok(self.0.sessions.outbox_done(event_id).await?)
    }

    async fn try_to_withdraw(&self, event: &OutboxEvent, body: &Value) -> std::result::Result<(), Unwilling> {
        let unreadable = || Unwilling::ForGood("what was written down of it cannot be read".to_owned());
        let stored: StoredFile = serde_json::from_value(body["stored"].clone()).map_err(|_| unreadable())?;
        let key = body["key"].as_str().and_then(|key| StorageKey::parse(key).ok()).ok_or_else(unreadable)?;
        let backend =
            self.0.uploaders.iter().find(|backend| Some(backend.name()) == body["backend"].as_str());
        let gone = || Unwilling::ForGood("the worker has no such way to Telegram any more".to_owned());
        let backend = backend.ok_or_else(gone)?;
        let sealed = event.event.sealed_token.as_deref().ok_or_else(unreadable)?;
        let lost =
            |_| Unwilling::ForGood("the token that it was sent with cannot be read any more".to_owned());
        let token = self.0.sealer.open(&key, sealed).map_err(lost)?;
        let credentials = self.credentials_of(&token).await.map_err(Unwilling::of_backend)?;
        match backend.withdraw(&credentials, &stored).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unwilling::ForGood("Telegram does not let it be deleted".to_owned())),
            Err(error) if error.verdict() == telestore_uploader::Verdict::Permanent => {
                Err(Unwilling::ForGood(error.to_string()))
            }
            Err(error) => Err(Unwilling::Passing(error.to_string())),
        }
    }
}

/// Why a message was not taken back.
enum Unwilling {
    Passing(String),
    ForGood(String),
}

impl Unwilling {
    fn of_backend(error: telestore_backend::Error) -> Self {
        match error {
            telestore_backend::Error::InvalidToken | telestore_backend::Error::NotConfigured(_) => {
                Self::ForGood(error.to_string())
            }
            error => Self::Passing(error.to_string()),
        }
    }
}
