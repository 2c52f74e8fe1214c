//! One more message of a document that is in the channel already, by <https://core.telegram.org/constructor/inputMediaDocument>:
//! no bytes go out.
//!
//! The account reads the message that has the document, and so learns how to name it: its access hash is the account's, and its file
//! reference expires. All else is as for any file: the same `random_id` makes one message of all calls.

use telestore_mtproto::{Document, Error as CallError};
use telestore_types::{StoredAs, StoredMessage};

use super::send::{Sending, chat_of};
use crate::{Error, ErrorKind, Result};

/// How often the document is named anew for one message.
const RENEWED_MAX: u32 = 3;

/// Whether this kind of message is one of which MTProto makes another: in groups that are no supergroups, each account has numbers of
/// its own.
pub(super) fn copies(message: &StoredMessage) -> bool {
    matches!(message.stored_as, StoredAs::Mtproto { .. }) && message.is_in_channel()
}

/// Whether the document is named as it was once.
pub(super) fn is_stale(error: &CallError) -> bool {
    error.rpc().is_some_and(|rpc| rpc.name().starts_with("FILE_REFERENCE_"))
}

/// Whether there is no such document, or it must not be sent on.
fn is_gone(error: &CallError) -> bool {
    ["MEDIA_EMPTY", "DOCUMENT_INVALID", "CHAT_FORWARDS_RESTRICTED"].iter().any(|name| error.is(name))
}

impl Sending<'_> {
    /// Reads the message whose document is sent once more. If that is gone, an earlier call may have made the message all the same,
    /// which is looked for.
    pub(super) async fn read_copied(&mut self) -> Result<()> {
        self.attempt.begin_parts(&mut self.resume);
        match self.copied_document().await? {
            Some(document) => {
                self.copied = Some(document);
                self.attempt.progress.acknowledged(self.request.source.len());
                Ok(())
            }
            None => self.copied_is_gone().await,
        }
    }

    /// The document is gone, and an earlier call may have made a message of it before.
    async fn copied_is_gone(&mut self) -> Result<()> {
        if !self.may_be_there() {
            return Err(Error::copied_is_gone());
        }
        self.found = self.find().await?;
        let lost = || {
            let gone = Error::copied_is_gone();
            let text = format!("{gone}; an earlier call, whose answer was lost, may have made the message");
            Error::new(ErrorKind::AnswerLost, text)
        };
        self.found.as_ref().map(drop).ok_or_else(lost)
    }

    async fn copied_document(&self) -> Result<Option<Document>> {
        let Some(message) = &self.request.copy_of else { return Ok(None) };
        let (StoredAs::Mtproto { document_id }, Ok(id)) =
            (&message.stored_as, i32::try_from(message.message_id))
        else {
            return Ok(None);
        };
        if message.chat_id.is_none() || message.chat_id != chat_of(&self.peer) {
            // The user has another channel by now.
            return Ok(None);
        }
        let found = self.attempt.calls.message(&self.peer, id).await?;
        let document = found.and_then(|found| found.document);
        Ok(document.filter(|document| document.id == *document_id && document.size == message.size))
    }

    /// What is done after Telegram has refused the document as it was named.
    pub(super) async fn copy_again(&mut self, error: CallError) -> Result<()> {
        if is_gone(&error) {
            return self.copied_is_gone().await;
        }
        self.history.renewed += 1;
        if self.history.renewed > RENEWED_MAX {
            let text = format!("Telegram takes no name of the file that it gives: {error}");
            return Err(Error::new(ErrorKind::Unavailable, text).with_source(error));
        }
        self.read_copied().await
    }

    /// Whether an error is about the document that is sent once more.
    pub(super) fn is_about_copied(&self, error: &CallError) -> bool {
        self.copied.is_some() && (is_stale(error) || is_gone(error))
    }

    /// A message that was there before this one is asked for, and looks the same.
    pub(super) fn behind(&self) -> i32 {
        let id = self.request.copy_of.as_ref().map(|message| message.message_id);
        id.and_then(|id| i32::try_from(id).ok()).unwrap_or(0)
    }
}
