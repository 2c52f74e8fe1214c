use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use grammers_tl_types::enums::InputPeer;
use telestore_types::ChatId;
use tokio::time::Instant;

/// How many channels of one account are remembered.
const MAX_PEERS: usize = 1024;

/// A channel or group that was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Chat {
    /// How calls name it. It holds the access hash, which is good for this account only.
    pub peer: InputPeer,
    /// The supergroup that the chat has become, if it was asked for as a group.
    pub moved_to: Option<ChatId>,
    /// Whether the account remembered it, rather than ask Telegram now.
    pub remembered: bool,
    /// When it was seen last that the account may post there.
    pub(crate) posts: Option<Instant>,
}

impl Chat {
    pub(crate) fn new(peer: InputPeer, moved_to: Option<ChatId>, posts: Option<Instant>) -> Self {
        Self { peer, moved_to, posts, remembered: false }
    }

    /// The access hash of a channel, for [`Calls::resolve`](crate::Calls::resolve) after a restart.
    pub fn access_hash(&self) -> Option<i64> {
        access_hash(&self.peer)
    }
}

/// The access hash in the name of a channel.
pub(crate) fn access_hash(peer: &InputPeer) -> Option<i64> {
    match peer {
        InputPeer::Channel(channel) => Some(channel.access_hash),
        _ => None,
    }
}

/// What an account remembers of channels and groups, by what they were asked for as.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<HashMap<String, Chat>>);

impl Peers {
    pub(crate) fn get(&self, chat: &str) -> Option<Chat> {
        self.lock().get(chat).map(|known| Chat { remembered: true, ..known.clone() })
    }

    pub(crate) fn remember(&self, chat: &str, known: Chat) {
        let mut peers = self.lock();
        if peers.len() >= MAX_PEERS {
            peers.clear();
        }
        peers.insert(chat.to_owned(), known);
    }

    pub(crate) fn forget(&self, chat: &str) {
        self.lock().remove(chat);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Chat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
