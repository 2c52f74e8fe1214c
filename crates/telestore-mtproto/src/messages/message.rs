use grammers_tl_types as tl;
use tl::enums::{InputMessage, InputPeer};

use super::input_channel;
use crate::answers::{self, Ask, MESSAGES_MAX, Object};
use crate::{Calls, Result};

/// A message of a channel or group, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its id in the channel or group.
    pub id: i32,
    /// When it was made, in Telegram's seconds since 1970.
    pub date: Option<i64>,
    /// Whether this account made it.
    pub own: bool,
    /// Its text, or the caption of its file.
    pub text: String,
    /// Its file.
    pub document: Option<Document>,
    /// The id of its photo: a message has a photo, or a file, or neither.
    pub photo_id: Option<i64>,
}

/// The file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Its id.
    pub id: i64,
    /// What calls name beside the id. Good for this account only.
    pub access_hash: i64,
    /// What calls name, too. It expires; to read the message again gives a new one.
    pub file_reference: Vec<u8>,
    /// The data centre that has the bytes.
    pub dc_id: i32,
    /// How many bytes it has.
    pub size: u64,
    /// The MIME type that it was sent with.
    pub mime_type: String,
    /// The name that it was sent with.
    pub file_name: Option<String>,
}

impl Message {
    /// The id of what the message holds beside its text: of its file, or of its photo.
    pub fn file_id(&self) -> Option<i64> {
        self.document.as_ref().map(|document| document.id).or(self.photo_id)
    }

    /// Reads any form of a message. Service messages and empty ones have an id only, and a date.
    pub(super) fn read(message: &Object<'_>) -> Option<Self> {
        Some(Self {
            id: message.int("id")?,
            date: message.int("date").map(i64::from),
            own: message.is("message") && message.has("out"),
            text: text(message, "message", TEXT_MAX).unwrap_or_default(),
            document: document(message).and_then(|document| Document::read(&document)),
            photo_id: photo(message).and_then(|photo| photo.long("id")),
        })
    }
}

impl Document {
    /// How [`Account::read_file`](crate::Account::read_file) names it, as long as its reference is good.
    pub fn location(&self) -> tl::enums::InputFileLocation {
        tl::types::InputDocumentFileLocation {
            id: self.id,
            access_hash: self.access_hash,
            file_reference: self.file_reference.clone(),
            // The file itself, and no picture of it.
            thumb_size: String::new(),
        }
        .into()
    }

    fn read(document: &Object<'_>) -> Option<Self> {
        let named = |attribute: Object<'_>| text(&attribute, "file_name", NAME_MAX);
        Some(Self {
            id: document.long("id")?,
            access_hash: document.long("access_hash")?,
            // One that is longer is none.
            file_reference: document.text("file_reference").filter(|bytes| bytes.len() <= NAME_MAX)?.to_vec(),
            dc_id: document.int("dc_id")?,
            // Less than nothing has nobody sent.
            size: document.long("size")?.try_into().unwrap_or_default(),
            mime_type: text(document, "mime_type", NAME_MAX)?,
            file_name: document.objects("attributes").find_map(named),
        })
    }
}

/// How long texts are that Telegram means, in bytes: what is behind that, somebody else says in its place.
const TEXT_MAX: usize = 64 * 1024;
const NAME_MAX: usize = 4 * 1024;

/// A text, up to so many bytes of it.
fn text(object: &Object<'_>, field: &str, most: usize) -> Option<String> {
    let text = object.text(field)?;
    Some(String::from_utf8_lossy(&text[..text.len().min(most)]).into_owned())
}

/// The document of a message, or of an update that describes one.
pub(super) fn document<'b>(message: &Object<'b>) -> Option<Object<'b>> {
    let media = message.object("media").filter(|media| media.is("messageMediaDocument"))?;
    media.object("document").filter(|document| document.is("document"))
}

/// The photo of a message, or of an update that describes one.
pub(super) fn photo<'b>(message: &Object<'b>) -> Option<Object<'b>> {
    let media = message.object("media").filter(|media| media.is("messageMediaPhoto"))?;
    media.object("photo").filter(|photo| photo.is("photo"))
}

impl Ask for tl::functions::channels::GetMessages {
    type Answer = Option<Message>;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Option<Message>> {
        find_one(answer, &self.id)
    }
}

impl Ask for tl::functions::messages::GetMessages {
    type Answer = Option<Message>;

    const ANSWER_MAX: usize = MESSAGES_MAX;

    fn read(&self, answer: &[u8]) -> answers::Result<Option<Message>> {
        find_one(answer, &self.id)
    }
}

/// The first of the messages that were asked for.
fn find_one(answer: &[u8], asked: &[InputMessage]) -> answers::Result<Option<Message>> {
    let is_asked =
        |found: &Message| asked.iter().any(|id| matches!(id, InputMessage::Id(id) if id.id == found.id));
    let messages = Object::of("messages.Messages", answer)?.objects("messages");
    let mut messages = messages.filter(|message| message.is("message"));
    Ok(messages.find_map(|message| Message::read(&message).filter(is_asked)))
}

impl Calls<'_> {
    /// Reads one message of a channel or group; `None` if there is none of this id, or it is deleted.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn message(&self, peer: &InputPeer, message_id: i32) -> Result<Option<Message>> {
        let id = vec![InputMessage::Id(tl::types::InputMessageId { id: message_id })];
        match peer {
            InputPeer::Channel(peer) => {
                let channel = input_channel(peer);
                self.call(&tl::functions::channels::GetMessages { channel, id }).await
            }
            _ => self.call(&tl::functions::messages::GetMessages { id }).await,
        }
    }
}
