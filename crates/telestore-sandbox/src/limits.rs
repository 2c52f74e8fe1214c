//! What accounts may send: <https://core.telegram.org/api/config#client-configuration>.

use serde::{Deserialize, Serialize};

/// What accounts may send at most, by kind. `help.getAppConfig` tells it to users; a bot has what an account without Premium has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How many parts a file may have: `upload_max_fileparts_default`.
    pub parts: i32,
    /// The same for an account with Premium: `upload_max_fileparts_premium`.
    pub parts_premium: i32,
    /// How many UTF-16 units a caption may have: `caption_length_limit_default`.
    pub caption: usize,
    /// The same for an account with Premium: `caption_length_limit_premium`.
    pub caption_premium: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parts: 4000, parts_premium: 8000, caption: 1024, caption_premium: 4096 }
    }
}

impl Limits {
    pub(crate) fn parts_of(&self, premium: bool) -> i32 {
        if premium { self.parts_premium } else { self.parts }
    }

    pub(crate) fn caption_of(&self, premium: bool) -> usize {
        if premium { self.caption_premium } else { self.caption }
    }
}
