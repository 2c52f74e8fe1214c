use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// As what a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SendAs {
    /// As it is, whatever is in it.
    #[default]
    Document,
    /// As a video, which is played while it loads.
    Video,
    /// As a piece of music.
    Audio,
    /// As a picture, which Telegram compresses anew.
    Photo,
}

impl SendAs {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Document, Self::Video, Self::Audio, Self::Photo];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Photo => "photo",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::SendAs`] if it is none.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(Error::SendAs)
    }
}

impl fmt::Display for SendAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
