use telestore_types::{Login, Sender, TelegramCredentials, pasted};

use crate::{Error, Result};

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
    /// A session string, or if there is none, a bot token with the application that the bot signs in with.
    SessionOrBot,
}

impl Requirement {
    /// Whether `credentials` hold it, in a form that can be read.
    pub fn is_met_by(self, credentials: &TelegramCredentials) -> bool {
        self == Self::Nothing || self.senders(credentials).next().is_some()
    }

    /// The senders of `credentials` that will do, as far as their text tells; Telegram is not asked. Bots are none of them for
    /// [`SessionOrBot`](Self::SessionOrBot) if there is a session, even one that cannot be read: that is to be put right, and a bot
    /// signs in only if nobody else can send.
    pub fn senders(self, credentials: &TelegramCredentials) -> impl Iterator<Item = &Sender> {
        let able = move |sender: &&Sender| self.takes(sender);
        let has_session = credentials.sessions().next().is_some();
        let is_left_out =
            move |sender: &Sender| self == Self::SessionOrBot && has_session && sender.bot_token().is_some();
        credentials.senders.iter().filter(able).filter(move |sender| !is_left_out(sender))
    }

    /// Whether a sender is one that will do, as far as its text tells.
    pub(crate) fn takes(self, sender: &Sender) -> bool {
        self.read(sender).is_some_and(|read| read.is_ok())
    }

    /// What is wrong with a sender of `credentials`, if there is one that can never do. Telegram is not asked.
    pub fn fault(self, credentials: &TelegramCredentials) -> Option<Error> {
        credentials.senders.iter().find_map(|sender| self.read(sender)?.err())
    }

    /// Reads a sender of this kind; `None` for another kind.
    fn read(self, sender: &Sender) -> Option<Result<()>> {
        match (self, &sender.login) {
            // A bot of which no application is known is nothing that could be put right for MTProto.
            (Self::SessionOrBot, Login::Bot { .. }) if sender.application().is_none() => None,
            (Self::BotToken | Self::SessionOrBot, Login::Bot { token, .. }) => {
                Some(pasted::bot_token(token.expose()).map(drop).map_err(Error::bad_bot_token))
            }
            (Self::Session | Self::SessionOrBot, Login::Session { session, .. }) => {
                Some(pasted::session(session.expose()).map(drop).map_err(Error::bad_session))
            }
            _ => None,
        }
    }
}

/// What becomes of a file that one sender has begun, if another one is to go on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handover {
    /// Its message may exist, and another sender would make a second one.
    Never,
    /// No message can exist, and another sender begins it anew.
    Anew,
    /// The state holds what each sender has done: any of them goes on from it.
    Whole,
}

/// What a backend can do. Callers choose by this and never by a name.
///
/// ```
/// use telestore_uploader::{Capability, Requirement};
///
/// let can = Capability::new(2_000_000, Requirement::Session).in_parts(512 * 1024).resumable().idempotent();
/// assert_eq!((can.max_bytes, can.early_from), (2_000_000, None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capability {
    /// The largest file it takes, in bytes.
    pub max_bytes: u64,
    /// The largest file, in bytes, that is sure to go as one message; larger ones may go as several.
    pub whole_bytes: u64,
    /// The outbound piece that is acknowledged at once, in bytes; 0 if the file goes as a whole.
    pub part_size: u32,
    /// Whether a later attempt goes on from the [`ResumeState`](telestore_types::ResumeState) of an earlier one.
    pub resumable: bool,
    /// Whether a repeated attempt with the same resume state never makes a second message.
    pub idempotent: bool,
    /// The smallest file, in bytes, of which it can send parts before all of it has arrived; `None` if it cannot.
    pub early_from: Option<u64>,
    /// Whether it [finds](crate::TelegramUploader::find) messages whose answer another backend has lost.
    pub finds: bool,
    /// What it needs.
    pub requirement: Requirement,
}

impl Capability {
    /// A backend that takes files of up to `max_bytes` as a whole, and can do nothing more.
    pub const fn new(max_bytes: u64, requirement: Requirement) -> Self {
        Self {
            max_bytes,
            whole_bytes: max_bytes,
            part_size: 0,
            resumable: false,
            idempotent: false,
            early_from: None,
            finds: false,
            requirement,
        }
    }

    /// Only files of up to so many bytes are sure to go as one message.
    #[must_use]
    pub const fn whole_up_to(mut self, bytes: u64) -> Self {
        if bytes < self.whole_bytes {
            self.whole_bytes = bytes;
        }
        self
    }

    /// Files of any length, which go as several messages if they do not go as one.
    #[must_use]
    pub const fn in_pieces(mut self) -> Self {
        self.max_bytes = u64::MAX;
        self
    }

    /// Files go in parts of so many bytes, each of which is acknowledged.
    #[must_use]
    pub const fn in_parts(mut self, bytes: u32) -> Self {
        self.part_size = bytes;
        self
    }

    /// A later attempt goes on where an earlier one ended.
    #[must_use]
    pub const fn resumable(mut self) -> Self {
        self.resumable = true;
        self
    }

    /// Repeated attempts with the same resume state make one message.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// It looks for messages whose answer was lost.
    #[must_use]
    pub const fn finding(mut self) -> Self {
        self.finds = true;
        self
    }

    /// Files of at least so many bytes are sent while they still arrive.
    #[must_use]
    pub const fn early_from(mut self, bytes: u64) -> Self {
        self.early_from = Some(bytes);
        self
    }
}
