use serde::Serialize;
use telestore::types::{Encoded, FileDigest, FileId, StoredMessage};
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

/// What is said of a file that is in the channel, where there is something to say.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Became {
    /// Whether the messages hold it compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    compressed: Option<bool>,
    /// Whether the messages hold it encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encrypted: Option<bool>,
    /// The file that it is now: its `id` in `/files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    file: Option<FileId>,
    /// The SHA-256 of its bytes in hexadecimal digits, if the client has said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    sha256: Option<FileDigest>,
}

impl Became {
    /// This file.
    pub(crate) fn of(file: Option<FileId>, sha256: Option<FileDigest>, encoded: Encoded) -> Self {
        let said = |flag: bool| flag.then_some(true);
        Self { compressed: said(encoded.compressed), encrypted: said(encoded.encrypted), file, sha256 }
    }
}
