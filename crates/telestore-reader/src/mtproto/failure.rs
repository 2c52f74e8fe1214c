//! What Telegram's errors mean to who reads.

use telestore_mtproto::{Error as Failed, ErrorKind as Kind, Remedy, RpcError};
use telestore_types::telegram::wait_words;

use crate::{Error, ErrorKind};

/// Whether the message has to be read again, since what names its file has expired.
/// <https://core.telegram.org/api/file-references>
pub(super) fn is_stale(failed: &Failed) -> bool {
    let stale =
        |rpc: &RpcError| rpc.name().starts_with("FILE_REFERENCE") || rpc.name().starts_with("FILEREF_");
    failed.rpc().is_some_and(stale)
}

/// The data centre that has the file, if Telegram says that it is another one.
pub(super) fn lies_in(failed: &Failed) -> Option<i32> {
    match failed.remedy() {
        Remedy::Migrate(dc) if failed.is("FILE_MIGRATE") => Some(dc),
        _ => None,
    }
}

pub(super) fn gone() -> Error {
    let text = "the file is not in the channel any more: its message was deleted";
    Error::new(ErrorKind::Gone, text)
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        let unavailable = |text: String| Self::new(ErrorKind::Unavailable, text);
        match (failed.kind(), failed.remedy()) {
            (Kind::LoginBusy, _) => {
                unavailable(format!("another worker uses the Telegram login just now: {failed}"))
            }
            (Kind::ChatNotFound, _) | (_, Remedy::Resolve) => {
                let text = "the channel cannot be read with these Telegram credentials";
                Self::new(ErrorKind::Refused, format!("{text}: {failed}"))
            }
            (_, Remedy::Wait(wait)) => {
                Self::new(ErrorKind::Wait(wait), format!("{} ({failed})", wait_words(wait)))
            }
            (_, Remedy::Again | Remedy::StartOver | Remedy::Migrate(_) | Remedy::Leave) => {
                let said = failed.to_string();
                let words = "Telegram is not available";
                unavailable(if said.starts_with(words) { said } else { format!("{words}: {said}") })
            }
            (_, Remedy::LogIn) => {
                Self::new(ErrorKind::Refused, format!("Telegram session not authorized: {failed}"))
            }
            _ if failed.is("FILE_ID_INVALID") || failed.is("LOCATION_INVALID") => gone(),
            _ => Self::new(ErrorKind::Refused, format!("Telegram refused to give the file: {failed}")),
        }
    }
}
