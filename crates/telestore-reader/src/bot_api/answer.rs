//! What a Bot API server says to who reads, and what that means.

use std::time::Duration;

use serde_json::Value;
use telestore_bot_api::Heard;
use telestore_types::telegram::{AccountFault, wait_words};
use telestore_types::{SenderId, Shown};

use crate::{Error, ErrorKind};

/// The longest path that is one; Telegram's have about thirty characters.
const MAX_PATH: usize = 4096;

/// How much of a server's own words is repeated, in characters.
const SHOWN: usize = 200;

/// Where a file can be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What the link ends in; an absolute path of a server that was started with `--local`.
    pub(super) path: String,
    /// How long it is, if that is said.
    pub(super) length: Option<u64>,
}

/// Why something did not come.
#[derive(Debug)]
pub(super) enum Broken {
    /// It may work when it is tried again.
    Passing(Error),
    /// The same, but not before this long.
    Wait(Duration),
    /// The link is none any more.
    Stale,
    /// This bot does not get it; another one may.
    NotThisBot(Error),
    /// Nobody does.
    Final(Error),
}

impl Broken {
    /// A server, or something between, that answers what makes no sense.
    pub(super) fn nonsense(what: &str) -> Self {
        let text = format!("the Bot API server answers what makes no sense: {what}");
        Self::Final(Error::new(ErrorKind::Unavailable, text))
    }

    /// What is told if it is not tried again.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Passing(error) | Self::NotThisBot(error) | Self::Final(error) => error,
            Self::Wait(wait) => Error::new(ErrorKind::Wait(wait), wait_words(wait)),
            Self::Stale => Error::new(
                ErrorKind::Unavailable,
                "the Bot API server does not know the link that it has just given: it must serve its files over HTTP",
            ),
        }
    }
}

impl From<telestore_bot_api::Error> for Broken {
    fn from(error: telestore_bot_api::Error) -> Self {
        Self::Passing(unavailable(&error.to_string()))
    }
}

pub(super) fn unavailable(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("Telegram is not available: {why}"))
}

pub(super) fn another_file() -> Error {
    let text = "the message holds another file than the one that was stored";
    Error::new(ErrorKind::Gone, text)
}

/// Reads the answer to `getFile`.
pub(super) fn found(heard: &Heard, bot: &SenderId) -> Result<Found, Broken> {
    let json = heard.json();
    if !heard.status.is_success() || json["ok"] != true {
        return Err(refused(heard, &json, bot));
    }
    let file = &json["result"];
    let path = file["file_path"].as_str().filter(|path| !path.is_empty() && path.len() <= MAX_PATH);
    let path = path.ok_or_else(|| Broken::nonsense("a file without a path"))?;
    Ok(Found { path: path.to_owned(), length: file["file_size"].as_u64() })
}

/// Reads an answer that is not what was asked for.
pub(super) fn refused(heard: &Heard, json: &Value, bot: &SenderId) -> Broken {
    if let Some(wait) = heard.wait(json, false) {
        return Broken::Wait(wait);
    }
    let (code, description) = (heard.code(json), json["description"].as_str().unwrap_or_default());
    if let Some(fault) = AccountFault::in_text(description) {
        let text = format!("Telegram lets {bot} do nothing: {}", fault.words());
        return Broken::NotThisBot(Error::new(ErrorKind::Refused, text));
    }
    let not_this_bot = |text: String| Broken::NotThisBot(Error::new(ErrorKind::Refused, text));
    match code {
        401 | 404 => not_this_bot(format!(
            "Telegram does not know the token of {bot}: check it, or get a new one from @BotFather"
        )),
        400 | 413 if is_too_big(description) || code == 413 => Broken::Final(too_big()),
        400 => not_this_bot(format!(
            "Telegram does not give the file to {bot}: its message was deleted, or another bot has sent it ({})",
            shown(code, description)
        )),
        500.. => Broken::Passing(unavailable(&format!("it answered {code}"))),
        200..300 => Broken::nonsense(&format!("status {code}, and no file")),
        300..400 => Broken::nonsense("it sends elsewhere, where no token may go"),
        _ => {
            not_this_bot(format!("Telegram refused to give the file to {bot}: {}", shown(code, description)))
        }
    }
}

fn is_too_big(description: &str) -> bool {
    let said = description.to_ascii_lowercase();
    said.contains("too big") || said.contains("too large")
}

fn too_big() -> Error {
    let text = "the Bot API gives files of up to 20 MB only: a larger one needs a Telegram session, or a bot with an api_id and \
                api_hash";
    Error::new(ErrorKind::Refused, text)
}

/// A server's own words on one line, and not at any length.
fn shown(code: u16, description: &str) -> String {
    match description.is_empty() {
        true => format!("status {code}"),
        false => Shown(&description.chars().take(SHOWN).collect::<String>()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use telestore_bot_api::Heard;

    use super::*;

    fn of(status: u16, body: &Value) -> Result<Found, Broken> {
        let status = status.try_into().unwrap();
        let heard = Heard { status, retry_after: None, body: body.to_string().into_bytes() };
        found(&heard, &SenderId::new("bot:7"))
    }

    fn error(status: u16, description: &str) -> Broken {
        of(status, &json!({"ok": false, "error_code": status, "description": description})).unwrap_err()
    }

    #[test]
    fn what_is_said_tells_who_else_is_asked_and_when() {
        let wrong = error(400, "Bad Request: wrong file_id or the file is temporarily unavailable");
        assert!(
            matches!(&wrong, Broken::NotThisBot(error) if error.kind() == ErrorKind::Refused),
            "{wrong:?}"
        );
        let big = error(400, "Bad Request: file is too big");
        assert!(matches!(&big, Broken::Final(error) if error.to_string().contains("20 MB")), "{big:?}");
        for status in [401, 403, 404] {
            let refused = error(status, "no\r\n\u{1b}[31m");
            assert!(matches!(&refused, Broken::NotThisBot(error) if error.to_string().contains("bot:7")));
            assert!(!refused.into_error().to_string().contains(['\n', '\u{1b}']));
        }
        assert!(matches!(error(502, ""), Broken::Passing(_)));
        assert!(matches!(error(302, ""), Broken::Final(_)));
        assert!(matches!(error(400, "Bad Request: FLOOD_WAIT_9"), Broken::Wait(wait) if wait.as_secs() == 9));
        let flood = json!({"ok": false, "error_code": 429, "parameters": {"retry_after": 7}});
        assert!(matches!(of(429, &flood), Err(Broken::Wait(wait)) if wait.as_secs() == 7));
    }

    #[test]
    fn a_file_has_a_path() {
        let file = |file: Value| of(200, &json!({"ok": true, "result": file}));
        let there = file(json!({"file_path": "documents/file_0", "file_size": 9})).unwrap();
        assert_eq!(there, Found { path: "documents/file_0".to_owned(), length: Some(9) });
        assert_eq!(file(json!({"file_path": "x"})).unwrap().length, None);
        for nothing in
            [json!({}), json!(null), json!({"file_path": ""}), json!({"file_path": "x".repeat(5000)})]
        {
            assert!(file(nothing).is_err());
        }
        assert!(of(200, &json!([])).is_err());
    }
}
