//! The logins that files are sent with, for others who work with them, such as readers.

use std::sync::Arc;

use async_trait::async_trait;
use telestore_mtproto::{Account, Client, Error as Failed, ErrorKind as Kind, Logins, Remedy, Session};
use telestore_types::Sender;

use super::bots::Bots;
use super::error::failed_call;
use crate::{Error, ErrorKind, Result};

/// A client, and the bots that sign in with it. Clones share both.
#[derive(Debug, Clone)]
pub(super) struct SharedLogins {
    pub(super) client: Client,
    pub(super) bots: Arc<Bots>,
}

impl SharedLogins {
    pub(super) async fn enter(&self, sender: &Sender) -> Result<Arc<Account>> {
        match sender.session_string() {
            Some(given) => {
                let session = Session::read(given.expose()).map_err(Error::bad_session)?;
                Ok(self.client.account(session, sender.api_id())?)
            }
            None => self.bots.account(&self.client, sender).await,
        }
    }

    /// Notes how work has ended, if a bot did it that signs in here.
    pub(super) async fn note<T>(&self, sender: &Sender, account: &Account, ended: Result<T>) -> Result<T> {
        match sender.session_string() {
            Some(_) => ended,
            None => self.bots.ended(sender, account, ended).await,
        }
    }
}

#[async_trait]
impl Logins for SharedLogins {
    async fn account(&self, sender: &Sender) -> Result<Arc<Account>, Failed> {
        self.enter(sender).await.map_err(failed)
    }

    async fn failed(&self, sender: &Sender, account: &Account, error: Failed) -> Failed {
        let noted = self.note(sender, account, Err::<(), _>(error.clone().into())).await;
        noted.err().map_or(error, failed)
    }
}

/// The same in the words of calls.
fn failed(error: Error) -> Failed {
    let remedy = match (error.kind(), failed_call(&error)) {
        (ErrorKind::LoginBusy, Some(busy)) if *busy.kind() == Kind::LoginBusy => return busy.clone(),
        (ErrorKind::FloodWait(wait), _) => Remedy::Wait(wait),
        (ErrorKind::Unavailable | ErrorKind::Storage, _) => Remedy::Again,
        (ErrorKind::NotAuthorized, _) => Remedy::LogIn,
        (_, Some(call)) => call.remedy(),
        _ => Remedy::GiveUp,
    };
    Failed::not_signed_in(error.to_string(), remedy)
}
