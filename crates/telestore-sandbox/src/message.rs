//! A message as the sandbox shows it.

use std::path::PathBuf;

use grammers_tl_types as tl;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entities::SandboxEntity;
use crate::media::{Kind, SandboxMedia};
use crate::references::Reference;
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
    /// The Bot API's `file_id`, for the bot of [`user_id`](Self::user_id). Other bots have others:
    /// [`Sandbox::file_id_for`](crate::Sandbox::file_id_for).
    pub file_id: String,
    /// The Bot API's `file_unique_id`: the same for all bots, and for all messages of one document.
    pub file_unique_id: String,
    /// The MTProto document id; 0 for a text message.
    pub document_id: i64,
    /// The data centre that the document lies in; 0 for a text message.
    #[serde(default)]
    pub dc_id: i32,
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

/// The beginning of every `file_id`.
const FILE_ID: &str = "BQACAgQAAx0C";

/// A `file_id` that ends in these bytes.
pub(crate) fn file_id(end: [u8; 32]) -> String {
    use base64::Engine;
    format!("{FILE_ID}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(end))
}

/// Whether some bot may have it for some file.
pub(crate) fn looks_like_file_id(text: &str) -> bool {
    use base64::Engine;
    let end = text.strip_prefix(FILE_ID);
    let bytes = end.and_then(|end| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(end).ok());
    bytes.is_some_and(|bytes| bytes.len() == 32)
}

impl SandboxMessage {
    /// The Bot API's `file_id` for the bot of `user_id`: "can't be used with another bot",
    /// <https://core.telegram.org/bots/api#file>.
    pub(crate) fn file_id_for(&self, user_id: &str) -> String {
        if user_id == self.user_id || self.file_id.is_empty() {
            return self.file_id.clone();
        }
        file_id(Sha256::digest(format!("{} {user_id}", self.file_id)).into())
    }
}

/// A message with what only the servers need.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) public: SandboxMessage,
    pub(crate) attributes: Vec<tl::enums::DocumentAttribute>,
    /// How often its file references have expired.
    pub(crate) expired: u32,
    /// Whose it is: an account and its bot have one `user_id`, and either API may have been the bot's.
    pub(crate) sender: Who,
}

impl StoredMessage {
    pub(crate) fn has_document(&self) -> bool {
        self.public.document_id != 0
    }

    /// See [`SandboxMessage::file_id_for`].
    pub(crate) fn file_id(&self, user_id: &str) -> String {
        self.public.file_id_for(user_id)
    }

    /// Whether its file is the photo, or else the document, of this id.
    pub(crate) fn holds_file(&self, id: i64, photo: bool) -> bool {
        self.has_document() && self.public.document_id == id && (self.public.kind == Kind::Photo) == photo
    }

    /// Good for one account only, as the file reference is.
    pub(crate) fn access_hash(&self, who: &Who) -> i64 {
        who.access_hash(format_args!("document {}", self.public.document_id))
    }

    /// What the message gives out now.
    pub(crate) fn reference(&self) -> Reference {
        let SandboxMessage { channel_id, message_id, .. } = self.public;
        Reference { channel_id, message_id, count: self.expired }
    }

    pub(crate) fn file_reference(&self, who: &Who) -> Vec<u8> {
        self.reference().seal(self.public.document_id, who)
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
    /// The data centre that it lies in.
    pub(crate) dc_id: i32,
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
