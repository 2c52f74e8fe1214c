use telestore_types::{Secret, TelegramCredentials, pasted};

use crate::Error;

/// Which credentials a backend works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// Nothing but the channel.
    Nothing,
    /// A bot token.
    BotToken,
    /// A session string of an account or a bot.
    Session,
}

impl Requirement {
    /// Whether `credentials` hold it, in a form that can be read.
    pub fn is_met_by(self, credentials: &TelegramCredentials) -> bool {
        self == Self::Nothing || (self.of(credentials).is_some() && self.fault(credentials).is_none())
    }

    /// What is wrong with that of `credentials`, if they hold something that can never do. Telegram is not asked.
    pub fn fault(self, credentials: &TelegramCredentials) -> Option<Error> {
        let given = self.of(credentials)?.expose();
        match self {
            Self::Nothing => None,
            Self::BotToken => pasted::bot_token(given).err().map(Error::bad_bot_token),
            Self::Session => pasted::session(given).err().map(Error::bad_session),
        }
    }

    fn of(self, credentials: &TelegramCredentials) -> Option<&Secret> {
        let given = match self {
            Self::Nothing => None,
            Self::BotToken => credentials.bot_token.as_ref(),
            Self::Session => credentials.session.as_ref(),
        };
        given.filter(|given| !given.is_empty())
    }
}

/// What a backend can do. Callers choose by this and never by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// The largest file it takes, in bytes.
    pub max_bytes: u64,
    /// The outbound piece that is acknowledged at once, in bytes; 0 where the file goes as a whole.
    pub part_size: u32,
    /// Whether a later attempt goes on from the [`ResumeState`](telestore_types::ResumeState) of an earlier one.
    pub resumable: bool,
    /// Whether a repeated attempt with the same resume state never makes a second message.
    pub idempotent: bool,
    /// The smallest file, in bytes, of which it can send parts before all of it has arrived; `None` where it cannot.
    pub early_from: Option<u64>,
    /// What it needs.
    pub requirement: Requirement,
}
