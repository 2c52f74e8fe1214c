use crate::{SenderId, StoredMessage};

/// How far a backend got with a file: its own bytes, opaque to everyone else, and whose they are.
///
/// The MTProto backend keeps its `file_id`, the confirmed parts and the `random_id` here.
///
/// ```
/// use telestore_types::ResumeState;
///
/// let state = ResumeState::new("MTProto", *b"part 7");
/// assert_eq!(state.of("MTProto"), Some(&b"part 7"[..]));
/// assert_eq!(state.of("Bot API"), None, "another backend has no use for it");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResumeState {
    /// The name of the backend that made it. Empty if it was stored before names were kept: then a backend looks at the
    /// bytes.
    pub backend: String,
    /// The sender that it was made with, if that is known.
    pub sender: Option<SenderId>,
    /// What that backend wrote.
    pub bytes: Vec<u8>,
    /// The messages that exist already of a file that goes as several, in the order of their bytes. If the upload is
    /// cancelled, or goes on from a state without them, they are taken back.
    pub made: Vec<StoredMessage>,
}

impl ResumeState {
    /// What the backend of this name wrote.
    pub fn new(backend: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { backend: backend.into(), sender: None, bytes: bytes.into(), made: Vec::new() }
    }

    /// The same, made with this sender.
    #[must_use]
    pub fn by(self, sender: Option<SenderId>) -> Self {
        Self { sender, ..self }
    }

    /// The same, by which these messages exist.
    #[must_use]
    pub fn with_made(self, mut made: Vec<StoredMessage>) -> Self {
        made.sort_by_key(|message| message.offset);
        Self { made, ..self }
    }

    /// What is left of it once the bytes of the file are others: who made the messages that are there.
    pub(crate) fn without_bytes(self) -> Option<Self> {
        (!self.made.is_empty()).then(|| Self { bytes: Vec::new(), ..self })
    }

    /// Whether the backend of this name has begun something that can be gone on with.
    pub fn is_begun_by(&self, backend: &str) -> bool {
        self.backend == backend && !self.bytes.is_empty()
    }

    /// The bytes, if the backend of this name made them or if nobody knows who did.
    pub fn of(&self, backend: &str) -> Option<&[u8]> {
        (self.backend.is_empty() || self.backend == backend).then_some(self.bytes.as_slice())
    }
}
