//! Whether a file of a length can be sent at all, asked before its bytes come.

use telestore_types::{Secret, TelegramCredentials};
use telestore_uploader::largest;

use crate::{Error, Result, Telestore};

impl Telestore {
    /// Refuses a file of `length` bytes that no backend sends with the credentials that `token` is known to stand for.
    /// Nobody is asked about the token: where nothing is known of it, nothing is refused.
    ///
    /// A refusal lets the credentials be forgotten, so that a user who adds what was missing and tries again is not held
    /// to an older answer.
    ///
    /// # Errors
    /// [`Error::NeedsSession`], [`Error::TooLarge`].
    pub async fn check_sendable(&self, token: &Secret, length: u64) -> Result<()> {
        match self.known(token).await {
            Some(user) => self.check_sendable_by(&user, token, length).await,
            None => Ok(()),
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
            self.0.credentials.forget(token).await;
        }
        refusal
    }

    fn too_large_for(&self, user: &TelegramCredentials, length: u64) -> Result<()> {
        let most = |user| largest(&self.0.uploaders, user);
        match (most(Some(user)), most(None)) {
            // Nothing can be sent, whatever its length: the send says what is wrong with the credentials.
            (None, _) | (_, None) => Ok(()),
            (Some(limit), _) if length <= limit => Ok(()),
            (Some(limit), Some(any)) if length <= any => Err(Error::NeedsSession { limit }),
            (_, Some(limit)) => Err(Error::TooLarge { what: "file", limit }),
        }
    }
}
