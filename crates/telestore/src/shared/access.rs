use std::sync::Arc;

use sha2::{Digest, Sha256};
use telestore_store::{Claim, Owner};
use telestore_types::{Secret, TelegramCredentials, Upload, UploadId, UploadState};
use tracing::Span;
use tracing::field::display;

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::caller::Caller;
use crate::shared::config::Auth;
use crate::shared::error::{Error, MissingToken, Result};

/// Who may do what with which upload.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) base: Arc<Base>,
    pub(crate) backends: Arc<Backends>,
}

impl Access {
    /// The caller, and the caller's token; `None` without one. The credential provider is asked once for each caller.
    pub(crate) async fn user_of<'a>(
        &self,
        caller: &'a Caller,
    ) -> Result<Option<(&'a Arc<TelegramCredentials>, &'a Secret)>> {
        let Some(token) = caller.token() else { return Ok(None) };
        let ask = || async {
            let user = self.backends.credentials.credentials(token).await?;
            // Once, as `Caller::concerns` the upload.
            Span::current().record("user", display(&user.user_id));
            Ok::<_, Error>(user)
        };
        let user = caller.user_cell().get_or_try_init(ask).await?;
        Ok(Some((user, token)))
    }

    /// Whose the caller's token was when the backend was asked last, if that is remembered; nobody is asked.
    pub(crate) async fn known<'a>(&self, caller: &'a Caller) -> Option<&'a Arc<TelegramCredentials>> {
        if let Some(user) = caller.credentials() {
            return Some(user);
        }
        let token = caller.token()?;
        let look = || self.backends.credentials.known(token);
        caller.known_cell().get_or_init(look).await.as_ref()
    }

    /// In strict mode a call needs a valid token before anything is said about any upload, or about there being none.
    pub(crate) async fn admit(&self, caller: &Caller) -> Result<()> {
        if self.base.config.auth == Auth::Documented {
            return Ok(());
        }
        self.user_of(caller).await?.map(drop).ok_or_else(missing_token)
    }

    /// The upload with this id, if there is one and the call may touch it.
    pub(crate) async fn find(&self, id: &UploadId, caller: &Caller) -> Result<Option<Upload>> {
        caller.concerns(id);
        self.admit(caller).await?;
        let found = self.base.sessions.get(id).await?;
        if let Some(found) = &found {
            self.check_access(found, caller).await?;
        }
        Ok(found)
    }

    pub(crate) fn owner(&self, upload: &Upload, token: &Secret, user: &TelegramCredentials) -> Result<Owner> {
        let sealed_token = self.backends.sealer.seal(&upload.key, token)?;
        Ok(Owner::new(user.user_id.clone(), sealed_token))
    }

    /// Checks that a call may touch an upload that is there.
    ///
    /// The documented clients send no token with most calls, so none is needed once the upload has an owner; the id is
    /// what they know. A token that is sent must be its owner's. In strict mode one must be sent.
    pub(crate) async fn check_access(&self, upload: &Upload, caller: &Caller) -> Result<()> {
        let Some((user, _)) = self.user_of(caller).await? else { return self.admit(caller).await };
        match &upload.user_id {
            Some(owner) if *owner != user.user_id => Err(Error::Forbidden),
            _ => Ok(()),
        }
    }

    /// Checks the same, and makes the token's user the owner if there is none.
    ///
    /// Bytes are only taken for somebody: without a token *and* an owner the call is refused.
    pub(crate) async fn claim(&self, upload: &Upload, caller: &Caller) -> Result<()> {
        self.check_access(upload, caller).await?;
        let Some((user, token)) = self.user_of(caller).await? else {
            return if upload.user_id.is_some() { Ok(()) } else { Err(missing_token()) };
        };
        if upload.state == UploadState::Receiving {
            self.check_sendable_by(user, token, upload.size()).await?;
        }
        // The very token that it has needs no write.
        if upload.state.is_over() || self.backends.token_of(upload).is_some_and(|held| same(&held, token)) {
            return Ok(());
        }
        let owner = self.owner(upload, token, user)?;
        match self.base.sessions.claim(&upload.id, &upload.key, &owner, &self.base.limits()).await? {
            Claim::Owned => Ok(()),
            Claim::Foreign => Err(Error::Forbidden),
            Claim::TooMuch(exceeded) => Err(self.too_much(exceeded)),
            Claim::NotFound => Err(Error::NotFound),
        }
    }
}

/// Compares digests, so that the time it takes tells nothing of how much of a token was right.
fn same(one: &Secret, other: &Secret) -> bool {
    let digest = |secret: &Secret| Sha256::digest(secret.expose().as_bytes());
    digest(one) == digest(other)
}

pub(crate) fn missing_token() -> Error {
    Error::Unauthorized(MissingToken::Call)
}
