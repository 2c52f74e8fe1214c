use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use telestore_backend::WebhookEvent;
use telestore_merger::MergedFile;
use telestore_store::{Error as StoreError, Lease, NewEvent};
use telestore_types::{
    ByteSource, Stage, StorageKey, StoredFile, TelegramCredentials, Timestamp, Upload, UploadKind,
    UploadState, mime_type_of,
};
use telestore_uploader::{
    Error as UploaderError, ErrorKind, ProgressSink, TelegramUploader, UploadRequest, caption_of, select,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use tracing::field::display;

use crate::delivery::outbox::new_event_id;
use crate::sending::sink::LeaseSink;
use crate::sending::stop::Stop;
use crate::shared::metrics::{self, ErrorKind as Kind, Ongoing};
use crate::shared::sends::{Begun, Sending};
use crate::{Result, Telestore};

/// A file that is in the channel, and how it got there.
pub(crate) struct Sent {
    pub(crate) stored: StoredFile,
    pub(crate) backend: Arc<dyn TelegramUploader>,
    credentials: Arc<TelegramCredentials>,
    mime_type: String,
}

/// How long a cancel waits for a send to stop: its answer is to come within a second. A send that takes longer waits
/// for Telegram's answer, and takes back the message.
const STOP_WITHIN: Duration = Duration::from_millis(900);

/// How long a direct upload is tried: its client waits for the answer, and sends the file again when it does not come.
const DIRECT_MAX_AGE: Duration = Duration::from_secs(60);

/// How often the percentage is written down, where it grows.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// The lease could not be used any more when the result was to be written down.
const LOST_LEASE: &str = "lease was lost before the result was recorded";

/// The pauses before the end of an attempt is written down again: the first one, and the longest.
const WRITE_AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How often it is tried once the worker stops.
const LAST_WRITES: u32 = 5;

impl Telestore {
    /// Sends one upload that is due, if there is one, and says whether there was.
    ///
    /// How it ended is written down as often as the session store needs, and nothing new is sent meanwhile.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the session store fails before anything was sent, or while the
    /// worker stops; the upload is tried again when its lease has run out.
    pub async fn step(&self) -> Result<bool> {
        let Some(begun) = self.take(&[]).await? else { return Ok(false) };
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
        let (sending, mut lease) = (begun.sending.clone(), begun.sending.lease.clone());
        if let Some(further) = self.take_over(&lease.upload).await {
            lease.upload.resume = Some(further);
        }
        let sink = LeaseSink::new(self.clone(), sending.clone());
        let sent = tokio::select! {
            sent = self.send(&lease, &sink, &sending.stop) => sent,
            () = self.hold(&sending) => Err(Stop::Interrupted),
            () = self.give_back_slot(&sending) => Err(Stop::Interrupted),
            () = self.note_progress(&sink) => Err(Stop::Interrupted),
        };
        match sent {
            Ok(sent) => self.record(&lease, &sent).await,
            Err(Stop::Interrupted) => {
                let away = sending.pulse.sent_away().filter(|_| !self.0.shutdown.is_cancelled());
                let stop = away.map_or(Stop::Interrupted, |why| Stop::Later {
                    kind: Kind::Unavailable,
                    why,
                    wait: None,
                });
                self.record_stop(&lease, &sink, stop).await
            }
            Err(stop) => self.record_stop(&lease, &sink, stop).await,
        }
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

    /// Stops a send that stands still, or whose place others need; returns where the backend does not stop by itself.
    async fn give_back_slot(&self, sending: &Sending) {
        tokio::select! {
            () = sending.pulse.stall(self.config().stall_timeout) => sending.stop.cancel(),
            () = sending.stop.cancelled() => {}
        }
        if sending.pulse.sent_away().is_none() {
            // A cancel, or a lease that is lost: whoever asked for it waits as long as it wants to.
            return std::future::pending().await;
        }
        tokio::time::sleep(STOP_WITHIN).await;
    }

    /// Stops a send of this process and waits, for a bounded time, until its end is recorded.
    pub(crate) async fn stop_sending(&self, key: &StorageKey) {
        let Some(sending) = self.running().get(key).cloned() else { return };
        if sending.stop.is_cancelled() {
            // Somebody has waited already.
            return;
        }
        sending.stop.cancel();
        if tokio::time::timeout(STOP_WITHIN, sending.over.cancelled()).await.is_err() {
            let id = &sending.lease.upload.id;
            tracing::info!(
                "[{id}] Send waits for Telegram's answer; a message that comes of it is taken back"
            );
        }
    }

    /// Keeps the lease alive; returns when it is lost and the backend did not stop by itself.
    async fn hold(&self, sending: &Sending) {
        let lease = &sending.lease;
        loop {
            tokio::time::sleep(self.config().lease / 3).await;
            let until = self.now() + self.config().lease;
            match self.0.sessions.extend(lease, until).await {
                Ok(true) => sending.pulse.extended(until),
                Ok(false) => {
                    tracing::info!(upload = %lease.upload.id, "lease is lost; stopping");
                    sending.stop.cancel();
                    // The backend stops by the token; a message that is already accepted is still reported.
                    return std::future::pending().await;
                }
                Err(error) => tracing::warn!(upload = %lease.upload.id, %error, "could not extend the lease"),
            }
        }
    }

    async fn send(
        &self,
        lease: &Lease,
        sink: &Arc<LeaseSink>,
        stop: &CancellationToken,
    ) -> std::result::Result<Sent, Stop> {
        let upload = &lease.upload;
        tracing::info!(attempt = upload.attempt, "[{}] Background upload started", upload.id);
        sink.stage(Stage::Connecting);
        let token = self.token_of(upload).ok_or_else(|| {
            Stop::failed(
                Kind::Token,
                "authToken is no longer known to the worker: send it with /complete-upload",
            )
        })?;
        let credentials = self.credentials_of(&token).await.map_err(Stop::from_backend)?;
        if upload.user_id.as_ref() != Some(&credentials.user_id) {
            return Err(Stop::failed(Kind::Token, "authToken belongs to another user now: sign in again"));
        }
        let source = Arc::new(self.merged(upload).await?);
        let request = request_of(upload, Arc::clone(&credentials), source, stop.clone());
        let mime_type = request.mime_type.clone();
        match self.send_by_any(request, sink).await {
            Ok((stored, backend)) => Ok(Sent { stored, backend, credentials, mime_type }),
            Err(error) => {
                if error.kind() == ErrorKind::NotAuthorized {
                    self.0.credentials.forget(&token).await;
                }
                Err(Stop::from_uploader(&error))
            }
        }
    }

    /// Sends by the backend that fits best, and by the next one where that finds the file too large after all: a Bot
    /// API server may take less than its backend was told.
    async fn send_by_any(
        &self,
        mut request: UploadRequest,
        sink: &Arc<LeaseSink>,
    ) -> std::result::Result<(StoredFile, Arc<dyn TelegramUploader>), UploaderError> {
        let mut backends = self.0.uploaders.clone();
        let mut followed = false;
        loop {
            let backend = select(&backends, request.source.len(), &request.credentials)?;
            tracing::info!("[{}] Using {}", request.upload_id, backend.name());
            sink.pulse().resumable(backend.capability().resumable);
            if request.cancel.is_cancelled() || self.0.shutdown.is_cancelled() {
                return Err(UploaderError::cancelled());
            }
            let progress: Arc<dyn ProgressSink> = Arc::<LeaseSink>::clone(sink);
            // In a task of its own: a backend that panics takes its file down, and not the runner.
            let (sender, attempt) = (Arc::clone(&backend), request.clone());
            let sending =
                tokio::spawn(async move { sender.upload(attempt, progress).await }.in_current_span());
            let mut sending = AbortOnDropHandle::new(sending);
            let sent = tokio::select! {
                sent = &mut sending => sent,
                // A send that can be repeated stops now and goes on after the restart. Any other one gets the grace of
                // the shutdown to end: interrupted, nobody would know whether its message was made.
                () = self.interrupted(&request.cancel), if backend.capability().idempotent => {
                    request.cancel.cancel();
                    match tokio::time::timeout(STOP_WITHIN, &mut sending).await {
                        Ok(sent) => sent,
                        Err(_) => return Err(UploaderError::cancelled()),
                    }
                }
            };
            let sent = sent.unwrap_or_else(|died| {
                tracing::error!(upload = %request.upload_id, error = %died, "backend died");
                Err(UploaderError::new(ErrorKind::AnswerLost, "the worker failed while it sent the file"))
            });
            match sent {
                Err(error) if error.kind() == ErrorKind::TooLarge && backends.len() > 1 => {
                    tracing::info!("[{}] {error}; trying another way", request.upload_id);
                    sink.uncommit().await?;
                    backends.retain(|other| !Arc::ptr_eq(other, &backend));
                }
                Err(error) if error.kind() == ErrorKind::GroupUpgraded && !followed => {
                    followed = true;
                    // Before Telegram is asked, which can take long: nothing was sent.
                    sink.uncommit().await?;
                    let moved = tokio::select! {
                        () = request.cancel.cancelled() => return Err(UploaderError::cancelled()),
                        moved = self.follow(&request.credentials) => moved,
                    };
                    request.credentials = moved.ok_or(error)?;
                }
                done => return done.map(|stored| (stored, backend)),
            }
        }
    }

    /// Returns when the worker stops, unless the upload was cancelled before: then the answer is waited for, since it
    /// may name a message that is to be taken back.
    async fn interrupted(&self, cancel: &CancellationToken) {
        self.0.shutdown.cancelled().await;
        if cancel.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    async fn merged(&self, upload: &Upload) -> std::result::Result<MergedFile, Stop> {
        let later =
            |error: StoreError| Stop::Later { kind: Kind::Storage, why: error.to_string(), wait: None };
        let chunks = self.0.sessions.chunks(&upload.key).await.map_err(later)?;
        MergedFile::new(Arc::clone(&self.0.chunks), chunks, upload.file_size).map_err(|error| {
            Stop::failed(Kind::Damaged, format!("stored chunks are damaged: {error}; send the file again"))
        })
    }

    async fn record(&self, lease: &Lease, sent: &Sent) -> Result<()> {
        let (upload, stored) = (&lease.upload, &sent.stored);
        let event = self.0.webhooks.is_wanted().then(|| {
            let event = WebhookEvent::new(
                sent.credentials.user_id.clone(),
                upload.file_name.as_str(),
                stored,
                upload.file_size,
                &sent.mime_type,
            );
            // Plain text and numbers always make JSON.
            let body = serde_json::to_string(&event).unwrap_or_default();
            NewEvent::webhook(new_event_id(), sent.credentials.user_id.clone(), body)
        });
        let now = self.now();
        if !self.insist(lease, || self.0.sessions.finish(lease, stored, event.as_ref(), now)).await? {
            if !self.tell_cancelled(lease).await {
                tracing::warn!(upload = %upload.id, message_id = stored.message_id, LOST_LEASE);
            }
            self.publish_end(lease).await;
            return self.withdraw_unwanted(lease, sent).await;
        }
        metrics::completed(upload, sent.backend.name(), now);
        let measured = upload.user_id.as_ref().filter(|user| self.config().measured_users.contains(*user));
        if let Some(user) = measured {
            metrics::completed_of(user, 1, upload.file_size);
        }
        tracing::info!(message_id = stored.message_id, "[{}] Upload completed successfully", upload.id);
        self.0.outbox.notify_one();
        self.publish_end(lease).await;
        self.delete_all_quietly(upload).await;
        Ok(())
    }

    async fn record_stop(&self, lease: &Lease, sink: &LeaseSink, stop: Stop) -> Result<()> {
        let (upload, now) = (&lease.upload, self.now());
        if let Err(error) = self.0.sessions.checkpoint(lease, sink.progress(), None).await {
            tracing::warn!(upload = %upload.id, %error, "could not write down the percentage");
        }
        match stop {
            Stop::Failed { kind, why, maybe_sent } => self.give_up(lease, kind, &why, maybe_sent).await?,
            Stop::Later { kind, why, wait } => self.retry(lease, kind, &why, wait).await?,
            Stop::Interrupted => {
                // A shutdown goes on at the next start. Behind a cancel comes the word to the store: until then no
                // other runner may begin.
                let pause = if self.0.shutdown.is_cancelled() { Duration::ZERO } else { STOP_WITHIN * 2 };
                if !self.insist(lease, || self.0.sessions.retry_later(lease, now + pause, false, now)).await?
                {
                    self.tell_cancelled(lease).await;
                }
            }
        }
        self.publish_end(lease).await;
        Ok(())
    }

    async fn give_up(&self, lease: &Lease, kind: Kind, why: &str, maybe_sent: bool) -> Result<()> {
        let (upload, now) = (&lease.upload, self.now());
        let failed = self.insist(lease, || self.0.sessions.fail(lease, why, maybe_sent, now)).await?;
        if failed {
            metrics::failed(kind).increment(1);
        }
        // The chunks of a cancelled upload go while it is sent: that is no damage.
        if failed {
            tracing::warn!("[{}] Upload failed: {why}", upload.id);
        } else if !self.tell_cancelled(lease).await {
            tracing::info!(upload = %upload.id, why, "send ended, whose lease was lost before");
        }
        // Nobody can complete a direct upload again, so its bytes would only fill the disk; but whoever was told
        // meanwhile that they are kept must find them kept.
        if failed && self.is_awaited(upload).await {
            self.delete_all_quietly(upload).await;
        }
        Ok(())
    }

    /// Whether a client waits for the end of an upload, and sends it again when that is bad. Where the store does not
    /// say, the bytes may be needed.
    async fn is_awaited(&self, upload: &Upload) -> bool {
        if upload.kind != UploadKind::Direct {
            return false;
        }
        let now = self.0.sessions.get(&upload.id).await;
        now.is_ok_and(|now| now.is_some_and(|now| now.key == upload.key && now.kind == UploadKind::Direct))
    }

    async fn retry(&self, lease: &Lease, kind: Kind, why: &str, wait: Option<Duration>) -> Result<()> {
        let (upload, now) = (&lease.upload, self.now());
        let max_age = self.config().retry_max_age;
        let age = self.age(upload, now);
        let pause =
            wait.map_or_else(|| self.config().pause(upload.attempt), |wait| self.config().wait(wait, age));
        if age.saturating_add(pause) > max_age.min(DIRECT_MAX_AGE) && self.is_awaited(upload).await {
            return self.give_up(lease, kind, why, false).await;
        }
        if age > max_age {
            let why = format!("{why}. Tried for {}; complete the upload again to go on", told(age));
            return self.give_up(lease, kind, &why, false).await;
        }
        let (at, counted) = (now + pause, wait.is_none());
        if !self.insist(lease, || self.0.sessions.retry_later(lease, at, counted, now)).await?
            && self.tell_cancelled(lease).await
        {
            return Ok(());
        }
        metrics::retried(kind).increment(1);
        if wait.is_some() {
            metrics::flood_wait(pause, 1);
        }
        tracing::info!(upload = %upload.id, why, attempt = upload.attempt, seconds = pause.as_secs(), "trying again later");
        Ok(())
    }

    /// Says that a send ended for a cancel, where its lease was lost to one. Whatever it met then, such as chunks that are
    /// gone, is no fault.
    async fn tell_cancelled(&self, lease: &Lease) -> bool {
        let now = self.0.sessions.get(&lease.upload.id).await;
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

    /// Writes down how an attempt ended until the store has taken it: a result that is forgotten, or a lost answer,
    /// would make a second message when the lease has run out.
    pub(crate) async fn insist<T, F>(&self, lease: &Lease, write: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = telestore_store::Result<T>>,
    {
        let (mut pause, longest) = WRITE_AGAIN;
        let (mut last_writes, mut unwritten) = (LAST_WRITES, None);
        loop {
            let error = match write().await {
                Ok(done) => return Ok(done),
                // A row that makes no sense will not make any later.
                Err(error @ StoreError::BadRow { .. }) => return Err(error.into()),
                Err(error) => error,
            };
            tracing::warn!(upload = %lease.upload.id, %error, "could not write down how the attempt ended");
            unwritten.get_or_insert_with(|| Unwritten::new(&self.0.unwritten));
            if self.0.shutdown.is_cancelled() {
                last_writes -= 1;
                if last_writes == 0 {
                    return Err(error.into());
                }
                pause = WRITE_AGAIN.0;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Tells listeners what the store says now, and lets the bus forget what is over.
    async fn publish_end(&self, lease: &Lease) {
        let Ok(Some(upload)) = self.0.sessions.get(&lease.upload.id).await else {
            // Listeners look for themselves then.
            self.0.bus.forget(&lease.upload.id);
            return;
        };
        // Another runner has taken the upload over; it is the one to tell of it.
        if upload.key != lease.upload.key || upload.state == UploadState::Sending {
            return;
        }
        self.publish(&upload);
        if upload.stored.is_some() || upload.error.is_some() {
            self.0.bus.forget(&upload.id);
        }
    }
}

/// What a backend is to send of `upload`, and as what.
pub(crate) fn request_of(
    upload: &Upload,
    credentials: Arc<TelegramCredentials>,
    source: Arc<dyn ByteSource>,
    cancel: CancellationToken,
) -> UploadRequest {
    UploadRequest {
        upload_id: upload.id.clone(),
        credentials,
        file_name: upload.file_name.clone(),
        mime_type: mime_type(upload),
        caption: caption_of(&upload.file_name),
        source,
        resume: upload.resume.clone(),
        changed: Vec::new(),
        cancel,
    }
}

/// What the client declared if it says something, else what the name says, else bytes.
fn mime_type(upload: &Upload) -> String {
    let declared = upload.mime_type.as_deref().and_then(mime_type_of).map(str::to_owned);
    declared.unwrap_or_else(|| {
        mime_guess::from_path(upload.file_name.as_str()).first_or_octet_stream().essence_str().to_owned()
    })
}

/// An age for a person.
fn told(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..120 => format!("{seconds} seconds"),
        seconds @ ..7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}

/// Counts an attempt whose end the store has not taken yet.
struct Unwritten<'a>(&'a watch::Sender<usize>);

impl<'a> Unwritten<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|left| *left += 1);
        Self(count)
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|left| *left -= 1);
    }
}
