//! One more message of a file that is at Telegram already, by its `file_id`:
//! <https://core.telegram.org/bots/api#sending-files>. No bytes go out.

use telestore_types::{StoredAs, StoredMessage};

use crate::{Error, ErrorKind, UploadRequest};

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
