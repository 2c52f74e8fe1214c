use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ResumeState, Upload};
use crate::{Caption, ChatId, Reading, SendAs, SenderId, StoredMessage, Timestamp};

/// A file that a server was given whole and of which no answer came: its message may be in the channel, where
/// it can be looked for.
///
/// Rows keep it as a [`ResumeState`] of no backend.
///
/// ```
/// use telestore_types::{Caption, ChatId, Clock, HandedOver, ResumeState, SendAs, SystemClock};
///
/// let chat = ChatId::new("-1001234567890")?;
/// let (caption, now) = (Caption::from("Uploaded: a.txt"), SystemClock.reading());
/// let handed = HandedOver::new(chat, &caption, SendAs::Document, 5, now);
/// let state = ResumeState::from(&handed);
/// assert_eq!(state.handed_over(), Some(handed));
/// assert_eq!(ResumeState::new("MTProto", *b"part 7").handed_over(), None);
/// # Ok::<(), telestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HandedOver {
    /// The chat that it was to go to.
    pub chat: ChatId,
    /// Who sent it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<SenderId>,
    /// What tells its message from those of other files, see [`mark_of`](Self::mark_of). Of two files that have
    /// the same, one only may be handed over at a time.
    pub mark: String,
    /// The text that its message has, which it is looked for by. Versions before 0.2.1 wrote down the mark only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// As what it was sent.
    #[serde(default)]
    pub send_as: SendAs,
    /// The message whose document it was to show once more, if there is one: it looks the same, and is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<StoredMessage>,
    /// When, by the clock of the store, which may have stood still since.
    pub at: Timestamp,
    /// When, by the clock of the machine, which may be wrong: in seconds since 1970.
    pub by_machine: i64,
    /// Since when, by the clock of the store, the channel was seen without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_since: Option<Timestamp>,
    /// Whether a person wants it sent if nobody can tell whether the message is there.
    #[serde(default)]
    pub insisted: bool,
}

impl HandedOver {
    /// What stands in rows for the name of a backend. No backend has it.
    pub const NAME: &str = "handed over";

    /// A file of `length` bytes that is handed over now.
    pub fn new(chat: ChatId, caption: &Caption, send_as: SendAs, length: u64, now: Reading) -> Self {
        Self {
            mark: Self::mark_of(&chat, caption, send_as, length),
            chat,
            sender: None,
            caption: Some(caption.text().to_owned()),
            send_as,
            copy_of: None,
            at: now.at,
            by_machine: now.wall.as_secs(),
            absent_since: None,
            insisted: false,
        }
    }

    /// The mark of the message of a file of `length` bytes: a digest of chat, caption, kind and length.
    pub fn mark_of(chat: &ChatId, caption: &Caption, send_as: SendAs, length: u64) -> String {
        let mut mark = Sha256::new();
        for part in [chat.as_str(), caption.text(), send_as.as_str()] {
            mark.update((part.len() as u64).to_be_bytes());
            mark.update(part);
        }
        mark.update(length.to_be_bytes());
        hex::encode(&mark.finalize()[..16])
    }

    /// How long ago that was, at most: one of the clocks may have stood still.
    pub fn age(&self, now: Reading) -> Duration {
        let by_machine = now.wall.as_secs().saturating_sub(self.by_machine).max(0).unsigned_abs();
        now.at.since(self.at).max(Duration::from_secs(by_machine))
    }

    /// The same, seen not to be in the channel at `now` for the first time.
    #[must_use]
    pub fn absent(self, now: Timestamp) -> Self {
        Self { absent_since: Some(now), ..self }
    }

    /// The same, made of the document of this message, if any.
    #[must_use]
    pub fn made_of(self, copy_of: Option<StoredMessage>) -> Self {
        Self { copy_of, ..self }
    }

    /// The same, by this sender.
    #[must_use]
    pub fn by(self, sender: Option<SenderId>) -> Self {
        Self { sender, ..self }
    }
}

impl From<&HandedOver> for ResumeState {
    fn from(handed: &HandedOver) -> Self {
        // Text and numbers always make JSON.
        Self::new(HandedOver::NAME, serde_json::to_vec(handed).unwrap_or_default()).by(handed.sender.clone())
    }
}

impl ResumeState {
    /// What was handed over, if this is no state of a backend.
    pub fn handed_over(&self) -> Option<HandedOver> {
        if self.backend != HandedOver::NAME {
            return None;
        }
        serde_json::from_slice(&self.bytes).ok()
    }
}

impl Upload {
    /// What of it was handed over, so that its message can be looked for.
    pub fn handed_over(&self) -> Option<HandedOver> {
        self.resume.as_ref().and_then(ResumeState::handed_over)
    }

    /// Takes the word back that its message may exist: there is none.
    pub fn uncommit(&mut self) {
        self.maybe_sent = false;
        self.resume = self.resume.take().filter(|state| state.handed_over().is_none());
    }

    /// A person wants it sent, whether or not its message is there.
    pub(super) fn insist(&mut self) {
        if let Some(handed) = self.handed_over() {
            self.resume = Some((&HandedOver { insisted: true, ..handed }).into());
        }
    }
}
