use std::time::Duration;

use serde_json::Value;
use telestore_bot_api::Heard;
use telestore_types::telegram::{AccountFault, wait_words};
use telestore_types::{ChatId, Shown, StoredAs, StoredMessage};

use crate::{Error, ErrorKind, Result, topic_fault};

/// How much of a server's own words is repeated, in characters.
const SHOWN: usize = 200;

/// The longest `file_id` that is one; Telegram's have about a hundred characters.
const MAX_FILE_ID: usize = 512;

/// What the Bot API said, and so what is to be done.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The message, without its size.
    Stored(StoredMessage),
    /// Telegram takes it after this long, not before. Zero if it does not say how long.
    Wait(Duration),
    /// The same request again to this chat.
    Migrated(i64),
    Failed(Error),
}

/// Reads an answer. `taken` says whether the whole body was taken before it came.
pub(super) fn read(heard: &Heard, taken: bool) -> Outcome {
    let json = heard.json();
    if heard.status.is_success() && json["ok"] == true {
        return stored(&json["result"]);
    }
    refused(heard, &json, taken)
}

/// Reads the answer to a call that changes nothing.
pub(super) fn told(heard: &Heard) -> Result<Value> {
    let mut json = heard.json();
    if heard.status.is_success() && json["ok"] == true {
        return Ok(json["result"].take());
    }
    Err(match refused(heard, &json, false) {
        Outcome::Wait(wait) => asked_to_wait(wait),
        Outcome::Failed(error) => error,
        // The chat has moved: the credentials name one that is no more.
        Outcome::Stored(_) | Outcome::Migrated(_) => Error::channel_unresolved(),
    })
}

pub(super) fn asked_to_wait(wait: Duration) -> Error {
    Error::new(ErrorKind::FloodWait(wait), wait_words(wait))
}

/// Reads the answer to `deleteMessage` and says whether the message is gone. An error may pass; a no is for good.
pub(super) fn deleted(heard: &Heard) -> Result<bool> {
    match told(heard) {
        Ok(Value::Bool(true)) => Ok(true),
        Ok(_) => Err(lost_or_unavailable(heard.status.as_u16(), false)),
        // An earlier try may have lost its answer.
        Err(error) if error.kind() == ErrorKind::Rejected => {
            Ok(error.to_string().to_ascii_lowercase().contains("message to delete not found"))
        }
        Err(error) => Err(error),
    }
}

fn refused(heard: &Heard, json: &Value, taken: bool) -> Outcome {
    let code = heard.code(json);
    if let Some(wait) = heard.wait(json, taken) {
        return Outcome::Wait(wait);
    }
    if let Some(chat) = json["parameters"]["migrate_to_chat_id"].as_i64() {
        return Outcome::Migrated(chat);
    }
    Outcome::Failed(failure(code, json["description"].as_str().unwrap_or_default(), taken))
}

