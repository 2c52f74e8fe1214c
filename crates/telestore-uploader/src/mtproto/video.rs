//! Videos that Telegram converts before it makes the message: <https://core.telegram.org/api/files#video-qualities>.
//!
//! It has the file and the call, so nothing is sent any more. It is looked whether the message is there, for a while; then the
//! upload gives its place to others, and the next attempt looks again. Who cancels has it recalled (`recall.rs`) by the state that
//! was written down.

use std::time::Duration;

use telestore_types::StoredFile;
use tokio::time::Instant;

use super::recall::is_scheduled;
use super::resume::Pending;
use super::send::Sending;
use crate::media::Media;
use crate::{Error, ErrorKind, Result};

/// How long one attempt waits for a video.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it waits after a cancel if nothing was written down of the message: nobody else takes it back.
const PATIENCE_AFTER_CANCEL: Duration = Duration::from_secs(10 * 60);

impl Sending<'_> {
    /// Waits for the message.
    pub(super) async fn await_video(&self, pending: Pending) -> Result<StoredFile> {
        let (began, cancel) = (Instant::now(), &self.request.cancel);
        let calls = &self.attempt.calls;
        for looked in 0.. {
            let scheduled = is_scheduled(calls, &self.peer, pending).await?;
            if scheduled != Some(true)
                && let Some(stored) = self.find().await?
            {
                return Ok(stored);
            }
            calls.reached();
            if cancel.is_cancelled() && !self.history.unwritten {
                return Err(Error::cancelled());
            }
            if began.elapsed() >= self.patience() {
                return Err(not_yet(scheduled));
            }
            tokio::select! {
                () = calls.pause(looked) => {}
                () = cancel.cancelled(), if !cancel.is_cancelled() => {}
            }
        }
        Err(not_yet(None))
    }

    fn patience(&self) -> Duration {
        match self.request.cancel.is_cancelled() {
            true => PATIENCE_AFTER_CANCEL,
            // A longer wait would count as a stall.
            false => PATIENCE.min(self.attempt.calls.config().stall_timeout / 2),
        }
    }

    /// Looks among the messages that are still to be made, after Telegram said that it had the call before.
    pub(super) async fn search_scheduled(&self) -> Option<Pending> {
        let wanted = self.wanted().filter(|_| matches!(self.media, Media::Video(_)))?;
        let found = self.attempt.calls.find_scheduled(&self.peer, &wanted).await;
        let found = found.unwrap_or_else(|error| {
            tracing::debug!(%error, upload_id = %self.request.upload_id, "scheduled messages cannot be looked at");
            None
        })?;
        Some(Pending { id: found.id, document_id: found.file_id() })
    }
}

fn not_yet(scheduled: Option<bool>) -> Error {
    match scheduled {
        Some(false) => Error::new(
            ErrorKind::AnswerLost,
            "Telegram has converted the video or dropped it, and its message is not found in the channel",
        ),
        _ => Error::new(
            ErrorKind::Unavailable,
            "Telegram still converts the video; the message comes after that",
        ),
    }
}
