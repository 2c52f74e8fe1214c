//! Writing down how an attempt ended.

use std::time::Duration;

use telestore_backend::WebhookEvent;
use telestore_store::{Lease, NewEvent};
use telestore_types::{Outcome, ResumeState, Timestamp, Upload, UploadKind, UploadState};

use crate::sending::runner::Runner;
use crate::sending::send::Sent;
use crate::sending::sink::LeaseSink;
use crate::sending::stop::{LOOK_THERE, Stop, bad_end};
use crate::shared::base::new_event_id;
use crate::shared::error::Result;
use crate::shared::job::mime_type;
use crate::shared::metrics::{self, ErrorKind as Kind};
use crate::shared::sends::STOP_WITHIN;

/// How long a direct upload is tried: its client waits for the answer, and sends the file again when it does not come.
const DIRECT_MAX_AGE: Duration = Duration::from_secs(60);

/// How soon a file is looked at again whose login another worker uses.
const ELSEWHERE: Duration = Duration::from_secs(2);

/// The lease could not be used any more when the result was to be written down.
const LOST_LEASE: &str = "lease was lost before the result was recorded";

impl Runner {
    pub(super) async fn record(&self, lease: &Lease, sent: &Sent) -> Result<()> {
        let (upload, stored) = (&sent.upload, &sent.stored);
        let event = self.webhooks.is_wanted().then(|| {
            let event = WebhookEvent::new(
                sent.credentials.user_id.clone(),
                upload.file_name.as_str(),
                stored,
                upload.size(),
                &mime_type(upload),
            )
            .of(upload);
            // Plain text and numbers always make JSON.
            let body = serde_json::to_string(&event).unwrap_or_default();
            NewEvent::webhook(new_event_id(), sent.credentials.user_id.clone(), body)
        });
        let now = self.base.both_times();
        if !self.sends.insist(lease, || self.base.sessions.finish(lease, stored, event.as_ref(), now)).await?
        {
            if !self.tell_cancelled(lease).await {
                tracing::warn!(upload = %upload.id, message_id = stored.message_id(), LOST_LEASE);
            }
            self.events.publish_end(lease).await;
            return self.withdrawals.withdraw_unwanted(lease, sent.backend.name(), stored).await;
        }
        metrics::completed(upload, sent.backend.name(), now.at);
        let measured = upload.user_id.as_ref().filter(|user| self.base.config.measured_users.contains(*user));
        if let Some(user) = measured {
            metrics::completed_of(user, 1, upload.size());
        }
        tracing::info!(message_id = stored.message_id(), "[{}] Upload completed successfully", upload.id);
        self.base.outbox.notify_one();
        self.events.publish_end(lease).await;
        self.bytes.delete_all_quietly(upload).await;
        self.bytes.end_parts_quietly(upload).await;
        Ok(())
    }

    pub(super) async fn record_stop(&self, lease: &Lease, sink: &LeaseSink, stop: Stop) -> Result<()> {
        let (upload, now) = (&lease.upload, self.base.now());
        if let Err(error) = self.base.sessions.checkpoint(lease, sink.progress(), None).await {
            tracing::warn!(upload = %upload.id, %error, "could not write down the percentage");
        }
        let made = self.may_be_made(lease, sink);
        match stop {
            Stop::Failed { kind, why, outcome } => self.give_up(lease, kind, &why, outcome, made).await?,
            Stop::Later { kind, why, wait } => self.retry(lease, kind, &why, wait, made).await?,
            Stop::Unsettled { why, pause } => self.look_later(lease, &why, pause).await?,
            Stop::Elsewhere(why) => {
                self.retry(lease, Kind::Unavailable, &why, Some(ELSEWHERE), made).await?;
                self.leave_account(upload).await;
            }
            Stop::Interrupted => {
                // After a shutdown the next start goes on at once. After a cancel the store hears of it in a moment:
                // until then no other runner may begin.
                let pause = if self.base.shutdown.is_cancelled() { Duration::ZERO } else { STOP_WITHIN * 2 };
                if !self
                    .sends
                    .insist(lease, || self.base.sessions.retry_later(lease, now + pause, false, now))
                    .await?
                {
                    self.tell_cancelled(lease).await;
                }
            }
        }
        self.events.publish_end(lease).await;
        Ok(())
    }

    /// Lets another worker have the account of a user, unless it is in use here.
    async fn leave_account(&self, upload: &Upload) {
        let Some(user) = &upload.user_id else { return };
        let others = self.sends.running().values().filter(|other| other.owner() == Some(user)).count();
        if others > 1 || self.sends.early.users().contains(user) {
            return;
        }
        if let Err(error) = self.base.sessions.leave_account(user, &self.base.worker).await {
            tracing::debug!(%user, %error, "an account stays held until its time has run out");
        }
    }

    /// Whether some attempt has asked for the message, and what became of that is not known: whatever has ended the last one.
    fn may_be_made(&self, lease: &Lease, sink: &LeaseSink) -> bool {
        let written = sink.written();
        sink.handed_over().is_some() || self.may_exist(written.as_ref().or(lease.upload.resume.as_ref()))
    }

    /// Whether this state leaves a message open that may be in the channel.
    pub(super) fn may_exist(&self, state: Option<&ResumeState>) -> bool {
        let backend = state.and_then(|state| Some((state, self.backends.uploader(&state.backend)?)));
        backend.is_some_and(|(state, backend)| backend.may_exist(state))
    }

