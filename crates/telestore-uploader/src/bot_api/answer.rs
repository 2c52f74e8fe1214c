use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use telestore_types::{StoredAs, StoredFile};

use crate::{Error, ErrorKind, Result};

/// The longest wait that is believed.
const LONGEST_WAIT: u64 = 24 * 60 * 60;

/// How much of a server's own words is repeated, in characters.
const SHOWN: usize = 200;

/// The longest `file_id` that is one; Telegram's have about a hundred characters.
const MAX_FILE_ID: usize = 512;

/// What the Bot API said, and so what is to be done.
#[derive(Debug)]
pub(super) enum Outcome {
    Stored(StoredFile),
    /// Telegram takes it after this long, not before.
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
        Outcome::Wait(wait) => asked_to_wait(wait),
        Outcome::Failed(error) => error,
        // The chat has moved: the credentials name one that is no more.
        Outcome::Stored(_) | Outcome::Migrated(_) => Error::channel_unresolved(),
    })
}

pub(super) fn asked_to_wait(wait: Duration) -> Error {
    Error::new(ErrorKind::FloodWait(wait), format!("Telegram asked to wait {} s", wait.as_secs()))
}

/// Reads the answer to `deleteMessage` and says whether the message is gone. An error may pass; a no is for good.
pub(super) fn deleted(status: StatusCode, body: &[u8]) -> Result<bool> {
    match told(status, body) {
        Ok(Value::Bool(true)) => Ok(true),
        Ok(_) => Err(lost_or_unavailable(status.as_u16(), false)),
        // An earlier try may have lost its answer.
        Err(error) if error.kind() == ErrorKind::Rejected => {
            Ok(error.to_string().to_ascii_lowercase().contains("message to delete not found"))
        }
        Err(error) => Err(error),
    }
}

fn refused(status: StatusCode, json: &Value, taken: bool) -> Outcome {
    let parameters = &json["parameters"];
    let code =
        json["error_code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(status.as_u16());
    if code == 429 {
        return Outcome::Wait(wait(&parameters["retry_after"]));
    }
    if let Some(chat) = parameters["migrate_to_chat_id"].as_i64() {
        return Outcome::Migrated(chat);
    }
    Outcome::Failed(failure(code, json["description"].as_str().unwrap_or_default(), taken))
}

/// At least a second, whatever it says, and at most a day.
fn wait(said: &Value) -> Duration {
    // What is too large for a u64 is a float, which saturates.
    let seconds = said.as_u64().or_else(|| said.as_f64().map(|seconds| seconds as u64));
    let seconds = seconds.or_else(|| said.as_str()?.trim().parse().ok()).unwrap_or(1);
    Duration::from_secs(seconds.clamp(1, LONGEST_WAIT))
}

fn stored(message: &Value) -> Outcome {
    let file_id = document_id(message).filter(|id| id.len() <= MAX_FILE_ID);
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
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().collect::<String>(),
        false => c.to_string(),
    };
    description.chars().take(SHOWN).map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Verdict;

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
        for (said, seconds) in [
            (json!(0), 1),
            (json!(null), 1),
            (json!(-5), 1),
            (json!("12"), 12),
            (json!("soon"), 1),
            (json!([9]), 1),
            (json!(2.5), 2),
            (json!(u64::MAX), LONGEST_WAIT),
            (json!(1e300), LONGEST_WAIT),
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
            deleted(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes())
                .map_err(|error| error.verdict())
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
