use std::fmt;
use std::time::Duration;

use telestore_types::pasted::{BotTokenFault, SessionFault};
#[cfg(any(feature = "bot-api", feature = "mtproto"))]
use telestore_types::telegram::MissingRight;
use telestore_types::{ChatId, FileName, SenderId, StoredMessage, Verdict};

/// What every error about the channel begins with.
const UNRESOLVED: &str = "Could not resolve channel ID";

/// What went wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file is larger than the backend takes, or than the account may send now. No message of it exists.
    TooLarge,
    /// The session or bot token is not, or no longer, valid, or Telegram lets the account do nothing. Drop the credentials
    /// from caches.
    NotAuthorized,
    /// The channel cannot be found or written to.
    ChannelUnresolved,
    /// The chat was a group that has become a supergroup, and its new id is not known.
    GroupUpgraded,
    /// Telegram asked to wait and the backend gave the file back rather than wait. Zero if it did not say how long: then
    /// each wait is to be longer than the one before.
    FloodWait(Duration),
    /// Telegram refused the file for good.
    Rejected,
    /// The network, or Telegram's servers; it may work later.
    Unavailable,
    /// Another process uses the login, see [`TelegramUploader::guard_logins`](crate::TelegramUploader::guard_logins): it may
    /// send the file, or this one may later.
    LoginBusy,
    /// The request was accepted but its answer was lost: the message may exist.
    AnswerLost,
    /// The stored bytes cannot be read any more.
    SourceDamaged,
    /// The stored bytes cannot be read now, or the resume state cannot be written.
    Storage,
    /// The caller cancelled.
    Cancelled,
}

/// Why a file was not sent. The text is for the person who waits for the file and never holds a secret.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    made: Vec<StoredMessage>,
    sender: Option<SenderId>,
}

