//! What is to be done about uploads that are over.

use std::fmt;

use serde::{Deserialize, Serialize};
use telestore_types::{ResumeState, SenderId, StorageKey, StoredFile, Timestamp, Upload, UploadId, UserId};

/// What is to be done about an event of the outbox.
///
/// It is exhaustive: an engine must know how each is done. A store keeps the name ([`as_str`](Self::as_str)) and need not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboxKind {
    /// The backend is to be told that an upload is finished.
    Webhook,
    /// The message of a cancelled upload is to be taken back.
    Withdrawal,
    /// The message that may come of a cancelled upload is to be looked for, and taken back once it is there.
    Recall,
}

impl OutboxKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Withdrawal, Self::Recall];

    /// The name under which stores keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Withdrawal => "withdrawal",
            Self::Recall => "recall",
        }
    }

    /// Whether it is done by the account of its user, which one worker uses at a time.
    pub const fn needs_account(self) -> bool {
        match self {
            Self::Webhook => false,
            Self::Withdrawal | Self::Recall => true,
        }
    }

    /// Reads a stored name back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Something that is to be done about an upload that is over, until it is done.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewEvent {
    /// The same on every delivery.
    pub event_id: String,
    /// What is to be done.
    pub kind: OutboxKind,
    /// Whose upload it was.
    pub user_id: Option<UserId>,
    /// The sealed token of that user, if it is needed.
    pub sealed_token: Option<Vec<u8>>,
    /// The JSON text.
    pub body: String,
}

impl NewEvent {
    /// A webhook.
    pub fn webhook(event_id: impl Into<String>, user_id: UserId, body: impl Into<String>) -> Self {
        Self {
            event_id: event_id.into(),
            kind: OutboxKind::Webhook,
            user_id: Some(user_id),
            sealed_token: None,
            body: body.into(),
        }
    }

    /// A message that is to be taken back, with the sealed token that it is done with.
    pub fn withdrawal(event_id: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            event_id: event_id.into(),
            kind: OutboxKind::Withdrawal,
            user_id: None,
            sealed_token: None,
            body: body.into(),
        }
    }

    /// A message that may come and is to be taken back, with the sealed token that it is done with.
    pub fn recall(event_id: impl Into<String>, body: impl Into<String>) -> Self {
        Self { kind: OutboxKind::Recall, ..Self::withdrawal(event_id, body) }
    }

    /// The same, of this user, with the sealed token that it needs.
    #[must_use]
    pub fn of_user(mut self, user_id: Option<UserId>, sealed_token: Option<Vec<u8>>) -> Self {
        (self.user_id, self.sealed_token) = (user_id, sealed_token);
        self
    }
}

impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEvent")
            .field("event_id", &self.event_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What the body of a [withdrawal](OutboxKind::Withdrawal) says, as JSON: messages that are to be deleted.
///
/// ```
/// use telestore_store::Withdrawal;
/// use telestore_types::{StorageKey, StoredAs, StoredFile, StoredMessage};
///
/// let stored = StoredFile::new(StoredMessage::new(7, StoredAs::Mtproto { document_id: 70 }, 2_000));
/// let withdrawal = Withdrawal::new("MTProto", StorageKey::from_random([1; 16]), stored);
/// assert_eq!(Withdrawal::read(&withdrawal.to_json()), Some(withdrawal));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Withdrawal {
    /// The name of the backend that made the messages.
    pub backend: String,
    /// The life of the upload that they were made for: its token is sealed with it.
    pub key: StorageKey,
    /// The messages.
    pub stored: StoredFile,
    /// Whether they were a file that its user has deleted, and not those of a cancelled upload.
    #[serde(default)]
    pub of_file: bool,
}

impl Withdrawal {
    /// The messages in `stored`, which `backend` has made.
    pub fn new(backend: impl Into<String>, key: StorageKey, stored: StoredFile) -> Self {
        Self { backend: backend.into(), key, stored, of_file: false }
    }

