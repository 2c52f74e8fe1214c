use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use telestore_merger::{HashedFile, MergedFile};
use telestore_store::{ChunkRecord, Error as StoreError, Lease};
use telestore_types::{
    ByteSource, HandedOver, Outcome, ResumeState, SenderId, Stage, StoredFile, TelegramCredentials,
    Thumbnail, Upload, Verdict,
};
use telestore_uploader::pool::Why;
use telestore_uploader::{Chosen, Error, ErrorKind, ProgressSink, Result, TelegramUploader, UploadRequest};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::sending::copied::AtTelegram;
use crate::sending::digest::{DigestSink, Expected};
use crate::sending::runner::Runner;
use crate::sending::settle::Settled;
use crate::sending::sink::LeaseSink;
use crate::sending::stop::Stop;
use crate::shared::config::Unknown;
use crate::shared::job::{Job, Unready};
use crate::shared::metrics::{self, ErrorKind as Kind};
use crate::shared::sends::STOP_WITHIN;

/// A file that is in the channel, and how it got there.
pub(super) struct Sent {
    /// Its upload, as it was sent.
    pub(super) upload: Upload,
    pub(super) stored: StoredFile,
    pub(super) backend: Arc<dyn TelegramUploader>,
    pub(super) credentials: Arc<TelegramCredentials>,
}

/// Says who sends, if there was a choice.
fn tell_choice(request: &UploadRequest, chosen: &Chosen) {
    if let Some(sender) = chosen.sender.as_ref().filter(|_| chosen.of > 1) {
        tracing::info!(sender = %sender.id, of = chosen.of, anew = chosen.anew, "[{}] Sender chosen", request.upload_id);
    }
}

impl Runner {
    pub(super) async fn send(
        &self,
        lease: &Lease,
        sink: &Arc<LeaseSink>,
        stop: &CancellationToken,
    ) -> std::result::Result<Sent, Stop> {
        let mut upload = lease.upload.clone();
        tracing::info!(attempt = upload.attempt, "[{}] Background upload started", upload.id);
        sink.stage(Stage::Connecting);
        let mut job = self.backends.prepare(&upload).await.map_err(unready)?;
        let credentials = Arc::clone(&job.credentials);
        let records =
            sink.patiently(|| self.base.sessions.chunks(&upload.key)).await.map_err(Stop::unread)?;
        let (thumbnails, chunks) = records.into_iter().partition(|record| record.index.is_thumbnail());
        let (source, progress) = match upload.is_duplicate() {
            true => {
                (Arc::new(AtTelegram(upload.sent_size())) as Arc<dyn ByteSource>, with_digest(sink, None))
            }
            false => self.made_of(&mut upload, chunks, (&job, sink, stop)).await?,
        };
        let sent = |stored, backend| Sent { upload: upload.clone(), stored, backend, credentials };
        let upload = &upload;
        sink.sends(source.len());
        let request = job.request(upload, source, stop.clone());
        let request = request.again_if_unknown(self.base.config.unknown == Unknown::Again);
        let mut request = request.with_thumbnail(self.thumbnail(upload, thumbnails, sink).await?);
        sink.may_be_looked_for(job.may_be_looked_for(self.base.config.unknown), request.send_as);
        let (mut handed, mut insisted) = (upload.handed_over(), false);
        loop {
            if let Some(handed) = handed.take() {
                match self.settle(&job, &request, upload, handed, sink).await? {
                    Settled::There(stored, backend) => {
                        return Ok(sent(stored, backend));
                    }
                    Settled::NotThere | Settled::Unknown { looked: true } => {
                        job.not_lost_again(request.source.len())
                    }
                    // Once in an attempt: a server that always loses its answers would get it without end.
                    Settled::Unknown { looked: false } if insisted => {
                        let why = "Telegram did not say whether it has made the message".to_owned();
                        return Err(Stop::Later { kind: Kind::AnswerLost, why, wait: None });
                    }
                    Settled::Unknown { looked: false } => insisted = true,
                }
                sink.uncommit().await.map_err(|error| Stop::from_uploader(&error))?;
                request.resume = None;
            }
            match self.send_by_any(&mut job, request.clone(), sink, &progress).await {
                Ok((stored, backend)) => return Ok(sent(stored, backend)),
                Err(error) => {
                    handed = self.failed(&job, &error, sink).await?;
                }
            }
        }
    }

    /// The bytes that are sent of an upload, and who is told how far they are.
    async fn made_of(
        &self,
        upload: &mut Upload,
        chunks: Vec<ChunkRecord>,
        (job, sink, stop): (&Job, &Arc<LeaseSink>, &CancellationToken),
    ) -> std::result::Result<(Arc<dyn ByteSource>, Arc<dyn ProgressSink>), Stop> {
        let merged: Arc<dyn ByteSource> = Arc::new(self.merged(upload, chunks)?);
        let expected = self.expected(upload, &merged, sink, stop).await?;
        let plain = expected.as_ref().map_or(merged, |expected| Arc::<HashedFile>::clone(&expected.file));
        let source = self.encoded(upload, job, plain, sink, stop).await?;
        Ok((source, with_digest(sink, expected)))
    }

