use grammers_tl_types as tl;
use tl::enums::{Document, InputChannel, InputMessage, InputPeer, Message, MessageMedia, Update, Updates};

use super::attempt::Attempt;
use crate::Result;

/// The message that an answer speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) message_id: i32,
    /// Missing where the answer names the message only.
    pub(crate) document_id: Option<i64>,
}

/// Finds the message that was sent with `random_id`. An answer may speak of other messages too.
pub(crate) fn find(answer: &Updates, random_id: i64) -> Option<Found> {
    let updates: &[Update] = match answer {
        Updates::Updates(updates) => &updates.updates,
        Updates::Combined(updates) => &updates.updates,
        Updates::UpdateShort(short) => std::slice::from_ref(&short.update),
        Updates::UpdateShortSentMessage(sent) => {
            let document_id = sent.media.as_ref().and_then(document_of);
            return Some(Found { message_id: sent.id, document_id });
        }
        _ => return None,
    };
    let named = updates.iter().find_map(|update| match update {
        Update::MessageId(of) if of.random_id == random_id => Some(of.id),
        _ => None,
    });
    let messages: Vec<_> = updates.iter().filter_map(new_message).collect();
    match (named, messages.as_slice()) {
        (Some(id), all) => {
            let document_id =
                all.iter().find(|found| found.message_id == id).and_then(|found| found.document_id);
            Some(Found { message_id: id, document_id })
        }
        // Nothing names it, but there is one file only.
        (None, [found]) if found.document_id.is_some() => Some(*found),
        (None, _) => None,
    }
}

/// Asks for the document of a message whose id is known.
pub(crate) async fn look_up(attempt: &Attempt<'_>, peer: &InputPeer, message_id: i32) -> Option<i64> {
    let id = vec![InputMessage::Id(tl::types::InputMessageId { id: message_id })];
    let found = match peer {
        InputPeer::Channel(peer) => {
            let channel = input_channel(peer);
            attempt.call(&tl::functions::channels::GetMessages { channel, id }).await
        }
        _ => attempt.call(&tl::functions::messages::GetMessages { id }).await,
    };
    let messages = match found.ok()? {
        tl::enums::messages::Messages::Messages(all) => all.messages,
        tl::enums::messages::Messages::Slice(slice) => slice.messages,
        tl::enums::messages::Messages::ChannelMessages(all) => all.messages,
        tl::enums::messages::Messages::NotModified(_) => return None,
    };
    messages.iter().filter_map(described).find(|found| found.message_id == message_id)?.document_id
}

/// Deletes a message for everybody, and says whether there was one to delete.
pub(crate) async fn delete(attempt: &Attempt<'_>, peer: &InputPeer, message_id: i32) -> Result<bool> {
    let id = vec![message_id];
    let affected = match peer {
        InputPeer::Channel(peer) => {
            let channel = input_channel(peer);
            attempt.call(&tl::functions::channels::DeleteMessages { channel, id }).await?
        }
        _ => attempt.call(&tl::functions::messages::DeleteMessages { revoke: true, id }).await?,
    };
    let tl::enums::messages::AffectedMessages::Messages(affected) = affected;
    Ok(affected.pts_count > 0)
}

fn input_channel(peer: &tl::types::InputPeerChannel) -> InputChannel {
    tl::types::InputChannel { channel_id: peer.channel_id, access_hash: peer.access_hash }.into()
}

fn new_message(update: &Update) -> Option<Found> {
    match update {
        Update::NewChannelMessage(new) => described(&new.message),
        Update::NewMessage(new) => described(&new.message),
        _ => None,
    }
}

fn described(message: &Message) -> Option<Found> {
    match message {
        Message::Message(message) => {
            let document_id = message.media.as_ref().and_then(document_of);
            Some(Found { message_id: message.id, document_id })
        }
        _ => None,
    }
}

fn document_of(media: &MessageMedia) -> Option<i64> {
    match media {
        MessageMedia::Document(media) => match media.document.as_ref()? {
            Document::Document(document) => Some(document.id),
            Document::Empty(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: i32, random_id: i64) -> Update {
        tl::types::UpdateMessageId { id, random_id }.into()
    }

    fn answer(updates: Vec<Update>) -> Updates {
        tl::types::Updates { updates, users: vec![], chats: vec![], date: 0, seq: 0 }.into()
    }

    #[test]
    fn finds_the_message_by_its_random_id() {
        let answer = answer(vec![named(3, 30), named(4, 40)]);
        assert_eq!(find(&answer, 40), Some(Found { message_id: 4, document_id: None }));
        assert_eq!(find(&answer, 50), None);
        assert_eq!(find(&Updates::TooLong, 40), None);
    }
}
