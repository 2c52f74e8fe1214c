//! Whether a bot may post in a chat, by what the Bot API says of it.
//!
//! <https://core.telegram.org/bots/api#getchatmember>, <https://core.telegram.org/bots/api#chatmember>,
//! <https://core.telegram.org/bots/api#chatpermissions>

use serde_json::Value;
use telestore_bot_api::Heard;
use telestore_types::telegram::MissingRight;

use crate::Error;

/// What stops the bot from posting files; nothing if that is not said: not every server tells all of it.
pub(super) fn refusal(chat: &Value, member: &Value) -> Option<MissingRight> {
    let channel = chat["type"] == "channel";
    let refused = |right: &Value, why| (*right == false).then_some(why);
    match member["status"].as_str()? {
        "creator" => None,
        "administrator" if channel => refused(&member["can_post_messages"], MissingRight::Post),
        "administrator" => None,
        "left" | "kicked" => Some(MissingRight::Membership),
        _ if channel => Some(MissingRight::Post),
        "member" => refused(sends_files(&chat["permissions"]), MissingRight::SendFiles),
        "restricted" => refused(&member["is_member"], MissingRight::Membership)
            .or_else(|| refused(sends_files(member), MissingRight::SendFiles)),
        _ => None,
    }
}

/// The right to send documents. Servers before Bot API 6.5 have one right for all media.
fn sends_files(permissions: &Value) -> &Value {
    match &permissions["can_send_documents"] {
        Value::Null => &permissions["can_send_media_messages"],
        said => said,
    }
}

/// The number of the bot: what stands before the `:` of its token.
pub(super) fn bot_id(token: &str) -> Option<i64> {
    token.split_once(':')?.0.parse().ok().filter(|id| *id > 0)
}

/// A refusal that says that the bot may not post, or that the chat has moved.
#[derive(Debug)]
pub(super) enum Refused {
    Rights(MissingRight),
    /// The bot is not in the chat, of which it learns nothing then.
    NotMember,
    /// The group became this supergroup.
    Moved(i64),
    /// The group became a supergroup whose id is not said: some servers leave `parameters` out.
    Upgraded,
}

impl Refused {
    /// Reads an answer, if it is such a refusal. The texts are those of `telegram-bot-api`, which has no codes for them.
    pub(super) fn read(heard: &Heard) -> Option<Self> {
        if !heard.status.is_client_error() {
            return None;
        }
        let json: Value = serde_json::from_slice(&heard.body).ok()?;
        let said = json["description"].as_str().unwrap_or_default().to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
        if let Some(chat) = json["parameters"]["migrate_to_chat_id"].as_i64() {
            return Some(Self::Moved(chat));
        }
        if says(&["upgraded to a supergroup", "migrate_to_chat_id"]) {
            return Some(Self::Upgraded);
        }
        if says(&["is not a member"]) {
            return Some(Self::NotMember);
        }
        let why = if says(&["was kicked"]) {
            MissingRight::Membership
        } else if says(&["need administrator rights", "chat_admin_required", "chat_write_forbidden"]) {
            MissingRight::Post
        } else if says(&["not enough rights", "chat_send_", "chat_restricted", "user_banned_in_channel"]) {
            MissingRight::SendFiles
        } else {
            return None;
        };
        Some(Self::Rights(why))
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rights(why) => Self::may_not_post(why),
            Refused::NotMember | Refused::Moved(_) => Self::channel_unresolved(),
            Refused::Upgraded => Self::group_upgraded(),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;

    use super::*;

    fn heard(status: u16, answer: &Value) -> Heard {
        let status = StatusCode::from_u16(status).unwrap();
        Heard { status, retry_after: None, body: answer.to_string().into_bytes() }
    }

    #[test]
    fn only_who_may_post_may_post() {
        let (channel, group) = (json!({"type": "channel"}), json!({"type": "supergroup"}));
        let closed = json!({"type": "group", "permissions": {"can_send_documents": false}});
        let before = json!({"type": "group", "permissions": {"can_send_media_messages": false}});
        let (none, no_posts, no_files, not_in) =
            (None, Some(MissingRight::Post), Some(MissingRight::SendFiles), Some(MissingRight::Membership));
        for (member, expected) in [
            (json!({"status": "creator"}), [none, none, none, none]),
            (json!({"status": "administrator", "can_post_messages": true}), [none, none, none, none]),
            (json!({"status": "administrator", "can_post_messages": false}), [no_posts, none, none, none]),
            (json!({"status": "administrator"}), [none, none, none, none]),
            (json!({"status": "member"}), [no_posts, none, no_files, no_files]),
            (json!({"status": "restricted", "can_send_documents": true}), [no_posts, none, none, none]),
            (
                json!({"status": "restricted", "can_send_documents": false}),
                [no_posts, no_files, no_files, no_files],
            ),
            (json!({"status": "restricted", "is_member": false}), [no_posts, not_in, not_in, not_in]),
            (json!({"status": "left"}), [not_in, not_in, not_in, not_in]),
            (json!({"status": "kicked"}), [not_in, not_in, not_in, not_in]),
            (json!({"status": 7}), [none, none, none, none]),
            (json!(null), [none, none, none, none]),
        ] {
            let found = [&channel, &group, &closed, &before].map(|chat| refusal(chat, &member));
            assert_eq!(found, expected, "{member}");
        }
    }

    #[test]
    fn refusals_are_told_apart_by_their_words() {
        let read = |status: u16, answer: Value| {
            Refused::read(&heard(status, &answer)).map(|refused| Error::from(refused).to_string())
        };
        for (description, words) in [
            (
                "Bad Request: need administrator rights in the channel chat",
                "make it an administrator of the channel",
            ),
            ("Bad Request: not enough rights to send documents to the chat", "allow its members"),
            ("Bad Request: CHAT_SEND_DOCS_FORBIDDEN", "allow its members"),
            ("Forbidden: bot was kicked from the channel chat", "add it to the channel"),
            ("Bad Request: group chat was upgraded to a supergroup chat", "begins with -100"),
        ] {
            let said = read(400, json!({"ok": false, "description": description})).unwrap_or_default();
            assert!(said.starts_with("Could not resolve channel ID: ") && said.contains(words), "{said}");
        }
        assert_eq!(read(400, json!({"description": "Bad Request: chat not found"})), None);
        let outside = json!({"description": "Forbidden: bot is not a member of the supergroup chat"});
        assert_eq!(read(403, outside).as_deref(), Some("Could not resolve channel ID"));
        assert_eq!(read(502, json!({"description": "bot was kicked"})), None);
        let moved = json!({"parameters": {"migrate_to_chat_id": -1009}});
        assert!(matches!(Refused::read(&heard(400, &moved)), Some(Refused::Moved(-1009))));
    }

    #[test]
    fn a_token_names_its_bot() {
        assert_eq!(bot_id("123456:AAf-_"), Some(123_456));
        assert!(
            [":AA", "AA", "-1:AA", "0:AA", "99999999999999999999:AA"]
                .iter()
                .all(|token| bot_id(token).is_none())
        );
    }
}
