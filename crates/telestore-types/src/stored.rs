use serde::{Deserialize, Serialize};

/// How Telegram names the file, which depends on the API that took it.
///
/// The two are different things: a Bot API `file_id` means nothing to MTProto, and a document id means nothing to a
/// bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredAs {
    /// Sent by a bot.
    BotApi {
        /// What `getFile` and `sendDocument` take.
        file_id: String,
    },
    /// Sent by an account.
    Mtproto {
        /// The id of the document.
        document_id: i64,
    },
}

/// What Telegram gave back for a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// The message in the channel.
    pub message_id: i64,
    /// The file in the message.
    pub stored_as: StoredAs,
}

impl StoredFile {
    /// The `fileId` of the documented API: the Bot API's `file_id`, or the document id in decimal digits.
    pub fn file_id(&self) -> String {
        match &self.stored_as {
            StoredAs::BotApi { file_id } => file_id.clone(),
            StoredAs::Mtproto { document_id } => document_id.to_string(),
        }
    }
}
