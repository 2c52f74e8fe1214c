//! Whether a file of a length can be sent at all, asked before its bytes come.

use telestore_types::{Secret, TelegramCredentials};
use telestore_uploader::{fault_of_better, largest};

use crate::shared::access::Access;
use crate::shared::caller::Caller;
use crate::shared::error::{Error, Result};

impl Access {
    /// Refuses a file of `length` bytes that no backend sends with what is known of the caller's credentials. Nobody is
    /// asked about the token: if nothing is known of it, nothing is refused.
    ///
    /// A refusal lets the credentials be forgotten, so that a user who adds what was missing and tries again is not held
    /// to an older answer.
    pub(crate) async fn check_sendable(&self, caller: &Caller, length: u64) -> Result<()> {
        match (self.known(caller).await, caller.token()) {
            (Some(user), Some(token)) => self.check_sendable_by(user, token, length).await,
            _ => Ok(()),
        }
    }

    /// The same for a token whose credentials were asked for just now.
    pub(crate) async fn check_sendable_by(
        &self,
        user: &TelegramCredentials,
        token: &Secret,
        length: u64,
    ) -> Result<()> {
        let refusal = self.too_large_for(user, length);
        if refusal.is_err() {
            self.backends.credentials.forget(token).await;
        }
        refusal
    }

    fn too_large_for(&self, user: &TelegramCredentials, length: u64) -> Result<()> {
        let limit = self.base.config.max_file_bytes;
        if length > limit {
            return Err(Error::TooLarge { what: "file", limit });
        }
        if let Some(fault) = fault_of_better(&self.backends.uploaders, length, user) {
            return Err(Error::NotConfigured(fault.to_string()));
        }
        let most = |user| largest(&self.backends.uploaders, user);
        match (most(Some(user)), most(None)) {
            (Some(limit), _) if length <= limit => Ok(()),
            (limit, Some(any)) if length <= any => match (self.fault_in(user, length), limit) {
                (Some(why), _) => Err(Error::NotConfigured(why)),
                (None, Some(limit)) => Err(Error::NeedsSession { limit }),
                // Nothing can be sent, whatever its length: the send says what is missing.
                (None, None) => Ok(()),
            },
            (None, _) | (_, None) => Ok(()),
            (Some(_), Some(limit)) => Err(Error::TooLarge { what: "file", limit }),
        }
    }

    /// What is wrong with credentials that are there and would be needed for a file of `length` bytes.
    fn fault_in(&self, user: &TelegramCredentials, length: u64) -> Option<String> {
        let capabilities = self.backends.uploaders.iter().map(|uploader| uploader.capability());
        let mut able = capabilities.filter(|can| length <= can.max_bytes);
        able.find_map(|can| can.requirement.fault(user)).map(|fault| fault.to_string())
    }
}
