//! Deleting messages that nobody wants any more.

use telestore_mtproto::Error as CallError;
use telestore_mtproto::tl::enums::InputPeer;
use telestore_types::{StoredAs, StoredFile, StoredMessage};

use super::attempt::Attempt;
use super::send::chat_of;
use crate::staying::{Staying, not_allowed};
use crate::{Error, ErrorKind, Result};

/// Deletes the messages, each by itself: a pool of bots may have made them, and each bot deletes its own.
pub(super) async fn withdraw(attempt: &Attempt<'_>, stored: &StoredFile) -> Result<bool> {
    let (mut staying, mut messages) = (Staying::default(), stored.messages().iter());
    while let Some(message) = staying.next(&mut messages) {
        staying.note(message, delete(attempt, message).await);
    }
    staying.end()
}

/// Deletes a message; says whether it is gone.
async fn delete(attempt: &Attempt<'_>, message: &StoredMessage) -> Result<bool> {
    let calls = &attempt.calls;
    let Ok(message_id) = i32::try_from(message.message_id) else { return Ok(false) };
    // Most often it is the chat of the credentials, which is known already.
    let peer = match (calls.locate(&attempt.credentials.chat_id).await, &message.chat_id) {
        (found, None) => found?,
        (Ok(peer), Some(chat)) if chat_of(&peer).as_ref() == Some(chat) => peer,
        (_, Some(chat)) => calls.locate(chat).await?,
    };
    if !is_it(attempt, &peer, message_id, message).await? {
        return Ok(false);
    }
    let deleted = calls.delete_message(&peer, message_id).await.map_err(refusal)?;
    // None to delete: an earlier try may have lost its answer. That tells a channel only, where all accounts see the same
    // numbers.
    Ok(deleted || matches!(peer, InputPeer::Channel(_)) && calls.message(&peer, message_id).await?.is_none())
}

/// Whether what this account has under the number of a message is that message. In a channel all accounts see the same numbers; in
/// a basic group each has its own, and another one's number is that of something else. A message of an old version may be of
/// another channel than the credentials name now.
async fn is_it(
    attempt: &Attempt<'_>,
    peer: &InputPeer,
    message_id: i32,
    message: &StoredMessage,
) -> Result<bool> {
    let StoredAs::Mtproto { document_id } = message.stored_as else { return Ok(true) };
    if matches!(peer, InputPeer::Channel(_)) && message.chat_id.is_some() {
        return Ok(true);
    }
    let found = attempt.calls.message(peer, message_id).await?;
    Ok(found.is_some_and(|found| found.file_id() == Some(document_id)))
}

/// A call that deletes is refused in words about that.
fn refusal(error: CallError) -> Error {
    let said = format!("Telegram does not let it be deleted: {error}");
    let error = Error::from(error);
    match error.kind() {
        ErrorKind::Rejected => not_allowed(said).with_source(error),
        _ => error,
    }
}
