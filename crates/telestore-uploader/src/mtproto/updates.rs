use grammers_tl_types as tl;
use tl::enums::{InputChannel, InputMessage, InputPeer};

use super::answers::{self, Ask, MESSAGES_MAX, Object, SHORT};
use super::attempt::Attempt;
use crate::Result;

/// The message that an answer speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) message_id: i32,
    /// Missing where the answer names the message only.
    pub(crate) document_id: Option<i64>,
}

impl Ask for tl::functions::messages::SendMedia {
    type Answer = Option<Found>;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Option<Found>> {
        Ok(find(&Object::of("Updates", answer)?, self.random_id))
    }
}

/// Finds the message that was sent with `random_id`. An answer may speak of other messages too.
fn find(answer: &Object<'_>, random_id: i64) -> Option<Found> {
    if answer.is("updateShortSentMessage") {
        return described(answer);
    }
    // One, or a vector of them.
    let updates = || answer.object("update").into_iter().chain(answer.objects("updates"));
    let named = updates().find_map(|update| {
        let same = update.is("updateMessageID") && update.long("random_id") == Some(random_id);
        update.int("id").filter(|_| same)
    });
    let mut messages = updates().filter_map(|update| new_message(&update));
    match named {
        Some(message_id) => {
            let document_id =
                messages.find(|found| found.message_id == message_id).and_then(|found| found.document_id);
            Some(Found { message_id, document_id })
        }
        // Nothing names it, but there is one file only.
        None => messages.next().filter(|found| found.document_id.is_some() && messages.next().is_none()),
    }
}

impl Ask for tl::functions::channels::GetMessages {
    type Answer = Option<Found>;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Option<Found>> {
        find_one(answer, &self.id)
    }
}

impl Ask for tl::functions::messages::GetMessages {
    type Answer = Option<Found>;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Option<Found>> {
        find_one(answer, &self.id)
    }
}

/// The first of the messages that were asked for.
fn find_one(answer: &[u8], asked: &[InputMessage]) -> answers::Result<Option<Found>> {
    let is_asked = |found: &Found| {
        asked.iter().any(|id| matches!(id, InputMessage::Id(id) if id.id == found.message_id))
    };
    let messages = Object::of("messages.Messages", answer)?.objects("messages");
    Ok(messages
        .filter(|message| message.is("message"))
        .filter_map(|message| described(&message))
        .find(is_asked))
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
    found.ok()??.document_id
}

impl Ask for tl::functions::channels::DeleteMessages {
    type Answer = i32;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> answers::Result<i32> {
        affected(answer)
    }
}

impl Ask for tl::functions::messages::DeleteMessages {
    type Answer = i32;

    const ANSWER_MAX: usize = SHORT;

    fn read(&self, answer: &[u8]) -> answers::Result<i32> {
        affected(answer)
    }
}

fn affected(answer: &[u8]) -> answers::Result<i32> {
    let count = Object::of("messages.AffectedMessages", answer)?.int("pts_count");
    count.ok_or_else(|| "it names no messages".to_owned())
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
    Ok(affected > 0)
}

fn input_channel(peer: &tl::types::InputPeerChannel) -> InputChannel {
    tl::types::InputChannel { channel_id: peer.channel_id, access_hash: peer.access_hash }.into()
}

fn new_message(update: &Object<'_>) -> Option<Found> {
    let new = update.is("updateNewChannelMessage") || update.is("updateNewMessage");
    let message = new.then(|| update.object("message")).flatten()?;
    described(&message).filter(|_| message.is("message"))
}

/// What has an id, and maybe a document.
fn described(message: &Object<'_>) -> Option<Found> {
    let document = message
        .object("media")
        .filter(|media| media.is("messageMediaDocument"))
        .and_then(|media| media.object("document"))
        .filter(|document| document.is("document"));
    let document_id = document.and_then(|document| document.long("id"));
    Some(Found { message_id: message.int("id")?, document_id })
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::Serializable;
    use tl::enums::{Update, Updates};

    use super::*;

    fn named(id: i32, random_id: i64) -> Update {
        tl::types::UpdateMessageId { id, random_id }.into()
    }

    fn found(answer: &Updates, random_id: i64) -> Option<Found> {
        find(&Object::of("Updates", &answer.to_bytes()).expect("readable"), random_id)
    }

    #[test]
    fn finds_the_message_by_its_random_id() {
        let updates = vec![named(3, 30), named(4, 40)];
        let (users, chats, date, seq) = (vec![], vec![], 0, 0);
        let answer = tl::types::Updates { updates, users, chats, date, seq }.into();
        let expected = Some(Found { message_id: 4, document_id: None });
        assert_eq!(found(&answer, 40), expected);
        assert_eq!(found(&answer, 50), None);
        assert_eq!(found(&tl::types::UpdateShort { update: named(4, 40), date: 0 }.into(), 40), expected);
        assert_eq!(found(&Updates::TooLong, 40), None);
    }
}
