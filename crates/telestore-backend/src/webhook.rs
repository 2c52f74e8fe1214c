#[cfg(feature = "http")]
mod http;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use telestore_types::{Encoded, FileDigest, FileId, StoredFile, StoredMessage, Upload, UserId};

#[cfg(feature = "http")]
pub use self::http::HttpWebhookSender;
use crate::Result;

/// The documented body of `POST {BACKEND_URL}/api/webhook/upload`. Fields may be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WebhookEvent {
    /// Whose file it is, by the backend's own word.
    pub user_id: UserId,
    /// The name of the file.
    pub file_name: String,
    /// The message in the channel; the first, if there are several.
    pub message_id: i64,
    /// The Bot API's `file_id`, or the document id in decimal digits.
    pub file_id: String,
    /// The length in bytes.
    pub size: u64,
    /// The content type.
    pub mime_type: String,
    /// All messages, if the file is in several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<WebhookMessage>,
    /// The id by which the worker gives the file back, if it keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// The SHA-256 of the file in hexadecimal digits, if its client has said it; it was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<FileDigest>,
    /// Whether the messages hold it encrypted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub encrypted: bool,
    /// Whether the messages hold it compressed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub compressed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// One of several messages that hold a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WebhookMessage {
    /// The message in the channel.
    pub message_id: i64,
    /// The Bot API's `file_id`, or the document id in decimal digits.
    pub file_id: String,
    /// How many bytes of the file it holds.
    pub size: u64,
}

impl WebhookEvent {
    /// What is to be said of a file that is in the channel.
    pub fn new(user_id: UserId, file_name: &str, stored: &StoredFile, size: u64, mime_type: &str) -> Self {
        Self {
            user_id,
            file_name: file_name.to_owned(),
            message_id: stored.message_id(),
            file_id: stored.file_id(),
            size,
            mime_type: mime_type.to_owned(),
            messages: messages_of(stored),
            file: None,
            sha256: None,
            encrypted: false,
            compressed: false,
        }
    }

    /// The same, of the file that this upload has become.
    #[must_use]
    pub fn of(self, upload: &Upload) -> Self {
        let encoded = upload.encoding.as_ref().map(Encoded::from).unwrap_or_default();
        Self {
            file: Some(FileId::of(&upload.key)),
            sha256: upload.options.sha256,
            encrypted: encoded.encrypted,
            compressed: encoded.compressed,
            ..self
        }
    }
}

fn messages_of(stored: &StoredFile) -> Vec<WebhookMessage> {
    let messages = stored.messages();
    if messages.len() < 2 {
        return Vec::new();
    }
    let webhook = |message: &StoredMessage| WebhookMessage {
        message_id: message.message_id,
        file_id: message.file_id(),
        size: message.size,
    };
    messages.iter().map(webhook).collect()
}

/// Delivers one webhook once.
///
/// # Contract
/// Success means that the receiver has said so. After an error it may have it all the same; the caller delivers again
/// with the same `event_id`, by which the receiver tells repetitions.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait WebhookSender: fmt::Debug + Send + Sync + 'static {
    /// Whether there is anybody to tell. If not, nothing is put into the outbox.
    fn is_wanted(&self) -> bool;

    /// Tells of one file.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the receiver has not said that it heard.
    async fn send(&self, event_id: &str, event: &WebhookEvent) -> Result<()>;
}

/// Nobody to tell: stand-alone use.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWebhook;

#[async_trait]
impl WebhookSender for NoWebhook {
    fn is_wanted(&self) -> bool {
        false
    }

    async fn send(&self, _: &str, _: &WebhookEvent) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::StoredAs;

    use super::*;

    #[test]
    fn says_what_is_documented_and_no_more() {
        let first = StoredMessage::new(12_345, StoredAs::Mtproto { document_id: -5 }, 104_857_600);
        let stored = StoredFile::new(first);
        let event = WebhookEvent::new(UserId::new("user123"), "video.mp4", &stored, 104_857_600, "video/mp4");
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            serde_json::from_str::<WebhookEvent>(&json).unwrap(),
            event,
            "what was written down is read back"
        );
        assert_eq!(
            json,
            r#"{"userId":"user123","fileName":"video.mp4","messageId":12345,"fileId":"-5","size":104857600,"mimeType":"video/mp4"}"#
        );
    }

    #[test]
    fn several_messages_are_all_named() {
        let message = |id| StoredMessage::new(id, StoredAs::Mtproto { document_id: id * 10 }, 5);
        let stored = StoredFile::new(message(1)).and(message(2));
        let event = WebhookEvent::new(UserId::new("u"), "a.bin", &stored, 10, "text/plain");
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!((&json["messageId"], &json["fileId"]), (&1.into(), &"10".into()));
        assert_eq!(json["messages"][1], serde_json::json!({"messageId": 2, "fileId": "20", "size": 5}));
        assert_eq!(serde_json::from_value::<WebhookEvent>(json).unwrap(), event);
    }
}
