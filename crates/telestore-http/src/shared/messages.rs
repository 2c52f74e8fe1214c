use serde::Serialize;
use telestore::types::StoredMessage;
use utoipa::ToSchema;

/// One of several messages that hold a file.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    /// The Bot API's `file_id`, or with MTProto the document id in decimal digits.
    file_id: String,
    /// The message in the channel.
    message_id: i64,
    /// How many bytes of the file it holds.
    size: u64,
}

/// All messages of a file.
pub(crate) fn all(messages: &[StoredMessage]) -> Vec<Message> {
    let shown = |message: &StoredMessage| Message {
        file_id: message.file_id(),
        message_id: message.message_id,
        size: message.size,
    };
    messages.iter().map(shown).collect()
}

/// The messages of a file that is in several; the documented fields say all of one that is in one.
pub(crate) fn several(messages: &[StoredMessage]) -> Option<Vec<Message>> {
    (messages.len() > 1).then(|| all(messages))
}
