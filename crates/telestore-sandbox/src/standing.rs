//! Who somebody is in a channel or group, and what that allows.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What an account or a bot is in a channel or group, in the words of the Bot API's `ChatMember`.
///
/// In a channel only administrators with the right to post write. In groups everybody does unless it is taken away:
/// <https://core.telegram.org/api/rights>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// Made it. There is one at most.
    Creator,
    /// An administrator who may post.
    Administrator,
    /// An administrator without the right to post messages. That right exists in channels only.
    AdministratorWithoutPosts,
    /// An administrator who may post, and not delete what others have sent.
    AdministratorWithoutDeletes,
    /// Somebody who reads a channel, or one of a group.
    Member,
    /// One of a group who may not send files.
    Restricted,
    /// Was in it once.
    Left,
    /// Was thrown out and may not come back.
    Kicked,
}

impl Standing {
    /// Whether it is in the channel.
    pub(crate) fn is_in(self) -> bool {
        !matches!(self, Self::Left | Self::Kicked)
    }

    pub(crate) fn is_administrator(self) -> bool {
        matches!(
            self,
            Self::Creator
                | Self::Administrator
                | Self::AdministratorWithoutPosts
                | Self::AdministratorWithoutDeletes
        )
    }
}

/// An account, or the bot of the same user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) user_id: String,
    pub(crate) bot: bool,
}

impl Who {
    pub(crate) fn account(user_id: &str) -> Self {
        Self { user_id: user_id.to_owned(), bot: false }
    }

    pub(crate) fn bot(user_id: &str) -> Self {
        Self { user_id: user_id.to_owned(), bot: true }
    }

    /// A number that is worth something to this account or bot only: an access hash "may not be reused across different
    /// accounts", <https://core.telegram.org/api/peers>.
    pub(crate) fn access_hash(&self, of: impl std::fmt::Display) -> i64 {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(format!("{of}/{}/{}", self.bot, self.user_id));
        let mut hash = [0; 8];
        hash.copy_from_slice(&digest[..8]);
        i64::from_le_bytes(hash) | 1
    }
}

/// Everybody who is, or was, in a channel.
pub(crate) type Members = HashMap<Who, Standing>;
