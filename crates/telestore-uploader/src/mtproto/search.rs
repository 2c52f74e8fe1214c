//! Finds a message that Telegram made and does not name: where it answers nothing but `RANDOM_ID_DUPLICATE`, a call with
//! the same `random_id` was taken before, and its message is in the channel, or will be.
//!
//! A post of a channel has no sender and no `random_id`. Ours is one that this account posted (`out`), with the caption and
//! the size of the file, made since the message was asked for first, by Telegram's own time, and not the message of another
//! file of this account. Where that leaves two, neither is taken: a file must not be called sent because its twin was.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use grammers_tl_types as tl;
use tl::enums::InputPeer;

use super::answers::{self, Ask, Object, PAGE_MAX};
use super::attempt::Attempt;
use super::rpc::CallError;

/// What Telegram gives at once. <https://core.telegram.org/api/offsets>
const PAGE: i32 = 100;

/// How many pages are looked through. What was posted behind so many others was asked for long ago.
const MAX_PAGES: usize = 20;

/// How many messages of an account are remembered as those of other files.
const REMEMBERED: usize = 1024;

/// A message of a history, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) message_id: i32,
    date: i64,
    own: bool,
    caption: Vec<u8>,
    /// The document's size and id.
    document: Option<(i64, i64)>,
}

/// What the message is known by.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) caption: &'a str,
    pub(crate) length: u64,
    /// When it was asked for first, in Telegram's seconds since 1970.
    pub(crate) since: i64,
}

impl Wanted<'_> {
    fn is(&self, post: &Post) -> bool {
        let size = post.document.and_then(|(size, _)| u64::try_from(size).ok());
        post.own
            && post.date >= self.since
            && size == Some(self.length)
            && post.caption == self.caption.as_bytes()
    }
}

impl Ask for tl::functions::messages::GetHistory {
    type Answer = Vec<Post>;

    const ANSWER_MAX: usize = PAGE_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Vec<Post>> {
        let messages = Object::of("messages.Messages", answer)?.objects("messages");
        Ok(messages.take(PAGE as usize).filter_map(|message| post(&message)).collect())
    }
}

/// Service messages and empty ones are read, too: the next page begins behind them.
fn post(message: &Object<'_>) -> Option<Post> {
    let document = message
        .object("media")
        .filter(|media| media.is("messageMediaDocument"))
        .and_then(|media| media.object("document"))
        .filter(|document| document.is("document"));
    Some(Post {
        message_id: message.int("id")?,
        // One without a date is older than nothing.
        date: message.int("date").map_or(i64::MAX, i64::from),
        own: message.is("message") && message.has("out"),
        caption: message.text("message").unwrap_or_default().to_vec(),
        document: document.and_then(|document| document.long("size").zip(document.long("id"))),
    })
}

/// Asks for the newest messages that are older than `offset_id`, or than nothing where that is zero.
pub(super) fn page(peer: InputPeer, offset_id: i32) -> tl::functions::messages::GetHistory {
    tl::functions::messages::GetHistory {
        peer,
        offset_id,
        offset_date: 0,
        add_offset: 0,
        limit: PAGE,
        max_id: 0,
        min_id: 0,
        hash: 0,
    }
}

/// Looks for the message from the newest one back to when it was asked for. Gives its id and that of its document.
///
/// # Errors
/// Where Telegram does not let this account look: bots may not.
pub(crate) async fn find(
    attempt: &Attempt<'_>,
    peer: &InputPeer,
    wanted: &Wanted<'_>,
) -> Result<Option<(i32, i64)>, CallError> {
    let mut found = Vec::new();
    let mut request = page(peer.clone(), 0);
    for _ in 0..MAX_PAGES {
        let posts = attempt.call(&request).await?;
        found.extend(posts.iter().filter(|post| wanted.is(post)).cloned());
        let older = posts.iter().map(|post| post.message_id).min();
        let Some(older) = older.filter(|id| request.offset_id == 0 || *id < request.offset_id) else { break };
        if posts.iter().any(|post| post.date < wanted.since) {
            break;
        }
        request.offset_id = older;
    }
    found.retain(|post| !attempt.account.made().holds(peer, post.message_id));
    Ok(match &found[..] {
        [Post { message_id, document: Some((_, id)), .. }] => Some((*message_id, *id)),
        _ => None,
    })
}

/// The messages that an account made last: each is the message of one file. Credentials name a chat in several ways, and
/// Telegram in one.
#[derive(Debug, Default)]
pub(crate) struct Made(Mutex<VecDeque<(InputPeer, i32)>>);

impl Made {
    pub(crate) fn note(&self, peer: &InputPeer, message_id: i32) {
        let mut made = self.lock();
        if made.len() >= REMEMBERED {
            made.pop_front();
        }
        made.push_back((peer.clone(), message_id));
    }

    fn holds(&self, peer: &InputPeer, message_id: i32) -> bool {
        self.lock().iter().any(|(of, id)| (of, *id) == (peer, message_id))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(InputPeer, i32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Post {
        Post { message_id: 7, date: 100, own: true, caption: b"c".to_vec(), document: Some((10, 5)) }
    }

    #[test]
    fn only_our_own_post_since_then_is_it() {
        let wanted = Wanted { caption: "c", length: 10, since: 100 };
        assert!(wanted.is(&ours()));
        for other in [
            Post { date: 99, ..ours() },
            Post { own: false, ..ours() },
            Post { caption: b"other".to_vec(), ..ours() },
            Post { document: Some((11, 5)), ..ours() },
            Post { document: Some((-10, 5)), ..ours() },
            Post { document: None, ..ours() },
        ] {
            assert!(!wanted.is(&other), "{other:?}");
        }
    }

    #[test]
    fn what_was_made_for_another_file_is_remembered_for_a_while() {
        let made = Made::default();
        let peer = |chat_id| InputPeer::from(tl::types::InputPeerChat { chat_id });
        (0..=REMEMBERED as i32).for_each(|id| made.note(&peer(1), id));
        assert!(made.holds(&peer(1), 1) && made.holds(&peer(1), REMEMBERED as i32));
        assert!(!made.holds(&peer(1), 0) && !made.holds(&peer(2), 1));
    }
}
