//! Making a message, and finding it in the answer.

use grammers_tl_types as tl;
use tl::enums::{InputMedia, InputPeer};

use super::message::{document, photo};
use crate::answers::{self, Ask, MESSAGES_MAX, Object};

/// The message that an answer speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Its id in the channel or group.
    pub message_id: i32,
    /// The id of its document or photo; `None` if the answer names the message only.
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
        Some(message_id) => {
            let document_id =
                messages.find(|found| found.message_id == message_id).and_then(|found| found.document_id);
            Some(Sent { message_id, document_id })
        }
        // Nothing names it, but there is one file only.
        None => messages.next().filter(|found| found.document_id.is_some() && messages.next().is_none()),
    }
}

fn new_message(update: &Object<'_>) -> Option<Sent> {
    let new = update.is("updateNewChannelMessage") || update.is("updateNewMessage");
    let message = new.then(|| update.object("message")).flatten()?;
    described(&message).filter(|_| message.is("message"))
}

/// What has an id, and maybe a document or a photo.
fn described(message: &Object<'_>) -> Option<Sent> {
    let file = document(message).or_else(|| photo(message));
    let document_id = file.and_then(|file| file.long("id"));
    Some(Sent { message_id: message.int("id")?, document_id })
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::Serializable;
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
        let expected = Some(Sent { message_id: 4, document_id: None });
        assert_eq!(found(&answer, 40), expected);
        assert_eq!(found(&answer, 50), None);
        assert_eq!(found(&tl::types::UpdateShort { update: named(4, 40), date: 0 }.into(), 40), expected);
        assert_eq!(found(&Updates::TooLong, 40), None);
    }
}
