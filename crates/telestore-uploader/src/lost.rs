//! What became of a request whose answer was lost.

use std::time::Duration;

use telestore_types::{ChatId, ResumeState, StoredFile, StoredMessage};

/// A request of a backend that cannot say whether it made its message.
///
/// ```
/// use std::time::Duration;
/// use telestore_types::ChatId;
/// use telestore_uploader::Lost;
///
/// let lost = Lost::new(ChatId::new("-1001234567890")?, Duration::from_secs(3));
/// assert!(lost.known.is_empty());
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// The chat that the message was to go to.
    pub chat: ChatId,
    /// How long ago that was, at least.
    pub ago: Duration,
    /// How long ago nobody asked for it any more, at least: what was made later is not it.
    pub over: Duration,
    /// The messages of other files, which are not it.
    pub known: Vec<Known>,
    /// Whether those are all. If there are more, each message may be another file's.
    pub all_known: bool,
}

/// A message that is another file's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known {
    /// Its chat, if that is known.
    pub chat: Option<ChatId>,
    /// Its number in that chat. Numbers rise.
    pub message_id: i64,
    /// Whether it was there before the request was made.
    pub earlier: bool,
}

impl Lost {
    /// A request that was made so long ago.
    pub fn new(chat: ChatId, ago: Duration) -> Self {
        Self { chat, ago, over: Duration::ZERO, known: Vec::new(), all_known: true }
    }

    /// The same, which nobody has asked for since so long ago.
    #[must_use]
    pub fn over(self, over: Duration) -> Self {
        Self { over, ..self }
    }

    /// The same, if there are messages of other files that are not known: what is seen in the channel proves nothing then. What
    /// has another proof can be taken back all the same.
    #[must_use]
    pub fn without_all_known(self) -> Self {
        Self { all_known: false, ..self }
    }

    /// Leaves out the message of another file, which was there `earlier` or not.
    pub fn leave_out(&mut self, message: &StoredMessage, earlier: bool) {
        let (chat, message_id) = (message.chat_id.clone(), message.message_id);
        self.known.push(Known { chat, message_id, earlier });
    }

    /// The newest message of `chat` that was there earlier.
    pub fn newest_before(&self, chat: &ChatId) -> Option<i64> {
        let earlier = self.known.iter().filter(|known| known.earlier && known.chat.as_ref() == Some(chat));
        earlier.map(|known| known.message_id).max()
    }

    /// Whether a message of `chat` is another file's, or may be.
    pub fn is_known(&self, chat: &ChatId, message_id: i64) -> bool {
        let here = |known: &Known| known.chat.as_ref().is_none_or(|known| known == chat);
        !self.all_known || self.known.iter().any(|known| known.message_id == message_id && here(known))
    }
}

/// What a look into the channel has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// The message is there.
    There(StoredFile),
    /// All messages since then were looked at, and it is not there. A server that still works on the request may make it yet.
    NotThere,
    /// Nobody can tell: several could be it, or not all messages can be looked at.
    Unclear,
}

/// What comes of an upload that is over, and of whose message nobody wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recalled {
    /// No message, and none will: it was taken back, or there was none.
    Gone,
    /// One may come yet.
    NotYet,
    /// This is there, and nothing was deleted: the caller sees that it is no other file's, and withdraws it.
    There {
        /// The messages.
        stored: StoredFile,
        /// Whether others may come, or be there and not found.
        more: bool,
    },
    /// The message waits for its video, as this state says, and nothing was deleted: the caller sees that it is no other file's, and
    /// has this state recalled.
    Waits(ResumeState),
    /// All messages since then were looked at, and it is not there. A server that still works on the request may make it yet.
    NotThere,
    /// Nobody can tell: several could be it, or not all messages can be looked at.
    Unclear,
}

#[cfg(test)]
mod tests {
    use telestore_types::StoredAs;

    use super::*;

    #[test]
    fn messages_of_other_files_are_known_by_chat_and_number() {
        let [here, there] = ["-1001", "-1002"].map(|chat| ChatId::new(chat).unwrap());
        let mut lost = Lost::new(here.clone(), Duration::ZERO);
        for (id, chat, earlier) in [
            (3, Some(&here), true),
            (5, Some(&here), true),
            (9, Some(&here), false),
            (7, Some(&there), true),
            (8, None, true),
        ] {
            let mut message = StoredMessage::new(id, StoredAs::Mtproto { document_id: 1 }, 1);
            message.chat_id = chat.cloned();
            lost.leave_out(&message, earlier);
        }
        assert_eq!((lost.newest_before(&here), lost.newest_before(&there)), (Some(5), Some(7)));
        let known = |id| lost.is_known(&here, id);
        assert_eq!([3, 5, 9, 7, 8, 4].map(known), [true, true, true, false, true, false]);
        assert!(lost.without_all_known().is_known(&here, 4), "it may be");
    }
}
