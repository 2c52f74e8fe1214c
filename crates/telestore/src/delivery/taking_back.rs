//! Deleting messages by whoever may: a bot deletes what it has sent, and not always what another one has; a session may delete what a
//! bot may not any more.

use std::sync::Arc;

use telestore_types::{StoredAs, StoredFile, StoredMessage, TelegramCredentials};
use telestore_uploader::{Error, Requirement, TelegramUploader, Verdict};

use crate::delivery::outbox::Delivery;

/// One way to delete messages: a backend, and whose login.
type Way<'a> = (&'a Arc<dyn TelegramUploader>, TelegramCredentials);

impl Delivery {
    /// Deletes messages that `own` has made, by one login after the other. `left` are those that are not gone, also if this is
    /// dropped. Of many tries each begins with another login, so that one which hangs keeps the others from nothing.
    pub(super) async fn take_back_by_all(
        &self,
        own: &Arc<dyn TelegramUploader>,
        credentials: &TelegramCredentials,
        left: &mut Option<StoredFile>,
        attempt: u32,
    ) -> Result<(), Unwilling> {
        let Some(stored) = left.as_ref() else { return Ok(()) };
        let mut ways = self.ways(own, credentials, stored);
        let first = attempt as usize % ways.len();
        ways.rotate_left(first);
        let mut ended = Err(Unwilling::unreadable());
        for (backend, credentials) in ways {
            let Some(stored) = left.clone() else { return Ok(()) };
            let refused = match backend.withdraw(&credentials, &stored).await {
                Ok(true) => {
                    *left = None;
                    return Ok(());
                }
                Ok(false) => Unwilling::ForGood("Telegram does not let it be deleted".to_owned()),
                Err(error) => {
                    *left = staying(&stored, &error);
                    Unwilling::of_telegram(&error)
                }
            };
            ended = match (ended, refused) {
                (Err(Unwilling::Passing(why)), Unwilling::ForGood(_)) => Err(Unwilling::Passing(why)),
                (_, refused) => Err(refused),
            };
        }
        ended
    }

    /// Who may be able to delete messages, those first that most likely have made them.
    fn ways<'a>(
        &'a self,
        own: &'a Arc<dyn TelegramUploader>,
        credentials: &TelegramCredentials,
        stored: &StoredFile,
    ) -> Vec<Way<'a>> {
        let all = |is: fn(&StoredMessage) -> bool| stored.messages().iter().all(is);
        let in_channels = all(StoredMessage::is_in_channel);
        // In a basic group each account has numbers of its own, so that only what has the same document may be deleted.
        let have_documents = all(|message| matches!(message.stored_as, StoredAs::Mtproto { .. }));
        if !in_channels && !have_documents {
            return vec![(own, credentials.clone())];
        }
        let mut ways: Vec<Way<'_>> = logins(own, credentials).into_iter().map(|login| (own, login)).collect();
        // Backends of others may number their messages as they like.
        let of_telegram = all(|message| !matches!(message.stored_as, StoredAs::Other { .. }));
        if in_channels && of_telegram {
            let others = self.backends.uploaders.iter().filter(|other| other.name() != own.name());
            for other in others.filter(|other| other.capability().requirement != Requirement::Nothing) {
                if other.capability().requirement.is_met_by(credentials) {
                    ways.extend(logins(other, credentials).into_iter().map(|login| (other, login)));
                }
            }
        }
        ways
    }
}

/// The credentials of each login that will do for a backend: those that it would send by first, then those that may have sent for it
/// when others were not there.
fn logins(
    backend: &Arc<dyn TelegramUploader>,
    credentials: &TelegramCredentials,
) -> Vec<TelegramCredentials> {
    let requirement = backend.capability().requirement;
    let mut logins: Vec<_> = requirement.senders(credentials).cloned().collect();
    if logins.is_empty() {
        return vec![credentials.clone()];
    }
    for sender in &credentials.senders {
        let known = logins.iter().any(|login| login.id == sender.id);
        if !known && requirement.is_met_by(&credentials.only(sender)) {
            logins.push(sender.clone());
        }
    }
    logins.iter().map(|login| credentials.only(login)).collect()
}

/// Those of these messages that stay. An error that names none of them does not tell.
fn staying(stored: &StoredFile, error: &Error) -> Option<StoredFile> {
    let named = stored.messages().iter().filter(|message| error.made().contains(message));
    StoredFile::of(named.cloned().collect()).or_else(|| Some(stored.clone()))
}

/// The numbers of messages, for a person.
pub(super) fn numbers(stored: Option<&StoredFile>) -> String {
    StoredMessage::numbers(stored.iter().flat_map(|stored| stored.messages()))
}

/// Why a message was not taken back.
pub(super) enum Unwilling {
    Passing(String),
    ForGood(String),
}

impl Unwilling {
    /// What was written down of the event cannot be read.
    pub(super) fn unreadable() -> Self {
        Self::ForGood("what was written down of it cannot be read".to_owned())
    }

    /// What a way to Telegram said.
    pub(super) fn of_telegram(error: &Error) -> Self {
        match error.verdict() {
            Verdict::Permanent => Self::ForGood(error.to_string()),
            _ => Self::Passing(error.to_string()),
        }
    }
}
