use std::sync::Arc;
use std::time::Duration;

use telestore_backend::WebhookSender;
use telestore_store::Lease;
use telestore_types::UserId;
use tracing::Instrument;
use tracing::field::display;

use crate::sending::sink::LeaseSink;
use crate::sending::stop::Stop;
use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::error::Result;
use crate::shared::events::Events;
use crate::shared::metrics::{ErrorKind as Kind, Ongoing};
use crate::shared::ports::Withdrawals;
use crate::shared::sends::{Begun, STOP_WITHIN, Sending, Sends};

/// How often the percentage is written down, if it grows.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Makes the attempts of queued uploads. Clones are the same runner.
#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) base: Arc<Base>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) events: Arc<Events>,
    pub(crate) sends: Arc<Sends>,
    pub(crate) webhooks: Arc<dyn WebhookSender>,
    pub(crate) withdrawals: Arc<dyn Withdrawals>,
}

impl Runner {
    /// Sends one upload that is due, if there is one, and says whether there was.
    pub(crate) async fn step(&self) -> Result<bool> {
        let Some(begun) = self.sends.take(&[]).await? else { return Ok(false) };
        self.run(begun).await?;
        Ok(true)
    }

    /// Makes one attempt and writes down how it ended.
    pub(crate) async fn run(&self, begun: Begun) -> Result<()> {
        let upload = &begun.sending.lease.upload;
        let user = upload.user_id.as_ref().map(display);
        let span = tracing::info_span!("send", upload = %upload.id, user, attempt = upload.attempt);
        self.attempt(begun).instrument(span).await
    }

    async fn attempt(&self, begun: Begun) -> Result<()> {
        let _ongoing = Ongoing::send();
        let sending = begun.sending.clone();
        let lease = self.take_over(&sending).await;
        let sink =
            LeaseSink::new(&self.base, &self.backends, &self.events, &self.sends.twins, sending.clone());
        let ended = self.attempt_with(&sending, &lease, &sink).await;
        // Whatever still holds the sink.
        sink.let_twins_go();
        ended
    }

    /// Connections stay open for some time after an attempt.
    async fn keep_account(&self, user: Option<&UserId>) {
        let Some(user) = user else { return };
        if let Err(error) = self.base.hold_account(user).await {
            tracing::debug!(%error, "could not keep the account while its connections are idle");
        }
    }

    /// Ends early sending, and goes on from where that came to.
    async fn take_over(&self, sending: &Sending) -> Lease {
        let mut lease = sending.lease.clone();
        let further = tokio::select! {
            further = self.sends.early.take_over(&lease.upload, &sending.stop) => further,
            () = self.hold(sending) => None,
        };
        lease.upload.resume = further.or(lease.upload.resume);
        lease
    }

    async fn attempt_with(&self, sending: &Sending, lease: &Lease, sink: &Arc<LeaseSink>) -> Result<()> {
        let sent = tokio::select! {
            sent = self.send(lease, sink, &sending.stop) => sent,
            () = self.hold(sending) => Err(Stop::Interrupted),
            () = self.give_back_slot(sending) => Err(Stop::Interrupted),
            () = self.note_progress(sink) => Err(Stop::Interrupted),
        };
        let elsewhere = matches!(sent, Err(Stop::Elsewhere(_)));
        let ended = match sent {
            Ok(sent) => self.record(lease, &sent).await,
            Err(Stop::Interrupted) => {
                let away = sending.pulse.sent_away().filter(|_| !self.base.shutdown.is_cancelled());
                let stop = away.map_or(Stop::Interrupted, |why| Stop::Later {
                    kind: Kind::Unavailable,
                    why,
                    wait: None,
                });
                self.record_stop(lease, sink, stop).await
            }
            Err(stop) => self.record_stop(lease, sink, stop).await,
        };
        if let Some((left, backend)) = sink.left() {
            self.withdrawals.withdraw_unwanted(lease, backend, &left).await?;
        }
        if !elsewhere {
            self.keep_account(lease.upload.user_id.as_ref()).await;
        }
        ended
    }

    /// Writes each percent down soon, so that a process that ends finds it: backends that cannot go on from a state write
    /// none themselves.
    async fn note_progress(&self, sink: &LeaseSink) {
        let mut written = sink.progress();
        loop {
            tokio::time::sleep(NOTE_EVERY).await;
            let progress = sink.progress();
            if progress > written && sink.note().await {
                written = progress;
            }
        }
    }

    /// Stops a send that stands still, or whose place others need; returns if the backend does not stop by itself.
    async fn give_back_slot(&self, sending: &Sending) {
        tokio::select! {
            () = sending.pulse.stall(self.base.config.stall_timeout) => sending.stop.cancel(),
            () = sending.stop.cancelled() => {}
        }
        if sending.pulse.sent_away().is_none() {
            // A cancel, or a lease that is lost: the caller that asked for it waits as long as it wants to.
            return std::future::pending().await;
        }
        tokio::time::sleep(STOP_WITHIN).await;
    }

    /// Keeps the lease alive; returns when it is lost and the backend did not stop by itself.
    async fn hold(&self, sending: &Sending) {
        let lease = &sending.lease;
        loop {
            tokio::time::sleep(self.base.config.lease / 3).await;
            let now = self.base.now();
            let until = now + self.base.config.lease;
            match self.base.sessions.extend(lease, now, until).await {
                Ok(true) => sending.pulse.extended(until),
                Ok(false) => {
                    tracing::info!(upload = %lease.upload.id, "lease is lost; stopping");
                    sending.stop.cancel();
                    // The backend stops by the token; a message that is already accepted is still reported.
                    return std::future::pending().await;
                }
                Err(error) => {
                    tracing::warn!(upload = %lease.upload.id, %error, "could not extend the lease");
                    // Nobody else could tell that this one is still at work.
                    if !self.base.config.alone && sending.pulse.holds_until() <= self.base.now() {
                        sending.stop.cancel();
                    }
                }
            }
        }
    }
}