    /// Ends it badly. If the message may be `made`, it says so, and keeps what that is known by: the next try makes no second one.
    async fn give_up(
        &self,
        lease: &Lease,
        kind: Kind,
        why: &str,
        outcome: Outcome,
        made: bool,
    ) -> Result<()> {
        let (upload, now) = (&lease.upload, self.base.now());
        let (why, outcome) = bad_end(why, outcome, made);
        let failed = self.sends.insist(lease, || self.base.sessions.fail(lease, &why, outcome, now)).await?;
        if failed {
            metrics::failed(kind).increment(1);
        }
        if let Some(message) = upload.duplicate_of.as_ref().filter(|_| failed && outcome == Outcome::Refused)
        {
            self.base.uncopied.add(message);
        }
        // The chunks of a cancelled upload go while it is sent: that is no damage.
        if failed {
            tracing::warn!("[{}] Upload failed: {why}", upload.id);
        } else if !self.tell_cancelled(lease).await {
            tracing::info!(upload = %upload.id, why = &*why, "send ended, whose lease was lost before");
        }
        // Nobody can complete a direct upload again, so its bytes would only fill the disk; but a client that was
        // told meanwhile that they are kept must find them kept.
        if failed && self.is_awaited(upload).await {
            self.bytes.delete_all_quietly(upload).await;
        }
        Ok(())
    }

    /// Whether a client waits for the end of an upload, and sends it again when that is bad. If the store does not
    /// say, the bytes may be needed.
    async fn is_awaited(&self, upload: &Upload) -> bool {
        if upload.kind != UploadKind::Direct {
            return false;
        }
        let now = self.base.sessions.get(&upload.id).await;
        now.is_ok_and(|now| now.is_some_and(|now| now.key == upload.key && now.kind == UploadKind::Direct))
    }

    async fn retry(
        &self,
        lease: &Lease,
        kind: Kind,
        why: &str,
        wait: Option<Duration>,
        made: bool,
    ) -> Result<()> {
        let (upload, now) = (&lease.upload, self.base.now());
        let max_age = self.base.config.retry_max_age;
        let age = self.age(upload, now);
        let pause = wait
            .map_or_else(|| self.base.config.pause(upload.attempt), |wait| self.base.config.wait(wait, age));
        if age.saturating_add(pause) > max_age.min(DIRECT_MAX_AGE) && self.is_awaited(upload).await {
            return self.give_up(lease, kind, why, Outcome::GaveUp, made).await;
        }
        if age > max_age {
            let why = format!("{why}. Tried for {}; complete the upload again to go on", told(age));
            return self.give_up(lease, kind, &why, Outcome::GaveUp, made).await;
        }
        let (at, counted) = (now + pause, wait.is_none());
        if !self.sends.insist(lease, || self.base.sessions.retry_later(lease, at, counted, now)).await?
            && self.tell_cancelled(lease).await
        {
            return Ok(());
        }
        metrics::retried(kind).increment(1);
        if kind == Kind::FloodWait {
            metrics::flood_wait(pause, 1);
        }
        tracing::info!(upload = %upload.id, why, attempt = upload.attempt, seconds = pause.as_secs(), "trying again later");
        Ok(())
    }

    /// Has the message looked for again. That is no attempt, and does not go on for ever.
    async fn look_later(&self, lease: &Lease, why: &str, pause: Duration) -> Result<()> {
        let (upload, now) = (&lease.upload, self.base.now());
        let (age, max_age) = (self.age(upload, now), self.base.config.retry_max_age);
        let awaited =
            age.saturating_add(pause) > max_age.min(DIRECT_MAX_AGE) && self.is_awaited(upload).await;
        if awaited || age > max_age {
            let why = format!("Telegram did not say whether it has made the message: {why}. {LOOK_THERE}");
            return self.give_up(lease, Kind::AnswerLost, &why, Outcome::Ambiguous, true).await;
        }
        let (at, sessions) = (now + pause, &self.base.sessions);
        if !self.sends.insist(lease, || sessions.retry_later(lease, at, false, now)).await?
            && self.tell_cancelled(lease).await
        {
            return Ok(());
        }
        tracing::info!(upload = %upload.id, why, seconds = pause.as_secs(), "looking for the message again later");
        Ok(())
    }

    /// Says that a send ended for a cancel, if its lease was lost to one. Whatever it met then, such as chunks that are
    /// gone, is no fault.
    async fn tell_cancelled(&self, lease: &Lease) -> bool {
        let now = self.base.sessions.get(&lease.upload.id).await;
        let cancelled = now.is_ok_and(|now| {
            now.is_some_and(|now| now.key == lease.upload.key && now.state == UploadState::Cancelled)
        });
        if cancelled {
            tracing::info!("[{}] Upload cancelled", lease.upload.id);
        }
        cancelled
    }

    /// How long a file has been tried, waits and all.
    pub(crate) fn age(&self, upload: &Upload, now: Timestamp) -> Duration {
        now.since(upload.queued_at.unwrap_or(upload.created_at))
    }
}

/// An age for a person.
fn told(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..120 => format!("{seconds} seconds"),
        seconds @ ..7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}
