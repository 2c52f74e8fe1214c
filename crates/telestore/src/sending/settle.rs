//! What became of a file that was handed over to a server that did not answer: whoever can look into the channel is asked.

use std::sync::Arc;
use std::time::Duration;

use telestore_types::{CAPTION_MAX, HandedOver, Outcome, StoredFile, Upload, UploadState, Verdict};
use telestore_uploader::{Found, TelegramUploader, UploadRequest};

use crate::sending::runner::Runner;
use crate::sending::sink::LeaseSink;
use crate::sending::stop::{LOOK_THERE, Stop};
use crate::shared::config::Unknown;
use crate::shared::job::Job;
use crate::shared::metrics::ErrorKind as Kind;

/// What is certain.
pub(super) enum Settled {
    /// The message is there, and this backend has found it.
    There(StoredFile, Arc<dyn TelegramUploader>),
    /// It is not, and will not be.
    NotThere,
    /// Nobody can tell, and it is to be sent however that is; somebody could look, or nobody.
    Unknown { looked: bool },
}

impl Runner {
    /// Finds out whether the message of a file that was handed over is in the channel.
    pub(super) async fn settle(
        &self,
        job: &Job,
        request: &UploadRequest,
        upload: &Upload,
        mut handed: HandedOver,
        sink: &LeaseSink,
    ) -> Result<Settled, Stop> {
        sink.keep_twins_back(&handed.mark).await.map_err(|error| Stop::from_uploader(&error))?;
        // It can be given up now: the row says what is to be looked for.
        sink.pulse().uncommit();
        let (mut later, mut looked) = (None, false);
        for finder in self.able(job, request, &handed, sink) {
            let lost = sink.patiently(|| self.base.lost(&handed)).await.map_err(Stop::unread)?;
            match finder.find(request, &lost).await {
                Ok(Found::There(stored)) => match self.is_anothers(&stored, &handed, sink).await? {
                    false => {
                        tracing::info!(
                            message_id = stored.message_id(),
                            "[{}] Its message is in the channel",
                            upload.id
                        );
                        return Ok(Settled::There(stored, finder));
                    }
                    true => looked = true,
                },
                Ok(Found::NotThere) if lost.all_known => {
                    let now = self.base.now();
                    let since = *handed.absent_since.get_or_insert(now);
                    if now.since(since) >= self.base.config.patience(upload.size()) {
                        tracing::info!("[{}] Its message is not in the channel; sending it again", upload.id);
                        return Ok(Settled::NotThere);
                    }
                    later = Some("its message is not in the channel yet".to_owned());
                }
                Ok(_) => {
                    looked = true;
                    tracing::info!("[{}] The channel does not tell whether its message is there", upload.id);
                }
                Err(error) if error.verdict() == Verdict::Temporary => later = Some(error.to_string()),
                Err(error) => tracing::warn!(%error, "[{}] Cannot look for its message", upload.id),
            }
        }
        match later {
            Some(why) => {
                // If that is lost, the message is waited for longer.
                sink.note_absent(&handed).await.map_err(Stop::unread)?;
                let age = self.base.now().since(handed.absent_since.unwrap_or(handed.at));
                Err(Stop::Unsettled { why, pause: self.base.config.wait(Duration::ZERO, age) })
            }
            None => self.decide(upload, &handed, looked),
        }
    }

    /// Who can look for what was handed over. Nobody if the message would be another one by now, since the settings have changed, or
    /// if what the messages of other files are is forgotten.
    fn able(
        &self,
        job: &Job,
        request: &UploadRequest,
        handed: &HandedOver,
        sink: &LeaseSink,
    ) -> Vec<Arc<dyn TelegramUploader>> {
        let caption = request.caption.clone().cut(CAPTION_MAX);
        let same = sink.mark_of(&handed.chat, &caption) == handed.mark;
        let age = handed.age(self.base.both_times());
        match same && age < self.base.config.result_ttl.max(self.base.config.retry_max_age) {
            true => job.finders().collect(),
            false => Vec::new(),
        }
    }

    /// Whether a message that was found may be another file's: one that has ended meanwhile, or whose message is looked for, too,
    /// be it to be taken back.
    async fn is_anothers(
        &self,
        stored: &StoredFile,
        handed: &HandedOver,
        sink: &LeaseSink,
    ) -> Result<bool, Stop> {
        let (base, key) = (&self.base, sink.key());
        let looked_for = [UploadState::Queued, UploadState::Sending, UploadState::Failed];
        // First, so that one that ends now is seen below.
        let has_twin = || base.has_twin(&handed.mark, key, &looked_for);
        let is_recalled = || base.is_recalled(&handed.mark, stored.size(), key);
        let twin = sink.patiently(has_twin).await.map_err(Stop::unread)?
            || sink.patiently(is_recalled).await.map_err(Stop::unread)?;
        let known = sink.patiently(|| base.lost(handed)).await.map_err(Stop::unread)?;
        let taken = stored.messages().iter().any(|message| {
            let chat = message.chat_id.as_ref().unwrap_or(&handed.chat);
            known.is_known(chat, message.message_id)
        });
        Ok(taken || twin)
    }

    /// What is done if nobody can tell.
    fn decide(&self, upload: &Upload, handed: &HandedOver, looked: bool) -> Result<Settled, Stop> {
        if handed.insisted || self.base.config.unknown == Unknown::Again {
            tracing::info!(
                insisted = handed.insisted,
                "[{}] Nobody can tell whether it was sent; sending it again",
                upload.id
            );
            return Ok(Settled::Unknown { looked });
        }
        Err(Stop::Failed {
            kind: Kind::AnswerLost,
            why: format!("Telegram did not say whether it has made the message. {LOOK_THERE}"),
            outcome: Outcome::Ambiguous,
        })
    }
}
