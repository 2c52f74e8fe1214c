use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use telestore_types::{Identity, Secret, TelegramCredentials, UserId};

use crate::{Error, Result};

/// Says who a token belongs to, and what that user's files are sent with.
///
/// # Contract
/// - The answer depends on the token alone; nothing of one token is ever given for another.
/// - [`Error::InvalidToken`] and [`Error::NotConfigured`] are final words; [`Error::Unavailable`] may pass.
/// - Errors and `Debug` never hold a secret.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait CredentialProvider: fmt::Debug + Send + Sync + 'static {
    /// The credentials that go with `token`.
    ///
    /// # Errors
    /// See [`Error`].
    async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>>;

    /// Who `token` is, for a caller that sends nothing. A provider that knows so without the credentials answers sooner.
    ///
    /// # Errors
    /// As [`credentials`](Self::credentials).
    async fn identify(&self, token: &Secret) -> Result<Identity> {
        Ok(Identity::new(self.credentials(token).await?.user_id.clone()))
    }

    /// What was said of `token` last, if that is remembered and it was good, without asking anybody: who may be asked
    /// again, not who is let in.
    async fn known(&self, token: &Secret) -> Option<Arc<TelegramCredentials>> {
        let _ = token;
        None
    }

    /// Telegram refused the credentials of `token`: ask anew next time.
    async fn forget(&self, token: &Secret);

    /// Whether the service that is asked can be reached now. Success if there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn reach(&self) -> Result<()> {
        Ok(())
    }
}

/// SHA-256 of a token: what it is looked up by, so that no map holds tokens in clear.
pub(crate) type TokenDigest = [u8; 32];

pub(crate) fn digest(token: &Secret) -> TokenDigest {
    Sha256::digest(token.expose().as_bytes()).into()
}

/// Stand-alone use: a fixed list of tokens, all with the same Telegram credentials.
///
/// Each token is a user of its own, named after the token's digest, unless it is [given one](Self::with): the holders of
/// two tokens do not see each other's uploads.
#[derive(Debug)]
pub struct StaticCredentialProvider {
    credentials: TelegramCredentials,
    users: HashMap<TokenDigest, Arc<TelegramCredentials>>,
}

impl StaticCredentialProvider {
    /// Lets `tokens` in, with `credentials` whose `user_id` is replaced.
    pub fn new(credentials: &TelegramCredentials, tokens: impl IntoIterator<Item = Secret>) -> Self {
        let nobody = Self { credentials: credentials.clone(), users: HashMap::new() };
        tokens.into_iter().fold(nobody, |provider, token| {
            let user = Self::user_of(&token);
            provider.with(user, &token)
        })
    }

    /// Lets `token` in, too, as `user`. Several tokens may be the same user's. An empty one is nobody's.
    #[must_use]
    pub fn with(mut self, user: UserId, token: &Secret) -> Self {
        if !token.is_empty() {
            let credentials = self.credentials.clone().of_user(user);
            self.users.insert(digest(token), Arc::new(credentials));
        }
        self
    }

    /// The user of a token without a name: `token-` and the first 12 digits of its SHA-256.
    pub fn user_of(token: &Secret) -> UserId {
        UserId::new(format!("token-{}", hex::encode(&digest(token)[..6])))
    }
}

#[async_trait]
impl CredentialProvider for StaticCredentialProvider {
    async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        self.users.get(&digest(token)).cloned().ok_or(Error::InvalidToken)
    }

    async fn known(&self, token: &Secret) -> Option<Arc<TelegramCredentials>> {
        self.users.get(&digest(token)).cloned()
    }

    async fn forget(&self, _: &Secret) {}
}

#[cfg(test)]
mod tests {
    use telestore_types::ChatId;

    use super::*;

    fn credentials() -> TelegramCredentials {
        let chat = ChatId::new("-1001").unwrap();
        TelegramCredentials::new(UserId::new(""), chat).with_bot(Secret::new("1:a"))
    }

    #[tokio::test]
    async fn tokens_are_users_of_their_own() {
        let provider = StaticCredentialProvider::new(&credentials(), ["one".into(), "two".into(), "".into()]);
        let one = provider.credentials(&"one".into()).await.unwrap();
        let two = provider.credentials(&"two".into()).await.unwrap();
        assert_ne!(one.user_id, two.user_id);
        assert_eq!(one.senders, two.senders);
        assert_eq!(provider.identify(&"one".into()).await, Ok(Identity::new(one.user_id.clone())));
        for unknown in ["three", ""] {
            assert_eq!(provider.credentials(&unknown.into()).await, Err(Error::InvalidToken));
        }
        assert!(!format!("{provider:?}").contains("1:a"));
    }

    #[tokio::test]
    async fn tokens_of_one_name_are_one_user() {
        let alice = || UserId::new("alice");
        let provider = StaticCredentialProvider::new(&credentials(), ["one".into()])
            .with(alice(), &"two".into())
            .with(alice(), &"three".into())
            .with(alice(), &"".into());
        let user =
            async |token: &str| provider.credentials(&token.into()).await.map(|user| user.user_id.clone());
        assert_eq!((user("two").await, user("three").await), (Ok(alice()), Ok(alice())));
        assert_eq!(user("one").await, Ok(StaticCredentialProvider::user_of(&"one".into())));
        assert_eq!(user("").await, Err(Error::InvalidToken));
    }
}
