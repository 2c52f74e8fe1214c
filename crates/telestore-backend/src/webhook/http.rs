use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use sha2::Sha256;
use telestore_types::{Clock, Secret};

use super::{WebhookEvent, WebhookSender};
use crate::http::describe;
use crate::metrics::METRICS;
use crate::{Error, HttpConfig, Result};

/// Posts to `{BACKEND_URL}/api/webhook/upload`, with the event id in `X-Telestore-Event-Id`. Of the answer only the head
/// is read, within the timeout of [`HttpConfig`].
#[derive(Debug)]
pub struct HttpWebhookSender {
    client: Client,
    url: String,
    signing: Option<Signing>,
}

#[derive(Debug)]
struct Signing {
    secret: Secret,
    clock: Arc<dyn Clock>,
}

impl Signing {
    /// `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.
    fn header(&self, body: &str) -> String {
        let time = self.clock.now().as_secs();
        // HMAC takes keys of any length.
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes());
        let digest = mac.map(|mac| mac.chain_update(format!("{time}.{body}")).finalize().into_bytes());
        format!("t={time},v1={}", hex::encode(digest.unwrap_or_default()))
    }
}

impl HttpWebhookSender {
    /// A sender for the backend of `config`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no HTTP client can be made.
    pub fn new(config: &HttpConfig) -> Result<Self> {
        Ok(Self { client: config.client()?, url: config.url("/api/webhook/upload"), signing: None })
    }

    /// Signs each delivery in `X-Telestore-Signature: t=<unix>,v1=<hex hmac-sha256 of "t.body">`, so that the receiver
    /// knows who sent it and when.
    #[must_use]
    pub fn signed(mut self, secret: Secret, clock: Arc<dyn Clock>) -> Self {
        self.signing = Some(Signing { secret, clock });
        self
    }
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    fn is_wanted(&self) -> bool {
        true
    }

    async fn send(&self, event_id: &str, event: &WebhookEvent) -> Result<()> {
        // Plain text and numbers always make JSON.
        let body = serde_json::to_string(event).unwrap_or_default();
        let post = self.client.post(&self.url).header(CONTENT_TYPE, "application/json");
        let mut post = post.header("X-Telestore-Event-Id", event_id).body(body.clone());
        if let Some(signing) = &self.signing {
            post = post.header("X-Telestore-Signature", signing.header(&body));
        }
        let began = Instant::now();
        let answer = post.send().await;
        METRICS.webhook.record(began.elapsed());
        let answer = answer.map_err(|error| Error::Unavailable(describe(error)))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(Error::Unavailable(format!("it answered {status}"))) }
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::{ManualClock, Timestamp};

    use super::*;

    #[test]
    fn signatures_are_over_time_and_body() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_763_790_000_999)));
        let signing = Signing { secret: "hush".into(), clock };
        // printf '1763790000.{}' | openssl dgst -sha256 -hmac hush
        let expected = "t=1763790000,v1=0801b32fd22de45dda33f46c377cb4e78e4a13bbf727451b370da8b4f1169c82";
        assert_eq!(signing.header("{}"), expected);
    }
}
