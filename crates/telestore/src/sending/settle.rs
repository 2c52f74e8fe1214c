//! What became of a file that was handed over to a server that did not answer: whoever can look into the channel is asked.

use std::sync::Arc;
use std::time::Duration;

use telestore_store::{Cursor, Listing};
use telestore_types::{HandedOver, Outcome, StoredFile, Upload, UploadState, Verdict};
use telestore_uploader::{Found, Lost, TelegramUploader, UploadRequest};

use crate::sending::runner::Runner;
use crate::sending::sink::LeaseSink;
use crate::sending::stop::{LOOK_THERE, Stop};
use crate::shared::config::Unknown;
use crate::shared::job::Job;
use crate::shared::metrics::ErrorKind as Kind;

/// How many rows are read at once, and how often, for the messages of other files.
const ROWS: u32 = 500;
const MAX_READS: u32 = 40;

/// How much earlier a file must have ended, by its row, than another one was handed over, so that its message was there
/// first: clocks of workers differ.
const SURELY_EARLIER: Duration = Duration::from_secs(60);

/// How many bytes in a second a Bot API server passes on to Telegram, at least: so much longer a large file may be on its way.
const PASSED_ON: u64 = 256 * 1024;

/// What is certain.
pub(super) enum Settled {
    /// The message is there, and this backend has found it.
    There(StoredFile, Arc<dyn TelegramUploader>),
    /// It is not, and will not be.
    NotThere,
    /// Nobody can tell, and it is to be sent however that is.
    Unknown,
}

impl Runner {
    /// Finds out whether the message of a file that was handed over is in the channel.
    pub(super) async fn settle(
        &self,
        job: &Job,
        request: &UploadRequest,
        upload: &Upload,
        handed: &HandedOver,
        sink: &LeaseSink,
    ) -> Result<Settled, Stop> {
        sink.keep_twins_back(&handed.mark).await.map_err(|error| Stop::from_uploader(&error))?;
        // It can be given up now: the row says what is to be looked for.
        sink.pulse().uncommit();
        let mut later = None;
        for finder in job.finders() {
            let lost = self.lost(upload, handed, sink).await?;
            let ago = lost.ago;
            match finder.find(request, &lost).await {
                Ok(Found::There(stored)) => {
                    tracing::info!(
                        message_id = stored.message_id(),
                        "[{}] Its message is in the channel",
                        upload.id
                    );
                    return Ok(Settled::There(stored, finder));
                }
                Ok(Found::NotThere) if ago >= self.patience(upload) => {
                    tracing::info!("[{}] Its message is not in the channel; sending it again", upload.id);
                    return Ok(Settled::NotThere);
                }
                Ok(Found::NotThere) => later = Some("its message is not in the channel yet".to_owned()),
                Ok(_) => {
                    tracing::info!("[{}] The channel does not tell whether its message is there", upload.id)
                }
                Err(error) if error.verdict() == Verdict::Temporary => later = Some(error.to_string()),
                Err(error) => tracing::warn!(%error, "[{}] Cannot look for its message", upload.id),
            }
        }
        match later {
            Some(why) => {
                let age = self.base.now().since(handed.at);
                let pause = self.base.config.wait(Duration::ZERO, age);
                Err(Stop::Unsettled { why, pause })
            }
            None => self.decide(upload, handed),
        }
    }

    /// What is done if nobody can tell.
    fn decide(&self, upload: &Upload, handed: &HandedOver) -> Result<Settled, Stop> {
        if handed.insisted || self.base.config.unknown == Unknown::Again {
            tracing::info!(
                insisted = handed.insisted,
                "[{}] Nobody can tell whether it was sent; sending it again",
                upload.id
            );
            return Ok(Settled::Unknown);
        }
        Err(Stop::Failed {
            kind: Kind::AnswerLost,
            why: format!("Telegram did not say whether it has made the message. {LOOK_THERE}"),
            outcome: Outcome::Ambiguous,
        })
    }

    /// How long a server may still work on a file that is not in the channel.
    fn patience(&self, upload: &Upload) -> Duration {
        self.base.config.settle_after + Duration::from_secs(upload.size() / PASSED_ON)
    }

    /// What is looked for, and the messages of other files of the user, which are not it.
    async fn lost(&self, upload: &Upload, handed: &HandedOver, sink: &LeaseSink) -> Result<Lost, Stop> {
        let mut lost = Lost::new(handed.chat.clone(), self.base.now().since(handed.at));
        let mut listing =
            Listing::first(ROWS).in_state(UploadState::Completed).of_user(upload.user_id.clone());
        for _ in 0..MAX_READS {
            let rows = sink.patiently(|| self.base.sessions.list(&listing)).await.map_err(Stop::unread)?;
            let mut reached = rows.len() < ROWS as usize;
            for row in &rows {
                let earlier = row.updated_at + SURELY_EARLIER <= handed.at;
                for message in row.result().iter().flat_map(|stored| stored.messages()) {
                    lost.leave_out(message, earlier);
                }
                reached |= earlier;
            }
            match rows.last().filter(|_| !reached) {
                Some(last) => listing = listing.after(Cursor::of(last)),
                None => break,
            }
        }
        Ok(lost)
    }
}