    /// What to do after an error: to look for the message that may be there, or to stop.
    async fn failed(
        &self,
        job: &Job,
        error: &Error,
        sink: &LeaseSink,
    ) -> std::result::Result<Option<HandedOver>, Stop> {
        sink.ended(error);
        match (sink.handed_over(), error.verdict()) {
            (Some(handed), Verdict::Ambiguous) => {
                tracing::info!("[{}] {error}; looking for its message", sink.upload_id());
                return Ok(Some(handed));
            }
            (None, Verdict::Ambiguous) => {}
            // If that cannot be written down, one looks in vain.
            _ => drop(sink.take_back().await),
        }
        self.backends.note_refusal(job, error).await;
        Err(Stop::from_uploader(error))
    }

    /// Sends by the backend that fits best, and by the next one if that finds the file too large after all.
    async fn send_by_any(
        &self,
        job: &mut Job,
        mut request: UploadRequest,
        sink: &Arc<LeaseSink>,
        progress: &Arc<dyn ProgressSink>,
    ) -> Result<(StoredFile, Arc<dyn TelegramUploader>)> {
        let (mut followed, mut tried) = (false, BTreeSet::new());
        if let Some(gone) = job.gone(request.resume.as_ref()) {
            return Err(self.give_up_for(&gone, sink).await?);
        }
        let mut chosen = job.select(request.source.len(), request.resume.as_ref())?;
        loop {
            let backend = chosen.backend.clone();
            sink.sent_by(backend.name(), chosen.sender.as_ref());
            if chosen.anew {
                request.resume = None;
            }
            request.sender.clone_from(&chosen.sender);
            tell_choice(&request, &chosen);
            let sent = self.send_by(&backend, &request, sink, progress).await;
            // Of pieces, each sender has told by itself.
            if sent.as_ref().is_ok_and(|stored| stored.messages().len() == 1) || sent.is_err() {
                job.note(&chosen, sent.as_ref().err());
            }
            let error = match sent {
                Ok(stored) => return Ok((stored, backend)),
                Err(error) => error,
            };
            if job.rule_out(&backend, error.kind()) {
                tracing::info!("[{}] {error}; trying another way", request.upload_id);
                sink.uncommit().await?;
            } else if error.kind() == ErrorKind::GroupUpgraded && !followed {
                followed = true;
                // Before Telegram is asked, which can take long: nothing was sent.
                sink.uncommit().await?;
                let moved = tokio::select! {
                    () = request.cancel.cancelled() => return Err(Error::cancelled()),
                    moved = self.backends.follow(&request.credentials) => moved,
                };
                request.credentials = moved.ok_or(error)?;
                job.credentials = Arc::clone(&request.credentials);
            } else {
                tried.extend(chosen.sender.as_ref().map(|sender| sender.id.clone()));
                chosen = self.pass_on(job, &mut request, chosen, error, sink).await?;
                // Each once: a wait that is over by now is for the next attempt.
                if chosen.sender.as_ref().is_some_and(|sender| tried.contains(&sender.id)) {
                    return Err(Error::new(
                        ErrorKind::FloodWait(Duration::ZERO),
                        "all bots and sessions must wait",
                    ));
                }
                continue;
            }
            drop(chosen);
            chosen = job.select(request.source.len(), request.resume.as_ref())?;
        }
    }

    /// Nobody can tell whether there is a message that a bot was asked for which is gone: a person is to look. If that one
    /// completes the upload again, it begins anew.
    async fn give_up_for(&self, gone: &SenderId, sink: &Arc<LeaseSink>) -> Result<Error> {
        sink.commit(None).await?;
        sink.checkpoint(ResumeState::new("", Vec::new())).await?;
        let text = format!("{gone} was asked to send the file, and is not among the bots any more");
        Ok(Error::new(ErrorKind::AnswerLost, text))
    }

    /// Another sender goes on with the file, if one can after `error`.
    async fn pass_on(
        &self,
        job: &Job,
        request: &mut UploadRequest,
        mut chosen: Chosen,
        error: Error,
        sink: &Arc<LeaseSink>,
    ) -> Result<Chosen> {
        chosen.sending = None;
        let state = sink.written().or_else(|| request.resume.clone());
        let Some(next) = job.another(&chosen, &error, request.source.len(), state.as_ref()) else {
            return Err(job.without_another(&chosen, error, state.as_ref()));
        };
        // A token that is refused may be another one by now.
        self.backends.note_refusal(job, &error).await;
        let why = Why::of(&error).map_or("", Why::as_str);
        let name = |chosen: &Chosen| chosen.sender.as_ref().map(|sender| sender.id.to_string());
        let (from, to) = (name(&chosen).unwrap_or_default(), name(&next).unwrap_or_default());
        tracing::info!(from, to, why, "[{}] Another one takes over: {error}", request.upload_id);
        metrics::taken_over(why, error.retry_after());
        // Telegram has refused what the one was about to make.
        sink.uncommit().await?;
        request.resume = state;
        Ok(next)
    }