    /// The same, of these messages.
    #[must_use]
    pub fn of_messages(self, stored: StoredFile) -> Self {
        Self { stored, ..self }
    }

    /// The same, of a file that its user has deleted.
    #[must_use]
    pub fn of_file(mut self) -> Self {
        self.of_file = true;
        self
    }

    /// Reads a body.
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// The body.
    pub fn to_json(&self) -> String {
        // Texts and numbers always make JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What the body of a [recall](OutboxKind::Recall) says, as JSON: how far a cancelled upload was, whose message may come yet.
///
/// ```
/// use telestore_store::Recall;
/// use telestore_types::{ResumeState, StorageKey};
///
/// let state = ResumeState::new("MTProto", *b"part 7");
/// let recall = Recall::new(StorageKey::from_random([1; 16]), 2_000, state);
/// assert_eq!(Recall::read(&recall.to_json()), Some(recall));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recall {
    /// The life of the upload: its token is sealed with it.
    pub key: StorageKey,
    /// How many bytes its file had.
    pub size: u64,
    /// When completion was asked for: the message is no older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Since when the chat was seen without the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_since: Option<Timestamp>,
    /// Who wrote the state.
    backend: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sender: Option<SenderId>,
    /// The state.
    #[serde(with = "hex")]
    state: Vec<u8>,
}

impl Recall {
    /// The message that may come of `state`, of a file of `size` bytes.
    pub fn new(key: StorageKey, size: u64, state: ResumeState) -> Self {
        let ResumeState { backend, sender, bytes: state, .. } = state;
        Self { key, size, since: None, absent_since: None, backend, sender, state }
    }

    /// The message that may come of `upload` if it is cancelled now; `None` if nothing was begun that could make one. Whether one
    /// can come is told by the backend that wrote the state.
    pub fn of(upload: &Upload) -> Option<Self> {
        let state =
            upload.resume.clone().filter(|state| !state.backend.is_empty() && !state.bytes.is_empty())?;
        // Before completion was asked for, no message is.
        let asked_for = upload.queued_at.is_some() && !upload.state.is_over();
        let recall =
            Self { since: upload.queued_at, ..Self::new(upload.key.clone(), upload.sent_size(), state) };
        asked_for.then_some(recall)
    }

    /// The same, after this state.
    #[must_use]
    pub fn at(self, state: ResumeState) -> Self {
        let (since, absent_since) = (self.since, self.absent_since);
        let sender = state.sender.clone().or(self.sender);
        Self { since, absent_since, ..Self::new(self.key, self.size, state.by(sender)) }
    }

    /// The same, seen not to be in the chat at `now` for the first time.
    #[must_use]
    pub fn absent(self, now: Timestamp) -> Self {
        Self { absent_since: Some(now), ..self }
    }

    /// How far the upload was.
    pub fn state(&self) -> ResumeState {
        ResumeState::new(self.backend.clone(), self.state.clone()).by(self.sender.clone())
    }

    /// Reads a body.
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// The body.
    pub fn to_json(&self) -> String {
        // Texts and numbers always make JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An event that one worker works on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxEvent {
    /// What is to be done.
    pub event: NewEvent,
    /// The upload that it tells of.
    pub upload_id: UploadId,
    /// How many deliveries have failed.
    pub attempt: u32,
    /// When the upload was finished.
    pub created_at: Timestamp,
    /// Tells this claim from every other one.
    pub claim: String,
}

impl OutboxEvent {
    /// An event about an upload, claimed under this name, of which no delivery has failed.
    pub fn new(
        event: NewEvent,
        upload_id: UploadId,
        claim: impl Into<String>,
        created_at: Timestamp,
    ) -> Self {
        Self { event, upload_id, attempt: 0, created_at, claim: claim.into() }
    }

    /// The same, after so many failed deliveries.
    #[must_use]
    pub fn after_attempts(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}
