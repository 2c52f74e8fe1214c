use telestore_store::OutboxEvent;

use crate::metrics::{Webhook, webhook};
use crate::{Result, Telestore};

/// Webhooks taken at a time.
const BATCH: u32 = 16;

impl Telestore {
    /// Delivers the webhooks that are due and says how many it took on.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the session store fails. What was delivered but not recorded
    /// is delivered again, with the same event id.
    pub async fn deliver(&self) -> Result<usize> {
        let due = self.0.sessions.outbox_due(self.now(), BATCH).await?;
        for event in &due {
            if self.0.shutdown.is_cancelled() {
                break;
            }
            self.deliver_one(event).await?;
        }
        Ok(due.len())
    }

    async fn deliver_one(&self, event: &OutboxEvent) -> Result<()> {
        let Err(error) = self.0.webhooks.send(&event.event_id, &event.body).await else {
            webhook(Webhook::Delivered).increment(1);
            return Ok(self.0.sessions.outbox_done(&event.event_id).await?);
        };
        let now = self.now();
        if now.since(event.created_at) > self.config().webhook_max_age {
            webhook(Webhook::GivenUp).increment(1);
            tracing::error!(upload = %event.upload_id, event = event.event_id, %error, "webhook given up");
            return Ok(self.0.sessions.outbox_done(&event.event_id).await?);
        }
        webhook(Webhook::Failed).increment(1);
        let pause = self.config().pause(event.attempt + 1);
        tracing::warn!(upload = %event.upload_id, event = event.event_id, %error, seconds = pause.as_secs(), "webhook failed; trying again");
        Ok(self.0.sessions.outbox_retry(&event.event_id, now + pause).await?)
    }
}
