use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::{Secret, Sender};

/// Keeps the keys that bots have signed in with by MTProto.
///
/// Telegram lets a bot sign in a few times, and has it wait for a quarter of an hour and more then. So a key is made once, kept,
/// and used by every later process. Who has a key has the bot: it is to be kept as safe as a token.
///
/// A key belongs to the whole token: who brings the number of a bot with another secret must get none.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use telestore_types::{KeyStore, KeyStoreError, Secret, Sender};
///
/// /// Keeps keys as long as the process lives.
/// #[derive(Debug, Default)]
/// struct InMemory(Mutex<HashMap<String, Secret>>);
///
/// #[async_trait::async_trait]
/// impl KeyStore for InMemory {
///     async fn load(&self, bot: &Sender) -> Result<Option<Secret>, KeyStoreError> {
///         let token = bot.bot_token().map(Secret::expose).unwrap_or_default();
///         Ok(self.0.lock().unwrap().get(token).cloned())
///     }
///
///     async fn save(&self, bot: &Sender, key: &Secret) -> Result<(), KeyStoreError> {
///         let token = bot.bot_token().map(Secret::expose).unwrap_or_default();
///         self.0.lock().unwrap().insert(token.to_owned(), key.clone());
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync + 'static {
    /// The key that was kept for this bot last: a session string. One that cannot be read any more is none.
    ///
    /// # Errors
    /// [`KeyStoreError`] if nobody can tell whether there is one. The bot does not sign in then.
    async fn load(&self, bot: &Sender) -> Result<Option<Secret>, KeyStoreError>;

    /// Keeps the key of this bot in the place of the one before. If the process is killed before it returns, the bot signs in
    /// once more.
    ///
    /// # Errors
    /// [`KeyStoreError`] if it may not have been kept.
    async fn save(&self, bot: &Sender, key: &Secret) -> Result<(), KeyStoreError>;
}

/// Keys cannot be read or kept now. The text says why, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStoreError(String);

impl KeyStoreError {
    /// One with this reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for KeyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for KeyStoreError {}
