//! A channel's id in both of its forms.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Between a channel's MTProto id and what the Bot API calls it.
const BOT_API_OFFSET: i64 = 1_000_000_000_000;

/// A channel id in the Bot API's form, `-100…`; a smaller negative number is a basic group. Made from a string or a number
/// in either form; what is no number becomes 0, a channel that does not exist. <https://core.telegram.org/api/bots/ids>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ChannelId(i64);

impl ChannelId {
    /// The number the Bot API uses.
    pub fn bot_api(self) -> i64 {
        self.0
    }

    /// The bare number MTProto uses.
    pub fn bare(self) -> i64 {
        if self.is_basic_group() { -self.0 } else { -self.0 - BOT_API_OFFSET }
    }

    /// Whether it is a basic group rather than a channel or supergroup.
    pub fn is_basic_group(self) -> bool {
        self.0 < 0 && self.0 >= -BOT_API_OFFSET
    }

    /// What the Bot API takes as the id of a chat. A positive number is a person, so it is no channel's.
    pub(crate) fn of_bot_api(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|id| *id < 0).map(Self)
    }
}

impl From<i64> for ChannelId {
    fn from(id: i64) -> Self {
        Self(if id > 0 { -id - BOT_API_OFFSET } else { id })
    }
}

impl From<&str> for ChannelId {
    fn from(id: &str) -> Self {
        id.trim().parse().map_or(Self(0), i64::into)
    }
}

impl From<String> for ChannelId {
    fn from(id: String) -> Self {
        id.as_str().into()
    }
}

impl From<&String> for ChannelId {
    fn from(id: &String) -> Self {
        id.as_str().into()
    }
}

impl From<ChannelId> for String {
    fn from(id: ChannelId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_channel_id_are_the_same_channel() {
        let id = ChannelId::from("-1001234567890");
        assert_eq!(id, ChannelId::from(1_234_567_890));
        assert_eq!(id.bare(), 1_234_567_890);
        assert_eq!(id.to_string(), "-1001234567890");
        assert_eq!(ChannelId::from("nonsense").bot_api(), 0);
        let group = ChannelId::from("-4242");
        assert!(group.is_basic_group() && !id.is_basic_group());
        assert_eq!((group.bare(), group.bot_api()), (4242, -4242));
    }

    #[test]
    fn to_the_bot_api_a_positive_number_is_a_person() {
        assert_eq!(ChannelId::of_bot_api("1234567890"), None);
        assert_eq!(ChannelId::of_bot_api("1001234567890"), None);
        assert_eq!(ChannelId::of_bot_api("-1001234567890"), Some(ChannelId::from(1_234_567_890)));
    }
}