fn stored(message: &Value) -> Outcome {
    let file_id = document_id(message).filter(|id| id.len() <= MAX_FILE_ID);
    match (message["message_id"].as_i64(), file_id) {
        (Some(message_id), Some(file_id)) => {
            let mut stored = StoredMessage::new(message_id, StoredAs::BotApi { file_id }, 0);
            stored.chat_id = message["chat"]["id"].as_i64().and_then(|id| ChatId::new(id.to_string()).ok());
            Outcome::Stored(stored)
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
    if let Some(fault) = AccountFault::in_text(description) {
        return fault.into();
    }
    if code == 400
        && let Some(error) = topic_fault::in_text(description)
    {
        return error;
    }
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
    let said = match code {
        200..300 => "gave an answer that makes no sense".to_owned(),
        _ => format!("answered {code}"),
    };
    if taken {
        let text = format!("Telegram {said} after it had taken the whole file: the message may exist");
        Error::new(ErrorKind::AnswerLost, text)
    } else {
        Error::new(ErrorKind::Unavailable, format!("Telegram is not available: it {said}"))
    }
}

/// A server's own words on one line, and not at any length.
fn shown(code: u16, description: &str) -> String {
    if description.is_empty() {
        return format!("status {code}");
    }
    Shown(&description.chars().take(SHOWN).collect::<String>()).to_string()
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::Verdict;

    fn heard(status: u16, body: &Value) -> Heard {
        let status = StatusCode::from_u16(status).unwrap();
        Heard { status, retry_after: None, body: body.to_string().into_bytes() }
    }

    fn outcome(status: u16, body: &Value, taken: bool) -> Outcome {
        read(&heard(status, body), taken)
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
        for (said, seconds) in [
            (json!(0), 0),
            (json!(null), 0),
            (json!(-5), 0),
            (json!("12"), 12),
            (json!("soon"), 0),
            (json!([9]), 0),
            (json!(2.5), 3),
            (json!(u64::MAX), 86_400),
            (json!(1e300), 86_400),
        ] {
            let flood = json!({"ok": false, "error_code": 429, "parameters": {"retry_after": said}});
            assert!(
                matches!(outcome(429, &flood, true), Outcome::Wait(wait) if wait.as_secs() == seconds),
                "{said}"
            );
        }
        let migrate = json!({"ok": false, "error_code": 400, "parameters": {"migrate_to_chat_id": -1009}});
        assert!(matches!(outcome(400, &migrate, true), Outcome::Migrated(-1009)));
    }

    #[test]
    fn a_wait_is_read_in_every_shape() {
        let text = |code: u16, description: &str| json!({"error_code": code, "description": description});
        let minute = Some(Duration::from_secs(60));
        for (status, body, header, seconds) in [
            (429, text(429, "Too Many Requests: retry after 7"), None, Some(7)),
            (400, text(400, "Bad Request: Too Many Requests: retry after 15"), None, Some(15)),
            (420, text(420, "FLOOD_WAIT_9"), None, Some(9)),
            (200, text(429, "Too Many Requests: retry after 8"), None, Some(8)),
            (429, json!(null), minute, Some(60)),
            (429, text(429, "Too Many Requests: retry after 7"), minute, Some(7)),
            (429, text(429, "Too Many Requests"), minute, Some(60)),
            (429, json!({"parameters": {"retry_after": 0}, "description": "retry after 5"}), None, Some(5)),
            (429, json!(null), None, Some(0)),
            (400, json!({"error_code": 400, "parameters": {"retry_after": 3}}), None, Some(3)),
            (400, text(400, "Bad Request: file must be non-empty"), minute, None),
            (413, text(413, "Request Entity Too Large"), minute, None),
            (503, json!(null), minute, None),
            (420, text(420, "FROZEN_METHOD_INVALID"), minute, None),
        ] {
            let heard = Heard { retry_after: header, ..heard(status, &body) };
            let wait = match read(&heard, true) {
                Outcome::Wait(wait) => Some(wait.as_secs()),
                _ => None,
            };
            assert_eq!(wait, seconds, "{status} {body} {header:?}");
        }
        let away = Heard { retry_after: minute, ..heard(503, &json!(null)) };
        assert!(matches!(read(&away, false), Outcome::Wait(wait) if Some(wait) == minute));
    }

    #[test]
    fn a_servers_words_are_short_and_on_one_line() {
        let words = format!("no\r\n\u{1b}[31m{}", "x".repeat(60_000));
        let body = json!({"ok": false, "error_code": 400, "description": words});
        let Outcome::Failed(error) = outcome(400, &body, true) else { panic!("it is a refusal") };
        let said = error.to_string();
        assert!(said.starts_with("Telegram refused the file: no\\r\\n\\u{1b}[31mxxx"), "{said}");
        assert!(said.len() < 300, "{}", said.len());
    }

    #[test]
    fn a_message_that_is_gone_is_deleted() {
        let answer = |status: u16, description: &str| {
            let body = json!({"ok": status == 200, "result": true, "error_code": status, "description": description});
            deleted(&heard(status, &body)).map_err(|error| error.verdict())
        };
        assert_eq!(answer(200, ""), Ok(true));
        assert_eq!(answer(400, "Bad Request: message to delete not found"), Ok(true));
        assert_eq!(answer(400, "Bad Request: message can't be deleted"), Ok(false));
        for status in [429, 500, 502] {
            assert_eq!(answer(status, "later"), Err(Verdict::Temporary));
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
        for nothing in [json!({}), json!({"document": {"file_id": "f".repeat(MAX_FILE_ID + 1)}})] {
            let mut message = nothing;
            message["message_id"] = json!(3);
            let body = json!({"ok": true, "result": message});
            assert!(
                matches!(outcome(200, &body, true), Outcome::Failed(error) if error.kind() == ErrorKind::AnswerLost)
            );
        }
    }
}
