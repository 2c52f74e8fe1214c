use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use telestore_types::{StoredAs, StoredFile};

use crate::{Error, ErrorKind, Result};

/// What the Bot API said, and so what is to be done.
#[derive(Debug)]
pub(super) enum Outcome {
    Stored(StoredFile),
    /// The same request again after this long.
    Wait(Duration),
    /// The same request again to this chat.
    Migrated(i64),
    Failed(Error),
}

/// Reads an answer. `taken` says whether the whole body was taken before it came.
pub(super) fn read(status: StatusCode, body: &[u8], taken: bool) -> Outcome {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    if status.is_success() && json["ok"] == true {
        return stored(&json["result"]);
    }
    refused(status, &json, taken)
}

/// Reads the answer to a call that changes nothing.
pub(super) fn told(status: StatusCode, body: &[u8]) -> Result<Value> {
    let mut json: Value = serde_json::from_slice(body).unwrap_or_default();
    if status.is_success() && json["ok"] == true {
        return Ok(json["result"].take());
    }
    Err(match refused(status, &json, false) {
        Outcome::Wait(wait) => {
            Error::new(ErrorKind::FloodWait(wait), format!("Telegram asked to wait {} s", wait.as_secs()))
        }
        Outcome::Failed(error) => error,
        // The chat has moved: the credentials name one that is no more.
        Outcome::Stored(_) | Outcome::Migrated(_) => Error::channel_unresolved(),
    })
}

/// Whether a `ChatMember` may send files there.
pub(super) fn may_post(member: &Value, channel: bool) -> bool {
    match member["status"].as_str() {
        Some("creator") => true,
        Some("administrator") => !channel || member["can_post_messages"] == true,
        Some("member") => !channel,
        Some("restricted") => member["can_send_documents"] == true,
        _ => false,
    }
}

