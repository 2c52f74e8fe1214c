use serde::{Deserialize, Serialize};

use crate::{ChatId, SendAs};

/// How a message's file is named by the API that took it.
///
/// The names are different things: a Bot API `file_id` means nothing to MTProto, and a document id means nothing to a
/// bot. More APIs may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
    /// Sent by a backend that this crate does not know.
    Other {
        /// The backend's name for itself, such as `folder`.
        kind: String,
        /// The backend's name for the file.
        file_id: String,
    },
}

impl StoredAs {
    /// The name of the backend that sent it, as it calls itself.
    pub fn backend(&self) -> &str {
        match self {
            Self::BotApi { .. } => "Bot API",
            Self::Mtproto { .. } => "MTProto",
            Self::Other { kind, .. } => kind,
        }
    }

    /// The `fileId` of the documented API: the Bot API's `file_id`, the document id in decimal digits, or what another
    /// backend calls it.
    pub fn file_id(&self) -> String {
        match self {
            Self::BotApi { file_id } | Self::Other { file_id, .. } => file_id.clone(),
            Self::Mtproto { document_id } => document_id.to_string(),
        }
    }
}

/// One message that holds a file, or one piece of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoredMessage {
    /// The chat that the message is in. `None` if it was stored before chats were kept; then it is in the chat of the
    /// credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<ChatId>,
    /// The number of the message in its chat.
    pub message_id: i64,
    /// Where its bytes begin in the file, in bytes.
    pub offset: u64,
    /// How many bytes of the file it holds.
    pub size: u64,
    /// The name of its file.
    pub stored_as: StoredAs,
    /// As what it shows the file.
    #[serde(default, skip_serializing_if = "is_document")]
    pub send_as: SendAs,
}

fn is_document(send_as: &SendAs) -> bool {
    *send_as == SendAs::Document
}

impl StoredMessage {
    /// A message that holds the first `size` bytes of a file.
    pub fn new(message_id: i64, stored_as: StoredAs, size: u64) -> Self {
        Self { chat_id: None, message_id, offset: 0, size, stored_as, send_as: SendAs::Document }
    }

    /// Says which chat the message is in.
    #[must_use]
    pub fn in_chat(self, chat_id: ChatId) -> Self {
        Self { chat_id: Some(chat_id), ..self }
    }

    /// Says as what it shows the file.
    #[must_use]
    pub fn sent_as(self, send_as: SendAs) -> Self {
        Self { send_as, ..self }
    }

    /// Says where its bytes begin in the file.
    #[must_use]
    pub fn at(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// The `fileId` of the documented API; see [`StoredAs::file_id`].
    pub fn file_id(&self) -> String {
        self.stored_as.file_id()
    }

    /// Whether it is known to be in a channel or supergroup, where its number means the same to all accounts.
    pub fn is_in_channel(&self) -> bool {
        self.chat_id.as_ref().is_some_and(|chat| chat.channel_id().is_some())
    }

    /// The numbers of messages, for a person: `7, 8`.
    pub fn numbers<'a>(messages: impl IntoIterator<Item = &'a Self>) -> String {
        let numbers: Vec<_> = messages.into_iter().map(|message| message.message_id.to_string()).collect();
        numbers.join(", ")
    }

    /// The address that Telegram's clients open the message by; in the topic that the message `thread` opened, if there is one. `None` if there is none: messages of
    /// channels and supergroups have addresses, those of basic groups and of persons have none.
    ///
    /// ```
    /// use telestore_types::{ChatId, StoredAs, StoredMessage};
    ///
    /// let message = StoredMessage::new(7, StoredAs::Mtproto { document_id: 70 }, 500);
    /// let of = |chat: &str| message.clone().in_chat(ChatId::new(chat).unwrap());
    /// assert_eq!(of("-1001234567890").link(None).unwrap(), "https://t.me/c/1234567890/7");
    /// assert_eq!(of("-1001234567890").link(Some(3)).unwrap(), "https://t.me/c/1234567890/3/7");
    /// assert_eq!(of("@holidays").link(None).unwrap(), "https://t.me/holidays/7");
    /// assert_eq!(of("-42").link(None), None, "a basic group");
    /// ```
    pub fn link(&self, thread: Option<i32>) -> Option<String> {
        let chat = self.chat_id.as_ref()?;
        let name = chat.as_str().strip_prefix('@').map(str::to_owned);
        let place = name.or_else(|| Some(format!("c/{}", chat.channel_id()?)))?;
        let topic = thread.map(|thread| format!("/{thread}")).unwrap_or_default();
        Some(format!("https://t.me/{place}{topic}/{}", self.message_id))
    }
}

