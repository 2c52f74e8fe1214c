use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use telestore_store::SessionStore;
use telestore_types::{KeyStore, KeyStoreError, Secret, Sender, StorageKey};

use crate::shared::seal::Sealer;

/// Keeps what bots have signed in with in a session store, sealed. All workers on the store share it, if they have the same
/// sealer.
///
/// The row has a name that is made of the whole token, and cannot be found without it: who brings the number of a bot with another
/// secret gets no key.
#[derive(Clone)]
pub struct SealedKeys {
    sessions: Arc<dyn SessionStore>,
    sealer: Sealer,
}

impl fmt::Debug for SealedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedKeys")
    }
}

impl SealedKeys {
    /// Those in `sessions`, sealed by `sealer`.
    pub fn new(sessions: Arc<dyn SessionStore>, sealer: Sealer) -> Self {
        Self { sessions, sealer }
    }
}

/// The name of a bot's row.
fn key_of(bot: &Sender) -> StorageKey {
    let token = bot.bot_token().map(Secret::expose).unwrap_or_default();
    let digest = Sha256::new().chain_update(b"telestore key of a bot\0").chain_update(token).finalize();
    let mut name = [0; 16];
    name.copy_from_slice(&digest[..16]);
    StorageKey::from_random(name)
}

#[async_trait]
impl KeyStore for SealedKeys {
    async fn load(&self, bot: &Sender) -> Result<Option<Secret>, KeyStoreError> {
        let key = key_of(bot);
        let sealed =
            self.sessions.bot_key(&key).await.map_err(|error| KeyStoreError::new(error.to_string()))?;
        Ok(sealed.and_then(|sealed| match self.sealer.open(&key, &sealed) {
            Ok(opened) => Some(opened),
            Err(error) => {
                tracing::warn!(bot = %bot.id, %error, "the kept key of a bot cannot be used; the bot signs in anew");
                None
            }
        }))
    }

    async fn save(&self, bot: &Sender, kept: &Secret) -> Result<(), KeyStoreError> {
        let key = key_of(bot);
        let sealed = self.sealer.seal(&key, kept).map_err(|error| KeyStoreError::new(error.to_string()))?;
        let saved = self.sessions.save_bot_key(&key, &sealed).await;
        saved.map_err(|error| KeyStoreError::new(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use telestore_store::MemorySessionStore;

    use super::*;

    fn bot(secret: char) -> Sender {
        Sender::bot(Secret::new(format!("123456:{}", String::from(secret).repeat(35))))
    }

    #[tokio::test]
    async fn a_key_is_for_the_whole_token_and_the_right_sealer() {
        let sessions = Arc::new(MemorySessionStore::new());
        let keys = SealedKeys::new(sessions.clone(), Sealer::from_secret(&"hush".into()));
        assert_eq!(keys.load(&bot('A')).await, Ok(None));
        keys.save(&bot('A'), &"the key".into()).await.unwrap();
        assert_eq!(keys.load(&bot('A')).await, Ok(Some("the key".into())));
        assert_eq!(keys.load(&bot('B')).await, Ok(None), "another secret of the same number");
        let kept = sessions.bot_key(&key_of(&bot('A'))).await.unwrap().unwrap();
        assert!(!kept.windows(7).any(|bytes| bytes == b"the key"));
        let other = SealedKeys::new(sessions, Sealer::ephemeral());
        assert_eq!(other.load(&bot('A')).await, Ok(None), "it cannot be opened, and is made anew");
    }
}