    async fn send_by(
        &self,
        backend: &Arc<dyn TelegramUploader>,
        request: &UploadRequest,
        sink: &LeaseSink,
        progress: &Arc<dyn ProgressSink>,
    ) -> Result<StoredFile> {
        let exactly_once = backend.capability().idempotent;
        tracing::info!("[{}] Using {}", request.upload_id, backend.name());
        tracing::debug!(exactly_once, sender = ?request.sender.as_ref().map(|sender| &sender.id), "way chosen");
        sink.pulse().resumable(backend.capability().resumable);
        if request.cancel.is_cancelled() || self.base.shutdown.is_cancelled() {
            return Err(Error::cancelled());
        }
        let progress = Arc::clone(progress);
        // In a task of its own: a backend that panics takes its file down, and not the runner.
        let (sender, attempt) = (Arc::clone(backend), request.clone());
        let sending = tokio::spawn(async move { sender.upload(attempt, progress).await }.in_current_span());
        let mut sending = AbortOnDropHandle::new(sending);
        let sent = tokio::select! {
            sent = &mut sending => sent,
            // A send that can be repeated stops now and goes on after the restart. Any other one gets the grace of the
            // shutdown to end: interrupted, nobody would know whether its message was made.
            () = self.interrupted(&request.cancel), if backend.capability().idempotent => {
                request.cancel.cancel();
                match tokio::time::timeout(STOP_WITHIN, &mut sending).await {
                    Ok(sent) => sent,
                    Err(_) => return Err(Error::cancelled()),
                }
            }
        };
        sent.unwrap_or_else(|died| {
            tracing::error!(upload = %request.upload_id, error = %died, "backend died");
            Err(Error::new(ErrorKind::AnswerLost, "the worker failed while it sent the file"))
        })
    }

    /// Returns when the worker stops, unless the upload was cancelled before: then the answer is waited for, since it
    /// may name a message that is to be taken back.
    async fn interrupted(&self, cancel: &CancellationToken) {
        self.base.shutdown.cancelled().await;
        if cancel.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// What the file must be, if its client has said so. A file of which parts were sent before is looked at now: a backend does
    /// not read those again.
    async fn expected(
        &self,
        upload: &Upload,
        merged: &Arc<dyn ByteSource>,
        sink: &LeaseSink,
        stop: &CancellationToken,
    ) -> std::result::Result<Option<Expected>, Stop> {
        let Some(digest) = upload.options.sha256 else { return Ok(None) };
        let expected = Expected { digest, file: Arc::new(HashedFile::new(Arc::clone(merged))) };
        if upload.resume.is_some() {
            expected.check_first(sink, stop).await.map_err(|error| Stop::from_uploader(&error))?;
        }
        Ok(Some(expected))
    }

    /// The picture that stands for the file. One that is lost is none: the file matters more.
    async fn thumbnail(
        &self,
        upload: &Upload,
        records: Vec<ChunkRecord>,
        sink: &LeaseSink,
    ) -> std::result::Result<Option<Thumbnail>, Stop> {
        // A picture would tell what is in an encrypted file.
        let hidden = upload.encoding.as_ref().is_some_and(|encoding| encoding.encrypted);
        // The document that is sent once more has the one that it came with.
        let mark = upload.options.thumbnail.filter(|_| !hidden && !upload.is_duplicate());
        let (Some(mark), Some(record)) = (mark, records.first()) else {
            return Ok(None);
        };
        // At most 200 kB.
        let length = mark.length as usize;
        match sink.patiently(|| self.bytes.chunks.read_at(&record.blob, 0, length)).await {
            Ok(bytes) => Ok(Thumbnail::new(bytes).ok()),
            Err(error @ (None | Some(StoreError::Unavailable { .. }))) => Err(Stop::unread(error)),
            Err(Some(error)) => {
                tracing::warn!(upload = %upload.id, %error, "the thumbnail is lost; sending without it");
                Ok(None)
            }
        }
    }

    fn merged(&self, upload: &Upload, chunks: Vec<ChunkRecord>) -> std::result::Result<MergedFile, Stop> {
        MergedFile::new(Arc::clone(&self.bytes.chunks), chunks, upload.size()).map_err(|error| {
            Stop::failed(Kind::Damaged, format!("stored chunks are damaged: {error}; send the file again"))
        })
    }
}

/// Where a backend tells how far it is, with a look at the file before its message can be.
fn with_digest(sink: &Arc<LeaseSink>, expected: Option<Expected>) -> Arc<dyn ProgressSink> {
    let inner = Arc::<LeaseSink>::clone(sink);
    match expected {
        Some(expected) => Arc::new(DigestSink { inner, expected }),
        None => inner,
    }
}

fn unready(why: Unready) -> Stop {
    match why {
        Unready::TokenLost => Stop::without_token(
            Outcome::TokenLost,
            "auth token is no longer known to the worker: complete the upload again with it",
        ),
        Unready::OtherUser => {
            Stop::without_token(Outcome::OtherUser, "auth token belongs to another user now: sign in again")
        }
        Unready::Backend(error) => Stop::from_backend(error),
    }
}
