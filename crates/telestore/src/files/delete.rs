//! Files go with their messages.

use std::collections::BTreeMap;

use telestore_store::{NewEvent, Withdrawal};
use telestore_types::{FileId, StoredAs, StoredFile, StoredMessage};

use crate::files::Files;
use crate::shared::base::new_event_id;
use crate::shared::caller::Caller;
use crate::shared::error::{Conflict, Error, Result};

impl Files {
    /// Takes a file out of the index; its messages are taken back from then on, until they are gone, unless they are to stay.
    pub(crate) async fn delete(&self, id: &FileId, keep_messages: bool, caller: &Caller) -> Result<()> {
        let (user, token) = self.user(caller).await?;
        let file = self.base.sessions.file(&user.user_id, id).await?.ok_or(Error::NoFile)?;
        let mut events = Vec::new();
        if !keep_messages {
            check_known(&file.stored)?;
            let sealed = self.backends.sealer.seal(id.key(), token)?;
            events.extend(by_backend(&file.stored).into_iter().map(|(backend, stored)| {
                let withdrawal = Withdrawal::new(backend, id.key().clone(), stored).of_file();
                NewEvent::withdrawal(new_event_id(), withdrawal.to_json())
                    .of_user(Some(user.user_id.clone()), Some(sealed.clone()))
            }));
        }
        let deleted = self.base.sessions.delete_file(&user.user_id, id, &events, self.base.now()).await?;
        // Another call may have been quicker.
        deleted.ok_or(Error::NoFile)?;
        self.base.outbox.notify_one();
        Ok(())
    }
}

/// In a basic group each account numbers messages for itself, and an old version kept no chat: the number may be that of another
/// message by now. By MTProto the file tells; the Bot API shows no message.
fn check_known(stored: &StoredFile) -> Result<()> {
    let unknown = |message: &&StoredMessage| {
        !message.is_in_channel() && !matches!(message.stored_as, StoredAs::Mtproto { .. })
    };
    let numbers = StoredMessage::numbers(stored.messages().iter().filter(unknown));
    if numbers.is_empty() {
        return Ok(());
    }
    Err(Conflict::State(format!(
        "whether message {numbers} still is this file cannot be seen, so it is not deleted: delete it in Telegram by hand, and the \
         file here without its messages"
    ))
    .into())
}

/// The messages of a file, by the backends that made them.
fn by_backend(stored: &StoredFile) -> Vec<(String, StoredFile)> {
    let mut parts = BTreeMap::<&str, Vec<StoredMessage>>::new();
    for message in stored.messages() {
        parts.entry(message.stored_as.backend()).or_default().push(message.clone());
    }
    let part = |(backend, messages): (&str, _)| Some((backend.to_owned(), StoredFile::of(messages)?));
    parts.into_iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use telestore_types::ChatId;

    use super::*;

    fn message(chat: Option<&str>, stored_as: StoredAs) -> StoredFile {
        let message = StoredMessage::new(7, stored_as, 5);
        StoredFile::new(match chat {
            Some(chat) => message.in_chat(ChatId::new(chat).unwrap()),
            None => message,
        })
    }

    #[test]
    fn a_message_that_may_be_another_by_now_is_left_to_its_owner() {
        let bot = || StoredAs::BotApi { file_id: "f".to_owned() };
        let account = || StoredAs::Mtproto { document_id: 7 };
        for (chat, of_bot, of_account) in
            [(Some("-1001234567890"), true, true), (Some("-42"), false, true), (None, false, true)]
        {
            assert_eq!(check_known(&message(chat, bot())).is_ok(), of_bot, "{chat:?}");
            assert_eq!(check_known(&message(chat, account())).is_ok(), of_account, "{chat:?}");
        }
        let error = check_known(&message(None, bot())).unwrap_err().to_string();
        assert!(error.contains("message 7") && error.contains("by hand"), "{error}");
    }
}