/// The result of sending.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None, made: Vec::new(), sender: None }
    }

    /// Adds the cause. It must not hold a secret either: take the URL out of a `reqwest::Error` first.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Names messages that exist although not all of the file was sent: of a file that goes as several, those that could not be
    /// written down in a checkpoint any more.
    #[must_use]
    pub fn with_made(self, made: Vec<StoredMessage>) -> Self {
        Self { made, ..self }
    }

    /// Names the messages that were to be deleted and stay, and says so.
    #[must_use]
    #[cfg(any(feature = "bot-api", feature = "mtproto"))]
    pub(crate) fn with_staying(self, staying: Vec<StoredMessage>) -> Self {
        let numbers = StoredMessage::numbers(&staying);
        let (what, are) = if staying.len() == 1 { ("message", "is") } else { ("messages", "are") };
        let chat = staying.iter().find_map(|message| message.chat_id.as_ref());
        let chat = chat.map(|chat| format!(" in {chat}")).unwrap_or_default();
        let message = format!("{what} {numbers}{chat} {are} not deleted: {}", self.message);
        Self { message, made: staying, ..self }
    }

    /// The messages that exist although not all of the file was sent: the caller that cancelled takes them back. Of
    /// [`withdraw`](crate::TelegramUploader::withdraw), those that stay; if it names none, any of them may.
    pub fn made(&self) -> &[StoredMessage] {
        &self.made
    }

    /// Names who met it: one of several that send a file together.
    #[must_use]
    pub fn met_by(self, sender: Option<SenderId>) -> Self {
        Self { sender, ..self }
    }

    /// Who met it, if that is not the sender that was chosen for the file.
    pub fn sender(&self) -> Option<&SenderId> {
        self.sender.as_ref()
    }

    /// Says which piece of a file it is about.
    #[must_use]
    pub(crate) fn of_piece(self, name: &FileName, number: usize, count: usize) -> Self {
        if self.kind == ErrorKind::Cancelled {
            return self;
        }
        Self { message: format!("piece {number} of {count} ({name}): {}", self.message), ..self }
    }

    /// The documented answer for missing or dead credentials.
    pub fn not_authorized() -> Self {
        Self::new(ErrorKind::NotAuthorized, "Telegram session not authorized")
    }

    /// The documented answer, with what is wrong with the session string: nobody needs to be asked.
    pub fn bad_session(fault: SessionFault) -> Self {
        let text = format!("Telegram session not authorized: {fault}");
        Self::new(ErrorKind::NotAuthorized, text).with_source(fault)
    }

    /// What is wrong with the bot token: nobody needs to be asked.
    pub fn bad_bot_token(fault: BotTokenFault) -> Self {
        Self::new(ErrorKind::NotAuthorized, fault.to_string()).with_source(fault)
    }

    /// The documented answer for a channel that cannot be found.
    pub fn channel_unresolved() -> Self {
        Self::new(ErrorKind::ChannelUnresolved, UNRESOLVED)
    }

    /// The channel is there, and nothing can be posted in it.
    #[cfg(any(feature = "bot-api", feature = "mtproto"))]
    pub(crate) fn may_not_post(why: MissingRight) -> Self {
        let text = format!("{UNRESOLVED}: the account may not post in it; {why}");
        Self::new(ErrorKind::ChannelUnresolved, text)
    }

    /// The group became a supergroup, whose id nobody told.
    #[cfg(feature = "bot-api")]
    pub(crate) fn group_upgraded() -> Self {
        Self::new(
            ErrorKind::GroupUpgraded,
            "Could not resolve channel ID: the group became a supergroup, which has a new id; enter that one (it begins \
             with -100)",
        )
    }

    /// The same, with the channel that was meant by `chat`, if something in it says so. A chat where nothing can be posted was
    /// found, so that it is the one that was meant.
    #[must_use]
    pub fn about(self, chat: &ChatId) -> Self {
        let not_found = self.kind == ErrorKind::ChannelUnresolved && self.message == UNRESOLVED;
        match chat.did_you_mean().filter(|_| not_found) {
            Some(meant) => Self {
                message: format!("{}: {chat} is no channel's number; did you mean {meant}?", self.message),
                ..self
            },
            None => self,
        }
    }

    /// A file of `length` bytes is too large for one message of at most `most` bytes.
    pub(crate) fn too_large(length: u64, most: u64) -> Self {
        Self::new(ErrorKind::TooLarge, format!("file of {length} bytes is over the limit of {most} bytes"))
    }

    /// The document that was to be sent once more is not there.
    #[cfg(any(feature = "bot-api", feature = "mtproto"))]
    pub(crate) fn copied_is_gone() -> Self {
        Self::new(
            ErrorKind::Rejected,
            "the file in the channel of which it was to be another message is gone: send it with a new upload",
        )
    }

    /// The caller asked to stop.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "Upload cancelled")
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What may be done about it.
    pub fn verdict(&self) -> Verdict {
        match self.kind {
            ErrorKind::FloodWait(_) | ErrorKind::Unavailable | ErrorKind::LoginBusy | ErrorKind::Storage => {
                Verdict::Temporary
            }
            ErrorKind::AnswerLost => Verdict::Ambiguous,
            _ => Verdict::Permanent,
        }
    }

    /// How long Telegram asked to wait; zero if it asked and did not say.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            ErrorKind::FloodWait(wait) => Some(wait),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<telestore_types::SourceError> for Error {
    fn from(error: telestore_types::SourceError) -> Self {
        let kind = match error {
            telestore_types::SourceError::Io(_) => ErrorKind::Storage,
            _ => ErrorKind::SourceDamaged,
        };
        Self::new(kind, format!("could not read the received file: {error}")).with_source(error)
    }
}

#[cfg(feature = "bot-api")]
impl From<telestore_bot_api::Error> for Error {
    fn from(error: telestore_bot_api::Error) -> Self {
        let (text, source) = error.into_parts();
        let error = Self::new(ErrorKind::Unavailable, text);
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_may_be_meant_is_named_unless_the_chat_was_found() {
        let group = ChatId::new("-1953958128").unwrap();
        let said = Error::channel_unresolved().about(&group).to_string();
        assert!(said.ends_with("did you mean -1001953958128?"), "{said}");
        let whole = ChatId::new("-1001953958128").unwrap();
        assert_eq!(Error::channel_unresolved().about(&whole).to_string(), UNRESOLVED);
        assert_eq!(Error::not_authorized().about(&group).to_string(), Error::not_authorized().to_string());
        #[cfg(any(feature = "bot-api", feature = "mtproto"))]
        {
            let found = Error::may_not_post(MissingRight::SendFiles).about(&group).to_string();
            assert!(!found.contains("did you mean"), "{found}");
        }
    }
}
