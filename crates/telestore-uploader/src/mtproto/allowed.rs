//! What the account may send, when Telegram says so and when it refuses more.

use std::time::Duration;

use telestore_mtproto::Error as CallError;
use telestore_types::{CAPTION_MAX, StoredFile};

use super::send::Sending;
use crate::{Error, ErrorKind, Result};

/// For how long it is believed that an account may send long captions.
const CAPTION_MAX_AGE: Duration = Duration::from_secs(3600);

impl Sending<'_> {
    /// Cuts the caption to what the account may send. If the message was asked for before, it is cut as it was then: so the
    /// message is known by it.
    pub(super) async fn fit_caption(&mut self) {
        let caption = self.request.caption.clone();
        if caption.units() <= CAPTION_MAX {
            return;
        }
        let longest = match self.history.before {
            // Version 0.1 cut them here, and wrote nothing down of it.
            true => self.resume.caption_units.unwrap_or(CAPTION_MAX as u32),
            false => self.longest_caption().await,
        };
        self.resume.caption_units = Some(longest);
        self.caption = caption.cut(longest as usize);
    }

    /// What every account may send, if Telegram does not tell: that is no reason not to send the file.
    async fn longest_caption(&self) -> u32 {
        match self.attempt.calls.allowance(CAPTION_MAX_AGE).await {
            Ok(allowance) => allowance.caption_units,
            Err(error) => {
                tracing::debug!(%error, upload_id = %self.request.upload_id, "the limit of captions is not known");
                CAPTION_MAX as u32
            }
        }
    }

    /// Cuts the caption once more, after Telegram has refused it.
    pub(super) async fn shorten_caption(&mut self, error: CallError) -> Result<()> {
        let sent = self.caption.units();
        if std::mem::replace(&mut self.history.shortened, true) {
            return Err(error.into());
        }
        if self.may_be_there() {
            // With the caption that it was asked for with.
            self.found = self.search().await;
            if self.found.is_some() {
                return Ok(());
            }
        }
        self.attempt.calls.forget_allowance();
        // Whatever Telegram says, it does not take what it has just refused.
        let longest = [self.longest_caption().await as usize, CAPTION_MAX];
        let Some(longest) = longest.into_iter().find(|longest| *longest < sent) else {
            return Err(error.into());
        };
        tracing::info!("[{}] The caption is cut to {longest} characters", self.request.upload_id);
        self.caption = self.request.caption.clone().cut(longest);
        // At most as long as it was.
        self.resume.caption_units = Some(longest as u32);
        self.history.committed = false;
        Ok(())
    }

    /// Whether an earlier call may have made the message.
    pub(super) fn may_be_there(&self) -> bool {
        self.history.ambiguous || self.history.before || self.history.anew
    }

    /// What is to be done instead of failing with `error`: gives the message that an earlier call has made.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] if Telegram takes no file of this length from the account any more: no message of it exists then.
    /// `error` itself if it is about something else.
    pub(super) async fn instead_of(&self, error: Error) -> Result<StoredFile> {
        let error = self.attempt.explained(error, self.request.source.len()).await;
        if error.kind() != ErrorKind::TooLarge || !self.may_be_there() {
            return Err(error);
        }
        // Sent in another way, it could be there twice.
        self.search().await.ok_or_else(|| {
            let text = "the account may not send a file of this size any more, and an earlier call may have made the message";
            Error::new(ErrorKind::AnswerLost, text)
        })
    }
}
