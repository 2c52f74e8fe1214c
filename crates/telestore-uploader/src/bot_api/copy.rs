//! One more message of a file that is at Telegram already, by its `file_id`:
//! <https://core.telegram.org/bots/api#sending-files>. No bytes go out.

use serde_json::json;
use telestore_types::{Sender, StoredAs, StoredMessage};

use super::uploader::BotApiUploader;
use crate::{Error, ErrorKind, Result, UploadRequest};

/// Whether the message is one of which the Bot API makes another.
pub(super) fn copies(message: &StoredMessage) -> bool {
    matches!(message.stored_as, StoredAs::BotApi { .. })
}

/// What the file is called that is sent once more.
pub(super) fn file_id(request: &UploadRequest) -> Option<&str> {
    match &request.copy_of.as_ref()?.stored_as {
        StoredAs::BotApi { file_id } => Some(file_id),
        _ => None,
    }
}

/// Whether Telegram says that it knows no such file, or not for this bot.
fn is_unknown(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["wrong file", "wrong remote file", "invalid file", "file_id_invalid"]
        .iter()
        .any(|words| said.contains(words))
}

/// The same, if a file was to be sent once more.
pub(super) fn explained(request: &UploadRequest, error: Error) -> Error {
    let unknown = error.kind() == ErrorKind::Rejected && is_unknown(&error.to_string());
    match file_id(request) {
        Some(_) if unknown => Error::copied_is_gone().with_source(error),
        _ => error,
    }
}

impl BotApiUploader {
    /// The bot that can send a file once more: a `file_id` is good for one bot, and does not say for which. Of several, each is asked
    /// whether it knows the file, the chosen one first.
    pub(super) async fn holder<'a>(&self, request: &'a UploadRequest, file_id: &str) -> Result<&'a Sender> {
        let chosen = request.bot();
        let others = request.credentials.bots().filter(|bot| chosen.is_none_or(|chosen| chosen.id != bot.id));
        let bots: Vec<&Sender> = chosen.into_iter().chain(others).collect();
        if let [only] = bots[..] {
            return Ok(only);
        }
        for bot in bots {
            let Some(token) = bot.bot_token() else { continue };
            match self.ask(token.expose(), "getFile", &json!({ "file_id": file_id })).await {
                Ok(_) => return Ok(bot),
                // It knows the file, which it may not fetch.
                Err(error) if error.kind() == ErrorKind::TooLarge => return Ok(bot),
                Err(error)
                    if error.kind() == ErrorKind::Rejected || error.kind() == ErrorKind::NotAuthorized =>
                {
                    tracing::debug!(bot = %bot.id, %error, "does not know the file");
                }
                Err(error) => return Err(error.met_by(Some(bot.id.clone()))),
            }
        }
        Err(Error::copied_is_gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_a_file_that_it_does_not_know() {
        for said in [
            "Bad Request: wrong file identifier/HTTP URL specified",
            "Bad Request: wrong remote file identifier specified: can't unserialize it",
            "Bad Request: wrong file_id or the file is temporarily unavailable",
            "Bad Request: invalid file_id",
        ] {
            assert!(is_unknown(said), "{said}");
        }
        assert!(!is_unknown("Bad Request: message caption is too long"));
    }
}
