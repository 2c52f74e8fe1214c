//! Making a message, and finding it in the answer.

use grammers_tl_types as tl;
use tl::enums::{InputMedia, InputPeer};

use super::message::{document, photo};
use crate::answers::{self, Ask, MESSAGES_MAX, Object};

/// What became of a message that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// It is in the channel or group.
    Message {
        /// Its id there.
        message_id: i32,
        /// The id of its document or photo; `None` if the answer names the message only.
        document_id: Option<i64>,
    },
    /// Telegram converts its video first, and makes the message then. <https://core.telegram.org/api/files#video-qualities>
    Pending(Scheduled),
}

/// A message that Telegram will make once it has converted its video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scheduled {
    /// Its id among the scheduled messages of the chat. The message will have another one, and this one may be that of
    /// another message.
    pub id: i32,
    /// The id of its document, if the answer names it.
    pub document_id: Option<i64>,
}

/// The call that makes a message with a file and its caption, and nothing else that a message may have. All calls with one
/// `random_id`, which must not be zero, make one message.
pub fn media_message(
    peer: InputPeer,
    media: InputMedia,
    message: String,
    random_id: i64,
) -> tl::functions::messages::SendMedia {
    tl::functions::messages::SendMedia {
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer,
        reply_to: None,
        media,
        message,
        random_id,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
    }
}

impl Ask for tl::functions::messages::SendMedia {
    type Answer = Option<Sent>;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Option<Sent>> {
        Ok(find(&Object::of("Updates", answer)?, self.random_id))
    }
}

/// Finds the message that was sent with `random_id`. An answer may speak of other messages too.
fn find(answer: &Object<'_>, random_id: i64) -> Option<Sent> {
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
        // Both kinds of numbers begin at one: that of a scheduled message is told by its own update only.
        Some(id) => messages
            .find(|found| found.id() == id)
            .or(Some(Sent::Message { message_id: id, document_id: None })),
        // Nothing names it, but there is one file only.
        None => messages.next().filter(|found| found.document_id().is_some() && messages.next().is_none()),
    }
}

fn new_message(update: &Object<'_>) -> Option<Sent> {
    let scheduled = update.is("updateNewScheduledMessage");
    let new = scheduled || update.is("updateNewChannelMessage") || update.is("updateNewMessage");
    let message = new.then(|| update.object("message")).flatten()?;
    let found = described(&message).filter(|_| message.is("message"))?;
    Some(if scheduled { found.pending() } else { found })
}

/// What has an id, and maybe a document or a photo.
fn described(message: &Object<'_>) -> Option<Sent> {
    let file = document(message).or_else(|| photo(message));
    let document_id = file.and_then(|file| file.long("id"));
    Some(Sent::Message { message_id: message.int("id")?, document_id })
}

impl Sent {
    fn id(&self) -> i32 {
        match self {
            Self::Message { message_id: id, .. } | Self::Pending(Scheduled { id, .. }) => *id,
        }
    }

    fn document_id(&self) -> Option<i64> {
        match self {
            Self::Message { document_id, .. } | Self::Pending(Scheduled { document_id, .. }) => *document_id,
        }
    }

    fn pending(self) -> Self {
        Self::Pending(Scheduled { id: self.id(), document_id: self.document_id() })
    }
}

impl Scheduled {
    /// A message that an earlier call has told of.
    pub fn new(id: i32, document_id: Option<i64>) -> Self {
        Self { id, document_id }
    }
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::{Deserializable, Serializable};
    use tl::enums::{Update, Updates};

    use super::*;

    fn named(id: i32, random_id: i64) -> Update {
        tl::types::UpdateMessageId { id, random_id }.into()
    }

    fn found(answer: &Updates, random_id: i64) -> Option<Sent> {
        find(&Object::of("Updates", &answer.to_bytes()).expect("readable"), random_id)
    }

    #[test]
    fn finds_the_message_by_its_random_id() {
        let updates = vec![named(3, 30), named(4, 40)];
        let (users, chats, date, seq) = (vec![], vec![], 0, 0);
        let answer = tl::types::Updates { updates, users, chats, date, seq }.into();
        let expected = Some(Sent::Message { message_id: 4, document_id: None });
        assert_eq!(found(&answer, 40), expected);
        assert_eq!(found(&answer, 50), None);
        assert_eq!(found(&tl::types::UpdateShort { update: named(4, 40), date: 0 }.into(), 40), expected);
        assert_eq!(found(&Updates::TooLong, 40), None);
    }

    /// A message with nothing but what it must have.
    fn message(id: i32) -> tl::enums::Message {
        let mut fields = [0; 8].to_vec();
        id.serialize(&mut fields);
        tl::enums::Peer::from(tl::types::PeerChannel { channel_id: 1 }).serialize(&mut fields);
        100_i32.serialize(&mut fields);
        String::new().serialize(&mut fields);
        tl::enums::Message::Message(tl::types::Message::from_bytes(&fields).expect("the mandatory fields"))
    }

    #[test]
    fn the_number_of_a_scheduled_message_is_not_taken_for_that_of_a_message() {
        let new = |id| tl::types::UpdateNewScheduledMessage { message: message(id) }.into();
        let posted = |id| tl::types::UpdateNewMessage { message: message(id), pts: 1, pts_count: 1 }.into();
        let answer = |updates| {
            let (users, chats, date, seq) = (vec![], vec![], 0, 0);
            tl::types::Updates { updates, users, chats, date, seq }.into()
        };
        let pending = Some(Sent::Pending(Scheduled::new(4, None)));
        assert_eq!(found(&answer(vec![named(4, 40), new(4)]), 40), pending);
        assert_eq!(found(&answer(vec![new(4), posted(5), named(4, 40)]), 40), pending);
        let message = Some(Sent::Message { message_id: 4, document_id: None });
        assert_eq!(found(&answer(vec![new(5), posted(4), named(4, 40)]), 40), message);
    }
}
