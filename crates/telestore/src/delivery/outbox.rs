use std::collections::HashMap;
use std::sync::Arc;

use telestore_backend::WebhookSender;
use telestore_store::{NewEvent, OutboxEvent, OutboxKind};
use telestore_types::UserId;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::shared::backends::Backends;
use crate::shared::base::{Base, SHORTEST_SLEEP};
use crate::shared::error::{Error, Result};
use crate::shared::metrics::{Webhook, webhook};
use crate::shared::sends::{Sends, owners_of};
use crate::shared::tasks::Task;

/// Events worked on at a time.
const AT_A_TIME: usize = 16;

/// How many of them may be one user's: a backend or a Telegram server that hangs for one holds up nobody else.
const OF_ONE_USER: usize = 4;

/// How many may be messages to take back: webhooks always have places.
const WITHDRAWALS: usize = 4;

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

/// Works off what follows a send. Clones are the same delivery.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) base: Arc<Base>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) webhooks: Arc<dyn WebhookSender>,
}

impl Delivery {
    /// Works off the events that are due (webhooks, and messages to take back) and says how many it took on.
    pub(crate) async fn deliver(&self) -> Result<usize> {
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
        let now = self.base.now();
        let mut due = self.base.sessions.outbox_due(OutboxKind::Webhook, now, limit, &places.full()).await?;
        due.extend(self.base.sessions.outbox_due(OutboxKind::Withdrawal, now, limit, &places.full()).await?);
        let mut begun = 0;
        for event in due {
            if self.base.shutdown.is_cancelled() || !places.take(&event.event) {
                continue;
            }
            begun += 1;
            let delivery = self.clone();
            let id = event.event.event_id.clone();
            // In a task of its own, so that a panic does not keep the place.
            let work = tokio::spawn(async move { delivery.deliver_one(&event).await }.in_current_span());
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
        let Ok(told) = serde_json::from_str(body) else {
            // No later try reads it better.
            webhook(Webhook::GivenUp).increment(1);
            tracing::error!(upload = %event.upload_id, event = event_id, "webhook given up: what was written down of it cannot be read");
            return Ok(self.base.sessions.outbox_done(event_id).await?);
        };
        let Err(error) = self.webhooks.send(event_id, &told).await else {
            webhook(Webhook::Delivered).increment(1);
            return Ok(self.base.sessions.outbox_done(event_id).await?);
        };
        let now = self.base.now();
        if now.since(event.created_at) > self.base.config.webhook_max_age {
            webhook(Webhook::GivenUp).increment(1);
            tracing::error!(upload = %event.upload_id, event = event_id, %error, "webhook given up");
            return Ok(self.base.sessions.outbox_done(event_id).await?);
        }
        webhook(Webhook::Failed).increment(1);
        let pause = self.base.config.pause(event.attempt.saturating_add(1));
        tracing::warn!(upload = %event.upload_id, event = event_id, %error, seconds = pause.as_secs(), "webhook failed; trying again");
        Ok(self.base.sessions.outbox_retry(event_id, now + pause).await?)
    }

    /// Delivers as long as the engine runs.
    pub(crate) async fn run_all(&self, task: &Task) {
        let (mut places, mut tasks) = (Places::default(), JoinSet::new());
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            match self.begin_deliveries(&mut places, &mut tasks).await {
                Ok(0) => {
                    let due = match tasks.is_empty() {
                        true => self.base.sessions.outbox_next_due().await.unwrap_or(None),
                        // What is worked on is due as well.
                        false => Some(self.base.now() + SHORTEST_SLEEP * 10),
                    };
                    tokio::select! {
                        Some(ended) = tasks.join_next() => {
                            if let Ok((event_id, ended)) = ended {
                                places.leave(&event_id);
                                if let Err(error) = ended {
                                    self.base.pause_after(&error).await;
                                }
                            }
                        }
                        () = self.base.wait_until(due, self.base.outbox.notified()) => {}
                    }
                }
                Ok(_) => {}
                Err(error) => self.base.pause_after(&error).await,
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}