fn refused(status: StatusCode, json: &Value, taken: bool) -> Outcome {
    let parameters = &json["parameters"];
    let code =
        json["error_code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(status.as_u16());
    if code == 429 {
        let seconds = parameters["retry_after"].as_u64().unwrap_or(1).max(1);
        return Outcome::Wait(Duration::from_secs(seconds));
    }
    if let Some(chat) = parameters["migrate_to_chat_id"].as_i64() {
        return Outcome::Migrated(chat);
    }
    Outcome::Failed(failure(code, json["description"].as_str().unwrap_or_default(), taken))
}

fn stored(message: &Value) -> Outcome {
    let file_id = document_id(message);
    match (message["message_id"].as_i64(), file_id) {
        (Some(message_id), Some(file_id)) => {
            Outcome::Stored(StoredFile { message_id, stored_as: StoredAs::BotApi { file_id } })
        }
        // The message exists, so another attempt would make a second one.
        _ => Outcome::Failed(Error::new(
            ErrorKind::AnswerLost,
            "Telegram accepted the file, but its answer does not name it",
        )),
    }
}

/// Telegram may turn a document into another kind of media. Whichever it is has the `file_id`.
fn document_id(message: &Value) -> Option<String> {
    const KINDS: [&str; 8] =
        ["document", "video", "audio", "animation", "voice", "video_note", "sticker", "paid_media"];
    KINDS
        .iter()
        .find_map(|kind| message[kind]["file_id"].as_str())
        .or_else(|| message["photo"].as_array()?.last()?["file_id"].as_str())
        .map(str::to_owned)
}

fn failure(code: u16, description: &str, taken: bool) -> Error {
    let said = description.to_ascii_lowercase();
    match code {
        401 | 404 => Error::new(
            ErrorKind::NotAuthorized,
            "Telegram does not know this bot token: check it, or get a new one from @BotFather",
        ),
        403 => Error::channel_unresolved(),
        400 if is_about_chat(&said) => Error::channel_unresolved(),
        413 => Error::new(ErrorKind::TooLarge, "file is larger than this Bot API server takes"),
        400 if said.contains("too big") || said.contains("too large") => {
            Error::new(ErrorKind::TooLarge, "file is larger than this Bot API server takes")
        }
        500.. | 200..300 => lost_or_unavailable(code, taken),
        _ => Error::new(
            ErrorKind::Rejected,
            format!("Telegram refused the file: {}", shown(code, description)),
        ),
    }
}

fn is_about_chat(said: &str) -> bool {
    const ABOUT: [&str; 7] = [
        "chat not found",
        "chat_id is empty",
        "peer_id_invalid",
        "not enough rights",
        "need administrator rights",
        "chat_write_forbidden",
        "group chat was deactivated",
    ];
    ABOUT.iter().any(|text| said.contains(text))
}

fn lost_or_unavailable(code: u16, taken: bool) -> Error {
    if taken {
        let text =
            format!("Telegram answered {code} after it had taken the whole file: the message may exist");
        Error::new(ErrorKind::AnswerLost, text)
    } else {
        Error::new(ErrorKind::Unavailable, format!("Telegram is not available: it answered {code}"))
    }
}

fn shown(code: u16, description: &str) -> String {
    if description.is_empty() { format!("status {code}") } else { description.chars().take(300).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(status: u16, body: &Value, taken: bool) -> Outcome {
        read(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes(), taken)
    }

    fn kind(status: u16, description: &str, taken: bool) -> ErrorKind {
        let body = json!({"ok": false, "error_code": status, "description": description});
        match outcome(status, &body, taken) {
            Outcome::Failed(error) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_say_what_may_be_done() {
        assert_eq!(kind(401, "Unauthorized", false), ErrorKind::NotAuthorized);
        assert_eq!(kind(404, "Not Found", true), ErrorKind::NotAuthorized);
        assert_eq!(kind(400, "Bad Request: chat not found", true), ErrorKind::ChannelUnresolved);
        assert_eq!(
            kind(403, "Forbidden: bot is not a member of the channel chat", true),
            ErrorKind::ChannelUnresolved
        );
        assert_eq!(kind(413, "Request Entity Too Large", false), ErrorKind::TooLarge);
        assert_eq!(kind(400, "Bad Request: file must be non-empty", true), ErrorKind::Rejected);
        assert_eq!(kind(502, "Bad Gateway", false), ErrorKind::Unavailable);
        assert_eq!(kind(502, "Bad Gateway", true), ErrorKind::AnswerLost);
    }

    #[test]
    fn waits_and_migrates_as_told() {
        let flood = json!({"ok": false, "error_code": 429, "parameters": {"retry_after": 7}});
        assert!(matches!(outcome(429, &flood, true), Outcome::Wait(wait) if wait.as_secs() == 7));
        let migrate = json!({"ok": false, "error_code": 400, "parameters": {"migrate_to_chat_id": -1009}});
        assert!(matches!(outcome(400, &migrate, true), Outcome::Migrated(-1009)));
    }

    #[test]
    fn only_who_may_post_may_post() {
        for (member, in_channel, in_group) in [
            (json!({"status": "creator"}), true, true),
            (json!({"status": "administrator", "can_post_messages": true}), true, true),
            (json!({"status": "administrator", "can_post_messages": false}), false, true),
            (json!({"status": "member"}), false, true),
            (json!({"status": "restricted", "can_send_documents": false}), false, false),
            (json!({"status": "left"}), false, false),
        ] {
            assert_eq!(
                (may_post(&member, true), may_post(&member, false)),
                (in_channel, in_group),
                "{member}"
            );
        }
    }

    #[test]
    fn any_kind_of_media_names_the_file() {
        for kind in ["document", "audio", "video", "animation", "sticker"] {
            let body = json!({"ok": true, "result": {"message_id": 3, kind: {"file_id": "f"}}});
            assert!(
                matches!(outcome(200, &body, true), Outcome::Stored(stored) if stored.file_id() == "f"),
                "{kind}"
            );
        }
        let body =
            json!({"ok": true, "result": {"message_id": 3, "photo": [{"file_id": "s"}, {"file_id": "l"}]}});
        assert!(matches!(outcome(200, &body, true), Outcome::Stored(stored) if stored.file_id() == "l"));
        let nothing = json!({"ok": true, "result": {"message_id": 3}});
        assert!(
            matches!(outcome(200, &nothing, true), Outcome::Failed(error) if error.kind() == ErrorKind::AnswerLost)
        );
    }
}
