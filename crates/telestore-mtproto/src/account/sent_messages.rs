use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use grammers_tl_types::enums::InputPeer;

/// How many messages of an account are remembered as those of other files.
const REMEMBERED: usize = 1024;

/// The messages that an account made last: each is the message of one file. Credentials name a chat in several ways, and
/// Telegram in one.
#[derive(Debug, Default)]
pub struct SentMessages(Mutex<VecDeque<(InputPeer, i32)>>);

impl SentMessages {
    /// Notes a message, so that no search takes it for that of another file.
    pub fn note(&self, peer: &InputPeer, message_id: i32) {
        let mut made = self.lock();
        if made.len() >= REMEMBERED {
            made.pop_front();
        }
        made.push_back((peer.clone(), message_id));
    }

    /// Whether a message is noted.
    pub fn holds(&self, peer: &InputPeer, message_id: i32) -> bool {
        self.lock().iter().any(|(of, id)| (of, *id) == (peer, message_id))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(InputPeer, i32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use grammers_tl_types as tl;

    use super::*;

    #[test]
    fn what_was_made_for_another_file_is_remembered_for_a_while() {
        let made = SentMessages::default();
        let peer = |chat_id| InputPeer::from(tl::types::InputPeerChat { chat_id });
        (0..=REMEMBERED as i32).for_each(|id| made.note(&peer(1), id));
        assert!(made.holds(&peer(1), 1) && made.holds(&peer(1), REMEMBERED as i32));
        assert!(!made.holds(&peer(1), 0) && !made.holds(&peer(2), 1));
    }
}
