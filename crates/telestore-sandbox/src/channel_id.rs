//! A channel's id in both of its forms.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Between a channel's MTProto id and what the Bot API calls it.
const BOT_API_OFFSET: i64 = 1_000_000_000_000;

/// A channel id in the Bot API's form, `-100…`. Made from a string or a number in either form; what is no
/// number becomes 0, a channel that does not exist.
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
        -self.0 - BOT_API_OFFSET
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
    }
}
