use telestore_types::TelegramCredentials;

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
    /// Whether `credentials` hold it.
    pub fn is_met_by(self, credentials: &TelegramCredentials) -> bool {
        match self {
            Self::Nothing => true,
            Self::BotToken => credentials.bot_token.as_ref().is_some_and(|token| !token.is_empty()),
            Self::Session => credentials.session.as_ref().is_some_and(|session| !session.is_empty()),
        }
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
