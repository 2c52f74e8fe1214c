//! Answers of the right type, as large or as deep as wanted.

use grammers_tl_types::{Identifiable, Serializable, types};

use super::gzip;

const GZIP_PACKED: u32 = 0x3072_cfa1;
const VECTOR: u32 = 0x1cb5_c415;
/// The flag that says that a message has media.
const HAS_MEDIA: u32 = 1 << 9;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `gzip_packed`.
pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut all = words(&[GZIP_PACKED]);
    gzip(bytes).serialize(&mut all);
    all
}

/// Paid media in paid media.
fn media(depth: usize) -> Vec<u8> {
    let paid = types::MessageMediaPaidMedia::CONSTRUCTOR_ID;
    let level = words(&[paid, 1, 0, VECTOR, 1, types::MessageExtendedMedia::CONSTRUCTOR_ID]);
    // The innermost one has none in it.
    [level.repeat(depth), words(&[paid, 1, 0, VECTOR, 0])].concat()
}

/// A message with such media.
fn message(depth: usize) -> Vec<u8> {
    let peer = [types::PeerChannel::CONSTRUCTOR_ID, 7, 0];
    let head = [&[types::Message::CONSTRUCTOR_ID, HAS_MEDIA, 0, 2][..], &peer, &[1, 0]].concat();
    [words(&head), media(depth)].concat()
}

/// An answer to `method` with media in media.
pub(super) fn nested(method: &str, depth: usize) -> Vec<u8> {
    match method {
        "messages.getDialogs" => {
            let head = words(&[types::messages::Dialogs::CONSTRUCTOR_ID, VECTOR, 0, VECTOR, 1]);
            [head, message(depth), words(&[VECTOR, 0, VECTOR, 0])].concat()
        }
        "channels.getMessages" | "messages.getMessages" => {
            let head = words(&[types::messages::Messages::CONSTRUCTOR_ID, VECTOR, 1]);
            [head, message(depth), words(&[VECTOR, 0, VECTOR, 0, VECTOR, 0])].concat()
        }
        _ => {
            let head = [types::UpdateShortSentMessage::CONSTRUCTOR_ID, HAS_MEDIA, 2, 1, 1, 1];
            [words(&head), media(depth)].concat()
        }
    }
}

/// An answer to `method` with a vector of so many objects.
pub(super) fn vector(method: &str, count: u32) -> Vec<u8> {
    let many = |object: &[u32]| words(object).repeat(count as usize);
    match method {
        "messages.getDialogs" => {
            let head =
                [types::messages::Dialogs::CONSTRUCTOR_ID, VECTOR, 0, VECTOR, 0, VECTOR, 0, VECTOR, count];
            [words(&head), many(&[types::UserEmpty::CONSTRUCTOR_ID, 1, 0])].concat()
        }
        "channels.getMessages" | "messages.getMessages" => {
            let head = words(&[types::messages::Messages::CONSTRUCTOR_ID, VECTOR, count]);
            let messages = many(&[types::MessageEmpty::CONSTRUCTOR_ID, 0, 1]);
            [head, messages, words(&[VECTOR, 0, VECTOR, 0, VECTOR, 0])].concat()
        }
        _ => {
            let head = words(&[types::Updates::CONSTRUCTOR_ID, VECTOR, count]);
            let updates = many(&[types::UpdateConfig::CONSTRUCTOR_ID]);
            [head, updates, words(&[VECTOR, 0, VECTOR, 0, 0, 0])].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use grammers_tl_types::{Deserializable, enums};

    use super::*;

    #[test]
    fn they_are_what_clients_expect() {
        for bytes in [nested("messages.sendMedia", 3), vector("messages.sendMedia", 3)] {
            assert_eq!(enums::Updates::from_bytes(&bytes).expect("updates").to_bytes(), bytes);
        }
        for bytes in [nested("messages.getDialogs", 3), vector("messages.getDialogs", 3)] {
            assert_eq!(enums::messages::Dialogs::from_bytes(&bytes).expect("dialogs").to_bytes(), bytes);
        }
        for bytes in [nested("channels.getMessages", 3), vector("channels.getMessages", 3)] {
            assert_eq!(enums::messages::Messages::from_bytes(&bytes).expect("messages").to_bytes(), bytes);
        }
    }
}
