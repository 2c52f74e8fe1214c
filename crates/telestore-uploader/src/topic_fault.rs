use crate::{Error, ErrorKind};

/// What Telegram says of a topic that nothing can be sent to, by either API, and what that means. A Bot API server looks the topic
/// up itself; by MTProto it is a message that is answered to.
const FAULTS: [(&str, &str); 6] = [
    ("TOPIC_CLOSED", "its topic is closed: open it, or choose another one"),
    ("TOPIC_DELETED", "its topic was deleted: choose another one"),
    ("MESSAGE THREAD NOT FOUND", NONE),
    ("TOPIC_ID_INVALID", NONE),
    ("MSG_ID_INVALID", NONE),
    ("REPLY_MESSAGE_ID_INVALID", NONE),
];

const NONE: &str = "the chat has no topic of this number: choose one that it has, or none if it is no forum";

/// The error that Telegram's words stand for, if they are about the topic.
pub(crate) fn in_text(said: &str) -> Option<Error> {
    let said = said.to_ascii_uppercase();
    let (_, why) = FAULTS.iter().find(|(words, _)| said.contains(words))?;
    Some(Error::new(ErrorKind::Rejected, format!("Telegram refused the file: {why}")))
}
