//! A message as the sandbox shows it.

use std::path::PathBuf;

use grammers_tl_types as tl;
use serde::{Deserialize, Serialize};

use crate::entities::SandboxEntity;
use crate::media::{Kind, SandboxMedia};
use crate::standing::Who;

/// The way a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// `sendDocument` or `sendMessage` of the Bot API.
    BotApi,
    /// `messages.sendMedia` or `messages.sendMessage`.
    Mtproto,
}

/// A message of a channel. A plain text message has no file: its size is 0 and its path empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SandboxMessage {
    /// Increasing within the channel; 1 is the creation of the channel.
    pub message_id: i32,
    /// The channel as the Bot API writes it (`-100…`).
    pub channel_id: i64,
    /// The `user_id` of the user whose account or bot sent it.
    pub user_id: String,
    /// The way it came in.
    pub via: Via,
    /// Name of the file, as Telegram stores it: see the rules for names.
    pub file_name: String,
    /// Name of the file, as sent.
    #[serde(default)]
    pub sent_name: String,
    /// Caption of the document, or text of a text message.
    pub caption: String,
    /// What parts of the caption look like.
    #[serde(default)]
    pub entities: Vec<SandboxEntity>,
    /// The topic that it is in.
    #[serde(default)]
    pub topic_id: Option<i32>,
    /// Whether it notified nobody.
    #[serde(default)]
    pub silent: bool,
    /// MIME type, as sent or guessed by the Bot API.
    pub mime_type: String,
    /// Size of the file.
    pub size: u64,
    /// SHA-256 of the file in hexadecimal; empty if hashing is off.
    pub sha256: String,
    /// Where the file lies.
    pub path: PathBuf,
    /// The Bot API's `file_id`.
    pub file_id: String,
    /// The Bot API's `file_unique_id`.
    pub file_unique_id: String,
    /// The MTProto document id; 0 for a text message.
    pub document_id: i64,
    /// The `random_id` of an MTProto message.
    pub random_id: Option<i64>,
    /// Whether the sender asked for a document rather than for media (`force_file`, or
    /// `disable_content_type_detection`).
    pub force_file: bool,
    /// What the file is to Telegram.
    #[serde(default)]
    pub kind: Kind,
    /// What its sender says of a video or a piece of music; of a photo, its size.
    #[serde(default)]
    pub media: Option<SandboxMedia>,
    /// SHA-256 in hexadecimal of the picture that stands for the file, if its sender gave one that Telegram takes.
    #[serde(default)]
    pub thumbnail: Option<String>,
    /// The document attributes, as a person would name them.
    pub attributes: Vec<String>,
    /// Unix time of the message.
    pub date: i64,
}

/// A message with what only the servers need.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) public: SandboxMessage,
    pub(crate) attributes: Vec<tl::enums::DocumentAttribute>,
    /// Whose it is: an account and its bot have one `user_id`, and either API may have been the bot's.
    pub(crate) sender: Who,
}

impl StoredMessage {
    pub(crate) fn has_document(&self) -> bool {
        self.public.document_id != 0
    }

    /// Good for one account only, as the file reference is.
    pub(crate) fn access_hash(&self, who: &Who) -> i64 {
        who.access_hash(format_args!("document {}", self.public.document_id))
    }

    /// Clients treat it as opaque; it only has to come back unchanged.
    pub(crate) fn file_reference(&self, who: &Who) -> Vec<u8> {
        let mut reference = vec![2];
        reference.extend(self.public.message_id.to_be_bytes());
        reference.extend(self.access_hash(who).to_be_bytes());
        reference
    }
}

/// A message before it has a number.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) sender: Who,
    pub(crate) via: Via,
    pub(crate) caption: String,
    pub(crate) entities: Vec<SandboxEntity>,
    pub(crate) topic_id: Option<i32>,
    pub(crate) silent: bool,
    pub(crate) random_id: Option<i64>,
    pub(crate) document: Option<DraftDocument>,
}

/// A file before it lies in a channel's folder.
#[derive(Clone, Debug)]
pub(crate) struct DraftDocument {
    /// Moved, not copied.
    pub(crate) from: PathBuf,
    /// The id that it has already, if somebody was told of it.
    pub(crate) document_id: Option<i64>,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// What came, and what of it comes to Telegram.
    pub(crate) sent_name: String,
    pub(crate) file_name: String,
    pub(crate) mime_type: String,
    pub(crate) force_file: bool,
    pub(crate) kind: Kind,
    /// The sides of a photo.
    pub(crate) photo: Option<(i32, i32)>,
    pub(crate) thumbnail: Option<String>,
    pub(crate) attributes: Vec<tl::enums::DocumentAttribute>,
}
