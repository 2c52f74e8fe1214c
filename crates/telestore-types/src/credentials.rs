use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::pasted::{bare_number, instead_of_group};
use crate::{Error, Result, Secret, Sender, SenderId};

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

    /// Whether it is a basic group: only there each account has numbers of its own for messages, and only they become something
    /// else, a supergroup. <https://core.telegram.org/api/channel#migration>
    ///
    /// ```
    /// # use telestore_types::ChatId;
    /// for (chat, group) in [("-42", true), ("-1001234567890", false), ("42", false), ("@holidays", false)] {
    ///     assert_eq!(ChatId::new(chat).unwrap().is_basic_group(), group, "{chat}");
    /// }
    /// ```
    pub fn is_basic_group(&self) -> bool {
        self.number().is_some_and(|id| id < 0) && self.channel_id().is_none()
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

/// Who somebody is, by the word of the backend: enough to ask whose an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The tenant of the uploads.
    pub user_id: UserId,
}

impl Identity {
    /// This user.
    pub fn new(user_id: UserId) -> Self {
        Self { user_id }
    }
}

/// Whose files they are, where they go, and who may send them.
///
/// ```
/// use telestore_types::{ChatId, Secret, TelegramCredentials, UserId};
///
/// let credentials = TelegramCredentials::new(UserId::new("alice"), ChatId::new("-1001234567890")?)
///     .with_bot(Secret::new("123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"))
///     .with_session(None, None, None);
/// assert_eq!(credentials.bots().count(), 1);
/// assert_eq!(credentials.sessions().count(), 0);
/// assert_eq!(credentials.senders[0].id.as_str(), "bot:123456");
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TelegramCredentials {
    /// Whose they are; the tenant of every upload made with them.
    pub user_id: UserId,
    /// Where the files go.
    pub chat_id: ChatId,
    /// Who may send them. Several of a kind share the files.
    pub senders: Vec<Sender>,
    /// For whom files are encrypted, as `age1…`, beside those that the worker's operator names.
    pub age_recipients: Vec<String>,
}

impl TelegramCredentials {
    /// A user and a channel, for which nobody sends yet.
    pub fn new(user_id: UserId, chat_id: ChatId) -> Self {
        Self { user_id, chat_id, senders: Vec::new(), age_recipients: Vec::new() }
    }

    /// The same with one more bot, if a token is given that is not empty.
    #[must_use]
    pub fn with_bot(self, token: impl Into<Option<Secret>>) -> Self {
        match token.into().filter(|token| !token.is_empty()) {
            Some(token) => self.with_sender(Sender::bot(token)),
            None => self,
        }
    }

    /// The same, with the application that its bots sign in with by MTProto. Both halves are needed for that.
    #[must_use]
    pub fn with_application(mut self, api_id: Option<ApiId>, api_hash: Option<Secret>) -> Self {
        let named = |sender: Sender| sender.with_application(api_id, api_hash.clone());
        self.senders = self.senders.into_iter().map(named).collect();
        self
    }

    /// The same with one more session, if one is given that is not empty, and the application that it was made with.
    #[must_use]
    pub fn with_session(
        self,
        session: impl Into<Option<Secret>>,
        api_id: Option<ApiId>,
        api_hash: Option<Secret>,
    ) -> Self {
        match session.into().filter(|session| !session.is_empty()) {
            Some(session) => self.with_sender(Sender::session(session, api_id, api_hash)),
            None => self,
        }
    }

    /// The same with one more sender.
    #[must_use]
    pub fn with_sender(mut self, sender: Sender) -> Self {
        self.senders.push(sender);
        self
    }

    /// The same for this sender alone.
    #[must_use]
    pub fn only(&self, sender: &Sender) -> Self {
        Self { senders: vec![sender.clone()], ..self.clone() }
    }

    /// The same, whose files are encrypted for these recipients, too.
    #[must_use]
    pub fn with_age_recipients(self, age_recipients: Vec<String>) -> Self {
        Self { age_recipients, ..self }
    }

    /// The same senders for another channel.
    #[must_use]
    pub fn in_chat(self, chat_id: ChatId) -> Self {
        Self { chat_id, ..self }
    }

    /// The same senders for another user.
    #[must_use]
    pub fn of_user(self, user_id: UserId) -> Self {
        Self { user_id, ..self }
    }

    /// The bots.
    pub fn bots(&self) -> impl Iterator<Item = &Sender> {
        self.senders.iter().filter(|sender| sender.bot_token().is_some())
    }

    /// The sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &Sender> {
        self.senders.iter().filter(|sender| sender.session_string().is_some())
    }

    /// The sender of this name.
    pub fn sender(&self, id: &SenderId) -> Option<&Sender> {
        self.senders.iter().find(|sender| sender.id == *id)
    }
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
