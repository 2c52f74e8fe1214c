use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use telestore_types::Sender;

use crate::{Account, Error, Result};

/// Gives the accounts of senders: of those with a session string, and of bots, which sign in for that. All who work with one
/// sender share its account, and so its connection.
#[async_trait]
pub trait Logins: fmt::Debug + Send + Sync + 'static {
    /// The account of a sender. A bot that has no key yet signs in.
    ///
    /// # Errors
    /// Why the sender cannot be used.
    async fn account(&self, sender: &Sender) -> Result<Arc<Account>>;

    /// To be called with the error that work of an account has ended with, so that a bot whose login is dead signs in anew for the
    /// next one. Gives back the error that its caller is to see.
    async fn failed(&self, sender: &Sender, account: &Account, error: Error) -> Error;
}
