use std::sync::Arc;

use async_trait::async_trait;
use telestore_mtproto::Logins;
use telestore_types::{ChatId, Sender, StoredAs, StoredMessage, TelegramCredentials};

use super::budget::Budget;
use super::message::{Login, OpenMessage};
use crate::content::better;
use crate::{Error, ErrorKind, MessageBytes, Result, TelegramReader};

/// Reads by `upload.getFile`, as an account with a session string or as a bot with its token and an application, over the
/// connections that sending uses, too.
///
/// A stream reads ahead as far as its reader and the line are fast: 8 MiB at most, and 16 MiB in all beside 256 KiB for each stream.
#[derive(Debug, Clone)]
pub struct MtprotoReader {
    logins: Arc<dyn Logins>,
    budget: Budget,
}

impl MtprotoReader {
    /// A reader with the logins of somebody who sends.
    pub fn new(logins: Arc<dyn Logins>) -> Self {
        Self { logins, budget: Budget::default() }
    }

    async fn open_as(
        &self,
        sender: &Sender,
        chat: &ChatId,
        message: (i64, Option<&StoredMessage>),
    ) -> Result<OpenMessage> {
        let account = self.logins.account(sender).await?;
        let login = Login { logins: Arc::clone(&self.logins), sender: sender.clone(), account };
        let calls = login.calls();
        let located = calls.unless_stalled(calls.locate(chat)).await;
        let peer = login.ended(located).await?;
        let opened = OpenMessage::find(login.clone(), peer, message, self.budget.clone()).await;
        if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::Refused) {
            // What is remembered of the channel may be why.
            login.calls().forget(chat);
        }
        opened
    }

    async fn open_in(
        &self,
        credentials: &TelegramCredentials,
        chat: &ChatId,
        message: (i64, Option<&StoredMessage>),
    ) -> Result<Arc<dyn MessageBytes>> {
        let mut failed = None;
        // Persons' accounts first: they see what was there before a bot came.
        let (sessions, bots): (Vec<_>, Vec<_>) =
            credentials.senders.iter().filter(is_able).partition(|sender| sender.session_string().is_some());
        for sender in sessions.into_iter().chain(bots) {
            match self.open_as(sender, chat, message).await {
                Ok(open) => return Ok(Arc::new(open)),
                // In a channel all accounts see the same numbers, so the others need not be asked.
                Err(error) if error.kind() == ErrorKind::Gone && !chat.is_basic_group() => return Err(error),
                Err(error) => {
                    tracing::debug!(sender = %sender.id, %error, "cannot read the file as this login");
                    failed = Some(better(failed, error));
                }
            }
        }
        let nobody = "no Telegram login can read the file";
        Err(failed.unwrap_or_else(|| Error::new(ErrorKind::Refused, nobody)))
    }
}

/// Whether a login can be used by MTProto.
fn is_able(sender: &&Sender) -> bool {
    sender.session_string().is_some() || sender.application().is_some()
}

#[async_trait]
impl TelegramReader for MtprotoReader {
    fn name(&self) -> &'static str {
        "MTProto"
    }

    fn takes(&self, credentials: &TelegramCredentials, message: &StoredMessage) -> bool {
        let known = matches!(message.stored_as, StoredAs::Mtproto { .. } | StoredAs::BotApi { .. });
        known && self.looks(credentials)
    }

    async fn open(
        &self,
        credentials: &TelegramCredentials,
        message: &StoredMessage,
    ) -> Result<Arc<dyn MessageBytes>> {
        let chat = message.chat_id.as_ref().unwrap_or(&credentials.chat_id);
        self.open_in(credentials, chat, (message.message_id, Some(message))).await
    }

    fn looks(&self, credentials: &TelegramCredentials) -> bool {
        credentials.senders.iter().any(|sender| is_able(&sender))
    }

    async fn look(
        &self,
        credentials: &TelegramCredentials,
        message_id: i64,
    ) -> Result<Arc<dyn MessageBytes>> {
        self.open_in(credentials, &credentials.chat_id, (message_id, None)).await
    }
}
