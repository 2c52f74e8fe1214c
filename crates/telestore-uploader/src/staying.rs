//! What becomes of messages that are to be deleted, one after the other: one that stays keeps no other one.

use telestore_types::StoredMessage;

use crate::{Error, ErrorKind, Result, Verdict};

/// The messages that are not gone, and why.
#[derive(Debug, Default)]
pub(crate) struct Staying {
    messages: Vec<StoredMessage>,
    /// What passes, if anything does: it is worth another try.
    passing: Option<Error>,
    refused: Option<Error>,
}

impl Staying {
    /// The next message to delete. If who deletes could not, that is none: the others stay, too.
    pub(crate) fn next<'a>(
        &mut self,
        messages: &mut impl Iterator<Item = &'a StoredMessage>,
    ) -> Option<&'a StoredMessage> {
        if self.is_of_sender() {
            messages.for_each(|message| self.leave(message));
        }
        messages.next()
    }

    /// Notes what became of a message: whether it is gone.
    pub(crate) fn note(&mut self, message: &StoredMessage, deleted: Result<bool>) {
        let error = match deleted {
            Ok(true) => return,
            Ok(false) => not_allowed("Telegram does not let it be deleted"),
            Err(error) => error,
        };
        self.messages.push(message.clone());
        let why = if error.verdict() == Verdict::Permanent { &mut self.refused } else { &mut self.passing };
        why.get_or_insert(error);
    }

    /// Notes a message that was not tried, after one that was.
    fn leave(&mut self, message: &StoredMessage) {
        self.messages.push(message.clone());
    }

    /// Whether the next messages would fare as the last one did: it was who deletes that could not.
    fn is_of_sender(&self) -> bool {
        let errors = [&self.passing, &self.refused];
        errors.into_iter().flatten().any(|error| {
            matches!(error.kind(), ErrorKind::NotAuthorized | ErrorKind::FloodWait(_) | ErrorKind::LoginBusy)
        })
    }

    /// Whether all are gone.
    ///
    /// # Errors
    /// Why they are not, with the messages that stay: what passes before what is for good.
    pub(crate) fn end(self) -> Result<bool> {
        match self.passing.or(self.refused) {
            None => Ok(true),
            Some(error) => Err(error.with_staying(self.messages)),
        }
    }
}

/// Telegram does not let a message be deleted, in these words.
pub(crate) fn not_allowed(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Rejected, why)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telestore_types::{ChatId, StoredAs};

    use super::*;

    fn message(id: i64) -> StoredMessage {
        let message = StoredMessage::new(id, StoredAs::Mtproto { document_id: id }, 1);
        message.in_chat(ChatId::new("-1001").unwrap())
    }

    #[test]
    fn what_passes_is_told_first_and_all_that_stay_are_named() {
        let mut staying = Staying::default();
        staying.note(&message(1), Ok(true));
        staying.note(&message(2), Err(not_allowed("no")));
        staying.note(&message(3), Ok(false));
        assert!(!staying.is_of_sender());
        staying.note(&message(4), Err(Error::new(ErrorKind::FloodWait(Duration::ZERO), "later")));
        assert!(staying.is_of_sender());
        staying.leave(&message(5));
        let error = staying.end().unwrap_err();
        assert_eq!(error.verdict(), Verdict::Temporary);
        assert_eq!(error.made(), [2, 3, 4, 5].map(message));
        assert_eq!(error.to_string(), "messages 2, 3, 4, 5 in -1001 are not deleted: later");
    }

    #[test]
    fn what_is_for_good_is_told_by_its_own_words() {
        let mut staying = Staying::default();
        staying.note(&message(2), Err(not_allowed("no")));
        let error = staying.end().unwrap_err();
        assert_eq!((error.verdict(), error.made().len()), (Verdict::Permanent, 1));
        assert_eq!(error.to_string(), "message 2 in -1001 is not deleted: no");
        assert!(Staying::default().end().unwrap());
    }
}
