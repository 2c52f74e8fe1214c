//! Messages of which no other one can be made, although their files can be read.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use telestore_types::{ChatId, StoredMessage};

/// So many are remembered: the newest.
const MOST: usize = 1000;

/// What Telegram refused to show once more: in a channel that protects its content, or by a bot that may not post any more. Who looks
/// at a message does not see that. It is not kept: after a restart it is tried once again, since rights change.
#[derive(Debug, Default)]
pub(crate) struct Uncopied(Mutex<VecDeque<(Option<ChatId>, i64)>>);

impl Uncopied {
    pub(crate) fn add(&self, message: &StoredMessage) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let message = (message.chat_id.clone(), message.message_id);
        if messages.contains(&message) {
            return;
        }
        if messages.len() == MOST {
            messages.pop_front();
        }
        messages.push_back(message);
    }

    pub(crate) fn has(&self, message: &StoredMessage) -> bool {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().any(|(chat, id)| *id == message.message_id && *chat == message.chat_id)
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::StoredAs;

    use super::*;

    fn message(id: i64, chat: &str) -> StoredMessage {
        let message = StoredMessage::new(id, StoredAs::Mtproto { document_id: 1 }, 1);
        message.in_chat(ChatId::new(chat).unwrap())
    }

    #[test]
    fn the_newest_are_remembered() {
        let uncopied = Uncopied::default();
        uncopied.add(&message(1, "-1001"));
        uncopied.add(&message(1, "-1001"));
        assert!(uncopied.has(&message(1, "-1001")) && !uncopied.has(&message(1, "-1002")));
        for id in 2..=MOST as i64 {
            uncopied.add(&message(id, "-1001"));
        }
        assert!(uncopied.has(&message(1, "-1001")));
        uncopied.add(&message(5000, "-1001"));
        assert!(!uncopied.has(&message(1, "-1001")) && uncopied.has(&message(2, "-1001")));
    }
}
