//! A message that Telegram says it had, which no call names and nobody finds.
//!
//! Nobody can tell whether it exists. So the file fails, with words that say where to look, or its message is made once more,
//! under a `random_id` of its own: if the request says so, or if a person has looked and completes the upload again.

use telestore_mtproto::Failures;
use telestore_types::StoredFile;

use super::send::Sending;
use crate::{Error, ErrorKind, Result, Verdict};

impl Sending<'_> {
    /// What becomes of the file, of whose message `error` says that no call names it: the message if it is found after all,
    /// or `None` if another one is to be made.
    pub(super) async fn unnamed(&mut self, error: Error, cancelled: bool) -> Result<Option<StoredFile>> {
        let looked = self.find().await;
        if let Ok(Some(stored)) = looked {
            return Ok(Some(stored));
        }
        let error = self.given_up(error);
        let passes = looked.is_err_and(|unable| unable.verdict() == Verdict::Temporary);
        if error.kind() != ErrorKind::AnswerLost || passes || cancelled {
            return Err(error);
        }
        // Once: a server that never names its messages would get them without end.
        if self.request.again && !self.history.anew {
            self.make_another().await?;
            self.follow().await?;
            return Ok(None);
        }
        self.resume.unnamed = true;
        if let Err(unwritten) = self.attempt.progress.checkpoint(self.resume.to_state()).await {
            tracing::debug!(error = %unwritten, upload_id = %self.request.upload_id, "could not write down that no call names the message");
        }
        Err(error)
    }

    /// Looks for the message of an attempt that ended so. If it is not there, another one is to be made: a person wants that.
    pub(super) async fn look_once_more(&mut self) -> Result<Option<StoredFile>> {
        match self.find().await {
            Ok(Some(stored)) => return Ok(Some(stored)),
            Err(unable) if unable.verdict() == Verdict::Temporary => return Err(unable),
            _ => {}
        }
        self.make_another().await?;
        self.history.before = false;
        Ok(None)
    }

    /// Another message is made from here on.
    async fn make_another(&mut self) -> Result<()> {
        let id = self.request.upload_id.as_str();
        tracing::info!("[{id}] Nobody can tell whether its message is in the channel; making another one");
        self.resume.begin_anew(self.attempt.now());
        self.history.failures = Failures::default();
        (self.history.repeated, self.history.ambiguous, self.history.anew) = (0, false, true);
        self.attempt.progress.checkpoint(self.resume.to_state()).await
    }
}
