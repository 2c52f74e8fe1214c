use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ApiId, Secret, pasted};

/// The name of a login, without a secret: `bot:123456`, or `session:` and digits that tell one session from others.
///
/// It is the same wherever the same login is given, so it may stand in rows and log lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SenderId(String);

impl SenderId {
    /// A name that was kept.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the name of a bot that signs in with its token.
    pub fn is_bot(&self) -> bool {
        self.0.starts_with("bot:")
    }

    /// What a bot is known by to everybody stands before the colon of its token.
    fn of_bot(token: &Secret) -> Self {
        match pasted::bot_token(token.expose()).ok().and_then(|token| token.split_once(':')) {
            Some((number, _)) => Self(format!("bot:{number}")),
            None => Self(format!("bot:{}", digest(token.expose().as_bytes()))),
        }
    }

    /// The name of the session with this authorisation key: the key stands for the login, in whatever form a string holds
    /// it.
    pub fn of_auth_key(auth_key: &[u8]) -> Self {
        Self(format!("session:{}", digest(auth_key)))
    }

    fn of_session(session: &Secret) -> Self {
        match pasted::session(session.expose()) {
            Ok(read) => Self::of_auth_key(&read.auth_key),
            Err(_) => Self::of_auth_key(session.expose().as_bytes()),
        }
    }
}

/// Enough of a SHA-256 to tell apart, and nothing to guess a secret by: both have more than 128 random bits.
fn digest(secret: &[u8]) -> String {
    hex::encode(&Sha256::digest(secret)[..8])
}

impl fmt::Display for SenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How somebody signs in at Telegram. More ways may come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// A bot: for the Bot API, and for MTProto if its application is known.
    Bot {
        /// As [`pasted::bot_token`](crate::pasted::bot_token) reads it.
        token: Secret,
        /// The application that it signs in with by MTProto.
        api_id: Option<ApiId>,
        /// The hash that goes with `api_id`; without it, nobody signs in.
        api_hash: Option<Secret>,
    },
    /// A session string of an account or a bot, for MTProto.
    Session {
        /// As [`pasted::session`](crate::pasted::session) reads it.
        session: Secret,
        /// The application that the session was made with.
        api_id: Option<ApiId>,
        /// The hash that goes with `api_id`.
        api_hash: Option<Secret>,
    },
}

/// One login that files can be sent with, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sender {
    /// Its name, which is no secret.
    pub id: SenderId,
    /// How it signs in.
    pub login: Login,
}

impl Sender {
    /// A bot, of which no application is known.
    pub fn bot(token: Secret) -> Self {
        Self { id: SenderId::of_bot(&token), login: Login::Bot { token, api_id: None, api_hash: None } }
    }

    /// The same bot with the application that it signs in with by MTProto. A session has its own.
    ///
    /// ```
    /// use telestore_types::{ApiId, Secret, Sender};
    ///
    /// let bot = Sender::bot(Secret::new("123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"));
    /// assert!(bot.application().is_none());
    /// let bot = bot.with_application(ApiId::new(2040).ok(), Some(Secret::new("0123456789abcdef0123456789abcdef")));
    /// assert_eq!(bot.application().map(|(id, _)| id.get()), Some(2040));
    /// ```
    #[must_use]
    pub fn with_application(self, id: Option<ApiId>, hash: Option<Secret>) -> Self {
        match self.login {
            Login::Bot { token, .. } => {
                Self { id: self.id, login: Login::Bot { token, api_id: id, api_hash: hash } }
            }
            login => Self { login, ..self },
        }
    }

    /// The application that a bot signs in with, if both halves of it are known.
    pub fn application(&self) -> Option<(ApiId, &Secret)> {
        match &self.login {
            Login::Bot { api_id, api_hash, .. } => Some(((*api_id)?, api_hash.as_ref()?)),
            Login::Session { .. } => None,
        }
    }

    /// A session, with the application that it was made with, if that is known.
    pub fn session(session: Secret, api_id: Option<ApiId>, api_hash: Option<Secret>) -> Self {
        Self { id: SenderId::of_session(&session), login: Login::Session { session, api_id, api_hash } }
    }

    /// A digest of its whole secret, which tells it from a sender that has the same name and another secret.
    pub fn digest(&self) -> [u8; 32] {
        match &self.login {
            Login::Bot { token, .. } => Sha256::digest(token.expose()).into(),
            Login::Session { session, .. } => Sha256::digest(session.expose()).into(),
        }
    }

    /// The token, if it is a bot.
    pub fn bot_token(&self) -> Option<&Secret> {
        match &self.login {
            Login::Bot { token, .. } => Some(token),
            Login::Session { .. } => None,
        }
    }

    /// The session string, if it has one.
    pub fn session_string(&self) -> Option<&Secret> {
        match &self.login {
            Login::Session { session, .. } => Some(session),
            Login::Bot { .. } => None,
        }
    }

    /// Its application, if that is known.
    pub fn api_id(&self) -> Option<ApiId> {
        match &self.login {
            Login::Session { api_id, .. } | Login::Bot { api_id, .. } => *api_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_no_secret_and_are_the_same_for_the_same_login() {
        let token = format!("123456:{}", "A".repeat(35));
        let bot = Sender::bot(Secret::new(&token));
        assert_eq!(bot.id.as_str(), "bot:123456");
        // Telethon's: data centre 2 at 149.154.167.51:443, and a key of zeros.
        let text = format!("1ApWapzMBu{}", "A".repeat(342));
        let session = |text: &str| Sender::session(Secret::new(text), None, None).id;
        assert_eq!(session(&text), session(&format!("\"{text}\"")), "however it was pasted");
        assert_ne!(session(&text), session("another"));
        assert_eq!(session(&text).as_str().len(), "session:".len() + 16);
        let unreadable = Sender::bot(Secret::new("secret"));
        assert!(!unreadable.id.as_str().contains("secret"));
    }
}
