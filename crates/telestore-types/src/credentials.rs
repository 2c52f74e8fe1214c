use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::pasted::{bare_number, instead_of_group};
use crate::{Error, Result, Secret};

/// The user that the backend named for a token. It is never taken from a form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    /// Wraps the id that the backend gave.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A chat in the Bot API's words: `-100…` for a channel, or `@name` for a public one.
///
/// What a person has pasted is read by [`pasted::channel`](crate::pasted::channel), which knows more forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChatId(String);

/// Channels' numbers in the Bot API are counted down from here.
const CHANNEL_BASE: i64 = -1_000_000_000_000;

impl ChatId {
    /// Checks that `text` is a number or `@name`.
    ///
    /// # Errors
    /// [`Error::ChatId`] for anything else.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into().trim().to_owned();
        let named = text.strip_prefix('@').is_some_and(|name| {
            !name.is_empty()
                && name.len() <= 64
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if named || text.parse::<i64>().is_ok_and(|id| id != 0) { Ok(Self(text)) } else { Err(Error::ChatId) }
    }

    /// Of a number that was looked at.
    pub(crate) fn of_number(number: i64) -> Self {
        Self(number.to_string())
    }

    /// Of a public name that was looked at, without its `@`.
    pub(crate) fn of_name(name: &str) -> Self {
        Self(format!("@{name}"))
    }

    /// The id as the Bot API takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, unless it is a `@name`.
    pub fn number(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The MTProto channel id: `-1001234567890` is channel `1234567890`.
    pub fn channel_id(&self) -> Option<i64> {
        self.number().filter(|id| *id < CHANNEL_BASE).map(|id| CHANNEL_BASE - id)
    }

    /// The chat of an MTProto channel (or supergroup): channel `1234567890` is `-1001234567890`.
    ///
    /// # Errors
    /// [`Error::ChatId`] for a number that no channel has.
    ///
    /// ```
    /// # use telestore_types::ChatId;
    /// assert_eq!(ChatId::of_channel(1_234_567_890).unwrap().as_str(), "-1001234567890");
    /// ```
    pub fn of_channel(channel_id: i64) -> Result<Self> {
        let positive = (channel_id > 0).then_some(channel_id);
        positive.and_then(|id| CHANNEL_BASE.checked_sub(id)).map(Self::of_number).ok_or(Error::ChatId)
    }

    /// The chat of an MTProto basic group: group `42` is `-42`.
    ///
    /// # Errors
    /// [`Error::ChatId`] for a number that no group has.
    pub fn of_group(group_id: i64) -> Result<Self> {
        if group_id > 0 { Ok(Self::of_number(-group_id)) } else { Err(Error::ChatId) }
    }
}

impl ChatId {
    /// The channel that somebody meant who wrote a basic group's number, if it is not a group: `-1953958128` may be a
    /// group, or channel 1953958128 with a minus. Only Telegram can tell.
    ///
    /// ```
    /// use telestore_types::ChatId;
    ///
    /// let chat = ChatId::new("-1953958128").unwrap();
    /// assert_eq!(chat.did_you_mean().unwrap().as_str(), "-1001953958128");
    /// assert_eq!(ChatId::new("-1001953958128").unwrap().did_you_mean(), None);
    /// ```
    pub fn did_you_mean(&self) -> Option<Self> {
        let number = self.number().filter(|_| self.channel_id().is_none())?;
        let meant = if number > 0 { bare_number(number) } else { instead_of_group(number) };
        meant.map(Self::of_number)
    }
}

impl TryFrom<String> for ChatId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<ChatId> for String {
    fn from(chat: ChatId) -> Self {
        chat.0
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `api_id` of a Telegram application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiId(i32);

impl ApiId {
    /// Checks that `id` is positive.
    ///
    /// # Errors
    /// [`Error::ApiId`] for zero and below.
    pub const fn new(id: i32) -> Result<Self> {
        if id > 0 { Ok(Self(id)) } else { Err(Error::ApiId) }
    }

    /// The number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl FromStr for ApiId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text.trim().parse().map_err(|_| Error::ApiId)?)
    }
}

/// What one user's files are sent with.
#[derive(Debug, Clone, PartialEq)]
pub struct TelegramCredentials {
    /// Whose they are; the tenant of every upload made with them.
    pub user_id: UserId,
    /// Where the files go.
    pub chat_id: ChatId,
    /// The bot, for the Bot API, as [`pasted::bot_token`](crate::pasted::bot_token) reads it.
    pub bot_token: Option<Secret>,
    /// A session string, for MTProto, as [`pasted::session`](crate::pasted::session) reads it.
    pub session: Option<Secret>,
    /// The application that the session was made with.
    pub api_id: Option<ApiId>,
    /// The hash that goes with `api_id`.
    pub api_hash: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_ids_lose_their_prefix() {
        assert_eq!(ChatId::new("-1001234567890").unwrap().channel_id(), Some(1_234_567_890));
        assert_eq!(ChatId::new("-42").unwrap().channel_id(), None);
        assert_eq!(ChatId::new("@files").unwrap().channel_id(), None);
    }

    #[test]
    fn chat_ids_are_numbers_or_names() {
        for bad in ["", "0", "abc", "@", "@a/b", "-100x", "@a b"] {
            assert_eq!(ChatId::new(bad), Err(Error::ChatId), "{bad}");
        }
    }
}