/// What Telegram gave back for a file: the messages that hold it, in the order of its bytes. There is at least one.
///
/// ```
/// use telestore_types::{ChatId, StoredAs, StoredFile, StoredMessage};
///
/// let chat = ChatId::new("-1001234567890")?;
/// let document = |document_id| StoredAs::Mtproto { document_id };
/// let file = StoredFile::new(StoredMessage::new(7, document(70), 2_000).in_chat(chat.clone()))
///     .and(StoredMessage::new(8, document(80), 500).in_chat(chat));
/// assert_eq!((file.message_id(), file.file_id().as_str()), (7, "70"));
/// assert_eq!((file.messages()[1].offset, file.size()), (2_000, 2_500));
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Read")]
pub struct StoredFile {
    messages: Vec<StoredMessage>,
}

impl StoredFile {
    /// A file that begins with this message.
    pub fn new(first: StoredMessage) -> Self {
        Self { messages: vec![first] }
    }

    /// Those of these messages that there are, in the order of their bytes; `None` if there is none. Each says where its bytes
    /// begin: between them some may be missing, as long as the file is not whole.
    pub fn of(mut messages: Vec<StoredMessage>) -> Option<Self> {
        messages.sort_by_key(|message| message.offset);
        (!messages.is_empty()).then_some(Self { messages })
    }

    /// Those of its messages that `other` does not have.
    pub fn without(self, other: Option<&Self>) -> Option<Self> {
        let same =
            |a: &StoredMessage, b: &StoredMessage| (a.message_id, &a.chat_id) == (b.message_id, &b.chat_id);
        let stays = |message: &StoredMessage| {
            other.is_some_and(|other| other.messages.iter().any(|one| same(one, message)))
        };
        Self::of(self.messages.into_iter().filter(|message| !stays(message)).collect())
    }

    /// Adds the message that holds the next bytes, and says where they begin.
    #[must_use]
    pub fn and(mut self, next: StoredMessage) -> Self {
        let offset = self.size();
        self.messages.push(next.at(offset));
        self
    }

    /// All messages, in the order of their bytes.
    pub fn messages(&self) -> &[StoredMessage] {
        &self.messages
    }

    /// The message that holds the beginning of the file.
    pub fn first(&self) -> &StoredMessage {
        // No constructor makes a file without messages.
        &self.messages[0]
    }

    /// The number of the first message.
    pub fn message_id(&self) -> i64 {
        self.first().message_id
    }

    /// The `fileId` of the documented API, of the first message.
    pub fn file_id(&self) -> String {
        self.first().file_id()
    }

    /// How many bytes the messages hold together.
    pub fn size(&self) -> u64 {
        self.messages.iter().map(|message| message.size).sum()
    }

    /// Says how long the file is, if that was not kept: then its one message holds all of it.
    #[must_use]
    pub fn of_size(mut self, size: u64) -> Self {
        if let [only] = self.messages.as_mut_slice()
            && only.size == 0
        {
            only.size = size;
        }
        self
    }
}

/// What a stored file is in the channel: other bytes than were uploaded, or the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Encoded {
    /// It is encrypted by age.
    pub encrypted: bool,
    /// It is compressed by zstd, before it was encrypted.
    pub compressed: bool,
}

/// What was written of a file: now, and when a file was always one message.
#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Messages { messages: Vec<StoredMessage> },
    One { message_id: i64, stored_as: StoredAs },
}

impl TryFrom<Read> for StoredFile {
    type Error = &'static str;

    fn try_from(read: Read) -> Result<Self, Self::Error> {
        match read {
            Read::Messages { messages } if messages.is_empty() => Err("a file is at least one message"),
            Read::Messages { messages } => Ok(Self { messages }),
            Read::One { message_id, stored_as } => {
                Ok(Self::new(StoredMessage::new(message_id, stored_as, 0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_wrote_is_one_message_of_the_whole_file() {
        let old = r#"{"message_id":12,"stored_as":{"bot_api":{"file_id":"f"}}}"#;
        let read: StoredFile = serde_json::from_str(old).unwrap();
        let expected = StoredMessage::new(12, StoredAs::BotApi { file_id: "f".to_owned() }, 99);
        assert_eq!(read.of_size(99), StoredFile::new(expected));
    }

    #[test]
    fn reads_back_what_it_wrote_and_nothing_without_a_message() {
        let kind = StoredAs::Other { kind: "folder".to_owned(), file_id: "7".to_owned() };
        let first = StoredMessage::new(1, StoredAs::Mtproto { document_id: -5 }, 4);
        let file =
            StoredFile::new(first.in_chat(ChatId::new("-1001").unwrap())).and(StoredMessage::new(2, kind, 3));
        let json = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<StoredFile>(&json).unwrap(), file);
        assert!(serde_json::from_str::<StoredFile>(r#"{"messages":[]}"#).is_err());
    }
}
