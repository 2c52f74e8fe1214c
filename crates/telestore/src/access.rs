use std::sync::Arc;

use telestore_store::{Claim, Owner};
use telestore_types::{Secret, TelegramCredentials, Upload};

use crate::{Error, Result, Telestore};

impl Telestore {
    /// Whose `token` is it?
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::NotConfigured`] or [`Error::BackendUnavailable`].
    pub async fn authenticate(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        Ok(self.0.credentials.credentials(token).await?)
    }

    pub(crate) fn owner(&self, upload: &Upload, token: &Secret, user: &TelegramCredentials) -> Result<Owner> {
        let sealed_token = self.0.sealer.seal(&upload.key, token)?;
        Ok(Owner { user_id: user.user_id.clone(), sealed_token })
    }

    /// Checks that a call may touch an upload that is there.
    ///
    /// The documented clients send no token with most calls, so none is needed once the upload has an owner; the id is
    /// what they know. A token that is sent must be its owner's.
    pub(crate) async fn check_access(&self, upload: &Upload, token: Option<&Secret>) -> Result<()> {
        let Some(token) = token else { return Ok(()) };
        let user = self.authenticate(token).await?;
        match &upload.user_id {
            Some(owner) if *owner != user.user_id => Err(Error::Forbidden),
            _ => Ok(()),
        }
    }

    /// Checks the same, and makes the token's user the owner where there is none.
    ///
    /// Bytes are only taken for somebody: without a token *and* an owner the call is refused.
    pub(crate) async fn claim(&self, upload: &Upload, token: Option<&Secret>) -> Result<()> {
        let Some(token) = token else {
            return if upload.user_id.is_some() { Ok(()) } else { Err(missing_token()) };
        };
        let user = self.authenticate(token).await?;
        if upload.user_id.as_ref().is_some_and(|owner| *owner != user.user_id) {
            return Err(Error::Forbidden);
        }
        // The very token that it has needs no write.
        if upload.state.is_over() || self.token_of(upload).as_ref() == Some(token) {
            return Ok(());
        }
        match self.0.sessions.claim(&upload.id, &upload.key, &self.owner(upload, token, &user)?).await? {
            Claim::Owned => Ok(()),
            Claim::Foreign => Err(Error::Forbidden),
            Claim::NotFound => Err(Error::NotFound),
        }
    }

    /// The token that the upload is sent with, where this process can read it.
    pub(crate) fn token_of(&self, upload: &Upload) -> Option<Secret> {
        let sealed = upload.sealed_token.as_deref()?;
        self.0.sealer.open(&upload.key, sealed).ok()
    }
}

pub(crate) fn missing_token() -> Error {
    Error::Unauthorized(
        "authToken is missing: send it as a form field, in the JSON, or as a bearer token".to_owned(),
    )
}
